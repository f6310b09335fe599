//! What the registry says about the metrics, devices and owners that readings name.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::core::decimal;
use crate::core::entity::{BadKey, Key, Ref};
use crate::core::reading::field::{bad_value, quote};
use crate::core::reading::register::{self, Rule};
use crate::core::reading::{Code, RawReading, Reason};
use crate::ingest::directory::{Device, Remembered};

/// A device's owner in a time in which the owner's billing time zone is the same.
#[derive(Clone)]
pub struct Assignment {
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    pub owner: Owner,
    /// The owner's billing time zone.
    zone: Tz,
    /// The first billing day in that time zone; none where there was no other before.
    first_day: Option<NaiveDate>,
}

/// What decides how a metric's values are stored.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub metric_id: i32,
    pub kind: Kind,
    pub scale: u8,
    pub strict: bool,
    pub rule: Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Delta,
    Register,
    Gauge,
}

/// As stamped on readings.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    pub customer_id: i32,
    /// 0 for none.
    pub group_id: i32,
}

impl Remembered {
    /// Asks the registry for what readings name and is not remembered. The caller keeps it as it is.
    pub async fn load<'a>(
        &mut self,
        db: &mut PgConnection,
        provider_id: i32,
        readings: impl Iterator<Item = &'a RawReading> + Clone,
    ) -> sqlx::Result<()> {
        let unknown: Vec<_> = readings.clone().map(|r| &r.metric).filter(|m| !self.metrics.contains_key(m)).collect();
        if !unknown.is_empty() {
            self.metrics.extend(metrics(db, provider_id, unknown.into_iter()).await?);
        }
        let unknown: HashSet<_> = readings.map(|r| &r.device).filter(|d| !self.devices.contains_key(d)).collect();
        if !unknown.is_empty() {
            let mut found = devices(db, provider_id, unknown.iter().copied()).await?;
            found.retain(|name, _| unknown.contains(name));
            let mut assignments = assignments(db, found.values().copied().collect()).await?;
            // A device that is named both ways is remembered twice.
            let both = found.len() > assignments.len();
            for (name, device_id) in found {
                let owners = if both { assignments.get(&device_id).cloned() } else { assignments.remove(&device_id) };
                let assignments = owners.unwrap_or_default().into_boxed_slice();
                self.devices.insert(name, Device { device_id, assignments });
            }
        }
        Ok(())
    }
}

impl Metric {
    /// The scaled integer of a decimal.
    pub fn value(&self, text: &str) -> Result<i64, Reason> {
        let value = decimal::parse(text, self.scale, self.strict).map_err(|why| bad_value(text, why))?;
        if self.kind == Kind::Register && value.unsigned_abs() >= register::LIMIT.unsigned_abs() {
            let detail = format!("value {}: too large for a register of scale {}", quote(text), self.scale);
            return Err(Reason::new(Code::OutOfRange, detail));
        }
        Ok(value)
    }
}

impl Assignment {
    pub fn covers(&self, at: DateTime<Utc>) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }

    /// The billing day of an instant that it covers.
    pub fn billing_day(&self, at: DateTime<Utc>) -> NaiveDate {
        let date = at.with_timezone(&self.zone).date_naive();
        self.first_day.map_or(date, |first| date.max(first))
    }
}

#[derive(sqlx::FromRow)]
struct MetricRow {
    metric_id: i32,
    uuid: Uuid,
    key: String,
    kind: String,
    scale: i16,
    strict: bool,
    rollover_at: Option<i64>,
    max_per_hour: Option<i64>,
}

async fn metrics<'a>(
    db: &mut PgConnection,
    provider_id: i32,
    named: impl Iterator<Item = &'a Ref>,
) -> sqlx::Result<HashMap<Ref, Metric>> {
    let (keys, ids) = keys_and_ids(named);
    let rows: Vec<MetricRow> = sqlx::query_as(include_str!("../../sql/ingest/metrics.sql"))
        .bind(provider_id)
        .bind(keys)
        .bind(ids)
        .fetch_all(db)
        .await?;
    let mut metrics = HashMap::new();
    for row in rows {
        let metric = row.metric()?;
        metrics.extend(both_names(&row.key, row.uuid)?.map(|name| (name, metric)));
    }
    Ok(metrics)
}

impl MetricRow {
    fn metric(&self) -> sqlx::Result<Metric> {
        let kind = match self.kind.as_str() {
            "delta" => Kind::Delta,
            "register" => Kind::Register,
            "gauge" => Kind::Gauge,
            other => return Err(sqlx::Error::Decode(format!("unknown kind of metric {other:?}").into())),
        };
        let scale = u8::try_from(self.scale).map_err(|e| sqlx::Error::Decode(e.into()))?;
        let rule = Rule { rollover_at: self.rollover_at, max_per_hour: self.max_per_hour };
        Ok(Metric { metric_id: self.metric_id, kind, scale, strict: self.strict, rule })
    }
}

async fn devices<'a>(
    db: &mut PgConnection,
    provider_id: i32,
    named: impl Iterator<Item = &'a Ref>,
) -> sqlx::Result<HashMap<Ref, i32>> {
    let (keys, ids) = keys_and_ids(named);
    let rows: Vec<(i32, Uuid, String)> = sqlx::query_as(include_str!("../../sql/ingest/devices.sql"))
        .bind(provider_id)
        .bind(keys)
        .bind(ids)
        .fetch_all(db)
        .await?;
    let mut devices = HashMap::new();
    for (device_id, uuid, key) in rows {
        devices.extend(both_names(&key, uuid)?.map(|name| (name, device_id)));
    }
    Ok(devices)
}

#[derive(sqlx::FromRow)]
struct AssignmentRow {
    device_id: i32,
    customer_id: i32,
    group_id: i32,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    first_day: Option<NaiveDate>,
    time_zone: String,
}

/// All owners that these devices ever had.
async fn assignments(db: &mut PgConnection, devices: HashSet<i32>) -> sqlx::Result<HashMap<i32, Vec<Assignment>>> {
    let rows: Vec<AssignmentRow> = sqlx::query_as(include_str!("../../sql/ingest/assignments.sql"))
        .bind(Vec::from_iter(devices))
        .fetch_all(db)
        .await?;
    let mut assignments: HashMap<i32, Vec<Assignment>> = HashMap::new();
    for row in rows {
        let owner = Owner { customer_id: row.customer_id, group_id: row.group_id };
        let zone = row.time_zone.parse().map_err(|e: chrono_tz::ParseError| sqlx::Error::Decode(e.into()))?;
        let assignment = Assignment { since: row.since, until: row.until, owner, zone, first_day: row.first_day };
        // Almost all devices have one.
        assignments.entry(row.device_id).or_insert_with(|| Vec::with_capacity(1)).push(assignment);
    }
    Ok(assignments)
}

/// The keys and the ids among references, each once.
fn keys_and_ids<'a>(named: impl Iterator<Item = &'a Ref>) -> (Vec<&'a str>, Vec<Uuid>) {
    let (mut keys, mut ids) = (HashSet::new(), HashSet::new());
    for name in named {
        let _is_first = match name {
            Ref::Key(key) => keys.insert(key.as_str()),
            Ref::Id(id) => ids.insert(*id),
        };
    }
    (keys.into_iter().collect(), ids.into_iter().collect())
}

/// An entity is found under its key and under its id.
fn both_names(key: &str, id: Uuid) -> sqlx::Result<[Ref; 2]> {
    let key: Key = key.parse().map_err(|e: BadKey| sqlx::Error::Decode(e.into()))?;
    Ok([Ref::Key(key), Ref::Id(id)])
}
