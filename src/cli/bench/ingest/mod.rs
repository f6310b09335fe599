//! `meterbase bench ingest`: a load, and what else the machine can do with the same readings.
//!
//! - `workload`, `body`: what is sent; `http`, `load`: how, and how latencies count
//! - `scratch`, `server`: the database and the server that are measured; `process`, `usage`: what they take
//! - `contest`: who is measured; `copy`, `influx`: whom the server is compared with, beside itself with a transaction for
//!   each request
//! - `report`: what is told

pub mod body;
mod contest;
mod copy;
pub mod http;
mod influx;
pub mod load;
pub mod process;
mod report;
pub mod scratch;
pub mod server;
pub mod usage;
pub mod workload;

use std::time::Duration;

use chrono::Utc;
use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use crate::cli::bench::alone::{beside, on_scratch};
use crate::cli::bench::machine::Machine;
use crate::cli::bench::output::Output;
use crate::cli::{DatabaseArgs, Failure, say};
use crate::database::{Database, Found};
use body::Format;
use contest::Contest;
use process::Postmaster;
use report::{Measured, Ratios, Report};
use scratch::Scratch;
use workload::{Name, Workload};

/// Measure how fast readings are stored, beside what the database could do at most
///
/// Makes a database beside the one it is given, runs a server on it, sends it readings, and drops the database again. It
/// tells readings per second, latencies at half of that, processors and memory, and compares: with binary COPY of the same
/// rows, sorted, into an identical hypertable without triggers, over one connection (the limit) and over as many as the server
/// stores on (the parallel limit), and with triggers; with the same server when it stores each request in a transaction of
/// its own; and with InfluxDB where `influxd` is installed.
///
/// In the end the database must hold what was acknowledged, by number and sum, or the command fails.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase bench ingest --data-dir ./bench --json ingest.json
  meterbase bench ingest --data-dir ./bench --workload a --against copy -- --refresh-interval 1h

Workloads:
  a  batches of 5,000 over 4 connections: 5,000 channels every 10 seconds
  b  one reading per request over 256 connections
  c  batches of 1,000 over 16 connections: 500,000 channels every hour
  d  like a, with 1 % of the readings sent again and 5 % an hour late")]
pub struct IngestArgs {
    /// Workloads, one after the other
    #[arg(long, env = "METERBASE_WORKLOAD", value_name = "NAMES", value_delimiter = ',', default_value = "a,b,c,d")]
    workload: Vec<Name>,
    /// What the server is compared with
    #[arg(
        long,
        env = "METERBASE_AGAINST",
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "copy,single,influxdb"
    )]
    against: Vec<Against>,
    /// How long each step takes; a workload has up to nine
    #[arg(long, env = "METERBASE_SECONDS", value_name = "NUMBER", default_value = "30",
        value_parser = clap::value_parser!(u64).range(1..=300))]
    seconds: u64,
    /// How large the workloads are, in per cent of their channels, batches and connections
    #[arg(long, env = "METERBASE_SCALE", value_name = "PERCENT", default_value = "100",
        value_parser = clap::value_parser!(u32).range(1..=100))]
    scale: u32,
    /// Format of the bodies
    #[arg(long, env = "METERBASE_FORMAT", value_name = "FORMAT", default_value = "csv")]
    format: Format,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Further options of the server that is measured, such as -- --ingest-connections 8
    #[arg(last = true, value_name = "SERVE OPTIONS")]
    serve: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Against {
    /// Binary COPY of the same rows
    Copy,
    /// The same server with a transaction for each request
    Single,
    /// InfluxDB, where it is installed
    Influxdb,
    /// Nothing more
    None,
}

impl IngestArgs {
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let report = beside(&self.database, stop.clone(), async |database| self.on(database, stop).await).await?;
        self.output.tell(&report, &report.text()?)
    }

    async fn on(&self, database: &Database, stop: CancellationToken) -> Result<Report, Failure> {
        let (mut workloads, mut about): (Vec<Measured>, _) = (Vec::new(), None);
        for name in &self.workload {
            let workload = Workload::new(*name, self.scale);
            say(&workload.to_string());
            let (measured, on) = on_scratch(database, stop.clone(), async |scratch| {
                let found = scratch.fill(&workload).await?;
                let measured = self.measure(scratch, workload, &found, &workloads).await?;
                Ok((measured, (Machine::this(&found), scratch.settings().await?)))
            })
            .await?;
            workloads.push(measured);
            about = Some(on);
        }
        let (machine, settings) = about.ok_or_else(|| Failure::Usage("--workload names none".to_owned()))?;
        let Self { format, seconds, scale, ref serve, .. } = *self;
        Ok(Report { machine, settings, format, seconds, scale, serve: serve.clone(), workloads })
    }

    async fn measure(
        &self,
        scratch: &Scratch,
        workload: Workload,
        found: &Found,
        before: &[Measured],
    ) -> Result<Measured, Failure> {
        let contest = Contest {
            scratch,
            workload,
            start: scratch::start(Utc::now()),
            format: self.format,
            length: Duration::from_secs(self.seconds),
            serve: &self.serve,
            postmaster: Postmaster::of(&mut scratch.connect().await?).await?,
            key: scratch.key().await?,
        };
        let asked = |against| self.against.contains(&against);
        let (server, latency, acknowledged) = contest.server().await?;
        let copy = match asked(Against::Copy) {
            true => Some(copy::measure(scratch, found.edition, contest.length).await?),
            false => None,
        };
        let single = match asked(Against::Single) {
            true => {
                scratch.empty().await?;
                contest.single().await?
            }
            false => Vec::new(),
        };
        let influxdb = match influx::installed().filter(|_| asked(Against::Influxdb)) {
            Some(program) => Some(contest.influx(&program).await?),
            None => None,
        };
        let a = Report::rate_of(before, Name::A);
        let ratios = Ratios::new(&server, copy.as_ref(), &single, influxdb.as_ref(), a);
        let one_transaction_per_request = single;
        Ok(Measured { workload, server, latency, acknowledged, copy, one_transaction_per_request, influxdb, ratios })
    }
}
