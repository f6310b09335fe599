//! Increments of registers. They depend on the reading before, so one batch at a time works on a channel, and a reading
//! that comes in between two others changes the increment of the later one.

use sqlx::PgConnection;

use crate::core::reading::register::{Level, Register};
use crate::ingest::known::Kind;
use crate::ingest::neighbours::{Around, around};
use crate::ingest::resolve::Row;
use crate::ingest::store::Identity;

/// Fills in the increments of the registers among rows sorted by identity, and mends those of the stored readings that
/// come behind them.
pub async fn fill_increments(db: &mut PgConnection, rows: &mut [Row<'_>]) -> sqlx::Result<()> {
    let mut registers: Vec<&mut Row<'_>> = rows.iter_mut().filter(|row| row.metric.kind == Kind::Register).collect();
    if registers.is_empty() {
        return Ok(());
    }
    let mut channels: Vec<i32> = registers.iter().map(|row| row.channel_id).collect();
    channels.dedup();
    sqlx::query(include_str!("../../sql/ingest/lock_channels.sql")).bind(channels).execute(&mut *db).await?;
    let around = around(db, &registers).await?;
    let repaired = increments(&mut registers, &around);
    repair(db, &repaired).await
}

/// Sets the increments of the rows; returns those of stored readings that have another reading before them now.
fn increments(rows: &mut [&mut Row<'_>], around: &[Around]) -> Vec<(Identity, i64)> {
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
        let in_batch = previous.filter(|(channel, _)| *channel == row.channel_id).map(|(_, level)| level);
        row.increment = around.before.or(in_batch).and_then(|before| register.follows(before, level)).unwrap_or(0);
        if let Some(after) = around.after {
            let increment = register.follows(level, after).unwrap_or(0);
            repaired.push(((row.channel_id, after.at, after.event_key), increment));
        }
        previous = Some((row.channel_id, level));
    }
    repaired
}

async fn repair(db: &mut PgConnection, repaired: &[(Identity, i64)]) -> sqlx::Result<()> {
    let instants = || repaired.iter().map(|((_, at, _), _)| *at);
    let (Some(first), Some(last)) = (instants().min(), instants().max()) else { return Ok(()) };
    sqlx::query(include_str!("../../sql/ingest/repair_increments.sql"))
        .bind(repaired.iter().map(|((channel, _, _), _)| *channel).collect::<Vec<_>>())
        .bind(instants().collect::<Vec<_>>())
        .bind(repaired.iter().map(|((_, _, event_key), _)| *event_key).collect::<Vec<_>>())
        .bind(repaired.iter().map(|(_, increment)| *increment).collect::<Vec<_>>())
        .bind(first)
        .bind(last)
        .execute(db)
        .await
        .map(drop)
}
