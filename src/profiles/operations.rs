//! `/v1/profiles`: products of meters, as a provider describes them.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json as Kept;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::entity::Ref;
use crate::http::access::{Overseer, Tenant, Writer};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, ProblemBody, Result};
use crate::profiles::definition::Definition;
use crate::profiles::sent::PutProfile;
use crate::registry::audit::{self, Action};
use crate::registry::put_status;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get, delete))
}

/// A product of meters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
pub struct ShownProfile {
    /// UUIDv7 given by the server.
    id: Uuid,
    /// Key chosen by the provider.
    #[schema(example = "smart-meter")]
    key: String,
    /// From 1; each change makes another one.
    #[schema(example = 3)]
    version: i32,
    #[schema(example = "Smart meter with a P1 port")]
    name: String,
    #[serde(flatten)]
    definition: Definition,
    created_at: DateTime<Utc>,
    /// Since when this version holds, or held.
    updated_at: DateTime<Utc>,
}

/// The profile as the database has it.
#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    key: String,
    version: i32,
    name: String,
    definition: Kept<Definition>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for ShownProfile {
    fn from(row: Row) -> Self {
        let Row { id, key, version, name, definition: Kept(definition), created_at, updated_at } = row;
        Self { id, key, version, name, definition, created_at, updated_at }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct GetParameters {
    /// A version; the one that holds when left out.
    #[param(value_type = Option<i32>, minimum = 1, example = 1)]
    version: Option<String>,
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

/// Make or replace a profile
///
/// A profile says in which language devices of a product send what they read, which metric each value is of, and what those
/// devices are told to do. Each change makes another version, and holds for what devices send from then on: readings that are
/// stored stay as they are. To put what there is already changes nothing.
///
/// A profile holds for the devices that name it, and for those that name none whose model and firmware it recognises. Of
/// several that do, one that says what firmware goes before one that does not; then the one whose patterns have more
/// characters that stand for themselves; then the first by key.
///
/// The factor of a value is settled when the profile is put: from the unit that the metric has then, which must be so many of
/// the field's as a decimal can say exactly (`kWh` is 3.6 `MJ`, and a `MJ` not exactly so many `kWh`). Values are rounded once,
/// to the decimals of their metric.
#[utoipa::path(put, path = "/v1/profiles/{key}", tag = "Devices",
    params(("key" = String, Path, description = "Key or id of the profile", example = "smart-meter")),
    request_body(content = PutProfile, examples(
        ("P1" = (summary = "A smart meter with a P1 port: two tariffs, and gas on whichever channel it is", value = json!({
            "name": "Smart meter with a P1 port", "match": {"model": "MB-05?"}, "format": "p1", "interval": "15m",
            "fields": [
                {"from": "1-0:1.8.1", "metric": "energy", "unit": "kWh", "dimensions": {"tariff": "low"}},
                {"from": "1-0:1.8.2", "metric": "energy", "unit": "kWh", "dimensions": {"tariff": "normal"}},
                {"from": "0-n:24.2.1", "device_type": 3, "metric": "gas", "unit": "m3", "optional": true}]}))),
        ("JSON" = (summary = "A heat meter that sends samples in JSON", value = json!({
            "name": "Heat meter", "match": {"model": "HM-*", "firmware": "2.*"}, "format": "json", "records": "/samples",
            "time": {"from": "/t", "format": "unix"}, "interval": "1h", "settings": {"display": "off"},
            "fields": [{"from": "/total", "metric": "heat", "kind": "register", "unit": "MJ"}]}))))),
    responses(
        (status = 200, description = "Replaced, or as it was", body = ShownProfile),
        (status = 201, description = "Created", body = ShownProfile)))]
async fn put(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutProfile>,
) -> Result<(StatusCode, Json<ShownProfile>)> {
    let name = body.name.clone();
    let mut db = app.query.begin().await?;
    let definition = body.definition(&mut db, &tenant).await?;
    let patterns = definition.patterns()?;
    let (model, firmware) = patterns.map_or((None, None), |(model, firmware)| (Some(model), firmware));
    let literals: usize = [&model, &firmware].into_iter().flatten().map(|pattern| pattern.literals()).sum();
    let before = look_up(&mut db, &tenant, &path.0, None).await?;
    let created: Option<bool> = sqlx::query_scalar(include_str!("../../sql/profiles/put.sql"))
        .bind(tenant.provider_id())
        .bind(path.0.key())
        .bind(path.0.id())
        .bind(Uuid::now_v7())
        .bind(&name)
        .bind(model.map(|pattern| pattern.like()))
        .bind(firmware.map(|pattern| pattern.like()))
        .bind(i32::try_from(literals).map_err(Problem::internal)?)
        .bind(Kept(&definition))
        .fetch_optional(&mut *db)
        .await?;
    let after = find(&mut db, &tenant, &path.0, None).await?;
    let actions = [Action::ProfileCreate, Action::ProfileUpdate];
    audit::write_put(&mut db, &tenant.by, actions, &after.key, before.as_ref(), &after).await?;
    db.commit().await?;
    Ok((put_status(created == Some(true)), Json(after)))
}

/// One profile
///
/// The version that holds, or with `version` any.
#[utoipa::path(get, path = "/v1/profiles/{key}", tag = "Devices",
    params(("key" = String, Path, description = "Key or id of the profile", example = "smart-meter"), GetParameters),
    responses((status = 200, description = "The profile", body = ShownProfile)))]
async fn get(
    State(app): State<App>,
    Overseer(tenant): Overseer,
    path: PathRef,
    Query(query): Query<GetParameters>,
) -> Result<Json<ShownProfile>> {
    let version = match query.version.as_deref().map(str::parse) {
        None => None,
        Some(Ok(version @ 1..)) => Some(version),
        Some(_) => return Err(Problem::parameter("version", "a number from 1")),
    };
    let mut db = app.query.acquire().await?;
    find(&mut db, &tenant, &path.0, version).await.map(Json)
}

/// Profiles, by key
#[utoipa::path(get, path = "/v1/profiles", tag = "Devices", params(ListParameters),
    responses((status = 200, description = "A page of profiles", body = Page<ShownProfile>)))]
async fn list(
    State(app): State<App>,
    Overseer(tenant): Overseer,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let rows: Vec<Row> = tenant
        .query_as(include_str!("../../sql/profiles/list.sql"))
        .bind(&window.after)
        .bind(window.rows())
        .fetch_all(&app.query)
        .await?;
    let profiles = rows.into_iter().map(ShownProfile::from).collect();
    Ok(window.page(profiles, |profile: &ShownProfile| profile.key.clone()).respond(&uri))
}

/// Delete a profile
///
/// With all its versions; what it said is in the audit. Readings that came by it stay. Devices that it recognised have
/// another one or none from then on.
#[utoipa::path(delete, path = "/v1/profiles/{key}", tag = "Devices",
    params(("key" = String, Path, description = "Key or id of the profile", example = "smart-meter")),
    responses(
        (status = 204, description = "Deleted"),
        (status = 409, description = "`profile_in_use`: devices name it",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let mut db = app.query.begin().await?;
    let before = find(&mut db, &tenant, &path.0, None).await?;
    sqlx::query(include_str!("../../sql/profiles/delete.sql"))
        .bind(tenant.provider_id())
        .bind(&before.key)
        .execute(&mut *db)
        .await?;
    let entry = audit::Entry { entity: &before.key, before: Some(audit::shown(&before)?), after: None };
    audit::write(&mut db, &tenant.by, Action::ProfileDelete, &[entry]).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref, version: Option<i32>) -> Result<ShownProfile> {
    let found = look_up(db, tenant, name, version).await?;
    found.ok_or_else(|| match version {
        Some(version) => Problem::no_such("profile", format!("{name} with version {version}"), None),
        None => Problem::no_such("profile", name, None),
    })
}

async fn look_up(
    db: &mut PgConnection,
    tenant: &Tenant,
    name: &Ref,
    version: Option<i32>,
) -> sqlx::Result<Option<ShownProfile>> {
    let found: Option<Row> = tenant
        .query_as(include_str!("../../sql/profiles/get.sql"))
        .bind(name.key())
        .bind(name.id())
        .bind(version)
        .fetch_optional(db)
        .await?;
    Ok(found.map(ShownProfile::from))
}
