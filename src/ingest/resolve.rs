//! Keys become metrics, devices, owners and billing days, from what the registry says within this transaction.

use chrono::NaiveDate;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::core::reading::{Code, Item, RawReading, Reason};
use crate::ingest::known::{Kind, Known, Metric, Owner};
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
    fn row<'a>(&self, index: usize, raw: &'a RawReading) -> Result<Row<'a>, Verdict> {
        if let Some(kept_from) = self.kept_from.filter(|kept_from| raw.at < *kept_from) {
            let since = kept_from.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            let detail = format!("readings before {since} are no longer kept, and their figures stay as they are");
            return Err(Verdict::Rejected(Reason::new(Code::BeyondRetention, detail)));
        }
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
            billing_day: assignment.billing_day(raw.at),
        })
    }
}

/// The first 64 bits of the id's SHA-256; never 0, which stands for no id.
fn event_key(id: &str) -> i64 {
    let hash = Sha256::digest(id.as_bytes());
    let first = hash.iter().take(8).fold(0_u64, |key, byte| key << 8 | u64::from(*byte));
    first.max(1).cast_signed()
}
