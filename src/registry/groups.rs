//! `/v1/groups`: named sets of devices of one customer.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::entity::Ref;
use crate::http::access::{Reader, Tenant, Writer};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, ProblemBody, Result};
use crate::registry::audit::{self, Action};
use crate::registry::{check_kind, check_name, lock_stamping, lookup, put_status};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get, delete))
}

/// A named set of devices of one customer: an application, a gateway group, a site.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
pub struct Group {
    #[serde(skip)]
    group_id: i32,
    /// UUIDv7 given by the server.
    id: Uuid,
    /// Key chosen by the provider.
    #[schema(example = "acme-roof")]
    key: String,
    #[schema(example = "Roof")]
    name: String,
    /// Free text.
    #[schema(example = "site")]
    kind: String,
    /// Key of the customer whose devices it holds.
    #[schema(example = "acme-north")]
    customer: String,
    created_at: DateTime<Utc>,
    /// When anything of it last changed.
    updated_at: DateTime<Utc>,
}

/// What makes a group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutGroup {
    /// Name for people, 1 to 256 characters.
    #[schema(example = "Roof", min_length = 1, max_length = 256)]
    name: String,
    /// Key or id of the customer whose devices it holds.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-north")]
    customer: Ref,
    /// Free text, 1 to 64 characters; `group` when left out.
    #[schema(example = "site", min_length = 1, max_length = 64)]
    kind: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Only the groups of this customer itself, named by key or id.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-north")]
    customer: Option<Ref>,
    /// Only groups of this kind.
    #[param(example = "site")]
    kind: Option<String>,
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Make or replace a group
///
/// Leaving `kind` out means `group`. A group that has or had devices stays with its customer.
#[utoipa::path(put, path = "/v1/groups/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the group", example = "acme-roof")),
    request_body = PutGroup,
    responses(
        (status = 200, description = "Replaced", body = Group),
        (status = 201, description = "Created", body = Group),
        (status = 409, description = "`group_in_use`: it has or had devices, so it cannot go to another customer",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutGroup>,
) -> Result<(StatusCode, Json<Group>)> {
    check_name(&body.name)?;
    let kind = body.kind.as_deref().unwrap_or("group");
    check_kind(kind)?;
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let customer_id = lookup::customer(&mut db, &tenant, &body.customer, "/customer").await?;
    let before = look_up(&mut db, &tenant, &path.0).await?;
    let created: Option<bool> = sqlx::query_scalar(include_str!("../../sql/registry/groups/put.sql"))
        .bind(tenant.provider_id())
        .bind(path.0.key())
        .bind(path.0.id())
        .bind(Uuid::now_v7())
        .bind(customer_id)
        .bind(&body.name)
        .bind(kind)
        .fetch_optional(&mut *db)
        .await?;
    let created = created.ok_or_else(|| Problem::no_such("group", &path.0, None))?;
    let group = find(&mut db, &tenant, &path.0).await?;
    let actions = [Action::GroupCreate, Action::GroupUpdate];
    audit::write_put(&mut db, &tenant.by, actions, &group.key, before.as_ref(), &group).await?;
    db.commit().await?;
    Ok((put_status(created), Json(group)))
}

/// One group
#[utoipa::path(get, path = "/v1/groups/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the group", example = "acme-roof")),
    responses((status = 200, description = "The group", body = Group)))]
async fn get(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Group>> {
    let mut db = app.query.acquire().await?;
    find(&mut db, &tenant, &path.0).await.map(Json)
}

/// Groups, by key
#[utoipa::path(get, path = "/v1/groups", tag = "Registry", params(ListParameters),
    responses((status = 200, description = "A page of groups", body = Page<Group>)))]
async fn list(
    State(app): State<App>,
    Reader(tenant): Reader,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let mut db = app.query.acquire().await?;
    let customer_id = match &query.customer {
        Some(customer) => Some(lookup::customer(&mut db, &tenant, customer, "customer").await?),
        None => None,
    };
    let rows: Vec<Group> = tenant
        .seen_as(include_str!("../../sql/registry/groups/list.sql"))
        .bind(&window.after)
        .bind(customer_id)
        .bind(&query.kind)
        .bind(window.rows())
        .fetch_all(&mut *db)
        .await?;
    Ok(window.page(rows, |group| group.key.clone()).respond(&uri))
}

/// Delete a group
///
/// Only one that never had devices: figures of the past need their group.
#[utoipa::path(delete, path = "/v1/groups/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the group", example = "acme-roof")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 409, description = "`group_in_use`: it has or had devices",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let group = find(&mut db, &tenant, &path.0).await?;
    sqlx::query(include_str!("../../sql/registry/groups/delete.sql")).bind(group.group_id).execute(&mut *db).await?;
    let entry = audit::Entry { entity: &group.key, before: Some(audit::shown(&group)?), after: None };
    audit::write(&mut db, &tenant.by, Action::GroupDelete, &[entry]).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<Group> {
    look_up(db, tenant, name).await?.ok_or_else(|| Problem::no_such("group", name, None))
}

async fn look_up(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> sqlx::Result<Option<Group>> {
    tenant
        .seen_as(include_str!("../../sql/registry/groups/get.sql"))
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(db)
        .await
}
