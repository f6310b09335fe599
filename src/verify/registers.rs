//! What registers add, and which of their readings are under suspicion: their readings are folded again by the code that
//! folds them when they are stored, from the state that is stored of the day before, and nothing of it is written.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::difference::Check;
use super::run::Run;
use crate::ingest::registers::{self, Outcome, Part, columns};

/// Registers that are folded at once: with as many queries as one of them takes.
const CHANNELS: usize = 500;

/// What is compared of a reading: what it adds, and what its review says.
const COLUMNS: [&str; 8] = [
    "increment",
    "review.kind",
    "review.repeated",
    "review.trusted_ts",
    "review.trusted_event_key",
    "review.trusted_value",
    "review.accepting",
    "review.cleared",
];

/// Notes the registers that have readings in the day whose hours were just recomputed.
pub async fn note(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(include_str!("../../sql/verify/registers/noted.sql")).execute(db).await.map(drop)
}

/// Compares the readings in `[from, to)` of the registers that were noted.
pub async fn compare(
    db: &mut PgConnection,
    run: &mut Run<'_>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> sqlx::Result<()> {
    let channels: Vec<i32> =
        sqlx::query_scalar("SELECT channel_id FROM verify_register ORDER BY 1").fetch_all(&mut *db).await?;
    let (first, last) = ((from, i64::MIN), (to - TimeDelta::microseconds(1), i64::MAX));
    for channels in channels.chunks(CHANNELS) {
        let parts: Vec<Part> = channels.iter().map(|channel| Part { channel_id: *channel, first, last }).collect();
        let outcome = registers::differences(db, &parts).await?;
        keep(db, &outcome, from, to).await?;
    }
    let sql = include_str!("../../sql/verify/registers/compare.sql").to_owned();
    run.report(db, Check::Increments, &COLUMNS, sql, from, to).await
}

/// Keeps what differs in `verify_fold`.
async fn keep(db: &mut PgConnection, outcome: &Outcome, from: DateTime<Utc>, to: DateTime<Utc>) -> sqlx::Result<()> {
    if !outcome.increments.is_empty() {
        let (channels, instants, event_keys) = columns(outcome.increments.iter().map(|(identity, _)| *identity));
        sqlx::query(include_str!("../../sql/verify/registers/increments.sql"))
            .bind(channels)
            .bind(instants)
            .bind(event_keys)
            .bind(outcome.increments.iter().map(|(_, increment)| *increment).collect::<Vec<_>>())
            .execute(&mut *db)
            .await?;
    }
    if !outcome.suspicious.is_empty() {
        let query = sqlx::query(include_str!("../../sql/verify/registers/suspicious.sql"));
        outcome.bind_suspicious(query).execute(&mut *db).await?;
    }
    if !outcome.trusted.is_empty() {
        let (channels, instants, event_keys) = columns(outcome.trusted.iter().copied());
        sqlx::query(include_str!("../../sql/verify/registers/believed.sql"))
            .bind(channels)
            .bind(instants)
            .bind(event_keys)
            .execute(&mut *db)
            .await?;
    }
    if !outcome.runs.is_empty() {
        let query = sqlx::query(include_str!("../../sql/verify/registers/cleared.sql"));
        outcome.bind_runs(query).bind(from).bind(to).execute(db).await?;
    }
    Ok(())
}
