//! `GET /v1/quarantine`: what is in quarantine, and why.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::types::Json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::reading::Code;
use crate::http::access::Overseer;
use crate::http::extract::Query;
use crate::http::page::Page;
use crate::http::problem::Result;
use crate::ingest::quarantine::filter::{Asked, CursorParameter, FilterParameters, Why};
use crate::ingest::resolve::curable;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A reading in quarantine.
#[derive(Debug, Serialize, ToSchema)]
struct InQuarantine {
    reading: KeptReading,
    /// Why it is there, as in the answer to whoever sent it; or what spoke against it when it was tried again.
    #[schema(value_type = Why, example = "unknown_device")]
    code: String,
    /// What is wrong and the way out, for people.
    #[schema(
        example = "there is no device meter-18: it is kept until the device is there; create it with PUT /v1/devices/{key}"
    )]
    detail: String,
    received_at: DateTime<Utc>,
    /// Id of the API key that sent it; null where that is not known.
    #[schema(required)]
    key_id: Option<Uuid>,
    /// Name of that key; null for none.
    #[schema(required, example = "gateway-7")]
    key_name: Option<String>,
}

/// A reading as it was sent.
#[derive(Debug, Serialize, ToSchema)]
struct KeptReading {
    /// Key or id of the device.
    #[schema(example = "meter-18")]
    device: String,
    /// Key or id of the metric.
    #[schema(example = "energy")]
    metric: String,
    /// In UTC, to the microsecond.
    at: DateTime<Utc>,
    /// The decimal as it was written: what it is at the metric's scale is known when it is stored.
    #[schema(example = "32.33")]
    value: String,
    /// Id of the event; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "evt-8812")]
    id: Option<String>,
    /// Absent without any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false, example = json!({"tariff": "peak"}))]
    dimensions: BTreeMap<String, String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    quarantine_id: i64,
    device: String,
    metric: String,
    at: DateTime<Utc>,
    value: String,
    event_id: Option<String>,
    dimensions: Json<BTreeMap<String, String>>,
    code: String,
    detail: Option<String>,
    recorded_at: DateTime<Utc>,
    key_id: Option<Uuid>,
    key_name: Option<String>,
    /// Whether that key is for a part of the provider.
    is_bound: bool,
}

impl From<Row> for InQuarantine {
    fn from(row: Row) -> Self {
        let codes = [Code::UnknownMetric, Code::DeviceUnassigned, Code::DeviceUnapproved];
        let code = codes.into_iter().find(|code| code.as_str() == row.code);
        let told = || match code {
            None if row.is_bound => format!(
                "there is no device {} in the part of the provider that the key is for; it is kept until there is one at that time",
                row.device
            ),
            _ => curable(code.unwrap_or(Code::UnknownDevice), &row.device, &row.metric, row.at),
        };
        Self {
            detail: row.detail.unwrap_or_else(told),
            code: row.code,
            received_at: row.recorded_at,
            key_id: row.key_id,
            key_name: row.key_name,
            reading: KeptReading {
                device: row.device,
                metric: row.metric,
                at: row.at,
                value: row.value,
                id: row.event_id,
                dimensions: row.dimensions.0,
            },
        }
    }
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameter")]
struct LimitParameter {
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
}

/// Readings in quarantine
///
/// A reading of a device or metric that is not there yet, or of a device that belonged to nobody at that instant, is kept
/// here, and stored when that is cured: within seconds after the device or metric was registered, in whatever way, and for
/// the customer that owned the device at the reading's instant. What cannot be stored then stays, with the reason of that.
/// Sending a reading again that is here changes nothing; with another value it is a reading of its own, and of the two the
/// one that came first is stored.
///
/// A provider has room here for as many readings as the server is told (`--quarantine-readings`), each for as long as it is
/// told (`--quarantine-age`). In the order in which they came.
#[utoipa::path(get, path = "/v1/quarantine", tag = "Readings", 
    params(FilterParameters, LimitParameter, CursorParameter),
    responses((status = 200, description = "A page of readings", body = Page<InQuarantine>)))]
async fn list(
    State(app): State<App>,
    Overseer(tenant): Overseer,
    uri: Uri,
    Query(query): Query<Asked>,
) -> Result<Response> {
    let (window, behind) = query.window()?;
    let filter = query.filter(&tenant)?;
    let rows: Vec<Row> = tenant
        .query_as(include_str!("../../../sql/quarantine/list.sql"))
        .bind(behind)
        .bind(filter.code.map(Code::as_str))
        .bind(filter.device)
        .bind(filter.metric)
        .bind(filter.from)
        .bind(filter.to)
        .bind(window.rows())
        .fetch_all(&app.query)
        .await?;
    let Page { items, next } = window.page(rows, |row| row.quarantine_id.to_string());
    Ok(Page { items: items.into_iter().map(InQuarantine::from).collect(), next }.respond(&uri))
}
