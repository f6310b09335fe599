//! What a replacement may say, and what it does to increments.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::core::decimal::{self, Scaled};
use crate::core::entity::Ref;
use crate::core::reading::register::{LIMIT, Level};
use crate::http::access::Tenant;
use crate::http::problem::{Problem, Result};
use crate::ingest::registers::definition;
use crate::ingest::registers::refold::{self, Part, Refolded, refold};
use crate::registry::metrics::DecimalText;

/// The metric of a register.
pub struct RegisterMetric {
    pub metric_id: i32,
    pub scale: u8,
}

#[derive(sqlx::FromRow)]
struct MetricRow {
    metric_id: i32,
    key: String,
    kind: String,
    scale: i16,
}

/// A replacement that is to be told, of a channel that the caller has locked.
pub struct Wanted<'a> {
    pub channel_id: i32,
    pub at: DateTime<Utc>,
    /// Scaled, as the next one.
    pub last: i64,
    pub first: i64,
    pub note: Option<&'a str>,
}

impl RegisterMetric {
    /// The metric that a body names at `/metric`.
    pub async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<Self> {
        let row: Option<MetricRow> = tenant
            .query_as(include_str!("../../../sql/registers/metric.sql"))
            .bind(name.key())
            .bind(name.id())
            .fetch_optional(db)
            .await?;
        let row = row.ok_or_else(|| Problem::no_such("metric", name, Some("/metric")))?;
        if row.kind != "register" {
            let detail = format!("{} is a {}: only a register has a meter's running total", row.key, row.kind);
            return Err(Problem::field("/metric", detail));
        }
        Ok(Self { metric_id: row.metric_id, scale: u8::try_from(row.scale).map_err(Problem::internal)? })
    }

    /// The scaled integer of a decimal that a register can show.
    pub fn value(&self, pointer: &str, text: &DecimalText) -> Result<i64> {
        match decimal::parse(text.as_str(), self.scale, true) {
            Ok(value) if value.unsigned_abs() < LIMIT.unsigned_abs() => Ok(value),
            Ok(_) => Err(Problem::field(pointer, format!("too large for a register of scale {}", self.scale))),
            Err(decimal::BadDecimal::TooManyDecimals) => {
                Err(Problem::field(pointer, format!("more than the metric's {} decimals", self.scale)))
            }
            Err(why) => Err(Problem::field(pointer, why.to_string())),
        }
    }
}

/// Stores a replacement and folds the channel again from there on; none if the meter was replaced at that instant already.
pub async fn replace(
    db: &mut PgConnection,
    tenant: &Tenant,
    metric: &RegisterMetric,
    wanted: &Wanted<'_>,
) -> Result<Option<Refolded>> {
    let registers = definition::of(db, &[wanted.channel_id]).await?;
    let register = registers.get(&wanted.channel_id).ok_or(sqlx::Error::RowNotFound)?;
    if register.replacements.iter().any(|replacement| replacement.at == wanted.at) {
        return Ok(None);
    }
    if is_before_base(db, wanted.channel_id, wanted.at).await? {
        return Err(Problem::field("/at", "the readings of that time are not kept any more"));
    }
    let part = Part::at(wanted.channel_id, wanted.at);
    let state = refold::state_before(db, &part).await?;
    let end = Level { at: wanted.at, event_key: i64::MIN, value: wanted.last };
    let follows = |level: Option<Level>| level.is_some_and(|level| register.follows(level, end).is_some());
    if let Some(before) = state.suspect.or(state.trusted)
        && !follows(state.trusted)
        && !follows(state.suspect)
    {
        let (value, last) = (Scaled::new(before.value, metric.scale), Scaled::new(wanted.last, metric.scale));
        let at = before.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let why = if register.advance(before, end).is_some() {
            "that is faster than the metric's max_per_hour allows"
        } else {
            "that is lower"
        };
        let detail = format!("{last} does not follow from the reading before, {value} at {at}: {why}");
        return Err(Problem::field("/final", detail));
    }
    sqlx::query(include_str!("../../../sql/registers/replace.sql"))
        .bind(Uuid::now_v7())
        .bind(wanted.channel_id)
        .bind(wanted.at)
        .bind(wanted.last)
        .bind(wanted.first)
        .bind(wanted.note)
        .bind(tenant.by.key_id)
        .execute(&mut *db)
        .await?;
    Ok(Some(refold(db, &[part]).await?))
}

/// Whether the readings of an instant were dropped, so that what they add stays what it was.
pub async fn is_before_base(db: &mut PgConnection, channel_id: i32, at: DateTime<Utc>) -> sqlx::Result<bool> {
    let base: Option<DateTime<Utc>> =
        sqlx::query_scalar(include_str!("../../../sql/registers/base.sql")).bind(channel_id).fetch_optional(db).await?;
    Ok(base.is_some_and(|base| at <= base))
}
