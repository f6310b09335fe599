//! Where a measurement is told.

use clap::Args;
use serde::Serialize;

use crate::cli::{Failure, print};

#[derive(Debug, Args)]
pub struct Output {
    /// Where to write the result as JSON, too; - for standard output, instead of the text
    #[arg(long, env = "METERBASE_JSON", value_name = "FILE")]
    json: Option<String>,
}

impl Output {
    pub fn tell(&self, report: &impl Serialize, text: &str) -> Result<(), Failure> {
        let json = || serde_json::to_string_pretty(report);
        match self.json.as_deref() {
            Some("-") => return print(&json()?),
            Some(file) => {
                std::fs::write(file, json()? + "\n").map_err(|error| Failure::Failed(format!("{file}: {error}")))?
            }
            None => {}
        }
        print(text)
    }
}
