//! `/v1/providers`: the tenants. Admin keys make and list them; a provider's own keys may look at their provider.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::http::access::Admin;
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, Result};
use crate::registry::{Put, check_name, check_time_zone};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get))
}

/// A tenant.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
pub struct Provider {
    /// UUIDv7 given by the server.
    id: Uuid,
    /// Key chosen by the operator.
    #[schema(example = "northwind")]
    key: String,
    #[schema(example = "Northwind Energy")]
    name: String,
    /// Billing time zone of customers without one of their own.
    #[schema(example = "Europe/Paris")]
    time_zone: String,
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
/// Leaving `time_zone` out means UTC.
#[utoipa::path(put, path = "/v1/providers/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the provider", example = "northwind")),
    request_body = PutProvider,
    responses(
        (status = 200, description = "Replaced", body = Provider),
        (status = 201, description = "Created", body = Provider)))]
async fn put(
    State(app): State<App>,
    _: Admin,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutProvider>,
) -> Result<(StatusCode, Json<Provider>)> {
    check_name(&body.name)?;
    let time_zone = body.time_zone.as_deref().unwrap_or("UTC");
    check_time_zone(time_zone)?;
    let put: Option<Put<Provider>> = sqlx::query_as(include_str!("../../sql/registry/providers/put.sql"))
        .bind(path.0.key())
        .bind(path.0.id())
        .bind(Uuid::now_v7())
        .bind(&body.name)
        .bind(time_zone)
        .fetch_optional(&app.query)
        .await?;
    put.map(Put::answer).ok_or_else(|| Problem::no_such("provider", &path.0, None))
}

/// One provider
#[utoipa::path(get, path = "/v1/providers/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the provider", example = "northwind")),
    responses((status = 200, description = "The provider", body = Provider)))]
async fn get(
    State(app): State<App>,
    _: Admin,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Provider>> {
    let found: Option<Provider> = sqlx::query_as(include_str!("../../sql/registry/providers/get.sql"))
        .bind(path.0.key())
        .bind(path.0.id())
        .fetch_optional(&app.query)
        .await?;
    found.map(Json).ok_or_else(|| Problem::no_such("provider", &path.0, None))
}

/// All providers, by key
#[utoipa::path(get, path = "/v1/providers", tag = "Registry", params(ListParameters),
    responses((status = 200, description = "A page of providers", body = Page<Provider>)))]
async fn list(State(app): State<App>, _: Admin, uri: Uri, Query(query): Query<ListParameters>) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let rows: Vec<Provider> = sqlx::query_as(include_str!("../../sql/registry/providers/list.sql"))
        .bind(&window.after)
        .bind(window.rows())
        .fetch_all(&app.query)
        .await?;
    Ok(window.page(rows, |provider| provider.key.clone()).respond(&uri))
}
