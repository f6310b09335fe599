//! What waits to be stored: a bounded queue for each provider, served in turn by readings, so that a provider that
//! floods waits for itself.

mod provider;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use crate::core::reading::Item;
use crate::http::intake::Held;
use crate::http::problem;
use crate::ingest::verdict::Verdict;
use crate::keys::Part;
use provider::{Provider, Share};

pub use provider::SMALL;

/// Readings of one request, and who waits for their verdicts.
pub struct Batch {
    pub provider_id: i32,
    /// The API key that sent them, for the accounting.
    pub key_id: Option<i32>,
    /// For which part of the provider that key is.
    pub part: Arc<Part>,
    pub items: Vec<Item>,
    /// What it takes of the memory for bodies, until it is answered: also where nobody waits for that any more.
    pub held: Option<Held>,
    pub queued_at: Instant,
    /// Nobody listens any more when the request was broken off; the readings are stored all the same.
    pub answer: oneshot::Sender<problem::Result<Stored>>,
}

/// A batch whose readings are committed.
pub struct Stored {
    pub items: Vec<Item>,
    /// One for each item.
    pub verdicts: Vec<Verdict>,
}

/// How much may wait, in readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Of one provider. A request goes in while less than this waits, however many readings it has.
    pub provider: usize,
    /// Of all.
    pub total: usize,
}

/// Why a batch cannot wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The provider has as much waiting as it may.
    Provider,
    /// The server has.
    Server,
    /// The server stops.
    Closed,
}

/// Which batches somebody takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Any.
    All,
    /// Only small ones, of up to [`SMALL`] readings: they need not wait behind large ones.
    Express,
}

/// How long after another provider's last small batch large ones are stored with consideration for the next one.
const BESIDE: Duration = Duration::from_secs(1);

/// How long a batch waits for others to come along, so that they are stored in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linger {
    /// While nothing is being stored.
    pub idle: Duration,
    /// While others are: two transactions beside each other take more of the database than one of both. Not where
    /// [`WORTH_IT`] readings wait.
    pub busy: Duration,
}

/// Readings that are worth a transaction of their own: storing them takes longer than what any transaction takes.
const WORTH_IT: usize = 1_000;

pub struct Queue {
    bounds: Bounds,
    waiting: Mutex<Waiting>,
    /// Told for each batch that comes, and when the queue is closed.
    changed: Notify,
}

/// While this is there, a provider's batches are left waiting.
pub struct Pause {
    queue: Arc<Queue>,
    provider_id: i32,
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.queue.resume(self.provider_id);
    }
}

#[derive(Default)]
struct Waiting {
    providers: HashMap<i32, Provider>,
    /// Providers with something waiting, whose turn is next first.
    turns: VecDeque<i32>,
    /// Providers whose batches are left where they are, and how often that was asked for.
    paused: HashMap<i32, usize>,
    readings: usize,
    /// How many store what they took of any size, and how many only small batches.
    storing: usize,
    storing_small: usize,
    closed: bool,
    /// Whether there is somebody who takes only small batches.
    has_express: bool,
    /// How many may store large ones while another provider sends small ones.
    beside: usize,
    /// Who sent a small batch last, and who a large one, and when.
    last_small: Option<(i32, Instant)>,
    last_large: Option<(i32, Instant)>,
}

impl Queue {
    /// `has_express` says that somebody takes only small batches.
    pub fn new(bounds: Bounds, has_express: bool) -> Self {
        // Half of the processors, for the database's work is most of it.
        let beside = std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1));
        let waiting = Waiting { has_express, beside, ..Waiting::default() };
        Self { bounds, waiting: Mutex::new(waiting), changed: Notify::new() }
    }

    /// Why a batch of a provider could not wait just now.
    pub fn full(&self, provider_id: i32) -> Option<Full> {
        self.lock().full(provider_id, &self.bounds)
    }

    /// Lets a batch wait, or gives it back.
    pub fn push(&self, batch: Batch) -> Result<(), (Full, Batch)> {
        let mut waiting = self.lock();
        if let Some(full) = waiting.full(batch.provider_id, &self.bounds) {
            return Err((full, batch));
        }
        waiting.push(batch);
        drop(waiting);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Readings that wait.
    pub fn readings(&self) -> usize {
        self.lock().readings
    }

    /// Leaves a provider's batches waiting until all such pauses have ended.
    pub fn pause(self: &Arc<Self>, provider_id: i32) -> Pause {
        *self.lock().paused.entry(provider_id).or_default() += 1;
        Pause { queue: self.clone(), provider_id }
    }

    fn resume(&self, provider_id: i32) {
        let mut waiting = self.lock();
        if let Some(times) = waiting.paused.get_mut(&provider_id) {
            *times -= 1;
            if *times == 0 {
                waiting.paused.remove(&provider_id);
            }
        }
        drop(waiting);
        self.changed.notify_waiters();
    }

    /// Takes no more; what waits can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Waits for batches and takes about `most` readings of them, of the providers in turn; at least one batch. Unless
    /// that many wait, it lets the oldest wait for others to come along: as long as [`Linger`] says. Who took is storing
    /// until [`Queue::stored`]. None when the queue is closed and empty.
    pub async fn take(&self, lane: Lane, most: usize, linger: Linger) -> Option<Vec<Batch>> {
        loop {
            // Listening before looking: what comes in between is not missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let pause = {
                let mut waiting = self.lock();
                match waiting.oldest(lane) {
                    None if waiting.closed && waiting.is_empty(lane) => return None,
                    None => None,
                    Some(_) if waiting.is_considerate(lane) => None,
                    Some((oldest, readings)) => {
                        let pause = waiting.linger(lane, readings, linger).saturating_sub(oldest.elapsed());
                        if readings >= most || pause.is_zero() || waiting.closed {
                            *waiting.storing(lane) += 1;
                            return Some(waiting.take(lane, most));
                        }
                        Some(pause)
                    }
                }
            };
            match pause {
                None => changed.await,
                Some(pause) => {
                    let _ = tokio::time::timeout(pause, changed).await;
                }
            }
        }
    }

    /// What was taken in this lane is stored, or refused.
    pub fn stored(&self, lane: Lane) {
        *self.lock().storing(lane) -= 1;
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn storing(&mut self, lane: Lane) -> &mut usize {
        match lane {
            Lane::All => &mut self.storing,
            Lane::Express => &mut self.storing_small,
        }
    }

    fn full(&self, provider_id: i32, bounds: &Bounds) -> Option<Full> {
        let of_provider = self.providers.get(&provider_id).map_or(0, |provider| provider.readings);
        match () {
            () if self.closed => Some(Full::Closed),
            () if of_provider >= bounds.provider => Some(Full::Provider),
            () if self.readings >= bounds.total => Some(Full::Server),
            () => None,
        }
    }

    /// Small batches do not wait for large ones to be stored.
    fn linger(&self, lane: Lane, readings: usize, linger: Linger) -> Duration {
        let busy = self.storing_small + if lane == Lane::All { self.storing } else { 0 };
        if busy > 0 && readings < WORTH_IT { linger.busy.max(linger.idle) } else { linger.idle }
    }

    /// Whether large batches wait though somebody could take them: enough of them are being stored beside the small ones of
    /// another provider.
    fn is_considerate(&self, lane: Lane) -> bool {
        let Some(((small, at), (large, _))) = self.last_small.zip(self.last_large) else { return false };
        let is_beside = lane == Lane::All && self.has_express && small != large && at.elapsed() < BESIDE;
        is_beside && self.storing >= self.beside && self.share(lane) == Share::Heavy
    }

    fn push(&mut self, batch: Batch) {
        let (id, readings) = (batch.provider_id, batch.items.len());
        let last = if readings <= SMALL { &mut self.last_small } else { &mut self.last_large };
        *last = Some((id, batch.queued_at));
        let provider = self.providers.entry(id).or_default();
        if provider.is_empty() {
            self.turns.push_back(id);
        }
        self.readings += readings;
        provider.push(batch);
    }

    /// When the oldest batch of a lane began to wait, and how many readings wait there.
    fn oldest(&self, lane: Lane) -> Option<(Instant, usize)> {
        let share = self.share(lane);
        let fronts = self.queues(share).filter_map(|queue| queue.front()).map(|batch| batch.queued_at);
        fronts.min().map(|oldest| (oldest, self.going().map(|provider| provider.readings(share)).sum()))
    }

    /// What is taken in a lane just now.
    fn share(&self, lane: Lane) -> Share {
        match lane {
            Lane::Express => Share::Small,
            Lane::All if self.has_express && self.going().any(|provider| !provider.large.is_empty()) => Share::Heavy,
            Lane::All => Share::All,
        }
    }

    /// Providers that are not paused.
    fn going(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter().filter(|(id, _)| !self.paused.contains_key(*id)).map(|(_, provider)| provider)
    }

    /// What waits of a share and is not paused.
    fn queues(&self, share: Share) -> impl Iterator<Item = &VecDeque<Batch>> {
        self.going().flat_map(move |provider| provider.queues(share))
    }

    /// Whether nothing waits in a lane, paused or not.
    fn is_empty(&self, lane: Lane) -> bool {
        let share = if lane == Lane::All { Share::All } else { Share::Small };
        self.providers.values().flat_map(|provider| provider.queues(share)).all(VecDeque::is_empty)
    }

    fn take(&mut self, lane: Lane, most: usize) -> Vec<Batch> {
        let (mut taken, mut readings) = (Vec::new(), 0);
        let share = self.share(lane);
        // Each round gives every provider its quantum, so it ends: a batch that is too large for one has it some day.
        while readings < most {
            let Some(id) = self.next_turn(share) else { break };
            let provider = self.providers.get_mut(&id).expect("a provider in turn has something waiting");
            provider.begin_turn();
            while let Some(batch) = provider.take(share, most.saturating_sub(readings), taken.is_empty()) {
                readings += batch.items.len();
                self.readings -= batch.items.len();
                taken.push(batch);
                if readings >= most {
                    break;
                }
            }
            if provider.is_empty() {
                self.providers.remove(&id);
            } else {
                self.turns.push_back(id);
            }
            if !taken.is_empty() && !self.any_fits(share, most.saturating_sub(readings)) {
                break;
            }
        }
        taken
    }

    /// Takes the next provider with something in this share out of the turns.
    fn next_turn(&mut self, share: Share) -> Option<i32> {
        let has = |id: &i32| {
            let provider = self.providers.get(id).filter(|_| !self.paused.contains_key(id));
            provider.is_some_and(|provider| provider.queues(share).any(|queue| !queue.is_empty()))
        };
        let at = self.turns.iter().position(has)?;
        self.turns.remove(at)
    }

    /// Whether some provider's next batch of this share has at most `room` readings.
    fn any_fits(&self, share: Share, room: usize) -> bool {
        self.queues(share).any(|queue| queue.front().is_some_and(|batch| batch.items.len() <= room))
    }
}

#[cfg(test)]
mod tests;
