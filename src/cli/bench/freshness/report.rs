//! What is told.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::cli::bench::freshness::roles::Cores;
use crate::cli::bench::freshness::watch::{Interval, Watched};
use crate::cli::bench::ingest::scratch::Settings;
use crate::cli::bench::ingest::workload::Totals;
use crate::cli::bench::machine::Machine;
use crate::cli::bench::timing::Extent;

/// All that is told.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub settings: Settings,
    pub load: Load,
    /// Further options of the server.
    pub serve: Vec<String>,
    /// The database held that and nothing else, and the figures of every customer were those, or there would be no report.
    pub acknowledged: Totals,
    /// How long after the end the figures had all of it.
    pub caught_up_s: f64,
    #[serde(flatten)]
    pub watched: Told,
}

/// What was sent and asked.
#[derive(Debug, Serialize)]
pub struct Load {
    pub devices: u32,
    pub every_s: u32,
    /// Readings of a request.
    pub batch: u32,
    pub readings_per_second: f64,
    pub questions_per_second: u32,
    pub seconds: u64,
}

/// What was seen of it.
#[derive(Debug, Serialize)]
pub struct Told {
    /// How long it took, until the last probe was found.
    seconds: f64,
    /// Answers other than 200 by their status, and requests without one.
    errors: BTreeMap<String, u64>,
    /// Posts, from when each was due.
    posts: Extent,
    /// Probes, from when each was posted until an answer had it.
    probes: Extent,
    /// By how much `fresh_through` was behind the clock when a question was answered.
    behind: Extent,
    /// Questions, from when each was due.
    questions: Extent,
    by_question: BTreeMap<&'static str, Extent>,
    /// Processors that were busy on average.
    cores: Cores,
    /// Part of what server and PostgreSQL took that went to the rollups.
    share_of_rollups: f64,
    /// Of the server at one minute, or at the first look where it was shorter.
    memory_at_one_minute_mib: f64,
    memory_at_end_mib: f64,
    peak_memory_mib: f64,
    intervals: Vec<Interval>,
}

/// Within how many seconds the figures are to be fresh, and when memory is first noted.
const WITHIN_S: f64 = 10.0;
const MINUTE_S: f64 = 59.0;

impl From<Watched> for Told {
    fn from(watched: Watched) -> Self {
        let Watched { all, seconds, cores, intervals, peak_memory_mib } = watched;
        let postgres = cores.storing + cores.answering + cores.rollups + cores.other_postgres;
        let memory = |of: Option<&Interval>| of.map_or(0.0, |interval| interval.server_memory_mib);
        let minute = intervals.iter().find(|interval| interval.second >= MINUTE_S);
        Self {
            seconds,
            posts: all.posts.extent(),
            probes: all.probes.extent(),
            behind: all.behind.extent(),
            questions: all.asked().extent(),
            by_question: all.questions.iter().map(|(name, times)| (*name, times.extent())).collect(),
            errors: all.errors,
            share_of_rollups: cores.rollups / (cores.server + postgres),
            cores,
            memory_at_one_minute_mib: memory(minute.or(intervals.first())),
            memory_at_end_mib: memory(intervals.last()),
            peak_memory_mib,
            intervals,
        }
    }
}

impl Report {
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let Self { load, watched, .. } = self;
        let mut text = String::new();
        writeln!(text, "{}", self.machine)?;
        writeln!(
            text,
            "{} devices, a reading each every {} s: {:.0} readings/s in requests of {} for {} s; {} questions/s",
            load.devices, load.every_s, load.readings_per_second, load.batch, load.seconds, load.questions_per_second
        )?;
        writeln!(text, "  in the figures after      {}", Seconds(&watched.probes))?;
        writeln!(text, "  fresh_through behind by   {}", Seconds(&watched.behind))?;
        writeln!(text, "  posts answered after      {}", watched.posts)?;
        writeln!(text, "  questions answered after  {}", watched.questions)?;
        for (name, times) in &watched.by_question {
            writeln!(text, "    {name:<28} {}", times)?;
        }
        writeln!(text, "  cores                     {}", watched.cores)?;
        let share = 100.0 * watched.share_of_rollups;
        writeln!(text, "  the rollups take          {share:.0} % of what server and PostgreSQL take")?;
        writeln!(
            text,
            "acknowledged, stored and in the figures of every customer: {}; all of it {:.1} s after the end",
            self.acknowledged, self.caught_up_s
        )?;
        write!(text, "{}", watched.verdict())?;
        Ok(text)
    }
}

impl Told {
    fn verdict(&self) -> String {
        let worst = self.probes.max_ms / 1000.0;
        let fresh = if worst <= WITHIN_S { "fresh within" } else { "✗ NOT fresh within" };
        let errors: u64 = self.errors.values().sum();
        let errors = match errors {
            0 => "no errors".to_owned(),
            some => format!("✗ {some} ERRORS ({:?})", self.errors),
        };
        format!(
            "{fresh} {WITHIN_S} s: {worst:.1} s at most; {errors}; server {:.0} MiB at one minute, {:.0} at the end, at most {:.0}",
            self.memory_at_one_minute_mib, self.memory_at_end_mib, self.peak_memory_mib
        )
    }
}

struct Seconds<'a>(&'a Extent);

impl std::fmt::Display for Seconds<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Extent { rounds, p50_ms, p99_ms, max_ms } = self.0;
        let [p50, p99, max] = [p50_ms, p99_ms, max_ms].map(|ms| ms / 1000.0);
        write!(f, "p50 {p50:.2} s, p99 {p99:.2} s, max {max:.2} s of {rounds}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::freshness::seen::Sight;
    use std::time::Duration;

    fn told(probe_s: u64, error: bool) -> Told {
        let mut all = Sight::default();
        all.probes.add(Duration::from_secs(probe_s));
        all.errors.extend(error.then(|| ("503".to_owned(), 2)));
        let interval = |second, server_memory_mib| Interval {
            second,
            stored_per_second: 1.0,
            errors: 0,
            probes: Extent::default(),
            questions: Extent::default(),
            cores: Cores::default(),
            server_memory_mib,
        };
        let cores = Cores { server: 0.2, storing: 0.3, rollups: 0.5, generator: 9.0, ..Cores::default() };
        let intervals = vec![interval(10.0, 30.0), interval(60.0, 40.0), interval(70.0, 41.0)];
        Watched { all, seconds: 70.0, cores, intervals, peak_memory_mib: 44.0 }.into()
    }

    #[test]
    fn the_verdict_names_what_is_not_as_it_should_be() {
        let good = told(10, false);
        assert_eq!(good.share_of_rollups, 0.5);
        assert_eq!(
            good.verdict(),
            "fresh within 10 s: 10.0 s at most; no errors; server 40 MiB at one minute, 41 at the end, at most 44"
        );
        assert!(told(11, true).verdict().starts_with("✗ NOT fresh within 10 s: 11.0 s at most; ✗ 2 ERRORS"));
    }
}
