//! `/v1/devices`: anything metered.

use std::collections::HashMap;

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
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::registry::audit::{self, Action};
use crate::registry::device_set::{self, Done, Product, Wanted};
use crate::registry::ownership::Owner;
use crate::registry::{check_kind, check_text, like_anywhere, lock_stamping, lookup, moment, put_status};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get, delete))
}

/// The kind of a device that says none.
pub const DEFAULT_KIND: &str = "device";

/// Anything metered: a device, a gateway, an integration.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
pub struct Device {
    #[serde(skip)]
    pub device_id: i32,
    /// UUIDv7 given by the server.
    id: Uuid,
    /// Key chosen by the provider.
    #[schema(example = "meter-0001")]
    pub key: String,
    /// Name for people; null when none was given.
    #[schema(required, example = "Main meter")]
    name: Option<String>,
    /// `device`, `gateway`, `integration` or free text.
    #[schema(example = "device")]
    kind: String,
    /// Key of the customer that owns it; of a retired device the last one.
    #[schema(example = "acme-north")]
    customer: String,
    /// Key of the group it is in; null for none.
    #[schema(required, example = "acme-roof")]
    group: Option<String>,
    /// What product it is; null where that is not known.
    #[schema(required, example = "MB-050")]
    model: Option<String>,
    /// Version of its firmware; null where that is not known.
    #[schema(required, example = "5.0.2")]
    firmware: Option<String>,
    /// Its serial number; null where that is not known.
    #[schema(required, example = "MB050-000001")]
    serial: Option<String>,
    /// Key of the profile that it was given; null for the one that recognises its model and firmware.
    #[schema(required, example = json!(null))]
    profile: Option<String>,
    /// Since when it is retired; null while it is in service.
    #[schema(required, example = json!(null))]
    pub retired_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// When anything of it last changed, its owner included.
    updated_at: DateTime<Utc>,
}

/// What makes a device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutDevice {
    /// Key or id of the customer that owns it.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-north")]
    customer: Ref,
    /// Key or id of a group of that customer; none when left out.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-roof")]
    group: Option<Ref>,
    /// `gateway`, `integration` or free text, 1 to 64 characters; `device` when left out.
    #[schema(example = "device", min_length = 1, max_length = 64, default = "device")]
    kind: Option<String>,
    /// Name for people, 1 to 256 characters; none when left out.
    #[schema(example = "Main meter", min_length = 1, max_length = 256)]
    name: Option<String>,
    /// What product it is, as its maker calls it, 1 to 128 characters; unknown when left out.
    #[schema(example = "MB-050", min_length = 1, max_length = 128)]
    model: Option<String>,
    /// Version of its firmware, 1 to 128 characters; unknown when left out.
    #[schema(example = "5.0.2", min_length = 1, max_length = 128)]
    firmware: Option<String>,
    /// Its serial number, 1 to 128 characters; unknown when left out.
    #[schema(example = "MB050-000001", min_length = 1, max_length = 128)]
    serial: Option<String>,
    /// Key or id of the profile that holds for it; when left out, that is the one that recognises its model and firmware.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "smart-meter")]
    profile: Option<Ref>,
}

/// Which devices a list shows.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Retired {
    /// Those in service.
    #[default]
    False,
    /// Those retired.
    True,
    /// All.
    Any,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Only the devices of this customer itself, named by key or id.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-north")]
    customer: Option<Ref>,
    /// Only the devices in this group, named by key or id.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-roof")]
    group: Option<Ref>,
    /// Only devices of this kind.
    #[param(example = "gateway")]
    kind: Option<String>,
    /// Only devices with this text in key or name; A and a are the same.
    #[param(example = "meter")]
    q: Option<String>,
    /// Whether to list the devices in service (`false`, the default), the retired ones (`true`), or both (`any`).
    #[param(inline, value_type = Option<Retired>)]
    #[serde(default)]
    retired: Retired,
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Make or replace a device
///
/// What is left out takes its default: without `group` the device is in none. Another customer or group means a move
/// as of now; `POST /v1/devices/{key}/moves` can date it back. A new device owns whatever history is sent for it. A
/// retired device is in service again from now on.
#[utoipa::path(put, path = "/v1/devices/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-0001")),
    request_body = PutDevice,
    responses(
        (status = 200, description = "Replaced", body = Device),
        (status = 201, description = "Created", body = Device),
        (status = 409, description = "`group_of_another_customer`: the group is not one of this customer",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutDevice>,
) -> Result<(StatusCode, Json<Device>)> {
    let kind = body.kind.as_deref().unwrap_or(DEFAULT_KIND);
    check_description(kind, body.name.as_deref())?;
    let product = Product {
        model: body.model.as_deref(),
        firmware: body.firmware.as_deref(),
        serial: body.serial.as_deref(),
        profile_id: None,
    };
    check_product(&product)?;
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let owner = owner(&mut db, &tenant, &body.customer, body.group.as_ref()).await?;
    let profile_id = match &body.profile {
        Some(name) => Some(lookup::profile(&mut db, &tenant, name, "/profile").await?),
        None => None,
    };
    let key = match &path.0 {
        Ref::Key(key) => key.to_string(),
        Ref::Id(_) => find(&mut db, &tenant, &path.0).await?.key,
    };
    let at = moment(&mut db).await?;
    let product = Product { profile_id, ..product };
    let wanted = Wanted { key: &key, name: body.name.as_deref(), kind, owner, product };
    let done = device_set::put(&mut db, &tenant, at, &[wanted]).await?;
    let device = find(&mut db, &tenant, &path.0).await?;
    db.commit().await?;
    Ok((put_status(done.iter().any(|(_, done)| *done == Done::Created)), Json(device)))
}

/// One device
///
/// Also a retired one.
#[utoipa::path(get, path = "/v1/devices/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-0001")),
    responses((status = 200, description = "The device", body = Device)))]
async fn get(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Device>> {
    let mut db = app.query.acquire().await?;
    find(&mut db, &tenant, &path.0).await.map(Json)
}

/// Devices, by key
#[utoipa::path(get, path = "/v1/devices", tag = "Registry", params(ListParameters),
    responses((status = 200, description = "A page of devices", body = Page<Device>)))]
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
    let group_id = match &query.group {
        Some(group) => Some(lookup::group(&mut db, &tenant, group, "group").await?.group_id),
        None => None,
    };
    let retired = match query.retired {
        Retired::False => Some(false),
        Retired::True => Some(true),
        Retired::Any => None,
    };
    let of_all = include_str!("../../sql/registry/devices/list.sql");
    let of_owner = include_str!("../../sql/registry/devices/list_owned.sql");
    let owner_named = customer_id.is_some() || group_id.is_some() || tenant.seen().is_some();
    let statement = if owner_named { tenant.seen_as(of_owner) } else { tenant.query_as(of_all) };
    let mut statement = statement
        .bind(&window.after)
        .bind(&query.kind)
        .bind(query.q.as_deref().map(like_anywhere))
        .bind(retired)
        .bind(window.rows());
    if owner_named {
        statement = statement.bind(customer_id).bind(group_id);
    }
    let rows: Vec<Device> = statement.fetch_all(&mut *db).await?;
    Ok(window.page(rows, |device| device.key.clone()).respond(&uri))
}

/// Retire a device
///
/// Its service ends now; its history stays. Doing it again changes nothing. `PUT` puts it into service again.
#[utoipa::path(delete, path = "/v1/devices/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-0001")),
    responses((status = 204, description = "Retired")))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let before = find(&mut db, &tenant, &path.0).await?;
    if before.retired_at.is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let at = moment(&mut db).await?;
    sqlx::query(include_str!("../../sql/registry/devices/retire.sql"))
        .bind(before.device_id)
        .bind(at)
        .execute(&mut *db)
        .await?;
    let after = find(&mut db, &tenant, &path.0).await?;
    let entry =
        audit::Entry { entity: &before.key, before: Some(audit::shown(&before)?), after: Some(audit::shown(&after)?) };
    audit::write(&mut db, &tenant.by, Action::DeviceRetire, &[entry]).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Devices by their ids.
pub async fn of_ids(db: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<HashMap<Uuid, Device>> {
    let devices: Vec<Device> =
        sqlx::query_as(include_str!("../../sql/registry/devices/of_ids.sql")).bind(ids).fetch_all(db).await?;
    Ok(devices.into_iter().map(|device| (device.id, device)).collect())
}

/// The device that a path names.
pub async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<Device> {
    let found: Option<Device> = tenant
        .seen_as(include_str!("../../sql/registry/devices/get.sql"))
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(db)
        .await?;
    found.ok_or_else(|| Problem::no_such("device", name, None))
}

/// What a device's kind and name may be.
pub fn check_description(kind: &str, name: Option<&str>) -> Result<()> {
    check_kind(kind)?;
    name.map_or(Ok(()), |name| check_text("/name", name, 1..=256))
}

/// What a device's model, firmware and serial number may be.
pub fn check_product(product: &Product<'_>) -> Result<()> {
    let texts = [("/model", product.model), ("/firmware", product.firmware), ("/serial", product.serial)];
    texts.into_iter().try_for_each(|(pointer, text)| text.map_or(Ok(()), |text| check_text(pointer, text, 1..=128)))
}

/// The owner that a body names.
pub async fn owner(db: &mut PgConnection, tenant: &Tenant, customer: &Ref, group: Option<&Ref>) -> Result<Owner> {
    let customer_id = lookup::customer(db, tenant, customer, "/customer").await?;
    let Some(name) = group else { return Ok(Owner { customer_id, group_id: None }) };
    let group = lookup::group(db, tenant, name, "/group").await?;
    if group.customer_id != customer_id {
        return Err(group_of_another_customer(name, customer));
    }
    Ok(Owner { customer_id, group_id: Some(group.group_id) })
}

/// The group is there, but the device's customer is not its own.
pub fn group_of_another_customer(group: &Ref, customer: &Ref) -> Problem {
    let detail = format!("group {group} does not belong to customer {customer}");
    Problem::new(Code::GroupOfAnotherCustomer, detail.clone()).at("/group", "group_of_another_customer", detail)
}
