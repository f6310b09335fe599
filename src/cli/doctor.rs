//! `meterbase doctor`

use std::io::IsTerminal;

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::cli::serve::Pools;
use crate::cli::{DatabaseArgs, Failure, print, print_json};
use crate::doctor::{self, Finding, Status};
use crate::embedded::Role;

/// Look whether the database is fit for Meterbase, and say how to mend what is not
///
/// Versions, schema, settings that keep committed readings safe, connections, clock, time zones, disk. Changes nothing.
/// Exit status 1 when there is a problem; a warning is none.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// As a JSON array of {check, status, found, mend?}
    #[arg(long, env = "METERBASE_JSON", value_parser = FalseyValueParser::new())]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    pools: Pools,
}

impl DoctorArgs {
    pub async fn run(self) -> Result<(), Failure> {
        let connections = self.pools.total();
        self.database
            .with(Role::Command, async |database| {
                let findings = doctor::examine(database, connections).await?;
                if self.json {
                    print_json(&findings)?;
                } else {
                    print(&page(&findings, std::io::stdout().is_terminal()))?;
                }
                let worst = findings.iter().map(|finding| finding.status).max();
                if worst == Some(Status::Problem) { Err(Failure::Reported) } else { Ok(()) }
            })
            .await
    }
}

/// One line for each finding, and one under it that says how to mend it.
fn page(findings: &[Finding], colours: bool) -> String {
    let lines = findings.iter().map(|finding| {
        let (word, colour) = match finding.status {
            Status::Ok => ("ok", 32),
            Status::Warning => ("warning", 33),
            Status::Problem => ("problem", 31),
        };
        let word = if colours { format!("\x1b[{colour}m{word:7}\x1b[0m") } else { format!("{word:7}") };
        let mend = finding.mend.iter().map(|mend| format!("\n{:29}-> {mend}", "")).collect::<String>();
        format!("{word}  {:18}  {}{mend}", finding.check, finding.found)
    });
    lines.collect::<Vec<_>>().join("\n")
}
