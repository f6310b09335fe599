//! `/v1/devices/{key}/replacements`: meters that took the place of others.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json as JsonColumn;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::decimal::Scaled;
use crate::core::entity::Ref;
use crate::core::instant;
use crate::core::reading::field;
use crate::http::access::{Reader, Tenant, Writer};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::page::Page;
use crate::http::page::Window;
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::ingest::channels;
use crate::ingest::registers::replacing::{self, RegisterMetric, Wanted};
use crate::ingest::registers::{self, Part};
use crate::registry::audit::{self, Action};
use crate::registry::metrics::DecimalText;
use crate::registry::{check_text, devices, keep_stamping, moment};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post, list)).routes(routes!(delete))
}

/// A meter that takes the place of another one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostReplacement {
    /// Key or id of the register metric that the meter counts.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "water")]
    metric: Ref,
    /// When: readings before are of the old meter, those from then on of the new one. Now when left out; not in the future.
    #[schema(value_type = Option<DateTime<Utc>>, example = "2026-11-03T10:00:00+01:00")]
    at: Option<String>,
    /// What the old meter showed last, exact at the metric's scale. A number or a string.
    #[serde(rename = "final")]
    #[schema(value_type = String, example = "99812.400")]
    last: DecimalText,
    /// What the new meter shows first, exact at the metric's scale. A number or a string.
    #[serde(rename = "initial")]
    #[schema(value_type = String, example = "250.000")]
    first: DecimalText,
    /// Dimensions of the readings, as they are sent; none when left out.
    #[schema(example = json!({"tariff": "peak"}))]
    dimensions: Option<BTreeMap<String, String>>,
    /// For people, 1 to 1,024 characters.
    #[schema(example = "Seal broken, meter 4711 for 0815", min_length = 1, max_length = 1024)]
    note: Option<String>,
}

/// A replacement.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replacement {
    /// UUIDv7 given by the server.
    id: Uuid,
    /// Key of the metric.
    #[schema(example = "water")]
    metric: String,
    /// Dimensions of the readings; an empty object for none.
    #[schema(example = json!({}))]
    dimensions: BTreeMap<String, String>,
    /// Readings before are of the old meter, those from then on of the new one.
    at: DateTime<Utc>,
    /// What the old meter showed last.
    #[serde(rename = "final")]
    #[schema(value_type = String, example = "99812.400")]
    last: Scaled,
    /// What the new meter showed first.
    #[serde(rename = "initial")]
    #[schema(value_type = String, example = "250.000")]
    first: Scaled,
    #[schema(required, example = "Seal broken, meter 4711 for 0815")]
    note: Option<String>,
    created_at: DateTime<Utc>,
}

/// What a replacement did.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplacementAnswer {
    replacement: Replacement,
    /// Number of readings that add something else to usage now; rollups follow them.
    #[schema(example = 1)]
    recomputed: u64,
    /// Number of readings that wait for a decision because they do not follow from the new meter's first value.
    #[schema(example = 0)]
    under_review: usize,
}

#[derive(sqlx::FromRow)]
struct Row {
    replacement_id: i64,
    channel_id: i32,
    id: Uuid,
    metric: String,
    scale: i16,
    dimensions: JsonColumn<BTreeMap<String, String>>,
    at: DateTime<Utc>,
    final_value: i64,
    initial_value: i64,
    note: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<Row> for Replacement {
    fn from(row: Row) -> Self {
        // The metric's check keeps the scale within 0 to 9.
        let scaled = |units: i64| Scaled::new(units, row.scale as u8);
        Self {
            id: row.id,
            last: scaled(row.final_value),
            first: scaled(row.initial_value),
            metric: row.metric,
            dimensions: row.dimensions.0,
            at: row.at,
            note: row.note,
            created_at: row.created_at,
        }
    }
}

/// Replace a meter
///
/// The first reading from `at` on adds what the old meter ran until its last value and what the new one ran from its
/// first, however many replacements lie in between: no spike, no loss. Increments of readings that are stored already follow.
/// A device that has no readings of the metric yet begins with the new meter's first value.
///
/// The old meter's last value must follow from the reading before, as a reading would. Repeating the request with the same
/// `at` changes nothing. The audit keeps who told it (`device.replacement`).
#[utoipa::path(post, path = "/v1/devices/{key}/replacements", tag = "Readings",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-0001")),
    request_body = PostReplacement,
    responses(
        (status = 200, description = "It was told before; nothing changed", body = ReplacementAnswer),
        (status = 201, description = "Replaced", body = ReplacementAnswer),
        (status = 409, description = "`replacement_differs`: the meter was replaced at that instant with other values",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PostReplacement>,
) -> Result<(StatusCode, Json<ReplacementAnswer>)> {
    let at = body.at.as_deref().map(instant::parse).transpose();
    let at = at.map_err(|why| Problem::field("/at", why.to_string()))?;
    body.note.as_deref().map(|note| check_text("/note", note, 1..=1024)).transpose()?;
    let dimensions = field::dimensions(body.dimensions.unwrap_or_default());
    let dimensions = dimensions.map_err(|why| Problem::field("/dimensions", why.detail))?;
    let mut db = app.query.begin().await?;
    keep_stamping(&mut db, tenant.provider_id()).await?;
    let device = devices::find(&mut db, &tenant, &path.0).await?;
    let metric = RegisterMetric::find(&mut db, &tenant, &body.metric).await?;
    let (last, first) = (metric.value("/final", &body.last)?, metric.value("/initial", &body.first)?);
    let now = moment(&mut db).await?;
    if at.is_some_and(|at| at > now) {
        return Err(Problem::field("/at", "in the future"));
    }
    let name = (device.device_id, metric.metric_id, &dimensions);
    let channel_id = channels::find_or_create(&mut db, tenant.provider_id(), name).await?;
    registers::lock(&mut db, &[channel_id]).await?;
    let wanted = Wanted { channel_id, at: at.unwrap_or(now), last, first, note: body.note.as_deref() };
    let made = replacing::replace(&mut db, &tenant, &metric, &wanted).await?;
    let row = select(&mut db, device.device_id, Which::Instant(channel_id, wanted.at)).await?;
    let row = row.ok_or(sqlx::Error::RowNotFound)?;
    let Some(refolded) = made else {
        if (row.final_value, row.initial_value) != (last, first) {
            return Err(differs(row));
        }
        let answer = ReplacementAnswer { replacement: row.into(), recomputed: 0, under_review: 0 };
        return Ok((StatusCode::OK, Json(answer)));
    };
    let replacement = Replacement::from(row);
    record(&mut db, &tenant, &device.key, None, Some(&replacement)).await?;
    db.commit().await?;
    let answer = ReplacementAnswer { replacement, recomputed: refolded.changed, under_review: refolded.open.len() };
    Ok((StatusCode::CREATED, Json(answer)))
}

fn differs(row: Row) -> Problem {
    let there = Replacement::from(row);
    let detail = format!(
        "the meter was replaced at that instant with final {} and initial {}; take {} back first if that was wrong",
        there.last, there.first, there.id
    );
    Problem::new(Code::ReplacementDiffers, detail)
}

async fn record(
    db: &mut PgConnection,
    tenant: &Tenant,
    device: &str,
    before: Option<&Replacement>,
    after: Option<&Replacement>,
) -> sqlx::Result<()> {
    let (before, after) = (before.map(audit::shown).transpose()?, after.map(audit::shown).transpose()?);
    let entry = audit::Entry { entity: device, before, after };
    audit::write(db, &tenant.by, Action::DeviceReplacement, &[entry]).await
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

/// Replacements of a device's meters
///
/// Oldest first.
#[utoipa::path(get, path = "/v1/devices/{key}/replacements", tag = "Readings",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-0001"), ListParameters),
    responses((status = 200, description = "A page of replacements", body = Page<Replacement>)))]
async fn list(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let behind = window.behind(position)?;
    let mut db = app.query.acquire().await?;
    let device = devices::find(&mut db, &tenant, &path.0).await?;
    let rows: Vec<Row> = sqlx::query_as(include_str!("../../sql/registers/replacements_of.sql"))
        .bind(device.device_id)
        .bind(behind.map(|(at, _)| at))
        .bind(behind.map_or(0, |(_, id)| id))
        .bind(None::<i32>)
        .bind(None::<DateTime<Utc>>)
        .bind(None::<Uuid>)
        .bind(window.rows())
        .bind(tenant.seen())
        .fetch_all(&mut *db)
        .await?;
    let Page { items, next } = window.page(rows, |row| format!("{} {}", row.at.timestamp_micros(), row.replacement_id));
    Ok(Page { items: items.into_iter().map(Replacement::from).collect(), next }.respond(&uri))
}

/// Instant and number of the replacement behind which a page starts.
fn position(text: &str) -> Option<(DateTime<Utc>, i64)> {
    let (at, id) = text.split_once(' ')?;
    Some((DateTime::from_timestamp_micros(at.parse().ok()?)?, id.parse().ok()?))
}

/// Take a replacement back
///
/// For one that was told by mistake: increments are what they would be without it. The audit keeps what it was.
#[utoipa::path(delete, path = "/v1/devices/{key}/replacements/{id}", tag = "Readings",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-0001"),
        ("id" = Uuid, Path, description = "Id of the replacement")),
    responses(
        (status = 204, description = "Taken back"),
        (status = 409, description = "`readings_dropped`: the readings it is about are not kept any more",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    Path((device, id)): Path<(String, String)>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let device: Ref = device.parse().map_err(|why| Problem::parameter("key", format!("{device:?}: {why}")))?;
    let no_such = || Problem::no_such("replacement", &id, None);
    let id: Uuid = id.parse().map_err(|_| no_such())?;
    let mut db = app.query.begin().await?;
    keep_stamping(&mut db, tenant.provider_id()).await?;
    let device = devices::find(&mut db, &tenant, &device).await?;
    let row = select(&mut db, device.device_id, Which::Id(id)).await?.ok_or_else(no_such)?;
    registers::lock(&mut db, &[row.channel_id]).await?;
    if replacing::is_before_base(&mut db, row.channel_id, row.at).await? {
        return Err(Problem::new(Code::ReadingsDropped, "the readings it is about are not kept any more"));
    }
    let taken = sqlx::query(include_str!("../../sql/registers/take_back.sql")).bind(row.replacement_id);
    if taken.execute(&mut *db).await?.rows_affected() == 0 {
        return Err(no_such());
    }
    registers::refold(&mut db, &[Part::at(row.channel_id, row.at)]).await?;
    record(&mut db, &tenant, &device.key, Some(&row.into()), None).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One replacement of a device.
enum Which {
    Instant(i32, DateTime<Utc>),
    Id(Uuid),
}

async fn select(db: &mut PgConnection, device_id: i32, which: Which) -> sqlx::Result<Option<Row>> {
    let (channel_id, at, id) = match which {
        Which::Instant(channel_id, at) => (Some(channel_id), Some(at), None),
        Which::Id(id) => (None, None, Some(id)),
    };
    sqlx::query_as(include_str!("../../sql/registers/replacements_of.sql"))
        .bind(device_id)
        .bind(None::<DateTime<Utc>>)
        .bind(0_i64)
        .bind(channel_id)
        .bind(at)
        .bind(id)
        .bind(1_i64)
        .bind(None::<&[i32]>)
        .fetch_optional(db)
        .await
}
