//! A number of something of which shares are taken and given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::Limit;

/// So much of something, and how much of it is taken.
#[derive(Debug)]
pub struct Budget {
    limit: Limit,
    most: usize,
    used: AtomicUsize,
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    of: Arc<Budget>,
    size: AtomicUsize,
}

impl Budget {
    pub fn new(limit: Limit, most: usize) -> Arc<Self> {
        Arc::new(Self { limit, most, used: AtomicUsize::new(0) })
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether so much could be taken just now; if not, it counts as refused.
    pub fn has_room(&self, size: usize) -> bool {
        let has_room = self.used().checked_add(size).is_some_and(|used| used <= self.most);
        if !has_room {
            self.limit.refused();
        }
        has_room
    }

    /// A share, or none where that would be more than there is, which counts as refused.
    pub fn take(self: &Arc<Self>, size: usize) -> Option<Share> {
        let share = Share { of: self.clone(), size: AtomicUsize::new(0) };
        share.grow(size).then_some(share)
    }
}

impl Share {
    /// Takes more; false where that would be more than there is, which counts as refused.
    pub fn grow(&self, more: usize) -> bool {
        let within = |used: usize| used.checked_add(more).filter(|used| *used <= self.of.most);
        let grown = self.of.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok();
        if grown {
            self.size.fetch_add(more, Ordering::Relaxed);
        } else {
            self.of.limit.refused();
        }
        grown
    }

    /// Gives part of it back, at most what there is of it.
    pub fn shrink(&self, less: usize) {
        let given =
            self.size.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |size| Some(size.saturating_sub(less)));
        // The closure always gives a size, so this is the size before in either case.
        let before = given.unwrap_or_else(|size| size);
        self.of.used.fetch_sub(before.min(less), Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.used.fetch_sub(*self.size.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is_and_all_of_it_comes_back() {
        let budget = Budget::new(Limit::InflightBytes, 100);
        let share = budget.take(60).unwrap();
        assert!(budget.take(41).is_none() && !budget.has_room(41) && budget.has_room(40));
        assert!(!share.grow(41) && !share.grow(usize::MAX));
        assert!(share.grow(40));
        assert_eq!(budget.used(), 100);
        share.shrink(70);
        assert_eq!(budget.used(), 30);
        share.shrink(70);
        assert_eq!(budget.used(), 0);
        let others: Vec<_> = (0..10).map(|_| budget.take(10).unwrap()).collect();
        assert!(budget.take(1).is_none());
        drop((share, others));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn many_threads_together_take_no_more_than_there_is() {
        let budget = Budget::new(Limit::Requests, 50);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for size in 1..2000 {
                        let share = budget.take(size % 40);
                        assert!(budget.used() <= 50);
                        if let Some(share) = share {
                            share.shrink(size % 7);
                        }
                    }
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }
}
