//! What is told.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::bench::fairness::flood::Flooded;
use crate::cli::bench::ingest::load::Load;
use crate::cli::bench::ingest::scratch::Settings;
use crate::cli::bench::ingest::usage::Usage;
use crate::cli::bench::ingest::workload::Totals;
use crate::cli::bench::machine::Machine;
use crate::cli::bench::timing::Extent;

/// All that is told.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub settings: Settings,
    /// Of the quiet provider alone, and again beside the flood.
    pub seconds: u64,
    /// Further options of the server.
    pub serve: Vec<String>,
    pub quiet: Quiet,
    /// Of the provider that floods.
    pub connections: u32,
    /// Readings of each of its requests.
    pub batch: u32,
    pub flood: Flooded,
    /// By both, in all; the database held that and nothing else, or there would be no report.
    pub acknowledged: Totals,
    /// While the flood went on.
    #[serde(flatten)]
    pub usage: Usage,
}

/// How long the quiet provider waited.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quiet {
    pub requests_per_second: u32,
    /// Readings of each.
    pub batch: u32,
    pub alone: Waited,
    pub beside: Waited,
    /// Of the 99th percentiles, beside the flood and alone.
    pub ratio: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waited {
    /// Answers 429 and 503; those requests were sent again, and their latency has it all.
    pub refused: u64,
    /// Of all its requests.
    #[serde(flatten)]
    pub waited: Extent,
}

/// What the ratio is to be less than.
const WANTED: f64 = 3.0;

impl Quiet {
    pub fn new(requests_per_second: u32, batch: u32, alone: &Load, beside: &Load) -> Self {
        let waited = |load: &Load| Waited { refused: load.refused, waited: load.latencies.extent() };
        let (alone, beside) = (waited(alone), waited(beside));
        let ratio = beside.waited.p99_ms / alone.waited.p99_ms;
        Self { requests_per_second, batch, alone, beside, ratio }
    }

    fn verdict(&self) -> String {
        let (kept, refused) = (self.ratio < WANTED, self.alone.refused + self.beside.refused);
        format!(
            "the quiet provider's p99 is {:.1} times its p99 alone: {} {WANTED} times; {}",
            self.ratio,
            if kept { "under" } else { "✗ NOT under" },
            if refused == 0 {
                "nothing of it was refused".to_owned()
            } else {
                format!("✗ {refused} of its requests were REFUSED")
            },
        )
    }
}

impl Report {
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let Self { quiet, flood, usage, .. } = self;
        let mut text = String::new();
        writeln!(text, "{}", self.machine)?;
        let each = format!("{} requests/s of {} readings", quiet.requests_per_second, quiet.batch);
        writeln!(text, "quiet provider: {each}; each waits from when it was due")?;
        writeln!(text, "  alone                {}", quiet.alone)?;
        writeln!(text, "  beside the flood     {}", quiet.beside)?;
        writeln!(text, "flood: {} connections, {} readings a request", self.connections, self.batch)?;
        let rate = flood.stored.distinct as f64 / flood.seconds;
        writeln!(text, "  stored               {} requests, {rate:.0} readings/s", flood.requests)?;
        writeln!(text, "  refused              {} times 429, {} times 503", flood.too_many, flood.overloaded)?;
        let postgres = usage.postgres_cores.map_or_else(String::new, |cores| format!("{cores:.2} PostgreSQL, "));
        writeln!(
            text,
            "  cores meanwhile      {:.2} server, {postgres}{:.2} generator; server {:.0} MiB, at most {:.0}",
            usage.server_cores, usage.generator_cores, usage.server_memory_mib, usage.server_peak_memory_mib
        )?;
        writeln!(text, "acknowledged and stored: {}", self.acknowledged)?;
        write!(text, "{}", quiet.verdict())?;
        Ok(text)
    }
}

impl std::fmt::Display for Waited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} requests", self.waited)?;
        if self.refused > 0 {
            write!(f, ", refused {} times", self.refused)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn load(ms: &[u64], refused: u64) -> Load {
        let mut load = Load { refused, ..Load::default() };
        ms.iter().for_each(|ms| load.latencies.add(Duration::from_millis(*ms)));
        load
    }

    #[test]
    fn the_ratio_is_that_of_the_percentiles_and_is_judged() {
        let quiet = Quiet::new(10, 10, &load(&[4, 2, 1], 0), &load(&[1, 10, 2], 0));
        assert_eq!((quiet.ratio, quiet.beside.waited.max_ms), (2.5, 10.0));
        assert!(quiet.verdict().contains("2.5 times its p99 alone: under 3 times; nothing"), "{}", quiet.verdict());
        let quiet = Quiet::new(10, 10, &load(&[1], 0), &load(&[3], 7));
        assert!(quiet.verdict().contains("NOT under") && quiet.verdict().contains("7 of its requests were REFUSED"));
    }
}
