//! `meterbase bench freshness`: a fleet that sends all the time, people who look at dashboards, and rollups that follow.
//!
//! - `stream`, `dashboard`, `probe`: who sends and asks; `seen`: what they see
//! - `roles`: what the server and PostgreSQL take for which work; `watch`: all of it every some seconds
//! - `compare`: whether the rollups are what was acknowledged; `report`: what is told

mod compare;
mod dashboard;
mod probe;
mod report;
mod roles;
mod seen;
mod stream;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use chrono::{SubsecRound, Utc};
use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::cli::bench::alone::{beside, on_scratch};
use crate::cli::bench::ingest::body::{Format, Writer};
use crate::cli::bench::ingest::load::{Feed, Schedule};
use crate::cli::bench::ingest::scratch::Scratch;
use crate::cli::bench::ingest::server::Serving;
use crate::cli::bench::ingest::workload::{Name, Workload};
use crate::cli::bench::machine::Machine;
use crate::cli::bench::output::Output;
use crate::cli::bench::registry::{PROVIDER, Size};
use crate::cli::{DatabaseArgs, Failure};
use crate::keys::Scope;
use dashboard::Asker;
use probe::{PER_SECOND, Prober};
use report::{Load, Report};
use roles::Roles;
use seen::Seen;
use watch::{Watch, Watched};

/// Measure how long readings take to be in the figures, while devices send and dashboards ask
///
/// Makes a database beside the one it is given, runs a server on it, and drops it again. Every device sends a reading at each
/// full interval, in requests that come at even distances; questions of dashboards come at even distances too. Once a second
/// a probe is posted, a reading of a device that sends nothing else, and looked for until the device's daily figure has it.
///
/// In the end the database must hold what was acknowledged, by number and sum, and the figures of every customer must be
/// those, or the command fails; figures that come late do not make it fail.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase bench freshness --data-dir ./bench
  meterbase bench freshness --data-dir ./bench --seconds 60 --devices 10000 --json -")]
pub struct FreshnessArgs {
    /// Devices that send
    #[arg(long, env = "METERBASE_DEVICES", value_name = "NUMBER", default_value = "50000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    devices: u32,
    /// How often each device sends a reading: 50,000 devices every 10 seconds are 5,000 readings a second
    #[arg(long, env = "METERBASE_EVERY", value_name = "SECONDS", default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..=3600))]
    every: u32,
    /// Readings of a request
    #[arg(long, env = "METERBASE_BATCH", value_name = "NUMBER", default_value = "500",
        value_parser = clap::value_parser!(u32).range(1..=50_000))]
    batch: u32,
    /// Questions of dashboards a second
    #[arg(long, env = "METERBASE_QUESTIONS", value_name = "NUMBER", default_value = "5",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    questions: u32,
    /// How long it goes on
    #[arg(long, env = "METERBASE_SECONDS", value_name = "NUMBER", default_value = "600",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Further options of the server that is measured, such as -- --refresh-interval 5s
    #[arg(last = true, value_name = "SERVE OPTIONS")]
    serve: Vec<String>,
}

/// Connections that devices send over: a request that takes long does not hold up the next one.
const CONNECTIONS: u32 = 8;

impl FreshnessArgs {
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let on_scratch =
            async |database: &_| on_scratch(database, stop.clone(), async |scratch| self.on(scratch).await).await;
        let report = beside(&self.database, stop.clone(), on_scratch).await?;
        self.output.tell(&report, &report.text()?)
    }

    async fn on(&self, scratch: &Scratch) -> Result<Report, Failure> {
        let workload = Workload {
            workload: Name::A,
            channels: self.devices,
            batch: self.batch,
            connections: CONNECTIONS,
            every_s: self.every,
        };
        // One device more probes.
        let registered = Workload { channels: self.devices + 1, ..workload };
        let (found, size) = (scratch.fill(&registered).await?, Scratch::size(&registered));
        scratch.checkpoint().await?;
        let serving = Serving::start(scratch, &self.serve).await?;
        let keys = [scratch.key_of(PROVIDER, Scope::Ingest).await?, scratch.key_of(PROVIDER, Scope::Read).await?];
        let seen = Arc::new(Seen::default());
        let (watched, probes) = self.measure(scratch, &serving, workload, size, &keys, &seen).await?;

        let acknowledged =
            compare::acknowledged(&workload, watched.all.posts.extent().rounds, &size, (self.devices, probes));
        let mut asker = Asker::open(&serving.address, &keys[1]).await?;
        let caught_up = compare::compare(&mut asker, &seen, &acknowledged).await?;
        serving.stop().await?;
        let total = compare::total(&acknowledged);
        scratch.verify(total).await?;
        Ok(Report {
            machine: Machine::this(&found),
            settings: scratch.settings().await?,
            load: Load {
                devices: self.devices,
                every_s: self.every,
                batch: self.batch,
                readings_per_second: f64::from(self.devices) / f64::from(self.every),
                questions_per_second: self.questions,
                seconds: self.seconds,
            },
            serve: self.serve.clone(),
            acknowledged: total,
            caught_up_s: caught_up.as_secs_f64(),
            watched: watched.into(),
        })
    }

    /// Lets all send and ask, and watches them; tells what was seen and how many probes there were.
    async fn measure(
        &self,
        scratch: &Scratch,
        serving: &Serving,
        workload: Workload,
        size: Size,
        [sends, reads]: &[String; 2],
        seen: &Arc<Seen>,
    ) -> Result<(Watched, u64), Failure> {
        let length = Duration::from_secs(self.seconds);
        let at = |per_second: f64| Schedule { per_second, length };
        let requests = workload.requests_of_round() as f64 / f64::from(self.every);
        let writer = Writer::new(Format::Csv, Utc::now().trunc_subsecs(0), workload.channels);
        let feed = Feed::of_readings(workload, writer, &serving.address, sends)?;
        let prober = Prober { address: &serving.address, sends, reads, device: self.devices };
        let roles = Roles::start(scratch.connect().await?, serving.pid()).await?;
        let mut watch = Watch::new(roles, serving.pid(), seen.clone());
        let work = async {
            tokio::try_join!(
                stream::run(Arc::new(feed), at(requests), seen.clone()),
                dashboard::run(&serving.address, reads, at(self.questions.into()), size, seen),
                prober.run(at(PER_SECOND), seen),
            )
        };
        let probes = watch.during(work).await?.2;
        Ok((watch.end().await?, probes))
    }
}
