//! `/v1/metrics`: what is counted. (`/metrics` without `/v1` is something else: the server's own figures.)

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::decimal::{self, MAX_SCALE, Scaled};
use crate::core::entity::Ref;
use crate::core::interval::Interval;
use crate::http::access::{Reader, Tenant, Writer};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, ProblemBody, Result};
use crate::registry::audit::{self, Action};
use crate::registry::{check_name, check_text, lock_stamping, put_status};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get))
}

/// What a value of a metric says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum MetricKind {
    /// An amount used.
    Delta,
    /// A meter's running total.
    Register,
    /// A level.
    Gauge,
}

/// What is counted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Metric {
    /// UUIDv7 given by the server.
    id: Uuid,
    /// Key chosen by the provider.
    #[schema(example = "energy")]
    key: String,
    #[schema(example = "Energy")]
    name: String,
    /// Unit of the values; may be empty.
    #[schema(example = "kWh")]
    unit: String,
    kind: MetricKind,
    /// Decimals kept.
    #[schema(example = 3, minimum = 0, maximum = 9)]
    scale: i16,
    /// Whether a value with more decimals is rejected rather than rounded half to even.
    strict: bool,
    /// Value at which a register starts again at zero; null for never.
    #[schema(required, value_type = Option<String>, example = "100000.000")]
    rollover_at: Option<Scaled>,
    /// Increment an hour above which a register's jump is not believed; null for no limit.
    #[schema(required, value_type = Option<String>, example = "250.000")]
    max_per_hour: Option<Scaled>,
    /// Time from one reading of a channel to the next, where they are expected regularly: a number with `s`, `m`, `h`
    /// or `d`; null for no expectation.
    #[schema(required, value_type = Option<String>, example = "15m")]
    expected_interval: Option<Interval>,
    created_at: DateTime<Utc>,
    /// When anything of it last changed.
    updated_at: DateTime<Utc>,
}

/// What makes a metric.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutMetric {
    /// Name for people, 1 to 256 characters.
    #[schema(example = "Energy", min_length = 1, max_length = 256)]
    name: String,
    /// Unit of the values, at most 32 characters; may be empty.
    #[schema(example = "kWh", max_length = 32)]
    unit: String,
    /// `delta`: a value is an amount used; `register`: a meter's running total; `gauge`: a level.
    kind: MetricKind,
    /// Decimals kept, 0 to 9; 3 when left out.
    #[schema(example = 3, minimum = 0, maximum = 9, default = 3)]
    scale: Option<u8>,
    /// Whether a value with more decimals is rejected rather than rounded half to even; false when left out.
    #[schema(default = false)]
    strict: Option<bool>,
    /// Registers only: the value at which the register starts again at zero, `"100000"` for a five-digit meter.
    /// Never when left out. A number or a string.
    #[schema(value_type = Option<String>, example = "100000")]
    rollover_at: Option<DecimalText>,
    /// Registers only: the increment an hour above which a jump is not believed. No limit when left out.
    /// A number or a string.
    #[schema(value_type = Option<String>, example = "250")]
    max_per_hour: Option<DecimalText>,
    /// Time from one reading of a channel to the next, where they are expected regularly: usage then tells how many
    /// were expected and received. A number of seconds, or a text such as `15m`, `1h`, `1d` or ISO 8601's `PT15M`;
    /// 1 second to 31 days. No expectation when left out. May change at any time.
    #[schema(value_type = Option<String>, example = "15m")]
    expected_interval: Option<Interval>,
}

/// A decimal as it was written, as a JSON number or string: no floating point in between.
#[derive(Debug)]
pub struct DecimalText(String);

impl DecimalText {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for DecimalText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        use serde::de::Error;
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw.get()).map(Self).map_err(D::Error::custom),
            Some(b'-' | b'0'..=b'9') => Ok(Self(raw.get().to_owned())),
            _ => Err(D::Error::custom("a number, or a string with one")),
        }
    }
}

/// The metric as the database has it: scaled integers.
#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    key: String,
    name: String,
    unit: String,
    kind: MetricKind,
    scale: i16,
    strict: bool,
    rollover_at: Option<i64>,
    max_per_hour: Option<i64>,
    /// In seconds.
    expected_interval: Option<i32>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Metric {
    fn from(row: Row) -> Self {
        // The table's check keeps the scale within 0 to 9.
        let scaled = |units: Option<i64>| units.map(|units| Scaled::new(units, row.scale as u8));
        Self {
            id: row.id,
            rollover_at: scaled(row.rollover_at),
            max_per_hour: scaled(row.max_per_hour),
            // The table's check keeps it within what an interval can be.
            expected_interval: row.expected_interval.and_then(|s| Interval::of_seconds(s.unsigned_abs().into()).ok()),
            key: row.key,
            name: row.name,
            unit: row.unit,
            kind: row.kind,
            scale: row.scale,
            strict: row.strict,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
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

impl PutMetric {
    fn scale(&self) -> u8 {
        self.scale.unwrap_or(3)
    }

    /// Checks what the fields allow; gives `rollover_at` and `max_per_hour` scaled.
    fn check(&self) -> Result<(Option<i64>, Option<i64>)> {
        check_name(&self.name)?;
        check_text("/unit", &self.unit, 0..=32)?;
        if self.scale() > MAX_SCALE {
            return Err(Problem::field("/scale", format!("0 to {MAX_SCALE}")));
        }
        Ok((
            self.of_register("/rollover_at", self.rollover_at.as_ref())?,
            self.of_register("/max_per_hour", self.max_per_hour.as_ref())?,
        ))
    }

    /// A setting that only registers have: positive, and exact at the metric's scale.
    fn of_register(&self, pointer: &str, text: Option<&DecimalText>) -> Result<Option<i64>> {
        let Some(DecimalText(text)) = text else { return Ok(None) };
        if self.kind != MetricKind::Register {
            return Err(Problem::field(pointer, "only a register has it"));
        }
        match decimal::parse(text, self.scale(), true) {
            Ok(units) if units > 0 => Ok(Some(units)),
            Ok(_) => Err(Problem::field(pointer, "must be above 0")),
            Err(decimal::BadDecimal::TooManyDecimals) => {
                Err(Problem::field(pointer, format!("more than the metric's {} decimals", self.scale())))
            }
            Err(why) => Err(Problem::field(pointer, why.to_string())),
        }
    }
}

/// Make or replace a metric
///
/// What is left out takes its default. `kind` and `scale` are fixed from the first reading on. Another `rollover_at` or
/// `max_per_hour` holds for readings from now on: what readings of the past add stays what it was.
#[utoipa::path(put, path = "/v1/metrics/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the metric", example = "energy")),
    request_body = PutMetric,
    responses(
        (status = 200, description = "Replaced", body = Metric),
        (status = 201, description = "Created", body = Metric),
        (status = 409, description = "`metric_in_use`: it has readings, so kind and scale are fixed",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutMetric>,
) -> Result<(StatusCode, Json<Metric>)> {
    let (rollover_at, max_per_hour) = body.check()?;
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let before = look_up(&mut db, &tenant, &path.0).await?;
    let created: Option<bool> = sqlx::query_scalar(include_str!("../../sql/registry/metrics/put.sql"))
        .bind(tenant.provider_id())
        .bind(path.0.key())
        .bind(path.0.id())
        .bind(Uuid::now_v7())
        .bind(&body.name)
        .bind(&body.unit)
        .bind(body.kind)
        .bind(i16::from(body.scale()))
        .bind(body.strict.unwrap_or(false))
        .bind(rollover_at)
        .bind(max_per_hour)
        .bind(body.expected_interval.map(|interval| interval.seconds().cast_signed()))
        .fetch_optional(&mut *db)
        .await?;
    let created = created.ok_or_else(|| Problem::no_such("metric", &path.0, None))?;
    let metric = find(&mut db, &tenant, &path.0).await?;
    let actions = [Action::MetricCreate, Action::MetricUpdate];
    audit::write_put(&mut db, &tenant.by, actions, &metric.key, before.as_ref(), &metric).await?;
    db.commit().await?;
    Ok((put_status(created), Json(metric)))
}

/// One metric
#[utoipa::path(get, path = "/v1/metrics/{key}", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the metric", example = "energy")),
    responses((status = 200, description = "The metric", body = Metric)))]
async fn get(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<Metric>> {
    let mut db = app.query.acquire().await?;
    find(&mut db, &tenant, &path.0).await.map(Json)
}

/// Metrics, by key
#[utoipa::path(get, path = "/v1/metrics", tag = "Registry", params(ListParameters),
    responses((status = 200, description = "A page of metrics", body = Page<Metric>)))]
async fn list(
    State(app): State<App>,
    Reader(tenant): Reader,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let rows: Vec<Row> = tenant
        .query_as(include_str!("../../sql/registry/metrics/list.sql"))
        .bind(&window.after)
        .bind(window.rows())
        .fetch_all(&app.query)
        .await?;
    let metrics = rows.into_iter().map(Metric::from).collect();
    Ok(window.page(metrics, |metric: &Metric| metric.key.clone()).respond(&uri))
}

async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<Metric> {
    look_up(db, tenant, name).await?.ok_or_else(|| Problem::no_such("metric", name, None))
}

async fn look_up(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> sqlx::Result<Option<Metric>> {
    let found: Option<Row> = tenant
        .query_as(include_str!("../../sql/registry/metrics/get.sql"))
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(db)
        .await?;
    Ok(found.map(Metric::from))
}
