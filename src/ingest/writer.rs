//! The writers: each takes what waits, of many requests, and stores it in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::core::reading::Item;
use crate::database;
use crate::http::access::Tenant;
use crate::http::intake;
use crate::http::problem::{Code, Problem, Result};
use crate::ingest::directory::Directory;
use crate::ingest::flush::{self, Held};
use crate::ingest::quarantine::Replayer;
use crate::ingest::queue::{Batch, Bounds, Full, Lane, Linger, Pause, Queue, Stored};
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
        let linger = Linger { idle: Duration::from_millis(2), busy: Duration::from_millis(30) };
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
}

/// A request that waits to be stored.
pub struct Waiting(oneshot::Receiver<Result<Stored>>);

/// The writers at work.
#[derive(Debug)]
pub struct Writers(JoinSet<()>);

impl Ingest {
    /// Starts the writers, one for each connection that `pool` may have. Readings that have to wait until a change of their
    /// provider's registry is done are stored on `patient`'s, and so are those in quarantine that are tried again.
    pub fn start(pool: PgPool, patient: PgPool, settings: Settings, limits: &Limits) -> (Self, Writers) {
        let bounds = Bounds { provider: limits.provider_queue_readings, total: limits.queue_readings };
        // With two or more, one is always there for small requests.
        let has_express = pool.options().get_max_connections() > 1;
        let queue = Arc::new(Queue::new(bounds, has_express));
        let directory = Arc::new(Directory::default());
        let mut writers = JoinSet::new();
        for number in 0..pool.options().get_max_connections() {
            let lane = if number == 1 { Lane::Express } else { Lane::All };
            let (queue, directory) = (queue.clone(), directory.clone());
            let (pool, patient, quarantine) = (pool.clone(), patient.clone(), limits.quarantine_readings);
            let writer = Writer { pool, patient, queue, directory, lane, settings, quarantine };
            writers.spawn(writer.run());
        }
        let replayer = Replayer::new(patient, directory);
        (Self { pool, queue, replayer }, Writers(writers))
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

    /// Lets a request wait to be stored, or refuses it at once.
    pub fn hand_in(&self, tenant: &Tenant, items: Vec<Item>, held: intake::Held) -> Result<Waiting> {
        let (answer, stored) = oneshot::channel();
        let batch = Batch {
            provider_id: tenant.provider_id(),
            key_id: tenant.by.key_id,
            part: tenant.part.clone(),
            items,
            held: Some(held),
            queued_at: Instant::now(),
            answer,
        };
        if let Err((full, _)) = self.queue.push(batch) {
            return Err(refusal(full));
        }
        Ok(Waiting(stored))
    }

    /// Takes no more readings; the writers store what waits, and end.
    pub fn close(&self) {
        self.queue.close();
    }
}

impl Waiting {
    /// What could be stored of the request. When this returns, it is committed.
    pub async fn stored(self) -> Result<Stored> {
        self.0.await.unwrap_or_else(|_| Err(Problem::new(Code::Unavailable, "the server stops; send it again")))
    }
}

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
    /// For readings of providers that have to be waited for.
    patient: PgPool,
    queue: Arc<Queue>,
    directory: Arc<Directory>,
    lane: Lane,
    settings: Settings,
    /// Most readings of a provider in quarantine.
    quarantine: usize,
}

impl Writer {
    async fn run(self) {
        let mut patients = JoinSet::new();
        let most = match self.lane {
            Lane::All => self.settings.flush_readings,
            Lane::Express => self.settings.flush_readings.min(EXPRESS_READINGS),
        };
        while let Some(batches) = self.queue.take(self.lane, most, self.settings.linger).await {
            let left_out = self.store(batches).await;
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

    /// Stores batches together. Where that fails for a reason that may lie in one of them, each is tried alone. Gives back
    /// those of providers whose registry is about to change: nobody else has to wait for that.
    async fn store(&self, batches: Vec<Batch>) -> BTreeMap<i32, Vec<Batch>> {
        let (started, readings) = (Instant::now(), batches.iter().map(|batch| batch.items.len()).sum::<usize>());
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
    let Batch { items, held, answer, .. } = batch;
    let _ = answer.send(verdicts.map(|verdicts| Stored { items, verdicts }));
    drop(held);
}
