//! `GET /v1/devices/{key}/readings`: raw readings in time order.

mod rows;
mod stream;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::calendar::Calendar;
use crate::core::entity::Ref;
use crate::http::accept;
use crate::http::access::{Reader, Tenant};
use crate::http::extract::{PathRef, Query, in_order, instant_or_day};
use crate::http::page::{Page, Window};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::ingest::raw::rows::{Position, RawItem, Selection};
use crate::registry::calendars;
use crate::rollup::retention::kept_from;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Key or id of a metric; all of the device's when left out.
    #[param(example = "energy")]
    metric: Option<String>,
    /// First instant, RFC 3339; or a billing day of the device's owner. Left out, the list begins with the oldest reading
    /// that is kept.
    #[param(example = "2026-11-01")]
    from: Option<String>,
    /// Instant or day before which the range ends.
    #[param(example = "2026-12-01")]
    to: Option<String>,
    /// Items of the page, 1 to 1000; for JSON.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before; for JSON.
    cursor: Option<String>,
}

/// Raw readings of a device
///
/// In the order of their instants, as they are stored. By `Accept` it is a JSON page, or all of the range as NDJSON
/// (one reading a line) or CSV (`at, value, increment, recorded_at, id, metric`, and a column `dimensions.<name>` for
/// each dimension that the device's channels have).
#[utoipa::path(get, path = "/v1/devices/{key}/readings", tag = "Readings",
    params(("key" = String, Path, description = "Key or id of the device", example = "meter-17"), ListParameters),
    responses(
        (status = 200, description = "Readings", content(
            (Page<RawItem> = "application/json"),
            (String = "application/x-ndjson"),
            (String = "text/csv"))),
        (status = 406, description = "`not_acceptable`: neither JSON, NDJSON nor CSV", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "`not_kept`: the range begins before the time that readings are kept of",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let format = accept::preferred(&headers, &[JSON, NDJSON, CSV])?;
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let mut db = app.query.acquire().await?;
    let (device_id, calendar) = device(&mut db, &tenant, &path.0).await?;
    let metric_id = match &query.metric {
        Some(name) => Some(metric(&mut db, &tenant, name).await?),
        None => None,
    };
    let from = query.from.as_deref().map(|text| instant_or_day("from", text, &calendar)).transpose()?;
    let to = query.to.as_deref().map(|text| instant_or_day("to", text, &calendar)).transpose()?;
    in_order(from, to)?;
    check_kept(&mut db, from, to).await?;
    let selection = Selection::of(&mut db, &tenant, (device_id, metric_id), (from, to)).await?;
    if format != JSON {
        if let Some(name) = query.limit.and(Some("limit")).or(query.cursor.and(Some("cursor"))) {
            return Err(Problem::parameter(name, "is for JSON pages; NDJSON and CSV are the whole range"));
        }
        drop(db);
        return match format {
            NDJSON => Ok(stream::ndjson(app.query, selection)),
            _ => stream::csv(app.query, selection),
        };
    }
    let behind = window.after.as_deref().map(str::parse::<Position>).transpose();
    let behind = behind.map_err(|why| Problem::parameter("cursor", why.to_string()))?.unwrap_or(selection.start());
    let rows = selection.rows(&mut db, behind, window.rows()).await?;
    let Page { items, next } = window.page(rows, |row| row.position().to_string());
    let items = items.iter().map(|row| selection.item(row)).collect::<sqlx::Result<_>>()?;
    Ok(Page { items, next }.respond(&uri))
}

/// Refuses a range that would seem to have no readings where they were dropped.
async fn check_kept(db: &mut PgConnection, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> Result<()> {
    let Some(since) = kept_from(db, "reading").await? else { return Ok(()) };
    let (name, is_kept) = match (from, to) {
        (Some(from), _) => ("from", from >= since),
        (None, Some(to)) => ("to", to > since),
        (None, None) => return Ok(()),
    };
    if is_kept {
        return Ok(());
    }
    let detail = format!("readings are kept from {} on", since.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    Err(Problem::new(Code::NotKept, format!("{name}: {detail}")).at(name, "not_kept", detail))
}

/// The device, and the billing calendar of its owner.
async fn device(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<(i32, Calendar)> {
    let found: Option<(i32, Option<i32>)> = tenant
        .seen_as(include_str!("../../../sql/ingest/raw/device.sql"))
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(&mut *db)
        .await?;
    let (device_id, owner) = found.ok_or_else(|| Problem::no_such("device", name, None))?;
    let calendar = match owner {
        Some(customer_id) => calendars::of(db, customer_id).await?,
        None => Calendar::new(calendars::zone(&tenant.time_zone)?),
    };
    Ok((device_id, calendar))
}

/// A metric that a parameter names.
pub async fn metric(db: &mut PgConnection, tenant: &Tenant, text: &str) -> Result<i32> {
    let name: Ref = text.parse().map_err(|why| Problem::parameter("metric", format!("{text:?}: {why}")))?;
    let found: Option<(i32,)> = tenant
        .query_as(include_str!("../../../sql/ingest/raw/metric.sql"))
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(db)
        .await?;
    found.map(|(id,)| id).ok_or_else(|| Problem::no_such("metric", name, Some("metric")))
}
