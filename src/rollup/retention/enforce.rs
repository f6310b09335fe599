//! Drops what is older than it is kept, chunk by chunk. Each step can be the last before a crash: the next time goes on
//! from there.
//!
//! 1. `kept_from.since` moves, by whole days or months, and is committed. From then on no reading before it is taken, by
//!    whatever way it comes.
//! 2. Transactions that began before that end, and what they changed is followed.
//! 3. `kept_from.dropped_before` moves: nothing before it is recomputed any more.
//! 4. Each chunk that lies before it goes, in a transaction that also saves the last reading of each register in it.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Keep, before, recomputed_from, row};
use crate::database::Edition;
use crate::rollup::definition::{Period, ROLLUPS, Rollup};
use crate::rollup::{Stores, leader};

type Chunk = (DateTime<Utc>, DateTime<Utc>);

/// Drops what `keep` says, of readings and of rollups. The caller refreshes: it has the lock.
pub async fn enforce(db: &mut PgConnection, edition: Edition, keep: &Keep) -> sqlx::Result<()> {
    let now = Utc::now();
    if let Some(until) = keep.readings.and_then(|time| before(now, time)) {
        move_to(db, "reading", Period::Day.floor(until)).await?;
    }
    drop_readings(db, edition).await?;
    // Whoever still sends a reading that is taken changes its hour, its day and its month, made from all of their source.
    let Some(readings) = recomputed_from(db, "reading").await? else { return Ok(()) };
    for rollup in ROLLUPS.iter() {
        let whole = match rollup.period {
            Period::Hour => Period::Day,
            Period::Day | Period::Month => Period::Month,
        };
        if let Some(until) = keep.of(rollup.period).and_then(|time| before(now, time)) {
            move_to(db, &rollup.name, whole.floor(until.min(readings))).await?;
        }
        drop_figures(db, edition, rollup).await?;
    }
    Ok(())
}

async fn move_to(db: &mut PgConnection, relation: &str, since: DateTime<Utc>) -> sqlx::Result<()> {
    let keep = sqlx::query(include_str!("../../../sql/retention/keep.sql")).bind(relation).bind(since);
    if keep.execute(db).await?.rows_affected() > 0 {
        tracing::info!(relation, %since, "what is older is no longer kept");
    }
    Ok(())
}

async fn chunks(db: &mut PgConnection, relation: &str, until: DateTime<Utc>) -> sqlx::Result<Vec<Chunk>> {
    sqlx::query_as(include_str!("../../../sql/retention/chunks.sql")).bind(relation).bind(until).fetch_all(db).await
}

async fn drop_readings(db: &mut PgConnection, edition: Edition) -> sqlx::Result<()> {
    let Some(kept) = row(db, "reading").await? else { return Ok(()) };
    if kept.dropped_before != Some(kept.since) {
        wait_for_writers(db).await?;
        leader::follow(db, edition).await?;
        let mut transaction = db.begin().await?;
        sqlx::query(LOCK_TIMEOUT).execute(&mut *transaction).await?;
        let pending: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM reading_change WHERE hour < $1)")
            .bind(kept.since)
            .fetch_one(&mut *transaction)
            .await?;
        if pending {
            // A transaction with a snapshot of its own slipped through; it is followed before the next try.
            tracing::info!("readings that are no longer kept changed; they are dropped later");
            return transaction.rollback().await;
        }
        seal(&mut transaction, edition, "reading").await?;
        transaction.commit().await?;
    }
    for (from, to) in chunks(db, "reading", kept.since).await? {
        let mut transaction = db.begin().await?;
        let bases = sqlx::query(include_str!("../../../sql/retention/register_bases.sql"));
        bases.bind(from).bind(to).persistent(false).execute(&mut *transaction).await?;
        drop_chunk(&mut transaction, "reading", (from, to)).await?;
        let (oldest, _): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) =
            sqlx::query_as(include_str!("../../../sql/retention/oldest_chunk.sql"))
                .fetch_one(&mut *transaction)
                .await?;
        let know = sqlx::query(include_str!("../../../sql/retention/know_oldest_chunk.sql"));
        know.bind(oldest).execute(&mut *transaction).await?;
        transaction.commit().await?;
        dropped("reading", (from, to));
    }
    Ok(())
}

async fn drop_figures(db: &mut PgConnection, edition: Edition, rollup: &Rollup) -> sqlx::Result<()> {
    let Some(kept) = row(db, &rollup.name).await? else { return Ok(()) };
    if kept.dropped_before != Some(kept.since) {
        let mut transaction = db.begin().await?;
        sqlx::query(LOCK_TIMEOUT).execute(&mut *transaction).await?;
        seal(&mut transaction, edition, &rollup.name).await?;
        transaction.commit().await?;
    }
    for chunk in chunks(db, &rollup.name, kept.since).await? {
        let mut transaction = db.begin().await?;
        drop_chunk(&mut transaction, &rollup.name, chunk).await?;
        transaction.commit().await?;
        dropped(&rollup.name, chunk);
    }
    Ok(())
}

/// From now on nothing is recomputed from what is no longer kept of `relation`, not even by a refresh by hand.
pub(super) async fn seal(db: &mut PgConnection, edition: Edition, relation: &str) -> sqlx::Result<()> {
    let seal = sqlx::query(include_str!("../../../sql/retention/seal.sql"));
    seal.bind(relation).execute(&mut *db).await?;
    let Some(since) = recomputed_from(db, relation).await? else { return Ok(()) };
    if edition == Edition::Apache {
        return Ok(());
    }
    let stores = Stores::read(db).await?;
    for rollup in ROLLUPS.iter().filter(|rollup| rollup.source == relation) {
        let store = stores.of(&rollup.name).ok_or(sqlx::Error::RowNotFound)?;
        let guard = include_str!("../../../sql/retention/guard.sql")
            .replace("{table}", &store.name)
            .replace("{since}", &since.to_rfc3339());
        sqlx::raw_sql(AssertSqlSafe(guard)).execute(&mut *db).await?;
    }
    Ok(())
}

/// How long a lock is waited for: whoever wants the table meanwhile waits too.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";

/// Returns when all transactions have ended that had changed readings before this was called.
async fn wait_for_writers(db: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    sqlx::query(LOCK_TIMEOUT).execute(&mut *transaction).await?;
    sqlx::query("LOCK TABLE ONLY reading IN SHARE MODE").execute(&mut *transaction).await?;
    transaction.rollback().await
}

async fn drop_chunk(db: &mut PgConnection, relation: &str, (from, to): Chunk) -> sqlx::Result<()> {
    sqlx::query(LOCK_TIMEOUT).execute(&mut *db).await?;
    sqlx::query("SELECT drop_chunks($1::regclass, older_than => $3::timestamptz, newer_than => $2::timestamptz)")
        .bind(relation)
        .bind(from)
        .bind(to)
        .execute(db)
        .await
        .map(drop)
}

fn dropped(relation: &str, (from, to): Chunk) {
    tracing::info!(relation, %from, %to, "dropped a chunk that is older than it is kept");
    metrics::counter!("meterbase_dropped_chunks_total", "relation" => relation.to_owned()).increment(1);
}
