//! `meterbase bench late`: `data` is what there is before, `work` how it is measured.

mod data;
mod work;

use std::fmt::Write;

use clap::Args;
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::cli::bench::machine::Machine;
use crate::cli::bench::output::Output;
use crate::cli::bench::registry::{Owners, Size};
use crate::cli::{DatabaseArgs, Failure};
use crate::database::{self, Database, Edition};
use crate::embedded::Role;
use crate::rollup::definition::ROLLUPS;
use crate::rollup::{self, rebuild::Rebuild};
use crate::{cli, migrate};
use work::Work;

/// Measure what late readings cost the rollups, beside what rebuilding their days costs
///
/// Fills a database of its own with 30 days of hourly readings and their rollups, which takes minutes. Then late
/// readings of one device come, the rollups follow them, and the same days are rebuilt; of both it tells the rows that
/// were read and the time.
///
/// On both editions the rollups of the late readings' channel, hours and owners are recomputed, and nothing besides.
///
/// Run again on the same database, it finds it filled and sends other late readings; broken off, it goes on filling.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase bench late --data-dir ./bench-late --devices 10000
  meterbase bench late --data-dir ./bench-late --devices 10000 --days 1 --json -")]
pub struct LateArgs {
    /// Devices of the fleet; each has 720 readings, which take about 400 bytes each with their rollups
    #[arg(long, env = "METERBASE_DEVICES", value_name = "NUMBER", default_value = "50000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    devices: u32,
    #[command(flatten)]
    owners: Owners,
    /// Late readings, all of one device
    #[arg(long, env = "METERBASE_LATE_READINGS", value_name = "NUMBER", default_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    late: u32,
    /// Over how many of the days they are spread
    #[arg(long, env = "METERBASE_LATE_DAYS", value_name = "NUMBER", default_value = "30",
        value_parser = clap::value_parser!(u32).range(1..=30))]
    days: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// All that is told.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    fleet: Size,
    /// Readings there were before.
    readings: u64,
    late_readings: u32,
    /// Over which they were spread.
    late_days: u32,
    /// Until the late readings were in every rollup.
    late: Work,
    /// Rebuilding all of the days.
    rebuild: Work,
    /// Of `late` in `rebuild`, of the rows and of the time.
    share_of_rows: f64,
    share_of_time: f64,
}

/// Whose readings are late.
const DEVICE: &str = "d-0";

impl LateArgs {
    pub async fn run(self) -> Result<(), Failure> {
        let size = self.owners.with(self.devices)?;
        self.database.with(Role::Command, async |database| self.on(database, size).await).await
    }

    async fn on(&self, database: &Database, size: Size) -> Result<(), Failure> {
        let mut db = database.connect().await?;
        let found = database::check(&mut db).await?;
        migrate::run(&mut db, found.edition).await?;
        data::load(&mut db, found.edition, size).await?;
        let late = self.late(&mut db, found.edition).await?;
        let rebuild = rebuild(&mut db, found.edition).await?;
        let report = Report {
            machine: Machine::this(&found),
            fleet: size,
            readings: u64::from(size.devices) * u64::from(data::DAYS) * 24,
            late_readings: self.late,
            late_days: self.days,
            late,
            rebuild,
            share_of_rows: late.rows_read as f64 / rebuild.rows_read as f64,
            share_of_time: late.seconds / rebuild.seconds,
        };
        self.output.tell(&report, &report.text()?)
    }

    /// Sends the late readings and follows them; all of them must be in every rollup then.
    async fn late(&self, db: &mut PgConnection, edition: Edition) -> Result<Work, Failure> {
        rollup::refresh(db, edition).await?;
        let before = counts(db).await?;
        let sent = sqlx::query(include_str!("../../../../sql/bench/late.sql"))
            .bind(DEVICE)
            .bind(data::start(0))
            .bind(data::start(self.days))
            .bind(self.late.cast_signed())
            .execute(&mut *db)
            .await?
            .rows_affected();
        cli::say(&format!("{sent} late readings over {} days; the rollups follow them", self.days));
        let work = work::of(db, async |db| rollup::refresh(db, edition).await).await?;
        for ((rollup, before), (_, after)) in before.iter().zip(counts(db).await?) {
            if after - before != i64::from(self.late) {
                let why = format!("{rollup} had {before} readings and has {after} after {} late ones", self.late);
                return Err(Failure::Failed(why));
            }
        }
        Ok(work)
    }
}

/// The readings that each rollup has of the device or of its owners.
async fn counts(db: &mut PgConnection) -> sqlx::Result<Vec<(&'static str, i64)>> {
    let mut counts = Vec::new();
    for rollup in ROLLUPS.iter() {
        let key = rollup.keys[0].column;
        let of = match key {
            "customer_id" | "group_id" => format!("a.{key}"),
            _ => format!("c.{key}"),
        };
        let sql = include_str!("../../../../sql/bench/counts.sql");
        let sql = sql.replace("{rollup}", &rollup.name).replace("{key}", key).replace("{of}", &of);
        let count = sqlx::query_scalar(AssertSqlSafe(sql)).bind(DEVICE).fetch_one(&mut *db).await?;
        counts.push((rollup.name.as_str(), count));
    }
    Ok(counts)
}

/// Rebuilds all of the days. One that was broken off before would only measure the rest.
async fn rebuild(db: &mut PgConnection, edition: Edition) -> Result<Work, Failure> {
    sqlx::query("DELETE FROM rollup_rebuild WHERE finished_at IS NULL").execute(&mut *db).await?;
    let rebuild = Rebuild::begin(db, data::start(0), data::start(data::DAYS)).await?;
    let work = work::of(db, async |db| data::to_its_end(rebuild, db, edition, "rebuilding, days").await).await?;
    Ok(work)
}

impl Report {
    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        writeln!(text, "{}", self.machine)?;
        let Size { devices, customers, groups } = self.fleet;
        let (readings, late, days) = (self.readings, self.late_readings, self.late_days);
        writeln!(text, "{devices} devices, {customers} customers, {groups} groups, {readings} readings in 30 days")?;
        writeln!(text)?;
        let work = |of: Work| format!("{:>12} rows read {:>10.2} s", of.rows_read, of.seconds);
        writeln!(text, "{:40}{}", format!("{late} late readings over {days} days"), work(self.late))?;
        writeln!(text, "{:40}{}", "rebuilding the 30 days", work(self.rebuild))?;
        let percent = |share: f64| format!("{:.2} %", share * 100.0);
        let (rows, time) = (percent(self.share_of_rows), percent(self.share_of_time));
        write!(text, "{:40}{rows:>12} of the rows {time:>8} of the time", "share")?;
        Ok(text)
    }
}
