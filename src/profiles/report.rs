//! What devices say of their configuration: `POST /v1/device/config/ack`, and `GET /v1/devices/{key}/config` for who looks
//! after them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json as Kept;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::entity::{Key, Ref};
use crate::http::access::{Reader, Sender};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::problem::{Problem, ProblemBody, Result};
use crate::profiles::config::Config;
use crate::profiles::definition::no_profile;
use crate::profiles::device;
use crate::profiles::sent::read_settings;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(acknowledge)).routes(routes!(get))
}

/// What a device says: one of the two at least.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConfigAcknowledgement)]
struct Acknowledgement {
    /// The version whose settings it has now.
    #[schema(example = 3, minimum = 1)]
    version: Option<i32>,
    /// Key of the profile of that version; the one that holds for the device when left out.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "smart-meter")]
    profile: Option<Key>,
    /// The settings that it has, as an object of at most 16 KiB; what it said before stays when left out.
    #[schema(value_type = Option<Object>, example = json!({"display": "off", "uptime_seconds": 86400}))]
    settings: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AcknowledgeParameters {
    /// Key or id of the device; may be left out by a key that is bound to one.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "meter-0001")]
    device: Option<Ref>,
}

/// What a device is to do, and what it says that it does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceConfigState)]
struct DeviceConfig {
    /// What it is to do.
    desired: Config,
    /// The version that it last said to have; null where it has said nothing.
    #[schema(required)]
    acknowledged: Option<Acknowledged>,
    /// The settings that it last said to have; null where it has said nothing.
    #[schema(required)]
    reported: Option<Reported>,
    /// Whether it has the desired version.
    #[schema(example = true)]
    in_sync: bool,
}

/// A version that a device has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcknowledgedVersion)]
struct Acknowledged {
    #[schema(example = "smart-meter")]
    profile: String,
    #[schema(example = 3)]
    version: i32,
    /// When it first said so.
    at: DateTime<Utc>,
}

/// Settings that a device has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReportedSettings)]
struct Reported {
    #[schema(value_type = Object, example = json!({"display": "off", "uptime_seconds": 86400}))]
    settings: Map<String, Value>,
    /// When it last said so.
    at: DateTime<Utc>,
}

#[derive(Default, sqlx::FromRow)]
struct Row {
    profile_uuid: Option<Uuid>,
    profile: Option<String>,
    version: Option<i32>,
    acknowledged_at: Option<DateTime<Utc>>,
    settings: Option<Kept<Map<String, Value>>>,
    reported_at: Option<DateTime<Utc>>,
}

/// Acknowledge a configuration, report settings
///
/// Only the last of each is kept. A version must be one that there is or was.
#[utoipa::path(post, path = "/v1/device/config/ack", tag = "Devices", params(AcknowledgeParameters),
    request_body = Acknowledgement,
    responses(
        (status = 204, description = "Noted"),
        (status = 409, description = "`no_profile`: no profile holds for the device, so that it has to name the version's",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn acknowledge(
    State(app): State<App>,
    Sender(tenant): Sender,
    Query(query): Query<AcknowledgeParameters>,
    Body(body): Body<Acknowledgement>,
) -> Result<StatusCode> {
    if body.version.is_none() && (body.settings.is_none() || body.profile.is_some()) {
        return Err(Problem::field("/version", "say which version the device has, or its settings without a profile"));
    }
    let settings = body.settings.as_deref().map(read_settings).transpose()?;
    let mut db = app.query.begin().await?;
    let device = device::calling(&mut db, &tenant, query.device.as_ref()).await?;
    if let Some(version) = body.version {
        let profile = match (&body.profile, &device.profile) {
            (Some(named), _) => named.as_str(),
            (None, Some(held)) => &held.key,
            (None, None) => return Err(no_profile(&device.key)),
        };
        let done: Option<i32> = sqlx::query_scalar(include_str!("../../sql/profiles/acknowledge.sql"))
            .bind(tenant.provider_id())
            .bind(device.device_id)
            .bind(profile)
            .bind(version)
            .fetch_optional(&mut *db)
            .await?;
        let missing = || Problem::field("/version", format!("profile {profile} has no version {version}"));
        done.ok_or_else(missing)?;
    }
    if let Some(settings) = &settings {
        sqlx::query(include_str!("../../sql/profiles/report.sql"))
            .bind(tenant.provider_id())
            .bind(device.device_id)
            .bind(Kept(settings))
            .execute(&mut *db)
            .await?;
    }
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a device is to do, and what it says that it does
#[utoipa::path(get, path = "/v1/devices/{key}/config", tag = "Devices",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-0001")),
    responses((status = 200, description = "Desired and reported", body = DeviceConfig)))]
async fn get(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<DeviceConfig>> {
    let mut db = app.query.acquire().await?;
    let device = device::find(&mut db, &tenant, &path.0).await?;
    let row = reported(&mut db, tenant.provider_id(), device.device_id).await?;
    let desired = device.profile.as_ref().map(|held| (held.id, held.version));
    let in_sync = desired == row.profile_uuid.zip(row.version);
    let acknowledged = row.profile.zip(row.version).zip(row.acknowledged_at);
    let reported = row.settings.zip(row.reported_at);
    Ok(Json(DeviceConfig {
        desired: Config::of(&device),
        acknowledged: acknowledged.map(|((profile, version), at)| Acknowledged { profile, version, at }),
        reported: reported.map(|(Kept(settings), at)| Reported { settings, at }),
        in_sync,
    }))
}

async fn reported(db: &mut PgConnection, provider_id: i32, device_id: i32) -> sqlx::Result<Row> {
    let row: Option<Row> = sqlx::query_as(include_str!("../../sql/profiles/reported.sql"))
        .bind(provider_id)
        .bind(device_id)
        .fetch_optional(db)
        .await?;
    Ok(row.unwrap_or_default())
}
