//! The data that is asked: a fleet whose rollups are written as they would have become, without its readings.
//!
//! Each device has one reading a day, at noon of its customer's billing day. Channels have the days and the month of
//! January 2026, owners those of 13 months to its end. Readings there are of a day after that and of few devices; they
//! are followed by the rollups in the ordinary way, so that continuous aggregates are materialised up to there.

use std::time::Instant;

use chrono::NaiveDate;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::cli::Failure;
use crate::cli::progress::{Progress, Unit};
use crate::database::Edition;
use crate::rollup;
use crate::rollup::definition::{FIGURES, Period, ROLLUPS, Rollup};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    pub devices: u32,
    /// Below the one customer that is above all others.
    pub customers: u32,
    pub groups: u32,
}

/// What a rollup has, and how long loading it took.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct Loaded {
    pub rollup: String,
    pub rows: i64,
    pub seconds: f64,
}

/// Key of the provider that all of it belongs to.
pub const PROVIDER: &str = "bench";

/// Devices that are registered in one transaction.
const BATCH: u32 = 20_000;

/// Devices that have readings: one of so many.
const READING_DEVICES: i32 = 500;

/// First day of owners' figures, first day of channels' figures, end of both.
const OWNERS_FROM: NaiveDate = day(2025, 1);
const CHANNELS_FROM: NaiveDate = day(2026, 1);
const END: NaiveDate = day(2026, 2);

const fn day(year: i32, month: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, 1).expect("a date")
}

/// A statement of the load, done once.
struct Step {
    name: String,
    /// The table that it fills.
    table: String,
    sql: String,
    numbers: Vec<i32>,
    days: Vec<NaiveDate>,
}

/// Loads what is not there yet.
pub async fn load(db: &mut PgConnection, edition: Edition, size: Size) -> Result<Vec<Loaded>, Failure> {
    refuse_others(db, size).await?;
    sqlx::raw_sql(include_str!("../../../sql/bench/steps.sql")).execute(&mut *db).await?;
    let (first, rest) = (registry(size), figures(db, edition).await?);
    let progress = Progress::new("loading, steps", (first.len() + rest.len()) as u64, Unit::Number);
    for (at, step) in (0..).zip(&first) {
        progress.at(at);
        step.run(db).await?;
    }
    vacuum(db, "vacuum of the registry").await?;
    follow(db, edition).await?;
    for (at, step) in (first.len() as u64..).zip(&rest) {
        progress.at(at);
        step.run(db).await?;
    }
    vacuum(db, "vacuum of the figures").await?;
    drop(progress);
    const LOADED: &str =
        "SELECT rollup, sum(rows)::bigint AS rows, sum(seconds) AS seconds FROM bench_step GROUP BY 1 ORDER BY 1";
    Ok(sqlx::query_as(LOADED).fetch_all(db).await?)
}

/// The database is to be its own: what is written here is nobody's reading.
async fn refuse_others(db: &mut PgConnection, size: Size) -> Result<(), Failure> {
    let found: Vec<(String, String)> =
        sqlx::query_as("SELECT key::text, name FROM provider ORDER BY key = $1::text, key")
            .bind(PROVIDER)
            .fetch_all(&mut *db)
            .await?;
    let refused =
        |why: String| Err(Failure::Failed(format!("{why}; take another --data-dir, or a database of its own")));
    match found.first() {
        None => Ok(()),
        Some((key, name)) if key == PROVIDER && *name == name_for(size) => Ok(()),
        Some((key, name)) if key == PROVIDER => refused(format!("the database was filled for {name:?}")),
        Some((key, _)) => refused(format!("the database has the data of the provider {key}")),
    }
}

/// Name of the provider: tells on a second run whether the data is of this size.
fn name_for(size: Size) -> String {
    format!("meterbase bench query: {} devices, {} customers, {} groups", size.devices, size.customers, size.groups)
}

fn registry(size: Size) -> Vec<Step> {
    let (customers, groups) = (size.customers.cast_signed(), size.groups.cast_signed());
    let registry = include_str!("../../../sql/bench/registry.sql").replace("{name}", &name_for(size));
    let batches = (0..size.devices).step_by(BATCH as usize).map(|from| {
        let to = (from + BATCH).min(size.devices);
        let sql = include_str!("../../../sql/bench/devices.sql");
        Step::new(format!("devices from {from}"), "device", sql).numbers([from.cast_signed(), to.cast_signed(), groups])
    });
    let readings = Step::new("readings".to_owned(), "reading", include_str!("../../../sql/bench/readings.sql"));
    let first = Step::new("registry".to_owned(), "device_group", &registry).numbers([customers, groups]);
    [first].into_iter().chain(batches).chain([readings.numbers([READING_DEVICES]).days([END])]).collect()
}

/// Days of channels, days of owners, and the months of all.
async fn figures(db: &mut PgConnection, edition: Edition) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    for rollup in ROLLUPS.iter().filter(|rollup| rollup.period != Period::Hour) {
        let table = table(db, edition, rollup).await?;
        steps.extend(match (rollup.period, rollup.subject) {
            (Period::Month, _) => vec![months(rollup, &table)],
            (_, "channel") => channel_days(rollup, &table),
            _ => vec![owner_days(rollup, &table)],
        });
    }
    Ok(steps)
}

/// Where the rows of a rollup are.
async fn table(db: &mut PgConnection, edition: Edition, rollup: &Rollup) -> sqlx::Result<String> {
    match edition {
        Edition::Apache => Ok(rollup.name.clone()),
        Edition::Community => {
            let sql = include_str!("../../../sql/bench/materialization.sql");
            sqlx::query_scalar(sql).bind(&rollup.name).fetch_one(db).await
        }
    }
}

fn channel_days(rollup: &Rollup, table: &str) -> Vec<Step> {
    let sql = include_str!("../../../sql/bench/channel_day.sql").replace("{table}", table);
    let days = CHANNELS_FROM.iter_days().take_while(|day| *day < END);
    days.map(|day| Step::new(format!("{} {day}", rollup.name), &rollup.name, &sql).days([day])).collect()
}

fn owner_days(rollup: &Rollup, table: &str) -> Step {
    let owner = rollup.keys.first().map_or("", |key| key.column);
    let sql = include_str!("../../../sql/bench/owner_days.sql").replace("{table}", table).replace("{owner}", owner);
    Step::new(rollup.name.clone(), &rollup.name, &sql).days([OWNERS_FROM, END])
}

fn months(rollup: &Rollup, table: &str) -> Step {
    let keys: Vec<_> = rollup.keys.iter().map(|key| key.column).collect();
    let figures: Vec<_> = FIGURES.iter().map(|(column, _)| *column).collect();
    let sql = include_str!("../../../sql/bench/months.sql")
        .replace("{table}", table)
        .replace("{select}", &rollup.select("", ""))
        .replace("{keys}", &keys.join(", "))
        .replace("{figures}", &figures.join(", "));
    Step::new(rollup.name.clone(), &rollup.name, &sql).days([OWNERS_FROM, END])
}

/// The rollups follow the readings; after that nothing refreshes them, for most of their rows have no readings.
async fn follow(db: &mut PgConnection, edition: Edition) -> Result<(), Failure> {
    const STEP: &str = "rollups of the readings";
    if !is_done(db, STEP).await? {
        let started = Instant::now();
        rollup::refresh(db, edition).await?;
        if edition == Edition::Community {
            sqlx::query(include_str!("../../../sql/bench/no_policies.sql")).execute(&mut *db).await?;
        }
        mark(db, STEP, "rollups of the readings", 0, started).await?;
    }
    Ok(())
}

/// As autovacuum leaves it: statistics for the planner, and which pages an index is enough for.
async fn vacuum(db: &mut PgConnection, step: &str) -> Result<(), Failure> {
    if !is_done(db, step).await? {
        let started = Instant::now();
        sqlx::raw_sql("VACUUM (ANALYZE)").execute(&mut *db).await?;
        mark(db, step, "vacuum and statistics", 0, started).await?;
    }
    Ok(())
}

async fn is_done(db: &mut PgConnection, step: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM bench_step WHERE step = $1)").bind(step).fetch_one(db).await
}

async fn mark(db: &mut PgConnection, step: &str, rollup: &str, rows: u64, started: Instant) -> sqlx::Result<()> {
    let done = sqlx::query("INSERT INTO bench_step (step, rollup, rows, seconds) VALUES ($1, $2, $3, $4)")
        .bind(step)
        .bind(rollup)
        .bind(rows.cast_signed())
        .bind(started.elapsed().as_secs_f64());
    done.execute(db).await?;
    Ok(())
}

impl Step {
    fn new(name: String, table: &str, sql: &str) -> Self {
        Self { name, table: table.to_owned(), sql: sql.to_owned(), numbers: Vec::new(), days: Vec::new() }
    }

    fn numbers(self, numbers: impl Into<Vec<i32>>) -> Self {
        Self { numbers: numbers.into(), ..self }
    }

    fn days(self, days: impl Into<Vec<NaiveDate>>) -> Self {
        Self { days: days.into(), ..self }
    }

    /// Runs it unless it was run before, and keeps that in the same transaction.
    async fn run(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        if is_done(db, &self.name).await? {
            return Ok(());
        }
        let started = Instant::now();
        let mut transaction = db.begin().await?;
        let mut statement = sqlx::query(AssertSqlSafe(self.sql.clone())).persistent(false);
        for day in &self.days {
            statement = statement.bind(day);
        }
        for number in &self.numbers {
            statement = statement.bind(number);
        }
        let rows = statement.execute(&mut *transaction).await?.rows_affected();
        mark(&mut transaction, &self.name, &self.table, rows, started).await?;
        transaction.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_devices_are_registered_once() {
        let size = Size { devices: 45_000, customers: 10, groups: 30 };
        let numbers: Vec<_> =
            registry(size).into_iter().filter(|step| step.table == "device").map(|s| s.numbers).collect();
        assert_eq!(numbers, [[0, 20_000, 30], [20_000, 40_000, 30], [40_000, 45_000, 30]]);
    }
}
