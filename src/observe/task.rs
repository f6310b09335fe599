//! Work that a server does by itself, round by round, and how it goes.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Background work whose rounds are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Brings the rollups up to what changed, and drops what is older than it is kept.
    Rollups,
    /// Tries again what is in quarantine.
    Quarantine,
    /// Verifies on schedule, or looks what another server found.
    Verify,
    /// Asks the database what the metrics tell of it.
    Metrics,
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Self::Rollups => "rollups",
            Self::Quarantine => "quarantine",
            Self::Verify => "verify",
            Self::Metrics => "metrics",
        }
    }

    /// Tells the metrics that a round ended, which began then. Where another server does the work, to have seen that is
    /// a round that ended well.
    pub fn ended(self, began: Instant, well: bool) {
        let outcome = if well { "done" } else { "failed" };
        metrics::counter!("meterbase_task_runs_total", "task" => self.name(), "outcome" => outcome).increment(1);
        metrics::histogram!("meterbase_task_duration_seconds", "task" => self.name())
            .record(began.elapsed().as_secs_f64());
        if well {
            metrics::gauge!("meterbase_task_last_success_timestamp_seconds", "task" => self.name()).set(now());
        }
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
