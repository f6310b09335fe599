//! `/v1/customers`: who owns devices, and who is below whom.

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
use crate::core::period::Anchor;
use crate::http::access::{Reader, Tenant, Writer};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, ProblemBody, Result};
use crate::registry::audit::{self, Action};
use crate::registry::{
    calendars, check_name, check_time_zone, like_anywhere, lock_stamping, lookup, put_status, time_zones,
};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get, delete))
}

/// A customer or sub-customer.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
pub struct Customer {
    #[serde(skip)]
    pub customer_id: i32,
    /// UUIDv7 given by the server.
    id: Uuid,
    /// Key chosen by the provider.
    #[schema(example = "acme-north")]
    pub key: String,
    #[schema(example = "Acme North")]
    name: String,
    /// Key of the customer above; null at the top, and at the top of what the caller sees.
    #[schema(required, example = "acme")]
    parent: Option<String>,
    /// Billing time zone of its own today; null when it inherits. `GET /v1/customers/{key}/time-zone` shows all.
    #[schema(required, example = json!(null))]
    time_zone: Option<String>,
    /// Billing time zone that holds today: its own, or that of the nearest customer above, or the provider's.
    #[schema(example = "Europe/Paris")]
    billing_time_zone: String,
    /// Day of the month on which its billing months begin, as said of it; null when it inherits.
    #[schema(required, example = json!(null), minimum = 1, maximum = 28)]
    billing_anchor: Option<i16>,
    /// Day of the month on which its billing months begin: its own, or that of the nearest customer above, or 1.
    #[schema(example = 1, minimum = 1, maximum = 28)]
    billing_month_anchor: i32,
    created_at: DateTime<Utc>,
    /// When anything of it last changed.
    updated_at: DateTime<Utc>,
}

/// What makes a customer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutCustomer {
    /// Name for people, 1 to 256 characters.
    #[schema(example = "Acme North", min_length = 1, max_length = 256)]
    name: String,
    /// Key or id of the customer above; none when left out.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme")]
    parent: Option<Ref>,
    /// IANA time zone; inherited from above when left out.
    #[schema(example = "Europe/Paris")]
    time_zone: Option<String>,
    /// Day of the month on which billing months begin, 1 to 28: with 5 they are from the 5th to the 5th. Inherited from
    /// above when left out, and 1 at the top.
    #[schema(example = 1, minimum = 1, maximum = 28)]
    billing_anchor: Option<i64>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Only the customers directly below this one, named by key or id.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme")]
    parent: Option<Ref>,
    /// Only customers with this text in key or name; A and a are the same.
    #[param(example = "north")]
    q: Option<String>,
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Make or replace a customer
///
/// What is left out takes its default: without `parent` the customer is at the top, without `time_zone` or
/// `billing_anchor` it inherits. A `time_zone` other than the one that is shown replaces all that was said of it before,
/// for all days; once there are readings, nothing here may change the billing days that they have:
/// `POST /v1/customers/{key}/time-zone` changes the time zone from a day on. `billing_anchor` may change at any time: it
/// decides only how days are put together to months when figures are asked for.
#[utoipa::path(put, path = "/v1/customers/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the customer", example = "acme-north")),
    request_body = PutCustomer,
    responses(
        (status = 200, description = "Replaced", body = Customer),
        (status = 201, description = "Created", body = Customer),
        (status = 409, description = "`customer_cycle`: the parent is the customer itself or below it. `time_zone_in_use`: the billing days of readings would change",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutCustomer>,
) -> Result<(StatusCode, Json<Customer>)> {
    check_name(&body.name)?;
    body.time_zone.as_deref().map(check_time_zone).transpose()?;
    if body.billing_anchor.is_some_and(|day| Anchor::new(day).is_none()) {
        return Err(Problem::field("/billing_anchor", "1 to 28: a day that every month has"));
    }
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let parent_id = match &body.parent {
        Some(parent) => Some(lookup::customer(&mut db, &tenant, parent, "/parent").await?),
        None => None,
    };
    let before = match look_up(&mut db, &tenant, &path.0).await? {
        Some(before) => Some((time_zones::stretches(&mut db, before.customer_id).await?, before)),
        None => None,
    };
    let same_zone = before.as_ref().is_some_and(|(_, before)| before.time_zone == body.time_zone);
    let created: Option<bool> = sqlx::query_scalar(include_str!("../../sql/registry/customers/put.sql"))
        .bind(tenant.provider_id())
        .bind(path.0.key())
        .bind(path.0.id())
        .bind(Uuid::now_v7())
        .bind(&body.name)
        .bind(parent_id)
        .bind(&body.time_zone)
        .bind(same_zone)
        .bind(body.billing_anchor)
        .fetch_optional(&mut *db)
        .await?;
    let created = created.ok_or_else(|| Problem::no_such("customer", &path.0, None))?;
    if let Some((calendar, before)) = &before {
        if !same_zone {
            time_zones::forget(&mut db, before.customer_id).await?;
        }
        if time_zones::stretches(&mut db, before.customer_id).await? != *calendar {
            calendars::check_unbilled(&mut db, tenant.provider_id(), Some(before.customer_id)).await?;
        }
    }
    let customer = find(&mut db, &tenant, &path.0).await?;
    let (actions, before) = ([Action::CustomerCreate, Action::CustomerUpdate], before.map(|(_, before)| before));
    audit::write_put(&mut db, &tenant.by, actions, &customer.key, before.as_ref(), &customer).await?;
    db.commit().await?;
    Ok((put_status(created), Json(customer)))
}

/// One customer
#[utoipa::path(get, path = "/v1/customers/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the customer", example = "acme-north")),
    responses((status = 200, description = "The customer", body = Customer)))]
async fn get(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Customer>> {
    let mut db = app.query.acquire().await?;
    find(&mut db, &tenant, &path.0).await.map(Json)
}

/// Customers, by key
#[utoipa::path(get, path = "/v1/customers", tag = "Registry", params(ListParameters),
    responses((status = 200, description = "A page of customers", body = Page<Customer>)))]
async fn list(
    State(app): State<App>,
    Reader(tenant): Reader,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let mut db = app.query.acquire().await?;
    let parent_id = match &query.parent {
        Some(parent) => Some(lookup::customer(&mut db, &tenant, parent, "parent").await?),
        None => None,
    };
    let rows: Vec<Customer> = tenant
        .seen_as(include_str!("../../sql/registry/customers/list.sql"))
        .bind(&window.after)
        .bind(parent_id)
        .bind(query.q.as_deref().map(like_anywhere))
        .bind(window.rows())
        .fetch_all(&mut *db)
        .await?;
    Ok(window.page(rows, |customer| customer.key.clone()).respond(&uri))
}

/// Delete a customer
///
/// Only one that never had anything: figures of the past need their owner.
#[utoipa::path(delete, path = "/v1/customers/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the customer", example = "acme-north")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 409, description = "`customer_in_use`: it has sub-customers, groups or readings, or has or had devices",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let customer = find(&mut db, &tenant, &path.0).await?;
    sqlx::query(include_str!("../../sql/registry/customers/delete.sql"))
        .bind(customer.customer_id)
        .execute(&mut *db)
        .await?;
    let entry = audit::Entry { entity: &customer.key, before: Some(audit::shown(&customer)?), after: None };
    audit::write(&mut db, &tenant.by, Action::CustomerDelete, &[entry]).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<Customer> {
    look_up(db, tenant, name).await?.ok_or_else(|| Problem::no_such("customer", name, None))
}

/// The customer that the caller names at `pointer`.
pub async fn named(db: &mut PgConnection, tenant: &Tenant, name: &Ref, pointer: &str) -> Result<Customer> {
    look_up(db, tenant, name).await?.ok_or_else(|| Problem::no_such("customer", name, Some(pointer)))
}

async fn look_up(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> sqlx::Result<Option<Customer>> {
    tenant
        .seen_as(include_str!("../../sql/registry/customers/get.sql"))
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(db)
        .await
}
