//! What is seen while it runs, by all who look: counted for some seconds, and for all of the time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cli::bench::ingest::workload::Totals;
use crate::cli::bench::timing::Times;

/// What those who send and ask add to.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Sight>);

/// What was seen in some time.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// Readings that were acknowledged, but for those of probes.
    pub stored: Totals,
    /// Answers other than 200 by their status, and requests without one.
    pub errors: BTreeMap<String, u64>,
    /// Posts, from when each was due.
    pub posts: Times,
    /// Probes, from when each was posted until an answer had it.
    pub probes: Times,
    /// By how much `fresh_through` was behind the clock when it was answered.
    pub behind: Times,
    /// By its name, a question from when it was due.
    pub questions: BTreeMap<&'static str, Times>,
}

impl Seen {
    pub fn stored(&self, readings: Totals, took: Duration) {
        let mut sight = self.lock();
        sight.stored.join(readings);
        sight.posts.add(took);
    }

    pub fn error(&self, what: String) {
        *self.lock().errors.entry(what).or_default() += 1;
    }

    pub fn probe(&self, took: Duration) {
        self.lock().probes.add(took);
    }

    pub fn behind(&self, by: Duration) {
        self.lock().behind.add(by);
    }

    pub fn question(&self, name: &'static str, took: Duration) {
        self.lock().questions.entry(name).or_default().add(took);
    }

    /// What was seen since this was last asked for.
    pub fn take(&self) -> Sight {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Sight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sight {
    pub fn add(&mut self, other: Self) {
        self.stored.join(other.stored);
        for (what, times) in other.errors {
            *self.errors.entry(what).or_default() += times;
        }
        self.posts.append(other.posts);
        self.probes.append(other.probes);
        self.behind.append(other.behind);
        for (name, times) in other.questions {
            self.questions.entry(name).or_default().append(times);
        }
    }

    /// Of all questions.
    pub fn asked(&self) -> Times {
        let mut all = Times::default();
        self.questions.values().for_each(|times| all.append(times.clone()));
        all
    }

    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_in_parts_adds_up() {
        let (seen, mut all) = (Seen::default(), Sight::default());
        for ms in [1, 3] {
            seen.stored(Totals { sent: 2, distinct: 2, sum: 5 }, Duration::from_millis(ms));
            seen.question("a", Duration::from_millis(ms));
            seen.question("b", Duration::from_millis(10 * ms));
            seen.error("503".to_owned());
            all.add(seen.take());
        }
        assert_eq!(seen.take().error_count(), 0);
        assert_eq!((all.stored, all.error_count()), (Totals { sent: 4, distinct: 4, sum: 10 }, 2));
        assert_eq!(
            (all.posts.extent().max_ms, all.asked().extent().rounds, all.asked().extent().max_ms),
            (3.0, 4, 30.0)
        );
    }
}
