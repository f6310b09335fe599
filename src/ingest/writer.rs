//! The writers: each takes what waits, of many requests, and stores it in one transaction.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::core::reading::Item;
use crate::database;
use crate::http::access::Tenant;
use crate::http::problem::{Code, Problem, Result};
use crate::ingest::body::SentReadings;
use crate::ingest::directory::Directory;
use crate::ingest::flush::{self, Held};
use crate::ingest::portions::{Divider, Division};
use crate::ingest::quarantine::Replayer;
use crate::ingest::queue::{Batch, Bounds, Coming, Full, Lane, Linger, Pause, Queue};
use crate::ingest::verdict::Verdict;
use crate::limits::{Limit, Limits};

/// How readings are stored.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Readings of one transaction, about: a larger request is not split.
    pub flush_readings: usize,
    /// How long a request waits for others to come along.
    pub linger: Linger,
}

impl Default for Settings {
    fn default() -> Self {
        let linger = Linger::new(Duration::from_millis(2), Duration::from_millis(30));
        Self { flush_readings: 10_000, linger }
    }
}

/// Most readings of a transaction of small requests, about: those of others wait for it.
const EXPRESS_READINGS: usize = 5_000;

/// Where requests hand in their readings. The writers end when the last of these is gone, or after [`Ingest::close`].
pub struct Ingest {
    pool: PgPool,
    queue: Arc<Queue>,
    replayer: Replayer,
    divider: Divider,
}

/// A request that waits to be stored.
pub struct Waiting {
    items: Arc<Vec<Item>>,
    division: Division,
    /// What each of its portions waits for.
    portions: Vec<oneshot::Receiver<Result<Vec<Verdict>>>>,
}

/// A request whose readings are committed.
pub struct Stored {
    pub items: Arc<Vec<Item>>,
    /// One for each item.
    pub verdicts: Vec<Verdict>,
}

/// The writers at work.
#[derive(Debug)]
pub struct Writers(JoinSet<()>);

impl Ingest {
    /// Starts the writers, one for each connection that `pool` may have. Readings that have to wait until a change of their
    /// provider's registry is done are stored on `patient`'s, and so are those in quarantine that are tried again.
    pub fn start(pool: PgPool, patient: PgPool, settings: Settings, limits: &Limits) -> (Self, Writers) {
        let bounds = Bounds { provider: limits.provider_queue_readings, total: limits.queue_readings };
        let connections = pool.options().get_max_connections();
        // With two or more, one is always there for small requests.
        let has_express = connections > 1;
        let for_any = connections - u32::from(has_express);
        let divider = Divider::new(portions(for_any, settings));
        let queue = Arc::new(Queue::new(bounds, settings.linger, divider.portions(), has_express));
        let directory = Arc::new(Directory::default());
        let mut writers = JoinSet::new();
        let connections = Arc::new(Semaphore::new(for_any as usize));
        let any = (for_any, Lane::All, settings.flush_readings);
        let express = (u32::from(has_express), Lane::Express, settings.flush_readings.min(EXPRESS_READINGS));
        for (number, lane, most) in [any, express] {
            for _ in 0..number {
                let (queue, directory, connections) = (queue.clone(), directory.clone(), connections.clone());
                let (pool, patient, quarantine) = (pool.clone(), patient.clone(), limits.quarantine_readings);
                let writer = Writer { pool, connections, patient, queue, directory, lane, most, quarantine };
                writers.spawn(Arc::new(writer).run());
            }
        }
        let replayer = Replayer::new(patient, directory);
        (Self { pool, queue, replayer, divider }, Writers(writers))
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Tries readings in quarantine again.
    pub fn replayer(&self) -> &Replayer {
        &self.replayer
    }

    /// Readings that wait to be stored.
    pub fn waiting(&self) -> usize {
        self.queue.readings()
    }

    /// Refuses at once what could not wait just now.
    pub fn has_room(&self, provider_id: i32) -> Result<()> {
        self.queue.full(provider_id).map_or(Ok(()), |full| Err(refusal(full)))
    }

    /// Says that a large request is being read, and will be handed in soon: what is stored together waits for it a little.
    pub fn coming(&self) -> Coming {
        self.queue.coming()
    }

    /// Lets a request wait to be stored, or refuses it at once.
    pub fn hand_in(&self, tenant: &Tenant, sent: SentReadings) -> Result<Waiting> {
        let SentReadings { items, held, coming } = sent;
        let (provider_id, queued_at, items) = (tenant.provider_id(), Instant::now(), Arc::new(items));
        let (divided, division) = self.divider.divide(&items);
        let are_portions = divided.len() > 1;
        let (mut portions, mut batches) = (Vec::new(), Vec::new());
        for (number, readings) in divided.into_iter().enumerate() {
            let (answer, stored) = oneshot::channel();
            batches.push(Batch {
                provider_id,
                key_id: tenant.by.key_id,
                part: tenant.part.clone(),
                readings,
                portion: are_portions.then_some(number),
                held: Some(held.clone()),
                queued_at,
                answer,
            });
            portions.push(stored);
        }
        self.queue.push(provider_id, batches).map_err(refusal)?;
        drop(coming);
        Ok(Waiting { items, division, portions })
    }

    /// Takes no more readings; the writers store what waits, and end.
    pub fn close(&self) {
        self.queue.close();
    }
}

impl Waiting {
    /// What could be stored of the request. When this returns, it is committed. Where it fails, portions of it may be all the same.
    pub async fn stored(self) -> Result<Stored> {
        let (mut verdicts, mut failed) = (Vec::with_capacity(self.portions.len()), None);
        for stored in self.portions {
            match stored.await {
                Ok(Ok(stored)) => verdicts.push(stored),
                Ok(Err(problem)) => failed = Some(problem),
                Err(_) => failed = Some(Problem::new(Code::Unavailable, "the server stops; send it again")),
            }
        }
        match failed {
            None => {
                let verdicts = self.division.join(verdicts);
                let verdicts = verdicts.ok_or_else(|| Problem::internal("a reading has no verdict"))?;
                Ok(Stored { items: self.items, verdicts })
            }
            Some(problem) if verdicts.is_empty() => Err(problem),
            Some(problem) => Err(Problem::new(problem.code, IN_PART)),
        }
    }
}

const IN_PART: &str =
    "some of the readings were stored and others could not be: send all of them again, a repetition changes nothing";

impl std::fmt::Debug for Ingest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingest").field("waiting", &self.queue.readings()).finish_non_exhaustive()
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.close();
    }
}

impl Writers {
    /// Waits until they have ended.
    pub async fn ended(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

fn refusal(full: Full) -> Problem {
    match full {
        Full::Provider => {
            Limit::ProviderQueueReadings.refused();
            Problem::new(Code::TooManyReadings, "this provider has as many readings waiting as it may; send slower")
        }
        Full::Server => {
            Limit::QueueReadings.refused();
            Problem::new(Code::Overloaded, "as many readings wait as may; nothing of this was stored")
        }
        Full::Closed => Problem::new(Code::Unavailable, "the server stops; nothing of this was stored"),
    }
}

struct Writer {
    pool: PgPool,
    /// Those of the pool that are not kept for small requests.
    connections: Arc<Semaphore>,
    /// For readings of providers that have to be waited for.
    patient: PgPool,
    queue: Arc<Queue>,
    directory: Arc<Directory>,
    lane: Lane,
    /// Readings of a transaction, about.
    most: usize,
    /// Most readings of a provider in quarantine.
    quarantine: usize,
}

/// How many portions large requests are divided into: one for each processor, as far as there are connections, and one where
/// each request is to have a transaction of its own.
fn portions(connections: u32, settings: Settings) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    if settings.flush_readings < EXPRESS_READINGS { 1 } else { processors.min(connections as usize).max(1) }
}

impl Writer {
    async fn run(self: Arc<Self>) {
        let mut patients = JoinSet::new();
        while let Some(batches) = self.queue.take(self.lane, self.most).await {
            let left_out = self.store_portions(batches).await;
            self.queue.stored(self.lane);
            for (provider_id, batches) in left_out {
                let pause = self.queue.pause(provider_id);
                let (pool, directory) = (self.patient.clone(), self.directory.clone());
                patients.spawn(patiently(pool, directory, self.quarantine, batches, pause));
            }
            while patients.try_join_next().is_some() {}
        }
        while patients.join_next().await.is_some() {}
    }

    /// Stores portions beside each other, where nobody else is to be considered; gives back what is left out of them.
    async fn store_portions(self: &Arc<Self>, batches: Vec<Batch>) -> BTreeMap<i32, Vec<Batch>> {
        let mut portions: BTreeMap<usize, Vec<Batch>> = BTreeMap::new();
        let any = batches.iter().find_map(|batch| batch.portion).unwrap_or(0);
        for batch in batches {
            portions.entry(batch.portion.unwrap_or(any)).or_default().push(batch);
        }
        let beside = self.queue.beside();
        let (mut storing, mut left_out) = (JoinSet::new(), BTreeMap::<i32, Vec<Batch>>::new());
        for batches in portions.into_values() {
            if storing.len() >= beside {
                join_one(&mut storing, &mut left_out).await;
            }
            let writer = self.clone();
            storing.spawn(async move {
                // Nobody closes them: there is one some day.
                let _connection = match writer.lane {
                    Lane::All => writer.connections.acquire().await.ok(),
                    Lane::Express => None,
                };
                writer.store(batches).await
            });
        }
        while !storing.is_empty() {
            join_one(&mut storing, &mut left_out).await;
        }
        left_out
    }

    /// Stores batches together. Where that fails for a reason that may lie in one of them, each is tried alone. Gives back
    /// those of providers whose registry is about to change: nobody else has to wait for that.
    async fn store(&self, batches: Vec<Batch>) -> BTreeMap<i32, Vec<Batch>> {
        let (started, readings) = (Instant::now(), batches.iter().map(|batch| batch.readings.len()).sum::<usize>());
        let mut left_out: BTreeMap<i32, Vec<Batch>> = BTreeMap::new();
        let mut tell = |batch: Batch, verdicts: Option<Vec<Verdict>>| match verdicts {
            Some(verdicts) => answer(batch, Ok(verdicts)),
            None => left_out.entry(batch.provider_id).or_default().push(batch),
        };
        match flush::store(&self.pool, &self.directory, self.quarantine, &batches, Held::LeftOut).await {
            Ok(stored) => {
                metrics::histogram!("meterbase_flush_duration_seconds").record(started.elapsed().as_secs_f64());
                metrics::histogram!("meterbase_flush_readings").record(readings as f64);
                batches.into_iter().zip(stored).for_each(|(batch, verdicts)| tell(batch, verdicts));
            }
            Err(error) if batches.len() > 1 && !database::is_unavailable(&error) => {
                tracing::warn!(%error, requests = batches.len(), "requests could not be stored together; storing each alone");
                for batch in batches {
                    let alone = std::slice::from_ref(&batch);
                    match flush::store(&self.pool, &self.directory, self.quarantine, alone, Held::LeftOut).await {
                        Ok(mut stored) => tell(batch, stored.pop().flatten()),
                        Err(error) => answer(batch, Err(error.into())),
                    }
                }
            }
            Err(error) => refuse(batches, error),
        }
        left_out
    }
}

/// Waits for a portion to be stored.
async fn join_one(storing: &mut JoinSet<BTreeMap<i32, Vec<Batch>>>, left_out: &mut BTreeMap<i32, Vec<Batch>>) {
    // Who waits for the verdicts of one that panicked is told that there are none.
    if let Some(Ok(of_portion)) = storing.join_next().await {
        for (provider_id, batches) in of_portion {
            left_out.entry(provider_id).or_default().extend(batches);
        }
    }
}

/// Stores batches of one provider when its registry can be kept as it is, and lets its queue go on then.
async fn patiently(pool: PgPool, directory: Arc<Directory>, quarantine: usize, batches: Vec<Batch>, pause: Pause) {
    match flush::store(&pool, &directory, quarantine, &batches, Held::WaitedFor).await {
        Ok(stored) => {
            for (batch, verdicts) in batches.into_iter().zip(stored) {
                // None are left out here, but of a provider that is gone.
                answer(batch, verdicts.ok_or_else(|| Problem::internal("the provider of the readings is gone")));
            }
        }
        Err(error) => refuse(batches, error),
    }
    drop(pause);
}

fn refuse(batches: Vec<Batch>, error: sqlx::Error) {
    let problem = Problem::from(error);
    for batch in batches {
        answer(batch, Err(problem.clone()));
    }
}

/// Tells the request what became of it, if it still listens.
fn answer(batch: Batch, verdicts: Result<Vec<Verdict>>) {
    let Batch { readings, held, answer, .. } = batch;
    let _ = answer.send(verdicts);
    drop((readings, held));
}
