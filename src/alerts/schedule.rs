//! Judging alerts inside the server: every so often, by one server at a time.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio_util::sync::CancellationToken;

use super::judge::{Depth, judge};
use crate::database::Edition;
use crate::http::problem::Result;

/// Key of the advisory lock of the server that judges: "alerts" in ASCII.
const LOCK: i64 = 0x616c_6572_7473;

/// Of so many looks one goes back over all periods for which late readings are judged.
const LATE_EVERY: u32 = 4;

/// How long history is kept, and how much of each alert.
const KEPT: TimeDelta = TimeDelta::days(400);
pub const MOST_HISTORY: i64 = 1000;

/// How often older history is deleted.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Longest wait between tries while the database cannot be reached.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Judges until `stop`, `every` so often. What is under way then is broken off, and judged anew by whoever goes on.
pub async fn run(options: PgConnectOptions, edition: Edition, every: Duration, stop: CancellationToken) {
    stop.run_until_cancelled(run_always(options.application_name("meterbase alerts"), edition, every)).await;
}

async fn run_always(options: PgConnectOptions, edition: Edition, every: Duration) {
    let mut leader = Leader { looks: 0, forgot: None };
    let (mut connection, mut pause) = (None, every);
    loop {
        match round(&mut connection, &options, edition, &mut leader).await {
            Ok(()) => pause = every,
            Err(problem) => {
                // The connection may be what is broken, and it may hold the lock: a new one starts clean.
                connection = None;
                pause = (pause * 2).min(LONGEST_PAUSE).max(every);
                tracing::warn!(why = problem.detail, again_in = ?pause, "alerts could not be judged");
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// What a server remembers that judges. Another one begins with a look at all periods.
struct Leader {
    looks: u32,
    forgot: Option<Instant>,
}

async fn round(
    connection: &mut Option<PgConnection>,
    options: &PgConnectOptions,
    edition: Edition,
    leader: &mut Leader,
) -> Result<()> {
    let db = match connection {
        Some(db) => db,
        None => connection.insert(options.connect().await?),
    };
    // Each server tells how many there are; one judges.
    if sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut *db).await? {
        let judged = leader.look(db, edition, Utc::now()).await;
        sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK).execute(&mut *db).await?;
        judged?;
    }
    let (alerts, firing): (i64, i64) =
        sqlx::query_as(include_str!("../../sql/alerts/counts.sql")).fetch_one(&mut *db).await?;
    metrics::gauge!("meterbase_alerts").set(alerts as f64);
    metrics::gauge!("meterbase_firing_alerts").set(firing as f64);
    Ok(())
}

impl Leader {
    async fn look(&mut self, db: &mut PgConnection, edition: Edition, now: DateTime<Utc>) -> Result<()> {
        let started = Instant::now();
        let depth = if self.looks.is_multiple_of(LATE_EVERY) { Depth::Late } else { Depth::Newest };
        self.looks = self.looks.wrapping_add(1);
        let happened = judge(db, edition, now, depth).await?;
        let took = started.elapsed();
        metrics::histogram!("meterbase_alert_evaluation_duration_seconds").record(took.as_secs_f64());
        if happened > 0 {
            tracing::info!(happened, ?took, "alerts fired or resolved");
        }
        if self.forgot.is_none_or(|last| last.elapsed() >= FORGET_EVERY) {
            self.forgot = Some(Instant::now());
            sqlx::query(include_str!("../../sql/alerts/forget.sql"))
                .bind(now - KEPT)
                .bind(MOST_HISTORY)
                .execute(db)
                .await?;
        }
        Ok(())
    }
}
