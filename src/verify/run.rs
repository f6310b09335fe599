//! One run: what is asked, how far it is, what it found.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::postgres::PgArguments;
use sqlx::query::{Query, QueryAs};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres};

use super::difference::{Check, Difference, Found};
use super::plan::{self, Part};
use super::sample::Sample;
use super::scope::Scope;
use super::{readings, registers, rollups};
use crate::rollup::RECORDS_NOTHING;
use crate::rollup::retention::Kept;

/// What to compare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// Start of a UTC day; none for all there is.
    pub from: Option<DateTime<Utc>>,
    /// Start of a UTC day; none for all there is.
    pub to: Option<DateTime<Utc>>,
    pub scope: Scope,
    /// Which proofs; none given means all.
    pub only: Option<Check>,
    /// Some days only, and the seed they are drawn from.
    pub sample: Option<(Sample, u64)>,
    /// What the run is named, before what it compares; may be empty.
    pub name: &'static str,
}

/// What a run counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Rows of rollups recomputed, and readings looked at for each of their proofs.
    pub compared: u64,
    /// Rows that are not what they should be.
    pub differences: u64,
    /// Rows of rollups that differ, but may for a change that is still to be followed.
    pub left_out: u64,
    /// Rollups that could not be compared in some time, because neither readings nor a finer rollup are kept.
    pub not_comparable: BTreeSet<String>,
}

/// Who is told while a run goes on.
pub trait Listener: Send {
    /// Of each column that differs.
    fn difference(&mut self, difference: &Difference);
    /// Of each part that begins with a day; `done` of `days` are behind.
    fn begins(&mut self, at: DateTime<Utc>, done: usize, days: usize);
    /// How long to wait after a part that took so long.
    fn rest(&self, _took: Duration) -> Duration {
        Duration::ZERO
    }
}

/// A run under way.
pub struct Run<'a> {
    pub ask: &'a Ask,
    listener: &'a mut dyn Listener,
    summary: Summary,
}

impl Ask {
    pub fn checks(&self, check: Check) -> bool {
        self.only.is_none_or(|only| only == check)
    }

    /// What is compared, in words.
    pub fn words(&self) -> String {
        let what = match self.only {
            None => "rollups and readings",
            Some(Check::Rollups) => "rollups",
            Some(Check::Stamps) => "owners of readings",
            Some(Check::Increments) => "increments of readings",
        };
        let of = if self.scope.words.is_empty() { String::new() } else { format!(" of {}", self.scope.words) };
        let sample = self.sample.map(|(sample, seed)| format!(", a sample of {sample} with seed {seed}"));
        format!("{}{what}{of}{}", self.name, sample.unwrap_or_default())
    }
}

/// Compares what is asked and notes the run in the table `verification`. Not in a transaction. Each part is one snapshot;
/// what is still to be followed there is left out.
pub async fn run(db: &mut PgConnection, ask: &Ask, listener: &mut dyn Listener) -> sqlx::Result<Summary> {
    // A part may take minutes, and it fills temporary tables: nobody's figures are older for that.
    sqlx::query("SELECT pg_advisory_lock_shared($1)").bind(RECORDS_NOTHING).execute(&mut *db).await?;
    let done = compare(db, ask, listener).await;
    sqlx::query("SELECT pg_advisory_unlock_shared($1)").bind(RECORDS_NOTHING).execute(db).await?;
    done
}

async fn compare(db: &mut PgConnection, ask: &Ask, listener: &mut dyn Listener) -> sqlx::Result<Summary> {
    let id: i64 = sqlx::query_scalar(include_str!("../../sql/verify/begin.sql"))
        .bind(ask.words())
        .bind(ask.from)
        .bind(ask.to)
        .fetch_one(&mut *db)
        .await?;
    sqlx::raw_sql(include_str!("../../sql/verify/temporary.sql")).execute(&mut *db).await?;
    let parts = plan::parts(db, ask).await?;
    let days = parts.iter().map(|part| part.days.len()).sum();
    let mut run = Run { ask, listener, summary: Summary::default() };
    let mut done = 0;
    for part in &parts {
        let started = Instant::now();
        let mut snapshot = db.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        run.part(&mut snapshot, part, &mut done, days).await?;
        // Nothing but temporary tables was written.
        snapshot.rollback().await?;
        tokio::time::sleep(run.listener.rest(started.elapsed())).await;
    }
    let summary = run.summary;
    sqlx::query(include_str!("../../sql/verify/end.sql"))
        .bind(id)
        .bind(summary.compared.cast_signed())
        .bind(summary.differences.cast_signed())
        .bind(summary.left_out.cast_signed())
        .execute(db)
        .await?;
    Ok(summary)
}

impl Run<'_> {
    async fn part(&mut self, db: &mut PgConnection, part: &Part, done: &mut usize, days: usize) -> sqlx::Result<()> {
        let Some(first) = part.days.first().copied().or(part.month) else { return Ok(()) };
        // Hours of the month, whatever part of it is looked at: all that changes a bucket of it.
        let month = crate::rollup::definition::Period::Month.floor(first);
        let pending = sqlx::query(include_str!("../../sql/verify/pending.sql"));
        pending.bind(month).bind(month + chrono::Months::new(1)).execute(&mut *db).await?;
        if self.ask.checks(Check::Stamps) {
            sqlx::query(include_str!("../../sql/verify/owners.sql")).execute(&mut *db).await?;
        }
        let kept = Kept::read(db).await?;
        // The days whose readings are kept, from the first of them on.
        let mut readings: Option<(DateTime<Utc>, DateTime<Utc>)> = None;
        for day in &part.days {
            self.listener.begins(*day, *done, days);
            if self.day(db, &kept, *day).await? {
                readings = Some((readings.map_or(*day, |(first, _)| first), *day + chrono::Days::new(1)));
            }
            *done += 1;
        }
        if let Some((from, to)) = readings.filter(|_| self.ask.checks(Check::Increments)) {
            registers::compare(db, self, from, to).await?;
        }
        match part.month {
            Some(month) if self.ask.checks(Check::Rollups) => {
                rollups::month(db, self, &kept, month, part.whole && kept.holds("reading", month)).await
            }
            _ => Ok(()),
        }
    }

    /// Tells whether the readings of the day are kept.
    async fn day(&mut self, db: &mut PgConnection, kept: &Kept, day: DateTime<Utc>) -> sqlx::Result<bool> {
        sqlx::query("TRUNCATE verify_hour").execute(&mut *db).await?;
        let readings = kept.holds("reading", day);
        if readings {
            let hours =
                sqlx::query(include_str!("../../sql/verify/hours.sql")).bind(day).bind(day + chrono::Days::new(1));
            self.ask.scope.bind(hours).persistent(false).execute(&mut *db).await?;
        }
        if self.ask.checks(Check::Rollups) {
            rollups::day(db, self, kept, day).await?;
        }
        if readings {
            readings::day(db, self, day).await?;
        }
        Ok(readings)
    }

    pub fn compared(&mut self, rows: u64) {
        self.summary.compared += rows;
    }

    pub fn not_comparable(&mut self, rollup: &str, relation: &str, at: DateTime<Utc>) {
        tracing::debug!(rollup, relation, %at, "not comparable: no longer kept");
        self.summary.not_comparable.insert(rollup.to_owned());
    }

    /// Runs a statement that finds rows that differ, and tells of each.
    pub async fn report(
        &mut self,
        db: &mut PgConnection,
        check: Check,
        columns: &[&'static str],
        sql: String,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> sqlx::Result<()> {
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(from).bind(to);
        let mut rows = self.ask.scope.bind_as(query).persistent(false).fetch(db);
        while let Some(found) = rows.try_next().await? {
            if found.pending {
                self.summary.left_out += 1;
                continue;
            }
            self.summary.differences += 1;
            for difference in found.differences(check, columns) {
                self.listener.difference(&difference);
            }
        }
        Ok(())
    }
}

impl Scope {
    /// Binds $3 to $6.
    pub fn bind<'q>(&self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        query.bind(self.channels.clone()).bind(self.customers.clone()).bind(self.groups.clone()).bind(self.provider)
    }

    fn bind_as<'q>(
        &self,
        query: QueryAs<'q, Postgres, Found, PgArguments>,
    ) -> QueryAs<'q, Postgres, Found, PgArguments> {
        query.bind(self.channels.clone()).bind(self.customers.clone()).bind(self.groups.clone()).bind(self.provider)
    }
}
