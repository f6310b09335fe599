//! `meterbase bench fairness`: what a provider that floods does to another one.
//!
//! - `flood`: the one; the other's requests come by a schedule ([`super::ingest::load`])
//! - `report`: what is told

mod flood;
mod report;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::bench::alone::{beside, on_scratch};
use crate::cli::bench::ingest::body::{Format, Writer};
use crate::cli::bench::ingest::load::{self, Feed, Load, Pace, Schedule};
use crate::cli::bench::ingest::process::Postmaster;
use crate::cli::bench::ingest::scratch::{self, Scratch};
use crate::cli::bench::ingest::server::Serving;
use crate::cli::bench::ingest::usage::Meter;
use crate::cli::bench::ingest::workload::{Name, Totals, Workload};
use crate::cli::bench::machine::Machine;
use crate::cli::bench::output::Output;
use crate::cli::bench::registry::PROVIDER;
use crate::cli::{DatabaseArgs, Failure, say};
use crate::keys::Scope;
use flood::Flood;
use report::{Quiet, Report};

/// Measure how long a provider waits while another one floods
///
/// Makes a database beside the one it is given, runs a server on it, and drops it again. A quiet provider posts small
/// requests at even distances, first alone, then while another provider sends as much as it can, and what is refused at
/// once again. Latencies count from when a request was due.
///
/// In the end the database must hold what was acknowledged, by number and sum, or the command fails; how long anybody
/// waited does not make it fail.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase bench fairness --data-dir ./bench
  meterbase bench fairness --data-dir ./bench --seconds 120 --connections 64 --json -")]
pub struct FairnessArgs {
    /// How long the quiet provider is measured, alone and again beside the other one
    #[arg(long, env = "METERBASE_SECONDS", value_name = "NUMBER", default_value = "60",
        value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Requests a second of the quiet provider, of ten readings each
    #[arg(long, env = "METERBASE_REQUESTS", value_name = "NUMBER", default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    requests: u32,
    /// Connections of the provider that floods
    #[arg(long, env = "METERBASE_CONNECTIONS", value_name = "NUMBER", default_value = "32",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Readings of each of its requests
    #[arg(long, env = "METERBASE_BATCH", value_name = "NUMBER", default_value = "5000",
        value_parser = clap::value_parser!(u32).range(1..=50_000))]
    batch: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Further options of the server that is measured, such as -- --max-provider-queue 50000
    #[arg(last = true, value_name = "SERVE OPTIONS")]
    serve: Vec<String>,
}

/// Readings of a request of the quiet provider, and its devices.
const QUIET_BATCH: u32 = 10;
const QUIET_DEVICES: u32 = 100;

const QUIET: &str = "quiet";

/// Before the quiet provider is measured beside it, the flood goes on for so long: queues are full then.
const RISE: Duration = Duration::from_secs(5);

impl FairnessArgs {
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let on_scratch =
            async |database: &_| on_scratch(database, stop.clone(), async |scratch| self.on(scratch).await).await;
        let report = beside(&self.database, stop.clone(), on_scratch).await?;
        self.output.tell(&report, &report.text()?)
    }

    async fn on(&self, scratch: &Scratch) -> Result<Report, Failure> {
        let flooding = Workload {
            workload: Name::A,
            channels: self.batch,
            batch: self.batch,
            connections: self.connections,
            every_s: 10,
        };
        let found = scratch.fill(&flooding).await?;
        let mut db = scratch.connect().await?;
        let quiet = sqlx::query(include_str!("../../../../sql/bench/quiet.sql"));
        quiet.bind(QUIET_DEVICES.cast_signed()).execute(&mut db).await?;
        let postmaster = Postmaster::of(&mut db).await?;
        scratch.checkpoint().await?;
        let serving = Serving::start(scratch, &self.serve).await?;
        let start = scratch::start(Utc::now());
        let flooder = feed(&serving, flooding, Format::Csv, start, &scratch.key_of(PROVIDER, Scope::Ingest).await?)?;
        let quiet = Workload { channels: QUIET_DEVICES, batch: QUIET_BATCH, connections: 8, ..flooding };
        let quiet = feed(&serving, quiet, Format::Json, start, &scratch.key_of(QUIET, Scope::Ingest).await?)?;

        let warm = Pace::Requests(u64::from(4 * QUIET_DEVICES / QUIET_BATCH));
        let warm = load::run(&quiet, "warming up, requests", warm).await?;
        let alone = self.quietly(&quiet, "alone, seconds").await?;
        say("the flood begins");
        let meter = Meter::start(Some(serving.pid()), postmaster);
        let mut flood = Flood::start(&flooder).await?;
        flood.run(RISE).await?;
        let beside = tokio::select! {
            load = self.quietly(&quiet, "beside the flood, seconds") => load?,
            failed = flood.run(Duration::MAX) => return Err(failed.err().unwrap_or_else(flood::ended_early)),
        };
        let flood = flood.stop().await?;
        let usage = meter.stop(flood.stored.sent + beside.verdicts.received);
        serving.stop().await?;
        let acknowledged = acknowledged(&quiet, &[&warm, &alone, &beside], flood.stored)?;
        scratch.verify(acknowledged).await?;
        Ok(Report {
            machine: Machine::this(&found),
            settings: scratch.settings().await?,
            seconds: self.seconds,
            serve: self.serve.clone(),
            quiet: Quiet::new(self.requests, QUIET_BATCH, &alone, &beside),
            connections: self.connections,
            batch: self.batch,
            flood,
            acknowledged,
            usage,
        })
    }

    /// The quiet provider's requests. They are sent by a thread of their own: it is not to wait for the flood's sender.
    async fn quietly(&self, feed: &Arc<Feed>, what: &'static str) -> Result<Load, Failure> {
        let length = Duration::from_secs(self.seconds);
        let schedule = Schedule { per_second: self.requests.into(), length };
        let (feed, (told, load)) = (feed.clone(), tokio::sync::oneshot::channel());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            // Nobody listens any more where the command was broken off.
            let _ = told.send(runtime.block_on(load::run(&feed, what, Pace::Scheduled(schedule))));
        });
        load.await?
    }
}

fn feed(
    serving: &Serving,
    workload: Workload,
    format: Format,
    start: DateTime<Utc>,
    key: &str,
) -> Result<Arc<Feed>, Failure> {
    let writer = Writer::new(format, start, workload.channels);
    Ok(Arc::new(Feed::of_readings(workload, writer, &serving.address, key)?))
}

/// What both were told is stored; the quiet provider's verdicts must be those of its requests, each of which was stored.
fn acknowledged(quiet: &Feed, loads: &[&Load], flooded: Totals) -> Result<Totals, Failure> {
    let mut all = quiet.workload.totals(loads.iter().map(|load| load.requests).sum());
    all.check(loads.iter().map(|load| &load.verdicts))?;
    all.join(flooded);
    Ok(all)
}
