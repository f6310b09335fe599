//! `/v1/reviews`: readings of registers that do not follow from those before them, and what is decided about them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
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
use crate::http::access::{Overseer, Tenant};
use crate::http::extract::{NoParameters, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, Result};
use crate::ingest::raw;
use crate::registry::devices;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// What is wrong with a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
enum Kind {
    /// It runs faster than the metric's `max_per_hour`.
    Jump,
    /// It is lower than before, and no rollover.
    Decrease,
    /// It is zero, as a meter shows that was reset.
    Reset,
}

/// How it stands with a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum ReviewState {
    /// The reading adds nothing until somebody decides.
    Open,
    /// Somebody decided that it is right.
    Accepted,
    /// Somebody decided that it adds nothing.
    Dismissed,
    /// A reset, which adds nothing and needs no decision; it can be decided about.
    Explained,
    /// It only repeats the value of the reading before, which the decision is about.
    Repeated,
    /// Other readings showed that nothing is wrong, or that it was a slip.
    Withdrawn,
}

/// Which reviews a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Listed {
    #[default]
    Open,
    Accepted,
    Dismissed,
    Explained,
    Repeated,
    Withdrawn,
    All,
}

/// A reading of a register that does not follow from those before it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Review {
    /// UUIDv7 given by the server.
    pub id: Uuid,
    /// Key of the device.
    #[schema(example = "meter-0001")]
    device: String,
    /// Key of the metric.
    #[schema(example = "water")]
    metric: String,
    #[schema(example = "m3")]
    unit: String,
    /// Dimensions of the reading; an empty object for none.
    #[schema(example = json!({}))]
    dimensions: BTreeMap<String, String>,
    /// Instant of the reading.
    pub at: DateTime<Utc>,
    /// Value of the reading.
    #[schema(value_type = String, example = "7.000")]
    value: Scaled,
    kind: Kind,
    pub state: ReviewState,
    trusted: Trusted,
    /// What the reading adds when it is accepted without a number: of a jump all of it; of a decrease its value, counted
    /// from zero.
    #[schema(value_type = String, example = "7.000")]
    increment: Scaled,
    /// What it adds because it was accepted; null if it was not.
    #[schema(required, value_type = Option<String>, example = json!(null))]
    accepted_increment: Option<Scaled>,
    /// What was said with the decision; null when nothing was.
    #[schema(required, example = json!(null))]
    note: Option<String>,
    /// Id of the API key that decided; null while nobody did.
    #[schema(required, example = json!(null))]
    decided_by: Option<Uuid>,
    /// When it was decided; null while it is not.
    #[schema(required, example = json!(null))]
    decided_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// When anything of it last changed.
    updated_at: DateTime<Utc>,
}

/// The reading that was last believed before it, or the beginning of a new meter.
#[derive(Debug, Serialize, ToSchema)]
struct Trusted {
    at: DateTime<Utc>,
    #[schema(value_type = String, example = "500.000")]
    value: Scaled,
}

/// The review as the database has it.
#[derive(sqlx::FromRow)]
pub struct Row {
    pub review_id: i64,
    pub channel_id: i32,
    pub event_key: i64,
    id: Uuid,
    device: String,
    metric: String,
    unit: String,
    pub scale: i16,
    dimensions: JsonColumn<BTreeMap<String, String>>,
    pub at: DateTime<Utc>,
    value: i64,
    kind: Kind,
    pub state: ReviewState,
    trusted_ts: DateTime<Utc>,
    trusted_value: i64,
    accepting: i64,
    decision: Option<String>,
    increment: Option<i64>,
    note: Option<String>,
    decided_by: Option<Uuid>,
    decided_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Review {
    fn from(row: Row) -> Self {
        // The metric's check keeps the scale within 0 to 9.
        let scaled = |units: i64| Scaled::new(units, row.scale as u8);
        let accepted = row.decision.as_deref() == Some("accepted");
        Self {
            id: row.id,
            value: scaled(row.value),
            trusted: Trusted { at: row.trusted_ts, value: scaled(row.trusted_value) },
            increment: scaled(row.accepting),
            accepted_increment: accepted.then(|| scaled(row.increment.unwrap_or(row.accepting))),
            device: row.device,
            metric: row.metric,
            unit: row.unit,
            dimensions: row.dimensions.0,
            at: row.at,
            kind: row.kind,
            state: row.state,
            note: row.note,
            decided_by: row.decided_by,
            decided_at: row.decided_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Only those in this state; `open` when left out, `all` for every one.
    #[param(inline, value_type = Option<Listed>)]
    #[serde(default)]
    state: Listed,
    /// Only those of this device, named by key or id.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "meter-0001")]
    device: Option<Ref>,
    /// Only those of this metric, named by key or id.
    #[param(example = "water")]
    metric: Option<String>,
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Readings under review
///
/// A register's reading that runs faster than the metric's `max_per_hour`, or that is lower than before without being a
/// rollover or a replacement, is stored, adds nothing, and is listed here until somebody decides. Readings that come later can
/// answer the question by themselves: where they go on from before the suspicious reading, that was a slip, and the review is
/// withdrawn. Newest first.
#[utoipa::path(get, path = "/v1/reviews", tag = "Readings", params(ListParameters),
    responses((status = 200, description = "A page of reviews", body = Page<Review>)))]
async fn list(
    State(app): State<App>,
    Overseer(tenant): Overseer,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let behind: Option<i64> = window.behind(|number| number.parse().ok())?;
    let mut db = app.query.acquire().await?;
    let device_id = match &query.device {
        Some(device) => Some(devices::find(&mut db, &tenant, device).await?.device_id),
        None => None,
    };
    let metric_id = match &query.metric {
        Some(metric) => Some(raw::metric(&mut db, &tenant, metric).await?),
        None => None,
    };
    let rows: Vec<Row> = tenant
        .query_as(include_str!("../../sql/registers/reviews.sql"))
        .bind(behind.unwrap_or(i64::MAX))
        .bind(None::<Uuid>)
        .bind(query.state.name())
        .bind(device_id)
        .bind(metric_id)
        .bind(window.rows())
        .fetch_all(&mut *db)
        .await?;
    let Page { items, next } = window.page(rows, |row| row.review_id.to_string());
    Ok(Page { items: items.into_iter().map(Review::from).collect(), next }.respond(&uri))
}

impl Listed {
    /// The state as the database names it; none for all.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Open => Some("open"),
            Self::Accepted => Some("accepted"),
            Self::Dismissed => Some("dismissed"),
            Self::Explained => Some("explained"),
            Self::Repeated => Some("repeated"),
            Self::Withdrawn => Some("withdrawn"),
            Self::All => None,
        }
    }
}

/// One review
#[utoipa::path(get, path = "/v1/reviews/{id}", tag = "Readings",
    params(("id" = Uuid, Path, description = "Id of the review")),
    responses((status = 200, description = "The review", body = Review)))]
async fn get(
    State(app): State<App>,
    Overseer(tenant): Overseer,
    axum::extract::Path(id): axum::extract::Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Review>> {
    let mut db = app.query.acquire().await?;
    Ok(Json(find(&mut db, &tenant, &id).await?.into()))
}

/// A provider's review by its id.
pub async fn find(db: &mut PgConnection, tenant: &Tenant, id: &str) -> Result<Row> {
    let no_such = || Problem::no_such("review", id, None);
    let id: Uuid = id.parse().map_err(|_| no_such())?;
    let found: Option<Row> = tenant
        .query_as(include_str!("../../sql/registers/reviews.sql"))
        .bind(i64::MAX)
        .bind(id)
        .bind(None::<&str>)
        .bind(None::<i32>)
        .bind(None::<i32>)
        .bind(1_i64)
        .fetch_optional(db)
        .await?;
    found.ok_or_else(no_such)
}
