//! What one provider may take of what all share, so that one that floods leaves something to the others; and what a request
//! holds of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::limits::{Budget, Limit, Share};

/// A provider's part, as long as it has requests under way.
#[derive(Debug)]
pub struct Part {
    pub provider_id: i32,
    /// Of the memory for bodies.
    pub memory: Arc<Budget>,
    /// As many as there are decoders: of a provider's bodies no more wait in the line for these, where others wait too.
    pub decoders: Arc<Semaphore>,
    /// When a request of it was last refused because too much of it waits.
    refused_at: Mutex<Option<Instant>>,
}

/// Refused again within this time, a provider sends faster than it was told to.
const HASTE: Duration = Duration::from_secs(2);

/// The parts of those that have requests under way.
#[derive(Debug)]
pub struct Parts {
    memory: usize,
    decoders: usize,
    parts: Mutex<HashMap<i32, Weak<Part>>>,
}

impl Parts {
    /// Each may have so many bytes, and so many bodies in the line for the decoders.
    pub fn new(memory: usize, decoders: usize) -> Self {
        Self { memory, decoders, parts: Mutex::default() }
    }

    pub fn of(&self, provider_id: i32) -> Arc<Part> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.get(&provider_id).and_then(Weak::upgrade) {
            return part;
        }
        parts.retain(|_, part| part.strong_count() > 0);
        let memory = Budget::new(Limit::ProviderInflightBytes, self.memory);
        let decoders = Arc::new(Semaphore::new(self.decoders));
        let part = Arc::new(Part { provider_id, memory, decoders, refused_at: Mutex::default() });
        parts.insert(provider_id, Arc::downgrade(&part));
        part
    }

    /// The most that one provider has taken of the memory.
    pub fn most_memory(&self) -> usize {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.values().filter_map(Weak::upgrade).map(|part| part.memory.used()).max().unwrap_or(0)
    }
}

impl Part {
    /// Notes that a request of the provider is refused; tells whether another one was just before.
    pub fn refused(&self, now: Instant) -> bool {
        let before = self.refused_at.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_some_and(|before| now.duration_since(before) < HASTE)
    }
}

/// What a request holds of the memory for bodies, and of its provider's part once that is known.
#[derive(Debug)]
pub struct Hold {
    all: Share,
    provider: OnceLock<(Arc<Part>, Share)>,
    /// Whether it was the provider's part that had no more.
    provider_was_full: AtomicBool,
}

impl Hold {
    pub fn new(all: Share) -> Self {
        Self { all, provider: OnceLock::new(), provider_was_full: AtomicBool::new(false) }
    }

    /// What is taken from now on counts for a provider too.
    pub fn count_for(&self, part: Arc<Part>) {
        if let Some(share) = part.memory.take(0) {
            // A request has one caller; of two the first counts.
            let _ = self.provider.set((part, share));
        }
    }

    pub fn part(&self) -> Option<&Arc<Part>> {
        self.provider.get().map(|(part, _)| part)
    }

    /// Takes more; false where that would be more than there is, which counts as refused.
    pub fn grow(&self, more: usize) -> bool {
        if self.provider.get().is_some_and(|(_, share)| !share.grow(more)) {
            self.provider_was_full.store(true, Ordering::Relaxed);
            return false;
        }
        let grown = self.all.grow(more);
        if let (false, Some((_, share))) = (grown, self.provider.get()) {
            share.shrink(more);
        }
        grown
    }

    /// Gives part of it back.
    pub fn shrink(&self, less: usize) {
        self.all.shrink(less);
        if let Some((_, share)) = self.provider.get() {
            share.shrink(less);
        }
    }

    pub fn provider_was_full(&self) -> bool {
        self.provider_was_full.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_has_one_part_while_it_is_used_and_none_of_others() {
        let parts = Parts::new(100, 2);
        let (one, other) = (parts.of(1), parts.of(2));
        let share = parts.of(1).memory.take(90).unwrap();
        assert!(one.memory.take(11).is_none() && other.memory.take(100).is_some());
        assert_eq!(parts.most_memory(), 90);
        drop((one, other, share));
        assert_eq!((parts.most_memory(), parts.of(1).memory.used()), (0, 0));
    }

    #[test]
    fn a_provider_that_is_refused_again_at_once_is_told_from_one_that_waits() {
        let (parts, now) = (Parts::new(100, 2), Instant::now());
        let (part, other) = (parts.of(1), parts.of(2));
        assert!(!part.refused(now) && part.refused(now + HASTE / 2));
        assert!(!part.refused(now + 2 * HASTE) && !other.refused(now));
    }

    #[test]
    fn what_a_request_holds_counts_for_all_and_for_its_provider() {
        let (all, parts) = (Budget::new(Limit::InflightBytes, 150), Parts::new(100, 2));
        let hold = |provider_id| {
            let hold = Hold::new(all.take(0).unwrap());
            hold.count_for(parts.of(provider_id));
            hold
        };
        let (flood, another, quiet) = (hold(1), hold(1), hold(2));
        assert!(flood.grow(100));
        // Its part is kept while something is held of it.
        assert!(!another.grow(1) && another.provider_was_full());
        assert!(quiet.grow(50) && !quiet.grow(1) && !quiet.provider_was_full());
        assert_eq!((all.used(), parts.of(2).memory.used()), (150, 50));
        flood.shrink(30);
        assert!(another.grow(30) && all.used() == 150);
        drop((flood, another, quiet));
        assert_eq!((all.used(), parts.most_memory()), (0, 0));
    }
}
