//! Whoever holds one advisory lock refreshes: any number of servers can share a database, one works at a time, and when
//! its connection ends, another's next try succeeds.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio_util::sync::CancellationToken;

use super::retention::{self, Keep};
use super::{apache, community};
use crate::database::Edition;
use crate::observe::Task;

/// Key of the advisory lock: "rollups" in ASCII.
pub const LOCK: i64 = 0x0072_6f6c_6c75_7073;

/// How often what is older than it is kept is looked for.
const RETENTION_INTERVAL: Duration = Duration::from_secs(3600);

/// After work that took longer than the interval the refresher rests for as long as it took, up to this: where readings pour
/// in, they need the processors too, and what comes in meanwhile is followed together.
const LONGEST_REST: Duration = Duration::from_secs(3);

/// Longest wait between tries while the database cannot be reached.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Follows all changes that are pending when it begins, after whoever else is doing so. Not in a transaction.
pub async fn refresh(db: &mut PgConnection, edition: Edition) -> sqlx::Result<()> {
    lock(db).await?;
    let done = follow(db, edition).await;
    unlock(db).await?;
    done
}

/// Follows one batch of pending changes, after whoever else is doing so: as [`refresh`], so that others get their turn
/// between two batches. Tells whether there was one. Not in a transaction.
pub async fn step(db: &mut PgConnection, edition: Edition, newest: bool) -> sqlx::Result<bool> {
    lock(db).await?;
    let done = batch(db, edition, newest).await;
    unlock(db).await?;
    Ok(done?.is_some())
}

/// Waits until nobody else changes rollups.
pub async fn lock(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(db).await.map(drop)
}

pub async fn unlock(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK).execute(db).await.map(drop)
}

async fn batch(db: &mut PgConnection, edition: Edition, newest: bool) -> sqlx::Result<Option<u64>> {
    match edition {
        Edition::Apache => apache::batch(db, newest).await,
        Edition::Community => community::batch(db, newest).await,
    }
}

/// Follows all pending changes, then drops what is older than it is kept, after whoever else refreshes. Not in a
/// transaction.
pub async fn retain(db: &mut PgConnection, edition: Edition, keep: &Keep) -> sqlx::Result<()> {
    lock(db).await?;
    let done = match follow(db, edition).await {
        Ok(()) => retention::enforce(db, edition, keep).await,
        failed => failed,
    };
    unlock(db).await?;
    done
}

/// Keeps the rollups up to date until `shutdown`: looks for pending changes `every` so often, less often where following
/// them takes longer, and for what is older than it is kept once an hour. Work that is under way then is broken off; it is
/// not lost, for its changes stay pending.
pub async fn run(
    options: PgConnectOptions,
    edition: Edition,
    keep: Keep,
    every: Duration,
    shutdown: CancellationToken,
) {
    let options = options.application_name("meterbase rollups");
    shutdown.run_until_cancelled(run_always(options, edition, keep, every)).await;
}

async fn run_always(options: PgConnectOptions, edition: Edition, keep: Keep, every: Duration) {
    let mut connection = None;
    let mut pause = every;
    let mut retained: Option<Instant> = None;
    loop {
        let retention_due = retained.is_none_or(|last| last.elapsed() >= RETENTION_INTERVAL);
        if retention_due {
            retained = Some(Instant::now());
        }
        let began = Instant::now();
        let done = round(&mut connection, &options, edition, retention_due.then_some(&keep)).await;
        Task::Rollups.ended(began, done.is_ok());
        let rest = match done {
            Ok(()) => {
                pause = every;
                every.max(began.elapsed().min(LONGEST_REST))
            }
            Err(error) => {
                // The connection may be what is broken, and it may hold the lock: a new one starts clean.
                connection = None;
                pause = (pause * 2).min(LONGEST_PAUSE).max(every);
                tracing::warn!(%error, again_in = ?pause, "rollups could not be refreshed");
                pause
            }
        };
        tokio::time::sleep(rest).await;
    }
}

async fn round(
    connection: &mut Option<PgConnection>,
    options: &PgConnectOptions,
    edition: Edition,
    retention: Option<&Keep>,
) -> sqlx::Result<()> {
    let db = match connection {
        Some(db) => db,
        None => connection.insert(options.connect().await?),
    };
    let pending: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM reading_change)").fetch_one(&mut *db).await?;
    if !pending && retention.is_none() {
        return Ok(());
    }
    let leading: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut *db).await?;
    if leading {
        follow(db, edition).await?;
        if let Some(keep) = retention {
            drop_old(db, edition, keep).await?;
        }
        unlock(db).await?;
    }
    Ok(())
}

/// What is in use just now is dropped the next time.
async fn drop_old(db: &mut PgConnection, edition: Edition, keep: &Keep) -> sqlx::Result<()> {
    match retention::enforce(db, edition, keep).await {
        Err(error) if error.as_database_error().and_then(|e| e.code()).as_deref() == Some("55P03") => {
            tracing::info!(%error, "what is older than it is kept is in use; it is dropped later");
            Ok(())
        }
        done => done,
    }
}

/// Batches until nothing is pending that was when it began: what comes in meanwhile is followed together the next time,
/// or a steady stream of readings would be followed in ever smaller batches, and what a batch takes all the time. The
/// newest and the oldest changes take turns, so that neither a long backfill holds up today's figures nor a steady stream
/// of new readings the late ones.
pub(super) async fn follow(db: &mut PgConnection, edition: Edition) -> sqlx::Result<()> {
    retention::notice(db, edition).await?;
    let (began, snapshot): (DateTime<Utc>, String) =
        sqlx::query_as("SELECT clock_timestamp(), pg_current_snapshot()::text").fetch_one(&mut *db).await?;
    let (mut newest, mut pending) = (true, true);
    while pending {
        let started = Instant::now();
        let Some(changed) = batch(db, edition, newest).await? else { break };
        let took = started.elapsed();
        metrics::histogram!("meterbase_rollup_refresh_duration_seconds").record(took.as_secs_f64());
        metrics::counter!("meterbase_rollup_buckets_total").increment(changed);
        tracing::debug!(changed, ?took, "rollups followed a batch of changes");
        newest = !newest;
        pending = sqlx::query_scalar(include_str!("../../sql/rollups/still_pending.sql"))
            .bind(began)
            .bind(&snapshot)
            .fetch_one(&mut *db)
            .await?;
    }
    Ok(())
}
