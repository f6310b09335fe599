//! All that is seen, every some seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::bench::freshness::roles::{Cores, Roles};
use crate::cli::bench::freshness::seen::{Seen, Sight};
use crate::cli::bench::ingest::process;
use crate::cli::bench::timing::Extent;
use crate::cli::{Failure, say};

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(10);

/// Time between two looks at the processes.
const LOOK: Duration = Duration::from_secs(1);

/// What was seen in some seconds.
#[derive(Debug, Clone, Serialize)]
pub struct Interval {
    /// Since the start, at its end.
    pub second: f64,
    pub stored_per_second: f64,
    pub errors: u64,
    pub probes: Extent,
    pub questions: Extent,
    pub cores: Cores,
    pub server_memory_mib: f64,
}

/// What was seen in all.
pub struct Watched {
    pub all: Sight,
    pub seconds: f64,
    pub cores: Cores,
    pub intervals: Vec<Interval>,
    /// The most that the server ever held.
    pub peak_memory_mib: f64,
}

pub struct Watch {
    roles: Roles,
    server: u32,
    seen: Arc<Seen>,
    started: Instant,
    /// When the last line was told, and what had been taken by then.
    told: (Instant, Cores),
    all: Sight,
    intervals: Vec<Interval>,
}

impl Watch {
    pub fn new(roles: Roles, server: u32, seen: Arc<Seen>) -> Self {
        let now = Instant::now();
        let told = (now, Cores::default());
        Self { roles, server, seen, started: now, told, all: Sight::default(), intervals: Vec::new() }
    }

    /// Watches until some work is done.
    pub async fn during<T>(&mut self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::pin!(work);
        let mut tick = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = tick.tick() => self.look().await?,
            }
        }
    }

    async fn look(&mut self) -> Result<(), Failure> {
        self.roles.look().await?;
        if self.told.0.elapsed() >= EVERY {
            self.tell();
        }
        Ok(())
    }

    fn tell(&mut self) {
        let (now, cores, sight) = (Instant::now(), self.roles.seconds(), self.seen.take());
        let seconds = (now - self.told.0).as_secs_f64();
        let interval = Interval {
            second: (now - self.started).as_secs_f64(),
            stored_per_second: sight.stored.distinct as f64 / seconds,
            errors: sight.error_count(),
            probes: sight.probes.extent(),
            questions: sight.asked().extent(),
            cores: cores.since(&self.told.1, seconds),
            server_memory_mib: process::memory(self.server).unwrap_or_default().0,
        };
        say(&interval.to_string());
        self.told = (now, cores);
        self.all.add(sight);
        self.intervals.push(interval);
    }

    /// All that was seen. The server still runs.
    pub async fn end(mut self) -> Result<Watched, Failure> {
        self.roles.look().await?;
        self.tell();
        let seconds = self.started.elapsed().as_secs_f64();
        Ok(Watched {
            cores: self.roles.seconds().since(&Cores::default(), seconds),
            all: self.all,
            seconds,
            intervals: self.intervals,
            peak_memory_mib: process::memory(self.server).unwrap_or_default().1,
        })
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { second, stored_per_second, errors, probes, questions, cores, server_memory_mib } = self;
        write!(f, "{second:>5.0} s  {stored_per_second:.0} readings/s stored, {errors} errors; ")?;
        let s = |ms: f64| ms / 1000.0;
        let (p50, p99, max) = (s(probes.p50_ms), s(probes.p99_ms), s(probes.max_ms));
        write!(f, "fresh after p50 {p50:.1} s, p99 {p99:.1} s, max {max:.1} s; ")?;
        write!(f, "questions p50 {:.1} ms, p99 {:.1} ms; ", questions.p50_ms, questions.p99_ms)?;
        write!(f, "server {server_memory_mib:.0} MiB; cores: {cores}")
    }
}
