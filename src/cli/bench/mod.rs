//! `meterbase bench`: what this machine and its database do. `query` is the command, `fleet` the data that it asks,
//! `questions` what is asked, `timing` and `machine` what is told of it.

mod fleet;
mod machine;
mod query;
mod questions;
mod timing;

use clap::{Args, Subcommand};

use crate::cli::Failure;

/// Measure what the server does on this machine
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    Query(query::QueryArgs),
}

impl BenchArgs {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            BenchCommand::Query(args) => args.run().await,
        }
    }
}
