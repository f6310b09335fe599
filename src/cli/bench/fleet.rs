//! The data that is asked: a fleet whose rollups are written as they would have become, without its readings.
//!
//! Each device has one reading a day, at noon of its customer's billing day. Channels have the days and the month of
//! January 2026, owners those of 13 months to its end. Readings there are of a day after that and of few devices; they
//! are followed by the rollups in the ordinary way.

use std::time::Instant;

use chrono::NaiveDate;
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::cli::Failure;
use crate::cli::bench::registry::{Size, name, refuse_others, registry};
use crate::cli::bench::steps::{self, Step, is_done, mark, vacuum};
use crate::cli::progress::{Progress, Unit};
use crate::database::Edition;
use crate::rollup::definition::{Period, ROLLUPS, Rollup};
use crate::rollup::figures::FIGURES;
use crate::rollup::{self, Stores, columnstore};

/// What a rollup has, and how long loading it took.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct Loaded {
    pub rollup: String,
    pub rows: i64,
    pub seconds: f64,
}

/// Devices that have readings: one of so many.
const READING_DEVICES: i32 = 500;

/// First day of owners' figures, first day of channels' figures, end of both.
const OWNERS_FROM: NaiveDate = day(2025, 1);
const CHANNELS_FROM: NaiveDate = day(2026, 1);
const END: NaiveDate = day(2026, 2);

const fn day(year: i32, month: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, 1).expect("a date")
}

/// Loads what is not there yet.
pub async fn load(db: &mut PgConnection, edition: Edition, size: Size) -> Result<Vec<Loaded>, Failure> {
    let name = name("query", size);
    refuse_others(db, &name).await?;
    steps::begin(db).await?;
    let readings = Step::new("readings".to_owned(), "reading", include_str!("../../../sql/bench/readings.sql"));
    let mut first = registry(size, &name);
    first.push(readings.numbers([READING_DEVICES]).days([END]));
    let rest = figures(db).await?;
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

/// Puts the figures in the columnstore of the Community edition, or all of them back, where they are not there yet.
pub async fn convert(db: &mut PgConnection, to_columnstore: bool) -> Result<(), Failure> {
    if to_columnstore {
        columnstore::apply(db, Some(columnstore::DEFAULT_AFTER)).await?;
    }
    let chunks: Vec<String> = sqlx::query_scalar(include_str!("../../../sql/bench/chunks.sql"))
        .bind(!to_columnstore)
        .fetch_all(&mut *db)
        .await?;
    let function = if to_columnstore { "compress_chunk" } else { "decompress_chunk" };
    let progress = Progress::new("converting, chunks", chunks.len() as u64, Unit::Number);
    for (at, chunk) in (0..).zip(&chunks) {
        progress.at(at);
        let sql = format!("SELECT {function}($1::regclass)");
        sqlx::query(AssertSqlSafe(sql)).bind(chunk).execute(&mut *db).await?;
    }
    sqlx::raw_sql("VACUUM (ANALYZE)").execute(db).await?;
    Ok(())
}

/// Days of channels, days of owners, and the months of all.
async fn figures(db: &mut PgConnection) -> sqlx::Result<Vec<Step>> {
    let stores = Stores::read(db).await?;
    let steps = ROLLUPS.iter().filter(|rollup| rollup.period != Period::Hour).flat_map(|rollup| {
        let table = stores.of(&rollup.name).map_or(rollup.name.as_str(), |store| store.name.as_str());
        match (rollup.period, rollup.subject) {
            (Period::Month, _) => vec![months(rollup, table)],
            (_, "channel") => channel_days(rollup, table),
            _ => vec![owner_days(rollup, table)],
        }
    });
    Ok(steps.collect())
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
    let figures: Vec<_> = FIGURES.iter().map(|(column, ..)| *column).collect();
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
