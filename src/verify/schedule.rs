//! Verification on a schedule, inside the server: a sample of days, slowly, by one server at a time.

use std::time::{Duration, Instant};

use chrono::{DateTime, Days, Utc};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use super::difference::Difference;
use super::run::{Ask, Listener};
use super::sample::Sample;
use crate::observe::Task;

/// How often, and how much each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    pub every: Duration,
    pub sample: Sample,
}

/// Key of the advisory lock of the server that verifies: "verify" in ASCII.
const LOCK: i64 = 0x7665_7269_6679;

/// A server that has just started has other things to do.
const SETTLING: Duration = Duration::from_secs(300);

/// Longest wait between two looks whether a run is due.
const LOOK: Duration = Duration::from_secs(60);

/// Differences of a run that are logged; all are counted.
const LOGGED: u32 = 20;

/// Time between two parts, as a multiple of what the last one took: the database is busy with it for a fifth of the time.
const REST: u32 = 4;

/// How a run of the schedule is named in the table `verification`.
pub const NAME: &str = "on schedule: ";

/// Verifies as often as the schedule says until `stop`.
pub async fn run(options: PgConnectOptions, schedule: Schedule, stop: CancellationToken) {
    stop.run_until_cancelled(run_always(options.application_name("meterbase verify"), schedule)).await;
}

async fn run_always(options: PgConnectOptions, schedule: Schedule) {
    let mut pause = SETTLING.min(schedule.every);
    loop {
        tokio::time::sleep(pause).await;
        pause = LOOK.min(schedule.every);
        let began = Instant::now();
        let looked = look(&options, schedule).await;
        Task::Verify.ended(began, looked.is_ok());
        if let Err(error) = looked {
            tracing::warn!(%error, again_in = ?pause, "figures could not be verified");
        }
    }
}

async fn look(options: &PgConnectOptions, schedule: Schedule) -> sqlx::Result<()> {
    let mut db = options.connect().await?;
    if sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut db).await? {
        let due: bool = sqlx::query_scalar(include_str!("../../sql/verify/due.sql"))
            .bind(NAME)
            .bind(schedule.every.as_secs_f64())
            .fetch_one(&mut db)
            .await?;
        if due {
            verify(&mut db, schedule.sample).await?;
        }
    }
    db.close().await
}

async fn verify(db: &mut PgConnection, sample: Sample) -> sqlx::Result<()> {
    let seed = Utc::now().timestamp_micros().cast_unsigned();
    let ask = Ask { sample: Some((sample, seed)), name: NAME, ..Ask::default() };
    let (started, mut log) = (Instant::now(), Log::default());
    let summary = super::run(db, &ask, &mut log).await?;
    metrics::counter!("meterbase_verify_compared_rows_total").increment(summary.compared);
    let (compared, differences, took) = (summary.compared, summary.differences, started.elapsed());
    if differences > 0 {
        tracing::error!(compared, differences, ?took, "figures are not what the readings say");
    } else {
        tracing::info!(compared, ?took, "figures are what the readings say, as far as they were compared");
    }
    Ok(())
}

/// Logs differences, each with the command that shows its day.
#[derive(Debug, Default)]
struct Log {
    logged: u32,
}

impl Listener for Log {
    fn difference(&mut self, difference: &Difference) {
        if self.logged < LOGGED {
            self.logged += 1;
            let from = difference.at.date_naive();
            let to = from + Days::new(if difference.relation.ends_with("monthly") { 31 } else { 1 });
            let command = format!("meterbase verify --from {from} --to {to}");
            tracing::error!(command, "a figure is wrong: {difference}");
        }
    }

    fn begins(&mut self, _: DateTime<Utc>, _: usize, _: usize) {}

    fn rest(&self, took: Duration) -> Duration {
        took * REST
    }
}
