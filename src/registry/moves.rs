//! `/v1/devices/{key}/moves` and `/assignments`: who owns a device from when on, and who did.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::entity::Ref;
use crate::core::instant;
use crate::http::access::{Reader, Writer};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::page::Page;
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::registry::ownership::{self, Assignment, Move};
use crate::registry::{devices, fixed, lock_stamping, moment};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post)).routes(routes!(assignments))
}

/// A device's new owner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostMove {
    /// Key or id of the customer that owns the device from then on.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-south")]
    customer: Ref,
    /// Key or id of a group of that customer; none when left out.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-cellar")]
    group: Option<Ref>,
    /// From when on; now when left out. Not in the future.
    #[schema(value_type = Option<DateTime<Utc>>, example = "2026-11-01T00:00:00+01:00")]
    at: Option<String>,
}

/// What a move did.
#[derive(Debug, Serialize, ToSchema)]
pub struct MoveAnswer {
    /// Key of the device.
    #[schema(example = "meter-0001")]
    device: String,
    /// Number of readings that got another owner or billing day; rollups follow them.
    #[schema(example = 480)]
    reattributed: u64,
    /// Who owned the device when, oldest first.
    assignments: Vec<Assignment>,
}

/// Move a device
///
/// From `at` on the device belongs to this customer and group, whatever was said about that time before: later
/// assignments are dropped, an earlier one that reaches `at` ends there. Readings from `at` on are attributed to the new
/// owner, under the billing days of the new owner's time zone, and all rollups follow. The audit keeps how it was before.
/// Moving a device to where it already is changes nothing.
#[utoipa::path(post, path = "/v1/devices/{key}/moves", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-0001")),
    request_body = PostMove,
    responses(
        (status = 200, description = "Moved", body = MoveAnswer),
        (status = 409, description = "`device_retired`: put it into service first. `group_of_another_customer`: the group is not one of this customer. `readings_dropped`: `at` is before the time that readings are kept of, and the device had some then",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PostMove>,
) -> Result<Json<MoveAnswer>> {
    let at = body.at.as_deref().map(instant::parse).transpose();
    let at = at.map_err(|why| Problem::field("/at", why.to_string()))?;
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let device = devices::find(&mut db, &tenant, &path.0).await?;
    if device.retired_at.is_some() {
        return Err(Problem::new(Code::DeviceRetired, format!("device {} is retired", device.key)));
    }
    let owner = devices::owner(&mut db, &tenant, &body.customer, body.group.as_ref()).await?;
    let at = not_future(at, moment(&mut db).await?)?;
    let a_move = Move { device_id: device.device_id, key: &device.key, owner };
    let moved = ownership::apply(&mut db, &tenant, at, &[a_move]).await?;
    if !moved.devices.is_empty() {
        fixed::refuse_for_devices(&mut db, at, &moved.devices).await?;
        sqlx::query(include_str!("../../sql/registry/moves/touch.sql")).bind(&moved.devices).execute(&mut *db).await?;
    }
    let history = ownership::history(&mut db, &[device.device_id], tenant.seen()).await?;
    db.commit().await?;
    let assignments = history.into_values().flatten().collect();
    Ok(Json(MoveAnswer { device: device.key, reattributed: moved.reattributed, assignments }))
}

/// A move that is dated ahead would have to be taken back when plans change; it is asked for when its time has come.
fn not_future(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    match at {
        Some(at) if at > now => Err(Problem::field("/at", "in the future")),
        Some(at) => Ok(at),
        None => Ok(now),
    }
}

/// Who owned a device when
///
/// Oldest first, never overlapping. All are on one page. A caller who sees a part of the provider sees those of its customers.
#[utoipa::path(get, path = "/v1/devices/{key}/assignments", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-0001")),
    responses((status = 200, description = "The assignments", body = Page<Assignment>)))]
async fn assignments(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Page<Assignment>>> {
    let mut db = app.query.acquire().await?;
    let device = devices::find(&mut db, &tenant, &path.0).await?;
    let history = ownership::history(&mut db, &[device.device_id], tenant.seen()).await?;
    Ok(Json(Page { items: history.into_values().flatten().collect(), next: None }))
}
