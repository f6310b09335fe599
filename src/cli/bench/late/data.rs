//! The data that late readings come to: a month in which every device has a reading each hour, and its rollups.

use std::time::Instant;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::cli::Failure;
use crate::cli::bench::registry::{Size, name, refuse_others, registry};
use crate::cli::bench::steps::{self, Step, is_done, mark, vacuum};
use crate::cli::progress::{Progress, Unit};
use crate::database::Edition;
use crate::rollup::rebuild::Rebuild;

/// The days: from the first to before the second.
pub const FROM: NaiveDate = NaiveDate::from_ymd_opt(2025, 6, 1).expect("a date");
pub const DAYS: u32 = 30;

/// Start of so many days after the first.
pub fn start(days: u32) -> DateTime<Utc> {
    (FROM + chrono::Days::new(days.into())).and_time(NaiveTime::MIN).and_utc()
}

/// Loads what is not there yet.
pub async fn load(db: &mut PgConnection, edition: Edition, size: Size) -> Result<(), Failure> {
    let name = name("late", size);
    refuse_others(db, &name).await?;
    steps::begin(db).await?;
    if edition == Edition::Community {
        // What policies do meanwhile would be counted, too.
        sqlx::query(include_str!("../../../../sql/bench/no_policies.sql")).execute(&mut *db).await?;
    }
    for step in registry(size, &name) {
        step.run(db).await?;
    }
    vacuum(db, "vacuum of the registry").await?;
    let progress = Progress::new("readings, days", DAYS.into(), Unit::Number);
    for (at, day) in (0..).zip(FROM.iter_days().take(DAYS as usize)) {
        progress.at(at);
        readings(db, day).await?;
    }
    drop(progress);
    vacuum(db, "vacuum of the readings").await?;
    rollups(db, edition).await?;
    vacuum(db, "vacuum of the rollups").await?;
    Ok(())
}

/// A day of readings, which no trigger notes: their rollups are made as a whole.
async fn readings(db: &mut PgConnection, day: NaiveDate) -> sqlx::Result<()> {
    let step = Step::new(format!("readings of {day}"), "reading", include_str!("../../../../sql/bench/hours.sql"));
    if is_done(db, &step.name).await? {
        return Ok(());
    }
    let mut transaction = db.begin().await?;
    const TRIGGER: &str = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'reading'::regclass AND tgname = 'reading_inserted'";
    let trigger: String = sqlx::query_scalar(TRIGGER).fetch_one(&mut *transaction).await?;
    sqlx::query("DROP TRIGGER reading_inserted ON reading").execute(&mut *transaction).await?;
    step.days([day]).run(&mut transaction).await?;
    sqlx::raw_sql(AssertSqlSafe(trigger)).execute(&mut *transaction).await?;
    transaction.commit().await
}

async fn rollups(db: &mut PgConnection, edition: Edition) -> sqlx::Result<()> {
    const STEP: &str = "rollups";
    if is_done(db, STEP).await? {
        return Ok(());
    }
    let started = Instant::now();
    let begun = Rebuild::unfinished(db).await?.into_iter().next();
    let rebuild = match begun {
        Some(begun) => begun,
        None => Rebuild::begin(db, start(0), start(DAYS)).await?,
    };
    to_its_end(rebuild, db, edition, "rollups, days").await?;
    mark(db, STEP, STEP, 0, started).await
}

/// Rebuilds what there is still to be rebuilt.
pub async fn to_its_end(
    mut rebuild: Rebuild,
    db: &mut PgConnection,
    edition: Edition,
    what: &'static str,
) -> sqlx::Result<()> {
    let progress = Progress::new(what, DAYS.into(), Unit::Number);
    while rebuild.part(db, edition).await? {
        progress.at((rebuild.done_to - rebuild.from).num_days().unsigned_abs());
    }
    Ok(())
}
