//! `/v1/enrollments`: devices that registered themselves, and those that wait for approval.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::enroll::stored::{self, Enrollment, State as Is};
use crate::http::access::{Overseer, Writer};
use crate::http::extract::{NoParameters, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, ProblemBody, Result};
use crate::registry::lock_stamping;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(approve))
        .routes(routes!(refuse))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Only those that are so far.
    #[param(inline, example = "pending")]
    state: Option<Is>,
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Enrollments
///
/// Oldest first.
#[utoipa::path(get, path = "/v1/enrollments", tag = "Devices", params(ListParameters),
    responses((status = 200, description = "A page of enrollments", body = Page<Enrollment>)))]
async fn list(
    State(app): State<App>,
    Overseer(tenant): Overseer,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let behind = window.behind(|number| number.parse().ok())?.unwrap_or(0);
    let mut db = app.query.acquire().await?;
    let provider_id = Some(tenant.provider_id());
    let rows = stored::list(&mut db, provider_id, query.state, behind, Some(window.rows())).await?;
    Ok(window.page(rows, |enrollment| enrollment.enrollment_id.to_string()).respond(&uri))
}

/// One enrollment
#[utoipa::path(get, path = "/v1/enrollments/{id}", tag = "Devices",
    params(("id" = uuid::Uuid, Path, description = "Id of the enrollment")),
    responses((status = 200, description = "The enrollment", body = Enrollment)))]
async fn get(
    State(app): State<App>,
    Overseer(tenant): Overseer,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Enrollment>> {
    let mut db = app.query.acquire().await?;
    let found = match id.parse() {
        Ok(uuid) => stored::find(&mut db, Some(tenant.provider_id()), uuid).await?,
        Err(_) => None,
    };
    found.map(Json).ok_or_else(|| no_such(&id))
}

/// Approve an enrollment
///
/// The device is registered for the token's customer and group, unless it is registered already: then it stays whose it is,
/// and gets the model, firmware and serial number that it told. What it posted so far counts within a second or so. Doing it
/// again changes nothing.
#[utoipa::path(post, path = "/v1/enrollments/{id}/approve", tag = "Devices",
    params(("id" = uuid::Uuid, Path, description = "Id of the enrollment")),
    responses(
        (status = 200, description = "Approved", body = Enrollment),
        (status = 409, description = "`enrollment_decided`: it was refused",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn approve(
    State(app): State<App>,
    Writer(tenant): Writer,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Enrollment>> {
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let enrollment = locked(&mut db, tenant.provider_id(), &id).await?;
    stored::approve(&mut db, &tenant, &enrollment).await?;
    let enrollment = locked(&mut db, tenant.provider_id(), &id).await?;
    db.commit().await?;
    Ok(Json(enrollment))
}

/// Refuse an enrollment
///
/// The device's key is revoked, and its enrollment refused when it asks again. What it posted stays in quarantine until it is
/// deleted there, or has been there long enough. Doing it again changes nothing.
#[utoipa::path(post, path = "/v1/enrollments/{id}/refuse", tag = "Devices",
    params(("id" = uuid::Uuid, Path, description = "Id of the enrollment")),
    responses(
        (status = 200, description = "Refused", body = Enrollment),
        (status = 409, description = "`enrollment_decided`: it was approved",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn refuse(
    State(app): State<App>,
    Writer(tenant): Writer,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Enrollment>> {
    let mut db = app.query.begin().await?;
    let enrollment = locked(&mut db, tenant.provider_id(), &id).await?;
    stored::refuse(&mut db, &tenant.by, &enrollment).await?;
    let enrollment = locked(&mut db, tenant.provider_id(), &id).await?;
    db.commit().await?;
    Ok(Json(enrollment))
}

/// Delete an enrollment
///
/// The key that the device got is revoked. A device that is registered stays so, with its readings. It may enroll once more,
/// as one that lost its secret has to: that then waits for approval where the device is registered.
#[utoipa::path(delete, path = "/v1/enrollments/{id}", tag = "Devices",
    params(("id" = uuid::Uuid, Path, description = "Id of the enrollment")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let mut db = app.query.begin().await?;
    let enrollment = locked(&mut db, tenant.provider_id(), &id).await?;
    stored::forget(&mut db, &tenant.by, &enrollment).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn locked(db: &mut PgConnection, provider_id: i32, id: &str) -> Result<Enrollment> {
    let uuid = id.parse().map_err(|_| no_such(id))?;
    stored::lock(db, Some(provider_id), uuid).await?.ok_or_else(|| no_such(id))
}

fn no_such(id: &str) -> Problem {
    Problem::no_such("enrollment", id, None)
}
