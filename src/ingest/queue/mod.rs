//! What waits to be stored: a bounded queue for each provider, served in turn by readings, so that a provider that
//! floods waits for itself.

mod linger;
mod provider;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use crate::http::intake::Held;
use crate::http::problem;
use crate::ingest::portions::Readings;
use crate::ingest::verdict::Verdict;
use crate::keys::Part;
use provider::{Provider, Share};

use linger::Answered;
pub use linger::Linger;
pub use provider::SMALL;

/// Readings of one request, and who waits for their verdicts.
pub struct Batch {
    pub provider_id: i32,
    /// The API key that sent them, for the accounting.
    pub key_id: Option<i32>,
    /// For which part of the provider that key is.
    pub part: Arc<Part>,
    pub readings: Readings,
    /// Which portion of the devices it has, where its request was divided: those of one are stored over one connection.
    pub portion: Option<usize>,
    /// What it takes of the memory for bodies, until it is answered: also where nobody waits for that any more.
    pub held: Option<Held>,
    pub queued_at: Instant,
    /// Nobody listens any more when the request was broken off; the readings are stored all the same.
    /// What was committed, a verdict for each reading.
    pub answer: oneshot::Sender<problem::Result<Vec<Verdict>>>,
}

impl Batch {
    /// Whether it stands for its request in the accounting: one portion of it does.
    pub fn is_first(&self) -> bool {
        self.portion.is_none_or(|number| number == 0)
    }
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

pub struct Queue {
    bounds: Bounds,
    /// That large requests are divided into.
    portions: usize,
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

/// While this is there, a large request is being read.
pub struct Coming(Arc<Queue>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.lock().coming -= 1;
        self.0.changed.notify_waiters();
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
    /// Batches that are portions.
    divided: usize,
    /// Large requests that are being read.
    coming: usize,
    /// How long what waits is left waiting.
    linger: Linger,
    /// Readings that were taken last, of any size.
    taken: usize,
    /// Those who were answered last.
    answered: Answered,
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
    pub fn new(bounds: Bounds, linger: Linger, portions: usize, has_express: bool) -> Self {
        // Half of the processors, for the database's work is most of it.
        let beside = std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1));
        let waiting = Waiting { linger, has_express, beside, ..Waiting::default() };
        Self { bounds, portions, waiting: Mutex::new(waiting), changed: Notify::new() }
    }

    /// Why a batch of a provider could not wait just now.
    pub fn full(&self, provider_id: i32) -> Option<Full> {
        self.lock().full(provider_id, &self.bounds)
    }

    /// Lets batches of a provider wait, or none of them.
    pub fn push(&self, provider_id: i32, batches: impl IntoIterator<Item = Batch>) -> Result<(), Full> {
        let mut waiting = self.lock();
        if let Some(full) = waiting.full(provider_id, &self.bounds) {
            return Err(full);
        }
        batches.into_iter().for_each(|batch| waiting.push(batch));
        drop(waiting);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Says that a large request is being read, and will be handed in soon.
    pub fn coming(self: &Arc<Self>) -> Coming {
        self.lock().coming += 1;
        Coming(self.clone())
    }

    /// How many portions may be stored beside each other just now.
    pub fn beside(&self) -> usize {
        let waiting = self.lock();
        if waiting.is_beside_small() { waiting.beside } else { self.portions }
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

    /// Waits for batches and takes about so many readings of them, of the providers in turn; at least one batch. Where there are
    /// portions, as much of each. Unless that many wait, it lets the oldest wait for others to come along, as long as [`Linger`]
    /// says. Who took is storing until [`Queue::stored`]. None when the queue is closed and empty.
    pub async fn take(&self, lane: Lane, of_portion: usize) -> Option<Vec<Batch>> {
        loop {
            // Listening before looking: what comes in between is not missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let pause = {
                let mut waiting = self.lock();
                let most = of_portion * if waiting.has_divided(lane) { self.portions } else { 1 };
                match waiting.oldest(lane) {
                    None if waiting.closed && waiting.is_empty(lane) => return None,
                    None => None,
                    Some(_) if waiting.is_considerate(lane) => None,
                    Some((oldest, readings)) => {
                        let pause = waiting.pause(lane, oldest, readings);
                        if readings >= most || pause.is_zero() || waiting.closed {
                            *waiting.storing(lane) += 1;
                            let taken = waiting.take(lane, most);
                            if lane == Lane::All {
                                waiting.taken = taken.iter().map(|batch| batch.readings.len()).sum();
                            }
                            return Some(taken);
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
        let mut waiting = self.lock();
        *waiting.storing(lane) -= 1;
        if lane == Lane::All {
            waiting.answered = waiting.answered.next(waiting.taken, waiting.readings);
        }
        drop(waiting);
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

    /// Whether large batches wait though somebody could take them: enough of them are being stored beside the small ones of
    /// another provider.
    fn is_considerate(&self, lane: Lane) -> bool {
        lane == Lane::All && self.is_beside_small() && self.storing >= self.beside && self.share(lane) == Share::Heavy
    }

    /// Whether another provider than the one with large batches sends small ones.
    fn is_beside_small(&self) -> bool {
        let Some(((small, at), (large, _))) = self.last_small.zip(self.last_large) else { return false };
        self.has_express && small != large && at.elapsed() < BESIDE
    }

    fn has_divided(&self, lane: Lane) -> bool {
        lane == Lane::All && self.divided > 0
    }

    fn has_large(&self) -> bool {
        self.going().any(|provider| !provider.large.is_empty())
    }

    fn push(&mut self, batch: Batch) {
        let (id, readings) = (batch.provider_id, batch.readings.len());
        let last = if readings <= SMALL { &mut self.last_small } else { &mut self.last_large };
        *last = Some((id, batch.queued_at));
        let provider = self.providers.entry(id).or_default();
        if provider.is_empty() {
            self.turns.push_back(id);
        }
        self.readings += readings;
        self.answered.came(readings, batch.queued_at, self.linger.next);
        self.divided += usize::from(batch.portion.is_some());
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
            Lane::All if self.has_express && self.has_large() => Share::Heavy,
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
                readings += batch.readings.len();
                self.readings -= batch.readings.len();
                self.divided -= usize::from(batch.portion.is_some());
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
        self.queues(share).any(|queue| queue.front().is_some_and(|batch| batch.readings.len() <= room))
    }
}

#[cfg(test)]
mod tests;
