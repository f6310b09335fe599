//! Limits on all that callers can make the server hold or wait for. What is beyond a limit is refused at once, with an
//! answer that says so; it never queues up in memory.
//!
//! Each limit has a name, a unit and a value, which `/metrics` tells together with how much of it is used and how often
//! something was refused for it.

mod budget;
mod list;
mod provider;
pub mod rate;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::enroll::Tries;
use crate::observe::Sample;
pub use budget::{Budget, Share};
pub use list::Limit;
pub use provider::{Hold, Part, Parts};
use rate::Rates;

use crate::server;

/// The limits that an operator may set.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most connections of callers at once.
    pub connections: usize,
    /// Most requests that are being answered at once, over all connections.
    pub requests: usize,
    /// Most bytes of bodies, and of the readings made of them, in memory at once.
    pub inflight_bytes: usize,
    /// Of those, most of one provider.
    pub provider_inflight_bytes: usize,
    /// Most readings of one provider that wait to be stored.
    pub provider_queue_readings: usize,
    /// Most readings of all providers that wait to be stored.
    pub queue_readings: usize,
    /// Readings a second that a key may send that has no rate of its own; 0 for any number.
    pub key_rate: u32,
    /// Readings that such a key may send at once; 0 for those of ten seconds.
    pub key_burst: u32,
    /// Most readings of one provider in quarantine.
    pub quarantine_readings: usize,
    /// How long a reading may be in quarantine.
    pub quarantine_age: Duration,
    /// How long a connection may take to send a request's head, which is also how long it may stay idle.
    pub head_timeout: Duration,
    /// Longest pause between two parts of a body.
    pub body_pause: Duration,
    /// Longest time for a whole body.
    pub body_timeout: Duration,
    /// How long a caller may take nothing of its answer.
    pub answer_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            requests: 4096,
            inflight_bytes: 256 * 1024 * 1024,
            provider_inflight_bytes: 200 * 1024 * 1024,
            provider_queue_readings: 100_000,
            queue_readings: 300_000,
            key_rate: 0,
            key_burst: 0,
            quarantine_readings: 1_000_000,
            quarantine_age: Duration::from_secs(90 * 86_400),
            head_timeout: Duration::from_secs(60),
            body_pause: Duration::from_secs(30),
            // 32 MiB over 1 Mbit/s.
            body_timeout: Duration::from_secs(300),
            answer_pause: Duration::from_secs(60),
        }
    }
}

/// Connections over the limit that are told so at once.
const GOODBYES: usize = 64;

/// The limits, and how much of them is used.
#[derive(Debug)]
pub struct Guards {
    pub limits: Limits,
    pub connections: Arc<Budget>,
    pub requests: Arc<Budget>,
    /// Connections to the listener of the metrics.
    pub metrics_connections: Arc<Budget>,
    pub memory: Arc<Budget>,
    /// Devices that wait for another configuration: some of the requests.
    pub config_waits: Arc<Budget>,
    /// Callers who listen to events: some of the connections.
    pub listeners: Arc<Budget>,
    /// What each provider may take of it, and of the decoders.
    pub parts: Parts,
    /// What keys may still send.
    pub rates: Rates,
    /// How often addresses may still be refused to enroll.
    pub tries: Tries,
    /// Large bodies are decoded on as many threads as there are processors; more would only take turns.
    pub decoders: Arc<Semaphore>,
    /// Connections over the limit that are told so at once; others are closed without a word.
    pub goodbyes: Arc<Semaphore>,
    /// How many `decoders` there are.
    decoder_count: usize,
}

impl Guards {
    pub fn new(limits: Limits) -> Arc<Self> {
        let decoder_count = std::thread::available_parallelism().map_or(2, usize::from);
        Arc::new(Self {
            connections: Budget::new(Limit::Connections, limits.connections),
            requests: Budget::new(Limit::Requests, limits.requests),
            metrics_connections: Budget::new(Limit::MetricsConnections, server::MAX_METRICS_CONNECTIONS),
            memory: Budget::new(Limit::InflightBytes, limits.inflight_bytes),
            config_waits: Budget::new(Limit::ConfigWaits, config_waits(&limits)),
            listeners: Budget::new(Limit::Listeners, listeners(&limits)),
            parts: Parts::new(limits.provider_inflight_bytes, decoder_count),
            rates: Rates::default(),
            tries: Tries::default(),
            decoders: Arc::new(Semaphore::new(decoder_count)),
            goodbyes: Arc::new(Semaphore::new(GOODBYES)),
            decoder_count,
            limits,
        })
    }

    /// The limit in its unit.
    pub fn value(&self, limit: Limit) -> u64 {
        let limits = &self.limits;
        match limit {
            Limit::Connections => limits.connections as u64,
            Limit::Requests => limits.requests as u64,
            Limit::InflightBytes => limits.inflight_bytes as u64,
            Limit::ProviderInflightBytes => limits.provider_inflight_bytes as u64,
            Limit::ProviderQueueReadings => limits.provider_queue_readings as u64,
            Limit::QueueReadings => limits.queue_readings as u64,
            Limit::KeyRate => limits.key_rate.into(),
            Limit::KeyBurst => limits.key_burst.into(),
            Limit::QuarantineReadings => limits.quarantine_readings as u64,
            Limit::QuarantineAge => limits.quarantine_age.as_secs(),
            Limit::Decoders => self.decoder_count as u64,
            Limit::ConfigWaits => config_waits(limits) as u64,
            Limit::Listeners => listeners(limits) as u64,
            Limit::HeadTime => limits.head_timeout.as_secs(),
            Limit::BodyPause => limits.body_pause.as_secs(),
            Limit::BodyTime => limits.body_timeout.as_secs(),
            Limit::AnswerPause => limits.answer_pause.as_secs(),
            fixed => fixed.fixed().unwrap_or_default(),
        }
    }

    /// How much of it is used; none for those of which nothing is used up.
    fn used(&self, limit: Limit) -> Option<usize> {
        match limit {
            Limit::Connections => Some(self.connections.used()),
            Limit::Requests => Some(self.requests.used()),
            Limit::MetricsConnections => Some(self.metrics_connections.used()),
            Limit::InflightBytes => Some(self.memory.used()),
            Limit::ProviderInflightBytes => Some(self.parts.most_memory()),
            Limit::ConfigWaits => Some(self.config_waits.used()),
            Limit::Listeners => Some(self.listeners.used()),
            Limit::Decoders => Some(self.decoder_count.saturating_sub(self.decoders.available_permits())),
            _ => None,
        }
    }

    /// The limits and their use as of now, for the metrics.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for limit in Limit::ALL {
            let (value, used) = match limit.unit() {
                "bytes" => ("meterbase_limit_bytes", "meterbase_limit_used_bytes"),
                "seconds" => ("meterbase_limit_seconds", ""),
                "readings a second" => ("meterbase_limit_items_per_second", ""),
                _ => ("meterbase_limit_items", "meterbase_limit_used_items"),
            };
            samples.push(Sample::of(value, self.value(*limit) as f64).with("limit", limit.name()));
            if let Some(number) = self.used(*limit) {
                samples.push(Sample::of(used, number as f64).with("limit", limit.name()));
            }
        }
        samples
    }
}

/// Others must find room beside those who only wait.
fn config_waits(limits: &Limits) -> usize {
    limits.requests / 2
}

/// Others must find a connection beside those who only listen.
fn listeners(limits: &Limits) -> usize {
    limits.connections / 2
}
