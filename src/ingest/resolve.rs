//! Keys become metrics, devices, owners and billing days, from what the registry says within this transaction.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::core::decimal;
use crate::core::entity::{Key, Ref};
use crate::core::instant;
use crate::core::reading::field::{bad_value, quote};
use crate::core::reading::register::{self, Rule};
use crate::core::reading::{Code, Item, RawReading, Reason};
use crate::ingest::verdict::Verdict;

/// What a batch becomes before anything is stored.
pub struct Resolved<'a> {
    /// For readings that will not be stored; none for those in `rows`.
    pub verdicts: Vec<Option<Verdict>>,
    pub rows: Vec<Row<'a>>,
    /// Readings to keep apart, with the code that says why.
    pub quarantined: Vec<(&'a RawReading, Code)>,
}

/// A reading to be stored.
pub struct Row<'a> {
    /// Its place in the batch.
    pub index: usize,
    pub raw: &'a RawReading,
    pub device_id: i32,
    pub metric: Metric,
    /// 0 until the channels are known.
    pub channel_id: i32,
    /// Whether this transaction has made the channel.
    pub new_channel: bool,
    /// 0 without an event id.
    pub event_key: i64,
    pub value: i64,
    /// That of a register is known only when its neighbours are.
    pub increment: i64,
    pub owner: Owner,
    pub billing_day: NaiveDate,
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

/// What the registry knows of the entities that a batch names.
struct Known {
    metrics: HashMap<Ref, Metric>,
    devices: HashMap<Ref, i32>,
    assignments: HashMap<i32, Vec<Assignment>>,
}

struct Assignment {
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    owner: Owner,
    zone: Tz,
}

/// Resolves a batch. The caller holds the provider's stamping lock.
pub async fn resolve<'a>(db: &mut PgConnection, provider_id: i32, items: &'a [Item]) -> sqlx::Result<Resolved<'a>> {
    let known = Known::of(db, provider_id, items).await?;
    let mut resolved =
        Resolved { verdicts: Vec::with_capacity(items.len()), rows: Vec::new(), quarantined: Vec::new() };
    for (index, item) in items.iter().enumerate() {
        let outcome = match &item.reading {
            Ok(raw) => known.row(index, raw).map_err(|verdict| (verdict, Some(raw))),
            Err(reason) => Err((Verdict::Rejected(reason.clone()), None)),
        };
        match outcome {
            Ok(row) => {
                resolved.rows.push(row);
                resolved.verdicts.push(None);
            }
            Err((verdict, raw)) => {
                if let (Verdict::Quarantined(reason), Some(raw)) = (&verdict, raw) {
                    resolved.quarantined.push((raw, reason.code));
                }
                resolved.verdicts.push(Some(verdict));
            }
        }
    }
    Ok(resolved)
}

impl Known {
    async fn of(db: &mut PgConnection, provider_id: i32, items: &[Item]) -> sqlx::Result<Self> {
        let readings = || items.iter().filter_map(|item| item.reading.as_ref().ok());
        let metrics = metrics(db, provider_id, readings().map(|reading| &reading.metric)).await?;
        let devices = devices(db, provider_id, readings().map(|reading| &reading.device)).await?;
        let span = readings().map(|reading| reading.at).min().zip(readings().map(|reading| reading.at).max());
        let assignments = match span {
            Some((first, last)) => assignments(db, devices.values().copied().collect(), first, last).await?,
            None => HashMap::new(),
        };
        Ok(Self { metrics, devices, assignments })
    }

    fn row<'a>(&self, index: usize, raw: &'a RawReading) -> Result<Row<'a>, Verdict> {
        let quarantined = |code, detail| Verdict::Quarantined(Reason { code, detail });
        let device_id = self.devices.get(&raw.device);
        let metric = self.metrics.get(&raw.metric);
        // A value that the metric can never take is rejected whatever else is curable.
        let value = metric.map(|metric| metric.value(&raw.value).map_err(Verdict::Rejected)).transpose()?;
        let device_id = *device_id.ok_or_else(|| {
            let hint = "it is kept until the device is there; create it with PUT /v1/devices/{key}";
            quarantined(Code::UnknownDevice, format!("there is no device {}: {hint}", raw.device))
        })?;
        let (metric, value) = metric.zip(value).ok_or_else(|| {
            let hint = "it is kept until the metric is there; create it with PUT /v1/metrics/{key}";
            quarantined(Code::UnknownMetric, format!("there is no metric {}: {hint}", raw.metric))
        })?;
        let assignments = self.assignments.get(&device_id).map_or(&[][..], Vec::as_slice);
        let assignment = assignments.iter().find(|assignment| assignment.covers(raw.at)).ok_or_else(|| {
            let at = raw.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            let detail = format!("device {} belonged to nobody at {at}: it was not in service then", raw.device);
            quarantined(Code::DeviceUnassigned, detail)
        })?;
        Ok(Row {
            index,
            raw,
            device_id,
            metric: *metric,
            channel_id: 0,
            new_channel: false,
            event_key: raw.id.as_deref().map_or(0, event_key),
            value,
            increment: if metric.kind == Kind::Delta { value } else { 0 },
            owner: assignment.owner,
            billing_day: instant::billing_day(raw.at, assignment.zone),
        })
    }
}

impl Metric {
    fn value(&self, text: &str) -> Result<i64, Reason> {
        let value = decimal::parse(text, self.scale, self.strict).map_err(|why| bad_value(text, why))?;
        if self.kind == Kind::Register && value.unsigned_abs() >= register::LIMIT.unsigned_abs() {
            let detail = format!("value {}: too large for a register of scale {}", quote(text), self.scale);
            return Err(Reason::new(Code::OutOfRange, detail));
        }
        Ok(value)
    }
}

impl Assignment {
    fn covers(&self, at: DateTime<Utc>) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// The first 64 bits of the id's SHA-256; never 0, which stands for no id.
fn event_key(id: &str) -> i64 {
    let hash = Sha256::digest(id.as_bytes());
    let first = hash.iter().take(8).fold(0_u64, |key, byte| key << 8 | u64::from(*byte));
    first.max(1).cast_signed()
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
    time_zone: String,
}

async fn assignments(
    db: &mut PgConnection,
    devices: HashSet<i32>,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
) -> sqlx::Result<HashMap<i32, Vec<Assignment>>> {
    let rows: Vec<AssignmentRow> = sqlx::query_as(include_str!("../../sql/ingest/assignments.sql"))
        .bind(Vec::from_iter(devices))
        .bind(first)
        .bind(last)
        .fetch_all(db)
        .await?;
    let mut assignments: HashMap<i32, Vec<Assignment>> = HashMap::new();
    for row in rows {
        let owner = Owner { customer_id: row.customer_id, group_id: row.group_id };
        let zone = row.time_zone.parse().map_err(|e: chrono_tz::ParseError| sqlx::Error::Decode(e.into()))?;
        let assignment = Assignment { since: row.since, until: row.until, owner, zone };
        assignments.entry(row.device_id).or_default().push(assignment);
    }
    Ok(assignments)
}

/// The keys and the ids among references, each once.
fn keys_and_ids<'a>(named: impl Iterator<Item = &'a Ref>) -> (Vec<&'a str>, Vec<Uuid>) {
    let (mut keys, mut ids) = (HashSet::new(), HashSet::new());
    for name in named {
        match name {
            Ref::Key(key) => drop(keys.insert(key.as_str())),
            Ref::Id(id) => drop(ids.insert(*id)),
        }
    }
    (keys.into_iter().collect(), ids.into_iter().collect())
}

/// An entity is found under its key and under its id.
fn both_names(key: &str, id: Uuid) -> sqlx::Result<[Ref; 2]> {
    let key: Key = key.parse().map_err(|e: crate::core::entity::BadKey| sqlx::Error::Decode(e.into()))?;
    Ok([Ref::Key(key), Ref::Id(id)])
}
