//! Keys become metrics, devices, owners and billing days, from what the registry says within this transaction.

use std::fmt::Display;

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};

use crate::core::entity::Ref;
use crate::core::reading::{Code, Item, RawReading, Reason};
use crate::ingest::directory::{Device, Remembered};
use crate::ingest::known::{Kind, Metric, Owner};
use crate::ingest::listened::Listened;
use crate::ingest::verdict::Verdict;
use crate::keys::Part;

/// What requests become before anything is stored.
pub struct Resolved<'a> {
    /// For readings that will not be stored; none for those in `rows`.
    pub verdicts: Vec<Option<Verdict>>,
    pub rows: Vec<Row<'a>>,
    pub quarantined: Vec<Quarantined<'a>>,
    /// For whom those in `rows` are counted.
    pub listened: Listened,
}

/// A reading to keep apart.
#[derive(Debug, Clone, Copy)]
pub struct Quarantined<'a> {
    /// Its place among all.
    pub index: usize,
    pub provider_id: i32,
    pub raw: &'a RawReading,
    /// Why.
    pub code: Code,
    /// Whether the key that sent it is for a part of the provider, for which alone it can be stored.
    pub is_bound: bool,
}

/// A reading to be stored.
pub struct Row<'a> {
    /// Its place among all that are stored together.
    pub index: usize,
    pub raw: &'a RawReading,
    pub provider_id: i32,
    pub device_id: i32,
    pub metric: Metric,
    /// 0 until the channels are known.
    pub channel_id: i32,
    /// Whether this transaction has made the channel.
    pub new_channel: bool,
    /// Whether nothing is known that it could collide with.
    pub fresh: bool,
    /// 0 without an event id.
    pub event_key: i64,
    pub value: i64,
    /// That of a register is known only when its neighbours are.
    pub increment: i64,
    pub owner: Owner,
    pub billing_day: NaiveDate,
}

/// Resolves readings of a provider, each with its place and the part that it was sent for; readings before `kept_from` are not
/// taken. The caller keeps the provider's registry as it is. Whether that was all: where it is not `loaded` for these readings,
/// it ends at the first name that is not remembered.
pub fn resolve<'a>(
    provider_id: i32,
    kept_from: Option<DateTime<Utc>>,
    known: &Remembered,
    loaded: bool,
    items: impl Iterator<Item = ((usize, &'a Item), &'a Part)>,
    resolved: &mut Resolved<'a>,
) -> bool {
    // Most readings of a body are of one metric.
    let mut last: Option<(&Ref, Option<&Metric>)> = None;
    for ((index, item), part) in items {
        let outcome = match &item.reading {
            Ok(raw) => {
                let metric = match last {
                    Some((name, metric)) if *name == raw.metric => metric,
                    _ => last.insert((&raw.metric, known.metrics.get(&raw.metric))).1,
                };
                let device = known.devices.get(&raw.device);
                if !loaded && (metric.is_none() || device.is_none()) {
                    return false;
                }
                let named = Named { provider_id, part, index, raw, device, metric };
                named.row(kept_from).map_err(|verdict| (verdict, Some(raw)))
            }
            Err(reason) => Err((Verdict::Rejected(reason.clone()), None)),
        };
        match outcome {
            Ok(row) => resolved.rows.push(row),
            Err((verdict, raw)) => {
                if let (Verdict::Quarantined(reason), Some(raw)) = (&verdict, raw) {
                    let is_bound = part.is_limited();
                    resolved.quarantined.push(Quarantined { index, provider_id, raw, code: reason.code, is_bound });
                }
                resolved.verdicts[index] = Some(verdict);
            }
        }
    }
    true
}

/// A reading, and what is there of what it names.
struct Named<'a, 'k> {
    provider_id: i32,
    /// What it was sent for.
    part: &'k Part,
    index: usize,
    raw: &'a RawReading,
    device: Option<&'k Device>,
    metric: Option<&'k Metric>,
}

impl<'a> Named<'a, '_> {
    fn row(&self, kept_from: Option<DateTime<Utc>>) -> Result<Row<'a>, Verdict> {
        let Self { provider_id, part, index, raw, device, metric } = *self;
        if let Some(kept_from) = kept_from.filter(|kept_from| raw.at < *kept_from) {
            let since = kept_from.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            let detail = format!("readings before {since} are no longer kept, and their figures stay as they are");
            return Err(Verdict::Rejected(Reason::new(Code::BeyondRetention, detail)));
        }
        let quarantined = |code| {
            let detail = curable(code, &raw.device, &raw.metric, raw.at);
            Verdict::Quarantined(Reason::new(code, detail))
        };
        // What is not of the key's part is not there for it.
        let device = device.filter(|device| device.is_of(part, raw.at));
        // A value that the metric can never take is rejected whatever else is curable.
        let value = metric.map(|metric| metric.value(&raw.value).map_err(Verdict::Rejected)).transpose()?;
        let device = device.ok_or_else(|| quarantined(missing(part, &raw.device)))?;
        let (metric, value) = metric.zip(value).ok_or_else(|| quarantined(Code::UnknownMetric))?;
        let assignment = device.assignments.iter().find(|assignment| assignment.covers(raw.at));
        let assignment = assignment.ok_or_else(|| quarantined(Code::DeviceUnassigned))?;
        Ok(Row {
            index,
            raw,
            provider_id,
            device_id: device.device_id,
            metric: *metric,
            channel_id: 0,
            new_channel: false,
            fresh: false,
            event_key: raw.id.as_deref().map_or(0, event_key),
            value,
            increment: if metric.kind == Kind::Delta { value } else { 0 },
            owner: assignment.owner,
            billing_day: assignment.billing_day(raw.at),
        })
    }
}

/// Why a device is not there for a key.
fn missing(part: &Part, device: &Ref) -> Code {
    match (part, device) {
        (Part::Applicant(applicant), Ref::Key(key)) if key.as_str() == applicant => Code::DeviceUnapproved,
        _ => Code::UnknownDevice,
    }
}

/// What is told about a reading in quarantine for which there is nothing, or nobody, yet.
pub fn curable(code: Code, device: &impl Display, metric: &impl Display, at: DateTime<Utc>) -> String {
    match code {
        Code::UnknownMetric => {
            let hint = "it is kept until the metric is there; create it with PUT /v1/metrics/{key}";
            format!("there is no metric {metric}: {hint}")
        }
        Code::DeviceUnapproved => {
            format!("device {device} waits for approval of its enrollment: it is kept, and counts from then on")
        }
        Code::DeviceUnassigned => {
            let at = at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
            format!("device {device} belonged to nobody at {at}: it was not in service then")
        }
        _ => {
            let hint = "it is kept until the device is there; create it with PUT /v1/devices/{key}";
            format!("there is no device {device}: {hint}")
        }
    }
}

/// The first 64 bits of the id's SHA-256; never 0, which stands for no id.
fn event_key(id: &str) -> i64 {
    let hash = Sha256::digest(id.as_bytes());
    let first = hash.iter().take(8).fold(0_u64, |key, byte| key << 8 | u64::from(*byte));
    first.max(1).cast_signed()
}
