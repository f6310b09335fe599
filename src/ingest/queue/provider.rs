//! What waits of one provider.

use std::collections::VecDeque;
use std::time::Duration;

use super::Batch;

/// Readings that a provider may have stored when its turn comes; a larger batch waits several turns.
const QUANTUM: usize = 5_000;

/// Most readings of a batch that the express lane takes.
pub const SMALL: usize = 500;

/// How long a small batch of a provider with little waiting is left to the express lane while large ones wait too. In a flush
/// with those it would wait until all of them are stored.
pub const EXPRESS_PATIENCE: Duration = Duration::from_millis(250);

/// What of all that waits is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    All,
    Small,
    /// Large batches, and small ones of providers that have much waiting: others' are left to the express lane.
    Heavy,
}

#[derive(Default)]
pub struct Provider {
    pub small: VecDeque<Batch>,
    pub large: VecDeque<Batch>,
    pub readings: usize,
    /// Of those, the ones of small batches.
    small_readings: usize,
    /// Readings that it may still have taken in this turn.
    credit: usize,
}

impl Provider {
    pub fn push(&mut self, batch: Batch) {
        let readings = batch.readings.len();
        self.readings += readings;
        if readings <= SMALL {
            self.small_readings += readings;
            self.small.push_back(batch);
        } else {
            self.large.push_back(batch);
        }
    }

    /// Lets it have another quantum taken.
    pub fn begin_turn(&mut self) {
        self.credit += QUANTUM;
    }

    pub fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty()
    }

    pub fn queues(&self, share: Share) -> impl Iterator<Item = &VecDeque<Batch>> {
        let large = (share != Share::Small).then_some(&self.large);
        let small = (share != Share::Heavy || self.is_heavy()).then_some(&self.small);
        [small, large].into_iter().flatten()
    }

    /// Readings of a share.
    pub fn readings(&self, share: Share) -> usize {
        match share {
            Share::Small => self.small_readings,
            Share::Heavy if !self.is_heavy() => self.readings - self.small_readings,
            Share::All | Share::Heavy => self.readings,
        }
    }

    /// Whether its small batches are more than the express lane is there for.
    fn is_heavy(&self) -> bool {
        let is_late = || self.small.front().is_some_and(|batch| batch.queued_at.elapsed() >= EXPRESS_PATIENCE);
        self.readings > QUANTUM || is_late()
    }

    /// The older of the two next batches that has room and credit; the first of all to be taken needs no room.
    pub fn take(&mut self, share: Share, room: usize, first: bool) -> Option<Batch> {
        let large = self.large.front().filter(|_| share != Share::Small).map(|batch| batch.queued_at);
        let small =
            self.small.front().filter(|_| share != Share::Heavy || self.is_heavy()).map(|batch| batch.queued_at);
        let queue = match (small, large) {
            (Some(small), Some(large)) if large < small => &mut self.large,
            (None, Some(_)) => &mut self.large,
            (Some(_), _) => &mut self.small,
            (None, None) => return None,
        };
        let readings = queue.front()?.readings.len();
        if readings > self.credit || (readings > room && !first) {
            return None;
        }
        self.credit -= readings;
        let batch = queue.pop_front();
        self.readings -= readings;
        if readings <= SMALL {
            self.small_readings -= readings;
        }
        if self.is_empty() {
            self.credit = 0;
        }
        batch
    }
}
