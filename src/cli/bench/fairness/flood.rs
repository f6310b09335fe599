//! The provider that floods: each connection sends its next request as soon as the last one is answered, and what was
//! refused at once again, whatever `Retry-After` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::cli::Failure;
use crate::cli::bench::ingest::http::Connection;
use crate::cli::bench::ingest::load::Feed;
use crate::cli::bench::ingest::workload::Totals;
use crate::client::Receipt;

/// What a flood came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Flooded {
    /// Requests that were stored.
    pub requests: u64,
    /// What they come to.
    pub stored: Totals,
    /// Requests that were answered 429, and 503.
    pub too_many: u64,
    pub overloaded: u64,
    pub seconds: f64,
}

/// A flood that goes on.
pub struct Flood {
    started: Instant,
    stop: Arc<AtomicBool>,
    connections: JoinSet<Result<Flooded, Failure>>,
}

impl Flood {
    /// Begins to send the requests of a feed, each until it is stored, over all of its connections.
    pub async fn start(feed: &Arc<Feed>) -> Result<Self, Failure> {
        let (stop, mut connections) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for _ in 0..feed.workload.connections {
            let connection = Connection::open(&feed.address).await?;
            connections.spawn(flood(feed.clone(), connection, stop.clone()));
        }
        Ok(Self { started: Instant::now(), stop, connections })
    }

    /// Lets it go on for a while; fails where it fails.
    pub async fn run(&mut self, length: Duration) -> Result<(), Failure> {
        match tokio::time::timeout(length, self.connections.join_next()).await {
            Err(_) => Ok(()),
            Ok(Some(ended)) => Err(ended?.err().unwrap_or_else(ended_early)),
            Ok(None) => Err(ended_early()),
        }
    }

    /// Ends it. What was refused last is not sent again.
    pub async fn stop(mut self) -> Result<Flooded, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Flooded { seconds: self.started.elapsed().as_secs_f64(), ..Flooded::default() };
        while let Some(flooded) = self.connections.join_next().await {
            all.add(flooded??);
        }
        Ok(all)
    }
}

pub fn ended_early() -> Failure {
    Failure::Failed("the flood ended of its own accord".to_owned())
}

/// One connection's part.
async fn flood(feed: Arc<Feed>, mut connection: Connection, stop: Arc<AtomicBool>) -> Result<Flooded, Failure> {
    let mut flooded = Flooded::default();
    while !stop.load(Ordering::Relaxed) {
        let number = feed.take();
        let mut sent = Totals::default();
        let body = Bytes::from(feed.writer.body(feed.workload.readings(number).inspect(|reading| sent.add(reading))));
        while !stop.load(Ordering::Relaxed) {
            let answer = connection.send(Method::POST, feed.path, &feed.headers, body.clone()).await?;
            match answer.status {
                StatusCode::TOO_MANY_REQUESTS => flooded.too_many += 1,
                StatusCode::SERVICE_UNAVAILABLE => flooded.overloaded += 1,
                _ => {
                    let told: Receipt = serde_json::from_slice(&answer.expect(StatusCode::OK)?.body)?;
                    sent.check([&told.verdicts])?;
                    flooded.requests += 1;
                    flooded.stored.join(sent);
                    break;
                }
            }
        }
    }
    Ok(flooded)
}

impl Flooded {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.stored.join(other.stored);
        self.too_many += other.too_many;
        self.overloaded += other.overloaded;
    }
}
