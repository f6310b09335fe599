//! `meterbase bench`: what this machine and its database do.
//!
//! - `query`: the command; `fleet` the data that it asks, `questions` what is asked, `timing` what is told of it
//! - `late`: the command, with its data and what it measures
//! - `ingest`: the command, with its load and whom it compares the server with
//! - `freshness`, `fairness`: the commands; `alone`: the database of their own
//! - `registry`, `steps`: the fleet of all, and how it is loaded
//! - `machine`: the machine that was measured; `output`: where the result is told

mod alone;
mod fairness;
mod fleet;
mod freshness;
mod ingest;
mod late;
mod machine;
mod output;
mod query;
mod questions;
mod registry;
mod steps;
mod timing;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::cli::{Failure, until};

/// Measure what the server does on this machine
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    Query(query::QueryArgs),
    Late(late::LateArgs),
    Ingest(Box<ingest::IngestArgs>),
    Freshness(freshness::FreshnessArgs),
    Fairness(fairness::FairnessArgs),
}

impl BenchArgs {
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        match self.command {
            BenchCommand::Query(args) => until(stop, args.run()).await,
            BenchCommand::Late(args) => until(stop, args.run()).await,
            BenchCommand::Ingest(args) => args.run(stop).await,
            BenchCommand::Freshness(args) => args.run(stop).await,
            BenchCommand::Fairness(args) => args.run(stop).await,
        }
    }
}
