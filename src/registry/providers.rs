//! `/v1/providers`: the tenants. Admin keys make and list them; a provider's own keys may look at their provider.

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
use crate::http::access::{Admin, ProviderReader};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::registry::audit::{self, Action, By};
use crate::registry::{Put, calendars, check_name, check_time_zone, lock_stamping};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get))
}

/// A tenant.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
pub struct Provider {
    #[serde(skip)]
    provider_id: i32,
    /// UUIDv7 given by the server.
    pub id: Uuid,
    /// Key chosen by the operator.
    #[schema(example = "northwind")]
    pub key: String,
    #[schema(example = "Northwind Energy")]
    pub name: String,
    /// Billing time zone of customers without one of their own.
    #[schema(example = "Europe/Paris")]
    pub time_zone: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What makes a provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutProvider {
    /// Name for people, 1 to 256 characters.
    #[schema(example = "Northwind Energy", min_length = 1, max_length = 256)]
    name: String,
    /// IANA time zone; UTC when left out.
    #[schema(example = "Europe/Paris")]
    time_zone: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Make or replace a provider
///
/// Leaving `time_zone` out means UTC. It cannot change once customers that inherit it have readings.
#[utoipa::path(put, path = "/v1/providers/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the provider", example = "northwind")),
    request_body = PutProvider,
    responses(
        (status = 200, description = "Replaced", body = Provider),
        (status = 201, description = "Created", body = Provider),
        (status = 409, description = "`time_zone_in_use`: the billing time zone of readings would change",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    admin: Admin,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutProvider>,
) -> Result<(StatusCode, Json<Provider>)> {
    check_name(&body.name)?;
    let time_zone = body.time_zone.as_deref().unwrap_or("UTC");
    check_time_zone(time_zone)?;
    let mut db = app.query.begin().await?;
    let before = lock(&mut db, &path.0).await?;
    let put: Option<Put<Provider>> = sqlx::query_as(include_str!("../../sql/registry/providers/put.sql"))
        .bind(path.0.key())
        .bind(path.0.id())
        .bind(Uuid::now_v7())
        .bind(&body.name)
        .bind(time_zone)
        .fetch_optional(&mut *db)
        .await?;
    let put = put.ok_or_else(|| Problem::no_such("provider", &path.0, None))?;
    match &before {
        Some(before) if before.time_zone != put.entity.time_zone => {
            calendars::check_unbilled(&mut db, before.provider_id, None).await?;
        }
        None if !put.created => return Err(Problem::new(Code::Conflict, "the provider was made at the same time")),
        _ => {}
    }
    let by = By { provider_id: Some(put.entity.provider_id), ..admin.by };
    let actions = [Action::ProviderCreate, Action::ProviderUpdate];
    audit::write_put(&mut db, &by, actions, &put.entity.key, before.as_ref(), &put.entity).await?;
    db.commit().await?;
    Ok(put.answer())
}

/// One provider
///
/// A provider's own key sees its provider, and no other.
#[utoipa::path(get, path = "/v1/providers/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the provider", example = "northwind")),
    responses((status = 200, description = "The provider", body = Provider)))]
async fn get(
    State(app): State<App>,
    caller: ProviderReader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Provider>> {
    let mut db = app.query.acquire().await?;
    let found = find(&mut db, &path.0, caller.provider_id).await?;
    found.map(Json).ok_or_else(|| Problem::no_such("provider", &path.0, None))
}

/// Providers, by key
///
/// Admin keys see all, a provider's own key sees its provider.
#[utoipa::path(get, path = "/v1/providers", tag = "Registry", params(ListParameters),
    responses((status = 200, description = "A page of providers", body = Page<Provider>)))]
async fn list(
    State(app): State<App>,
    caller: ProviderReader,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let rows: Vec<Provider> = sqlx::query_as(include_str!("../../sql/registry/providers/list.sql"))
        .bind(&window.after)
        .bind(caller.provider_id)
        .bind(window.rows())
        .fetch_all(&app.query)
        .await?;
    Ok(window.page(rows, |provider| provider.key.clone()).respond(&uri))
}

/// The provider that is there already, as it is once nobody else can change what readings are stamped with.
async fn lock(db: &mut PgConnection, name: &Ref) -> sqlx::Result<Option<Provider>> {
    let Some(provider) = find(db, name, None).await? else { return Ok(None) };
    lock_stamping(db, provider.provider_id).await?;
    find(db, name, None).await
}

/// The provider of this name: any, or only the caller's own.
pub async fn find(db: &mut PgConnection, name: &Ref, own: Option<i32>) -> sqlx::Result<Option<Provider>> {
    sqlx::query_as(include_str!("../../sql/registry/providers/get.sql"))
        .bind(name.key())
        .bind(name.id())
        .bind(own)
        .fetch_optional(db)
        .await
}
