//! Increments of registers. They depend on the readings before, so one transaction at a time works on a channel, and a
//! reading that comes in between two others changes the increment of the later one.
//!
//! Where nothing was ever suspicious, replaced or judged by another rule, increments are differences of neighbours, and
//! are filled in before a batch is stored. Where it was, or is by this batch, [`refold`] goes through what is stored then.

pub mod definition;
mod neighbours;
mod outcome;
mod refold;
pub mod replacing;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::core::reading::register::{Level, Register};
use crate::ingest::known::Kind;
use crate::ingest::registers::neighbours::{Around, around};
use crate::ingest::resolve::Row;
use crate::ingest::store::Identity;

pub use neighbours::columns;
pub use outcome::Outcome;
pub use refold::{Part, differences, refold};

/// Keeps other transactions from computing increments of these channels until this one ends.
pub async fn lock(db: &mut PgConnection, channels: &[i32]) -> sqlx::Result<()> {
    sqlx::query(include_str!("../../../sql/ingest/lock_channels.sql")).bind(channels).execute(db).await.map(drop)
}

/// Fills in the increments of the registers among rows sorted by identity, and mends those of the stored readings that
/// come behind them. Returns the parts of channels that are to be folded again once the rows are stored.
pub async fn fill_increments(db: &mut PgConnection, rows: &mut [Row<'_>]) -> sqlx::Result<Vec<Part>> {
    let mut registers: Vec<&mut Row<'_>> = rows.iter_mut().filter(|row| row.metric.kind == Kind::Register).collect();
    if registers.is_empty() {
        return Ok(Vec::new());
    }
    let mut channels: Vec<i32> = registers.iter().map(|row| row.channel_id).collect();
    channels.dedup();
    lock(db, &channels).await?;
    let around = around(db, &registers).await?;
    let spans = spans(&registers, &around);
    let mut doubtful = trouble(db, &spans).await?;
    let mut repaired = increments(&mut registers, &around, &mut doubtful);
    repaired.retain(|((channel, _, _), _)| !doubtful.contains(channel));
    outcome::repair(db, &repaired).await?;
    Ok(spans.into_iter().filter(|span| doubtful.contains(&span.part.channel_id)).map(|span| span.part).collect())
}

/// A channel's new rows, and the instants of what is stored around them.
struct Span {
    part: Part,
    /// None if nothing is before them.
    before: Option<DateTime<Utc>>,
    after: DateTime<Utc>,
}

/// The span of each channel that has new rows.
fn spans(rows: &[&mut Row<'_>], around: &[Around]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (row, around) in rows.iter().zip(around).filter(|(_, around)| !around.stored) {
        let (channel_id, at, event_key) = row.identity();
        let after = around.after.map_or(at, |after| after.at);
        match spans.last_mut().filter(|span| span.part.channel_id == channel_id) {
            Some(span) => (span.part.last, span.after) = ((at, event_key), after),
            None => {
                let part = Part { channel_id, first: (at, event_key), last: (at, event_key) };
                spans.push(Span { part, before: around.before.map(|before| before.at), after });
            }
        }
    }
    spans
}

/// The channels among these whose increments there are more than differences.
async fn trouble(db: &mut PgConnection, spans: &[Span]) -> sqlx::Result<HashSet<i32>> {
    let troubled: Vec<i32> = sqlx::query_scalar(include_str!("../../../sql/registers/trouble.sql"))
        .bind(spans.iter().map(|span| span.part.channel_id).collect::<Vec<_>>())
        .bind(spans.iter().map(|span| span.before).collect::<Vec<_>>())
        .bind(spans.iter().map(|span| span.after).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    Ok(troubled.into_iter().collect())
}

/// Sets the increments of the rows; returns those of stored readings that have another reading before them now. A channel
/// with a reading that does not follow from the one before is doubtful.
fn increments(rows: &mut [&mut Row<'_>], around: &[Around], doubtful: &mut HashSet<i32>) -> Vec<(Identity, i64)> {
    let mut repaired = Vec::new();
    // The new reading of the batch that comes before.
    let mut previous: Option<(i32, Level)> = None;
    for (row, around) in rows.iter_mut().zip(around) {
        if around.stored {
            // What is stored stands, and its neighbours know it; the next row finds it as its `before`.
            previous = None;
            continue;
        }
        let level = Level { at: row.raw.at, event_key: row.event_key, value: row.value };
        let register = Register::new(row.metric.rule);
        let channel_id = row.channel_id;
        let mut difference = |before, level| {
            register.follows(before, level).unwrap_or_else(|| {
                doubtful.insert(channel_id);
                0
            })
        };
        let in_batch = previous.filter(|(channel, _)| *channel == channel_id).map(|(_, level)| level);
        row.increment = around.before.or(in_batch).map_or(0, |before| difference(before, level));
        if let Some(after) = around.after {
            repaired.push(((channel_id, after.at, after.event_key), difference(level, after)));
        }
        previous = Some((channel_id, level));
    }
    repaired
}
