//! The stored readings directly before and after others.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::core::reading::register::Level;
use crate::ingest::resolve::Row;
use crate::ingest::store::Identity;

/// What is stored around a reading of the batch, unless another reading of the batch is in between.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around {
    /// Whether the reading is stored itself.
    pub stored: bool,
    pub before: Option<Level>,
    pub after: Option<Level>,
}

/// What is stored around each of these rows, which are sorted by identity and whose channels are locked.
pub async fn around(db: &mut PgConnection, rows: &[&mut Row<'_>]) -> sqlx::Result<Vec<Around>> {
    // Nothing can be stored in a channel that this transaction has made.
    let identities: Vec<Identity> = rows.iter().map(|row| row.identity()).collect();
    let old: Vec<usize> = (0..rows.len()).filter(|place| !rows[*place].new_channel).collect();
    let instants = || old.iter().map(|place| rows[*place].raw.at);
    let mut around = vec![Around::default(); rows.len()];
    let (Some(first), Some(last)) = (instants().min(), instants().max()) else { return Ok(around) };
    for (place, found) in old.iter().zip(between(db, &identities, &old, (first, last)).await?) {
        around[*place] = found;
    }
    let is_edge = |place: usize, other: Option<usize>| {
        other.and_then(|other| rows.get(other)).is_none_or(|other| other.channel_id != rows[place].channel_id)
    };
    // The neighbours of what is stored already do not matter.
    let new: Vec<usize> = old.into_iter().filter(|place| !around[*place].stored).collect();
    let firsts = new.iter().copied().filter(|place| is_edge(*place, place.checked_sub(1))).collect();
    for (place, found) in before(db, &identities, firsts, (first, last)).await? {
        around[place].before = Some(found);
    }
    let lasts = new.iter().copied().filter(|place| is_edge(*place, place.checked_add(1))).collect();
    for (place, found) in after(db, &identities, lasts, (first, last)).await? {
        around[place].after = Some(found);
    }
    Ok(around)
}

type Span = (DateTime<Utc>, DateTime<Utc>);

#[derive(sqlx::FromRow)]
struct AroundRow {
    stored: bool,
    before_ts: Option<DateTime<Utc>>,
    before_event_key: Option<i64>,
    before_value: Option<i64>,
    after_ts: Option<DateTime<Utc>>,
    after_event_key: Option<i64>,
    after_value: Option<i64>,
}

/// What is stored around the readings at these places, within their channel's first and last of them.
async fn between(
    db: &mut PgConnection,
    identities: &[Identity],
    places: &[usize],
    (first, last): Span,
) -> sqlx::Result<Vec<Around>> {
    let (channels, instants, event_keys) = columns(places.iter().map(|place| identities[*place]));
    let found: Vec<AroundRow> = sqlx::query_as(include_str!("../../../sql/ingest/register_neighbours.sql"))
        .bind(channels)
        .bind(instants)
        .bind(event_keys)
        .bind(first)
        .bind(last)
        .fetch_all(db)
        .await?;
    if found.len() != places.len() {
        return Err(sqlx::Error::RowNotFound);
    }
    let level = |at: Option<_>, event_key: Option<i64>, value: Option<i64>| {
        Some(Level { at: at?, event_key: event_key?, value: value? })
    };
    let around = |row: AroundRow| Around {
        stored: row.stored,
        before: level(row.before_ts, row.before_event_key, row.before_value),
        after: level(row.after_ts, row.after_event_key, row.after_value),
    };
    Ok(found.into_iter().map(around).collect())
}

/// How far around readings the neighbours are looked for; each step only for those that are not found yet, the last one
/// everywhere. Most are within a day, and a statement over all chunks there are takes longer to plan than to run.
pub const STEPS: [Option<TimeDelta>; 5] = [
    Some(TimeDelta::days(1)),
    Some(TimeDelta::days(10)),
    Some(TimeDelta::days(100)),
    Some(TimeDelta::days(1000)),
    None,
];

/// The last stored readings before those at these places, as far as there are any; one that is not kept any more is the
/// base that was kept of it.
pub async fn before(
    db: &mut PgConnection,
    identities: &[Identity],
    mut places: Vec<usize>,
    (first, last): Span,
) -> sqlx::Result<Vec<(usize, Level)>> {
    let (mut found, mut to) = (Vec::new(), last);
    for step in STEPS {
        let from = step.map(|step| first - step);
        let sql = include_str!("../../../sql/ingest/register_before.sql");
        found.extend(search(db, sql, identities, &mut places, (from, Some(to))).await?);
        to = from.unwrap_or(to);
    }
    Ok(found)
}

/// The first stored readings after those at these places, as far as there are any.
async fn after(
    db: &mut PgConnection,
    identities: &[Identity],
    mut places: Vec<usize>,
    (first, last): Span,
) -> sqlx::Result<Vec<(usize, Level)>> {
    let (mut found, mut from) = (Vec::new(), first);
    for step in STEPS {
        let to = step.map(|step| last + step);
        let sql = include_str!("../../../sql/ingest/register_after.sql");
        found.extend(search(db, sql, identities, &mut places, (Some(from), to)).await?);
        from = to.unwrap_or(from);
    }
    Ok(found)
}

/// Looks for the neighbours of the readings at these places within two instants; takes those out of the places that have one.
async fn search(
    db: &mut PgConnection,
    sql: &'static str,
    identities: &[Identity],
    places: &mut Vec<usize>,
    (from, to): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
) -> sqlx::Result<HashMap<usize, Level>> {
    if places.is_empty() {
        return Ok(HashMap::new());
    }
    let (channels, instants, event_keys) = columns(places.iter().map(|place| identities[*place]));
    let found: Vec<(i64, DateTime<Utc>, i64, i64)> =
        sqlx::query_as(sql).bind(channels).bind(instants).bind(event_keys).bind(from).bind(to).fetch_all(db).await?;
    let stored =
        |(number, at, event_key, value): (i64, _, _, _)| (places[number as usize - 1], Level { at, event_key, value });
    let found: HashMap<usize, Level> = found.into_iter().map(stored).collect();
    places.retain(|place| !found.contains_key(place));
    Ok(found)
}

/// Identities as the columns that statements take.
pub fn columns(identities: impl Iterator<Item = Identity>) -> (Vec<i32>, Vec<DateTime<Utc>>, Vec<i64>) {
    let (mut channels, mut instants, mut event_keys) = (Vec::new(), Vec::new(), Vec::new());
    for (channel, at, event_key) in identities {
        channels.push(channel);
        instants.push(at);
        event_keys.push(event_key);
    }
    (channels, instants, event_keys)
}
