//! `meterbase simulate`

use chrono::{NaiveDate, Utc};
use clap::Args;
use clap::builder::FalseyValueParser;
use serde::Serialize;

use crate::cli::meters;
use crate::cli::rehearsal::{Rehearsal, rehearse};
use crate::cli::target::TargetArgs;
use crate::cli::{Failure, print, print_json, say};
use crate::fleet::{Fleet, Plan};
use crate::simulation::meters::MetersReport;
use crate::simulation::{self, Pace};

/// Post the readings of a simulated fleet and check every figure
///
/// Three providers with customers and sub-customers in five time zones, their groups, devices, gateways and
/// integrations. Some readings come late, out of order, or twice. Afterwards the daily and monthly figures of every
/// provider, customer and group, and the monthly ones of every device, are compared with what was sent. Running it again
/// is harmless, and continues a run that was interrupted: what the server has is a duplicate. The fleet that is there
/// stays the same; only its end moves on to --until.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  meterbase simulate --url http://127.0.0.1:8080 --key mb_...
  meterbase simulate --devices 5000 --days 90 --rate 20000 --data-dir ./try
  meterbase simulate --devices 20 --days 7 --meters --data-dir ./try

Exit status: 0 all figures are right; 1 one is wrong, or a reading was refused; 2 wrong usage.")]
pub struct SimulateArgs {
    #[command(flatten)]
    size: SizeArgs,
    /// Most readings a second [default: as many as the server takes]
    #[arg(long, env = "METERBASE_RATE", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Readings of a request
    #[arg(long, env = "METERBASE_BATCH", value_name = "NUMBER", default_value = "2000",
        value_parser = clap::value_parser!(u32).range(1..=50_000))]
    batch: u32,
    /// Requests under way at once
    #[arg(long, env = "METERBASE_CONNECTIONS", value_name = "NUMBER", default_value = "4",
        value_parser = clap::value_parser!(u32).range(1..=64))]
    connections: u32,
    /// Leave the comparison out
    #[arg(long, env = "METERBASE_NO_CHECK", value_parser = FalseyValueParser::new())]
    no_check: bool,
    /// Let three smart meters register themselves too, post telegrams, and compare their days
    #[arg(long, env = "METERBASE_METERS", value_parser = FalseyValueParser::new())]
    meters: bool,
    /// Result as JSON
    #[arg(long, env = "METERBASE_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// What came of it, for programs.
#[derive(Serialize)]
struct Simulated {
    #[serde(flatten)]
    rehearsal: Rehearsal,
    #[serde(skip_serializing_if = "Option::is_none")]
    meters: Option<MetersReport>,
}

/// The fleet's size.
#[derive(Debug, Clone, Args)]
pub struct SizeArgs {
    /// Another number makes another fleet
    #[arg(long, env = "METERBASE_SEED", value_name = "NUMBER", default_value = "1")]
    seed: u64,
    /// Devices, gateways and integrations together
    #[arg(long, env = "METERBASE_DEVICES", value_name = "NUMBER", default_value = "120")]
    devices: u32,
    /// Days of readings
    #[arg(long, env = "METERBASE_DAYS", value_name = "NUMBER", default_value = "62")]
    days: u32,
    /// UTC day at whose start the readings end [default: today]
    #[arg(long, env = "METERBASE_UNTIL", value_name = "DATE")]
    until: Option<NaiveDate>,
}

impl SizeArgs {
    pub fn plan(&self) -> Result<Plan, Failure> {
        let until = self.until.unwrap_or_else(|| Utc::now().date_naive());
        Plan::new(self.seed, self.devices, self.days, until).map_err(|error| Failure::Usage(error.to_string()))
    }
}

impl SimulateArgs {
    pub async fn run(self) -> Result<(), Failure> {
        let asked = self.size.plan()?;
        let pace = Pace { batch: self.batch as usize, connections: self.connections as usize, rate: self.rate };
        self.target
            .with("meterbase simulate", async |client| {
                let plan = simulation::settle(&client, asked).await?;
                if plan != asked {
                    say(&format!("the server has a fleet {plan} already, which is continued"));
                }
                let fleet = Fleet::new(plan);
                let rehearsal = rehearse(&client, &fleet, pace, !self.no_check).await?;
                rehearsal.complain();
                let meters = if self.meters { Some(simulation::meters::run(&client, &plan).await?) } else { None };
                meters.iter().for_each(meters::complain);
                let is_right = rehearsal.is_right() && meters.as_ref().is_none_or(MetersReport::is_right);
                if self.json {
                    print_json(&Simulated { rehearsal, meters })?;
                } else {
                    print(&rehearsal.summary())?;
                    meters.iter().try_for_each(|report| print(&meters::summary(report)))?;
                }
                if is_right { Ok(()) } else { Err(Failure::Reported) }
            })
            .await
    }
}
