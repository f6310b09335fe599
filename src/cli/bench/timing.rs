//! Times of one question, and what is told of them.

use std::time::Duration;

use serde::Serialize;

/// How long each of some rounds took.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

/// What half and what almost all of the rounds took at most, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// The same with the longest of them; nothing but zeros where there were none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Extent {
    pub rounds: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    pub fn spread(&self) -> Spread {
        Spread { p50_ms: millis(self.at_most(50)), p99_ms: millis(self.at_most(99)) }
    }

    pub fn extent(&self) -> Extent {
        let Spread { p50_ms, p99_ms } = self.spread();
        Extent { rounds: self.0.len() as u64, p50_ms, p99_ms, max_ms: millis(self.at_most(100)) }
    }

    /// The time that this share of the rounds, in per cent, did not exceed (nearest rank); zero without rounds.
    fn at_most(&self, share: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * share).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

/// To the microsecond.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rounds, p50_ms, p99_ms, max_ms } = self;
        write!(f, "p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, max {max_ms:.1} ms of {rounds}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let mut times = Times::default();
        assert_eq!(times.spread(), Spread { p50_ms: 0.0, p99_ms: 0.0 });
        for ms in (1..=200).rev() {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!(times.spread(), Spread { p50_ms: 100.0, p99_ms: 198.0 });
        assert_eq!(times.extent(), Extent { rounds: 200, p50_ms: 100.0, p99_ms: 198.0, max_ms: 200.0 });
        assert_eq!(Times::default().extent(), Extent::default());
        let mut few = Times::default();
        few.add(Duration::from_micros(1500));
        few.add(Duration::from_micros(2500));
        assert_eq!(few.spread(), Spread { p50_ms: 1.5, p99_ms: 2.5 });
    }
}
