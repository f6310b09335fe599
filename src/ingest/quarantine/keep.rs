//! Readings into quarantine, as many of a provider as it may have there.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::core::reading::{Code, RawReading, Reason};
use crate::ingest::resolve::Quarantined;
use crate::ingest::verdict::Verdict;
use crate::limits::Limit;

/// Readings by provider and API key, 0 for none.
pub type ByKey = BTreeMap<(i32, i32), i64>;

/// Keeps readings apart, once each; those that there is no room for are rejected. `key_of` tells which API key sent the
/// reading at a place. Tells how many are new.
pub async fn keep(
    db: &mut PgConnection,
    mut readings: Vec<Quarantined<'_>>,
    most: usize,
    key_of: impl Fn(usize) -> Option<i32>,
    verdicts: &mut [Option<Verdict>],
) -> sqlx::Result<ByKey> {
    if readings.is_empty() {
        return Ok(ByKey::new());
    }
    refuse_beyond(db, &mut readings, most, &key_of, verdicts).await?;
    let kept: Vec<(i32, Option<i32>, i64)> = sqlx::query_as(include_str!("../../../sql/quarantine/keep.sql"))
        .bind(readings.iter().map(|r| r.provider_id).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| key_of(r.index)).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.device.to_string()).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.metric.to_string()).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.at).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.value.as_str()).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.id.as_deref()).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| Json(&r.raw.dimensions)).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.code.as_str()).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| bound(r, &key_of)).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    Ok(kept.into_iter().map(|(provider, key, number)| ((provider, key.unwrap_or(0)), number)).collect())
}

/// Takes out the readings of providers that are new and have no room left. What others keep at the same time is not seen,
/// so there may be a flush more for each that stores.
async fn refuse_beyond(
    db: &mut PgConnection,
    readings: &mut Vec<Quarantined<'_>>,
    most: usize,
    key_of: &impl Fn(usize) -> Option<i32>,
    verdicts: &mut [Option<Verdict>],
) -> sqlx::Result<()> {
    let mut sent: BTreeMap<i32, usize> = BTreeMap::new();
    for reading in &*readings {
        *sent.entry(reading.provider_id).or_default() += 1;
    }
    let there: Vec<(i32, i64)> = sqlx::query_as(include_str!("../../../sql/quarantine/room.sql"))
        .bind(sent.keys().copied().collect::<Vec<_>>())
        .fetch_all(&mut *db)
        .await?;
    let there: HashMap<i32, i64> = there.into_iter().collect();
    let room = |provider: &i32| most.saturating_sub(there.get(provider).map_or(0, |n| *n.max(&0) as usize));
    let mut full: HashMap<i32, usize> = sent
        .iter()
        .map(|(provider, sent)| (*provider, *sent, room(provider)))
        .filter(|(_, sent, room)| sent > room)
        .map(|(provider, _, room)| (provider, room))
        .collect();
    if full.is_empty() {
        return Ok(());
    }
    let (of_full, mut kept): (Vec<_>, Vec<_>) = readings.drain(..).partition(|r| full.contains_key(&r.provider_id));
    let mut refused = HashSet::new();
    for (place, (reading, (first, is_there))) in of_full.iter().zip(known(db, &of_full, key_of).await?).enumerate() {
        let room = full.entry(reading.provider_id).or_default();
        let is_repeated = first != place;
        if is_there || (is_repeated && !refused.contains(&first)) {
            continue;
        }
        if *room > 0 && !is_repeated {
            *room -= 1;
            continue;
        }
        refused.insert(place);
        Limit::QuarantineReadings.refused();
        verdicts[reading.index] = Some(Verdict::Rejected(no_room(reading.raw, reading.code, most)));
    }
    kept.extend(of_full.into_iter().enumerate().filter(|(place, _)| !refused.contains(place)).map(|(_, r)| r));
    *readings = kept;
    Ok(())
}

/// Of each reading the place of the first among these that is the same, and whether it is in quarantine already.
async fn known(
    db: &mut PgConnection,
    readings: &[Quarantined<'_>],
    key_of: &impl Fn(usize) -> Option<i32>,
) -> sqlx::Result<Vec<(usize, bool)>> {
    let known: Vec<(i64, bool)> = sqlx::query_as(include_str!("../../../sql/quarantine/known.sql"))
        .bind(readings.iter().map(|r| r.provider_id).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.device.to_string()).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.metric.to_string()).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.at).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.value.as_str()).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| r.raw.id.as_deref()).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| Json(&r.raw.dimensions)).collect::<Vec<_>>())
        .bind(readings.iter().map(|r| bound(r, key_of)).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    Ok(known.into_iter().map(|(first, is_there)| (first as usize - 1, is_there)).collect())
}

/// The key that sent a reading, where it is for a part of the provider.
fn bound(reading: &Quarantined<'_>, key_of: &impl Fn(usize) -> Option<i32>) -> Option<i32> {
    key_of(reading.index).filter(|_| reading.is_bound)
}

fn no_room(raw: &RawReading, code: Code, most: usize) -> Reason {
    let why = match code {
        Code::UnknownDevice => format!("there is no device {}", raw.device),
        Code::UnknownMetric => format!("there is no metric {}", raw.metric),
        _ => format!("device {} belonged to nobody at that time", raw.device),
    };
    let detail = format!(
        "{why}, and the quarantine has the {most} readings that it may: create what is missing or DELETE /v1/quarantine, \
         then send it again"
    );
    Reason::new(Code::QuarantineFull, detail)
}
