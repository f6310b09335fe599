//! What the servers do about the quarantine by themselves: readings that became storable are tried again, by whichever
//! server is free; those that have been there long enough go, by one server at a time.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::ingest::quarantine::left::{self, LeftByKey};
use crate::ingest::quarantine::replay::{Replayed, Replayer};
use crate::ingest::verdict::{Status, VERDICTS};
use crate::observe::Task;

/// How often it is looked whether something became storable.
const LOOK: Duration = Duration::from_secs(1);

/// How often it is looked for what has been there long enough, and for what was overlooked.
const TIDY: Duration = Duration::from_secs(3600);

/// Longest wait between tries while the database cannot be reached.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Readings that expire in one transaction.
const EXPIRED_AT_ONCE: i64 = 10_000;

/// Key of the advisory lock of who tidies up: "quaranti" in ASCII.
const LOCK: i64 = 0x7175_6172_616e_7469;

/// Does so until `stop`. Work that is under way then is broken off, and not lost.
pub async fn run(replayer: Replayer, age: Duration, stop: CancellationToken) {
    stop.run_until_cancelled(run_always(replayer, age)).await;
}

async fn run_always(replayer: Replayer, age: Duration) {
    let mut tidied = None;
    let mut pause = LOOK;
    loop {
        let began = Instant::now();
        let done = round(&replayer, age, &mut tidied).await;
        Task::Quarantine.ended(began, done.is_ok());
        match done {
            Ok(()) => pause = LOOK,
            Err(error) => {
                pause = (pause * 2).min(LONGEST_PAUSE);
                tracing::warn!(%error, again_in = ?pause, "readings in quarantine could not be tried again");
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// What is due: `tidied` is when that was last done.
async fn round(replayer: &Replayer, age: Duration, tidied: &mut Option<Instant>) -> sqlx::Result<()> {
    if tidied.is_none_or(|last| last.elapsed() >= TIDY) {
        replayer.tidy(age).await?;
        *tidied = Some(Instant::now());
    }
    while let Some(replayed) = replayer.due().await? {
        replayed.count();
        tracing::debug!(?replayed, "readings in quarantine were tried again");
    }
    Ok(())
}

impl Replayed {
    /// Counts the readings in the server's metrics.
    pub fn count(&self) {
        let verdicts = [Status::Stored, Status::Duplicate, Status::Conflict, Status::Quarantined, Status::Rejected];
        for (verdict, status) in VERDICTS.into_iter().zip(verdicts) {
            metrics::counter!("meterbase_quarantine_replayed_readings_total", "verdict" => verdict)
                .increment(self.of(status));
        }
    }
}

impl Replayer {
    /// Takes out what has been in quarantine for longer than `age`, and notes what can be tried again though nothing said
    /// so; unless another server is doing that.
    pub async fn tidy(&self, age: Duration) -> sqlx::Result<()> {
        while let Some(expired) = self.expire(age).await? {
            metrics::counter!("meterbase_quarantine_expired_readings_total").increment(expired.unsigned_abs());
            if expired > 0 {
                tracing::info!(expired, "readings were in quarantine as long as they are kept there");
            }
            if expired < EXPIRED_AT_ONCE {
                break;
            }
        }
        sqlx::query(include_str!("../../../sql/quarantine/overlooked.sql")).execute(&self.pool).await.map(drop)
    }

    /// None where another server is at it.
    async fn expire(&self, age: Duration) -> sqlx::Result<Option<i64>> {
        let mut db = self.pool.begin().await?;
        let leading: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(LOCK).fetch_one(&mut *db).await?;
        if !leading {
            return Ok(None);
        }
        let gone: Vec<(i32, Option<i32>, i64)> = sqlx::query_as(include_str!("../../../sql/quarantine/expire.sql"))
            .bind(age.as_secs_f64())
            .bind(EXPIRED_AT_ONCE)
            .fetch_all(&mut *db)
            .await?;
        let mut left = LeftByKey::new();
        for (provider_id, key_id, expired) in gone {
            left.entry((provider_id, key_id.unwrap_or(0))).or_default().expired += expired;
        }
        left::count(&mut db, &left).await?;
        db.commit().await?;
        Ok(Some(left.values().map(|left| left.expired).sum()))
    }
}
