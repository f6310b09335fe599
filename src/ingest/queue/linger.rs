//! How long what waits is left waiting.

use std::time::{Duration, Instant};

use super::{Lane, Waiting};

/// How long a batch waits for others to come along, so that they are stored in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Linger {
    /// While nothing is being stored.
    pub idle: Duration,
    /// While others are: two transactions beside each other take more of the database than one of both. Not where [`WORTH_IT`]
    /// readings wait, unless they are portions: these wait also for requests that are being read.
    pub busy: Duration,
    /// After a flush, portions wait for the next requests of those who were answered, where these came in this time the last
    /// time: as many readings as were stored or waited then.
    pub next: Duration,
}

impl Linger {
    pub fn new(idle: Duration, busy: Duration) -> Self {
        let next = if idle.is_zero() { idle } else { NEXT };
        Self { idle, busy: busy.max(idle), next }
    }
}

/// What it takes to be answered, to make the next request and to have it read.
const NEXT: Duration = Duration::from_millis(10);

/// Readings that are worth a transaction of their own: storing them takes longer than what any transaction takes.
const WORTH_IT: usize = 1_000;

/// A flush that was answered, and what came of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Answered {
    /// None before the first.
    at: Option<Instant>,
    /// Readings that were stored, and that waited by then.
    before: usize,
    /// Readings that waited by then, and those that came soon.
    after: usize,
    /// Whether as many had come soon after the flush before it as were there before.
    comes_again: bool,
}

impl Answered {
    /// The next flush, which stored so many readings while so many wait.
    pub(super) fn next(self, stored: usize, waiting: usize) -> Self {
        let comes_again = self.at.is_some() && self.after >= self.before;
        Self { at: Some(Instant::now()), before: stored + waiting, after: waiting, comes_again }
    }

    /// So many readings came at that instant.
    pub(super) fn came(&mut self, readings: usize, at: Instant, soon: Duration) {
        if self.at.is_some_and(|answered| at.saturating_duration_since(answered) <= soon) {
            self.after += readings;
        }
    }

    /// How much longer what waits should wait for what is likely to come: nothing where as much is there as was.
    fn pause(self, waiting: usize, soon: Duration) -> Duration {
        let at = self.at.filter(|_| self.comes_again && waiting < self.before);
        at.map_or(Duration::ZERO, |at| soon.saturating_sub(at.elapsed()))
    }
}

impl Waiting {
    /// How much longer to wait for others to come along. Small batches do not wait for large ones to be stored.
    pub(super) fn pause(&self, lane: Lane, oldest: Instant, readings: usize) -> Duration {
        let Linger { idle, busy, next } = self.linger;
        let has_divided = self.has_divided(lane);
        let are_busy = match lane {
            Lane::All if has_divided => self.storing + self.coming > 0,
            Lane::All => self.storing + self.storing_small > 0 && readings < WORTH_IT,
            Lane::Express => self.storing_small > 0 && readings < WORTH_IT,
        };
        let for_others = if are_busy { busy } else { idle };
        let for_next = if has_divided { self.answered.pause(readings, next) } else { Duration::ZERO };
        for_others.saturating_sub(oldest.elapsed()).max(for_next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_long_after_an_answer_is_not_waited_for() {
        let flush = |at: Instant, came: &[Instant]| {
            let mut answered = Answered { at: Some(at), before: 5_000, after: 0, comes_again: true };
            came.iter().for_each(|at| answered.came(2_500, *at, NEXT));
            answered
        };
        let now = Instant::now();
        let long_ago = now.checked_sub(Duration::from_secs(1)).expect("an instant");
        assert!(flush(now, &[now, now]).next(5_000, 0).comes_again);
        assert!(!flush(long_ago, &[long_ago + NEXT, now]).next(5_000, 0).comes_again);
        assert_eq!(flush(long_ago, &[]).pause(2_500, NEXT), Duration::ZERO);
        assert_eq!(flush(now, &[]).pause(5_000, NEXT), Duration::ZERO);
        assert!(flush(now, &[]).pause(2_500, Duration::from_secs(3600)) > NEXT);
    }
}
