//! Readings on their fastest way into the database: binary COPY.
//!
//! The format is that of <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format": a signature, then for
//! each row the number of its columns and each column with its length, then a trailer; all in network byte order.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use crate::ingest::changes::Changes;
use crate::ingest::chunks::{Chunk, Chunks};
use crate::ingest::resolve::Row;

/// Bytes sent to the database at once.
const PART: usize = 256 * 1024;

/// 2000-01-01, from which PostgreSQL counts: in microseconds since 1970, and in days of the common era.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i32 = 730_120;

/// Rows of a day from which on it pays to copy them into their chunk alone.
const MANY: usize = 200;

/// Appends rows to `reading`, all or none; they are new, or the whole transaction fails with a unique violation. Sorted by
/// identity they are written fastest. Those of days that have many go straight into their `chunks`.
pub async fn append(db: &mut PgConnection, rows: &[&Row<'_>], chunks: Option<&Chunks>) -> sqlx::Result<()> {
    let Some(chunks) = chunks else { return copy(db, "reading", rows).await };
    let mut days: BTreeMap<i64, Vec<&Row<'_>>> = BTreeMap::new();
    for row in rows {
        days.entry(day(row)).or_default().push(row);
    }
    let mut rest = BTreeSet::new();
    for (day, rows) in &days {
        let chunk = if rows.len() < MANY { None } else { chunks.find(db, rows[0].raw.at).await? };
        match chunk.filter(|chunk| rows.iter().all(|row| chunk.holds(row.raw.at))) {
            Some(chunk) => {
                copy(db, &chunk.name, rows).await?;
                note(db, &chunk, &Changes::of(rows)).await?;
            }
            None => _ = rest.insert(*day),
        }
    }
    let rest: Vec<_> = rows.iter().copied().filter(|row| rest.contains(&day(row))).collect();
    if rest.is_empty() { Ok(()) } else { copy(db, "reading", &rest).await }
}

fn day(row: &Row<'_>) -> i64 {
    row.raw.at.timestamp().div_euclid(86_400)
}

/// Notes in the log of changes what was copied into a chunk; fails where it should not have been.
async fn note(db: &mut PgConnection, chunk: &Chunk, changes: &Changes) -> sqlx::Result<()> {
    let sums = changes.sums.as_ref();
    let several = sums.and_then(|sums| sums.several.as_ref());
    sqlx::query(include_str!("../../sql/ingest/copied.sql"))
        .bind(&chunk.name)
        .bind(&changes.hours)
        .bind(&changes.ends)
        .bind(&changes.channels)
        .bind(sums.map(|sums| &sums.billing_days))
        .bind(sums.map(|sums| &sums.customers))
        .bind(sums.map(|sums| &sums.groups))
        .bind(sums.map(|sums| &sums.increments))
        .bind(sums.map(|sums| &sums.values))
        .bind(sums.map(|sums| &sums.first_times))
        .bind(several.map(|several| &several.counts))
        .bind(several.map(|several| &several.lowest))
        .bind(several.map(|several| &several.highest))
        .bind(several.map(|several| &several.first_values))
        .bind(several.map(|several| &several.last_times))
        .bind(several.map(|several| &several.last_values))
        .execute(db)
        .await
        .map(drop)
}

/// Copies rows into `reading` or one of its chunks.
async fn copy(db: &mut PgConnection, into: &str, rows: &[&Row<'_>]) -> sqlx::Result<()> {
    // The columns of ids are left to what they are without one, for rows are shorter then.
    let have_ids = rows.iter().any(|row| row.event_key != 0);
    let ids = if have_ids { ", event_key, event_id" } else { "" };
    let sql = include_str!("../../sql/ingest/copy.sql").replace("{into}", into).replace("{ids}", ids);
    let mut copy = db.copy_in_raw(&sql).await?;
    let mut part = Vec::with_capacity(PART + 1024);
    part.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
    part.extend_from_slice(&[0; 8]);
    for row in rows {
        encode(row, have_ids, &mut part);
        if part.len() >= PART {
            copy.send(part.as_slice()).await?;
            part.clear();
        }
    }
    part.extend_from_slice(&(-1_i16).to_be_bytes());
    copy.send(part.as_slice()).await?;
    copy.finish().await.map(drop)
}

fn encode(row: &Row<'_>, have_ids: bool, out: &mut Vec<u8>) {
    let columns: i16 = if have_ids { 9 } else { 7 };
    out.extend_from_slice(&columns.to_be_bytes());
    field(out, row.channel_id.to_be_bytes());
    field(out, micros(row.raw.at).to_be_bytes());
    field(out, row.value.to_be_bytes());
    field(out, row.increment.to_be_bytes());
    field(out, row.owner.customer_id.to_be_bytes());
    field(out, row.owner.group_id.to_be_bytes());
    field(out, days(row.billing_day).to_be_bytes());
    if !have_ids {
        return;
    }
    field(out, row.event_key.to_be_bytes());
    match &row.raw.id {
        // At most some hundred bytes, far below what the length can say.
        Some(id) => {
            out.extend_from_slice(&(id.len() as i32).to_be_bytes());
            out.extend_from_slice(id.as_bytes());
        }
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
    }
}

/// A column of a fixed width of 4 or 8 bytes.
fn field<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&(N as i32).to_be_bytes());
    out.extend_from_slice(&bytes);
}

fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros() - EPOCH_MICROS
}

fn days(day: NaiveDate) -> i32 {
    chrono::Datelike::num_days_from_ce(&day) - EPOCH_DAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_2000() {
        assert_eq!(micros("2000-01-01T00:00:00.000001Z".parse().unwrap()), 1);
        assert_eq!(micros("1999-12-31T23:59:59Z".parse().unwrap()), -1_000_000);
        assert_eq!(days("2000-01-01".parse().unwrap()), 0);
        assert_eq!(days("1970-01-01".parse().unwrap()), -10_957);
    }
}
