//! One workload against the server, against the server with a transaction for each request, and against InfluxDB.
//!
//! Each begins with an empty table after a checkpoint, and with one request for each channel before the clock starts, so
//! that all are known. What was acknowledged, then too, must be there in the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};

use crate::cli::Failure;
use crate::cli::bench::ingest::body::{Format, Writer};
use crate::cli::bench::ingest::copy;
use crate::cli::bench::ingest::influx::{self, Influx};
use crate::cli::bench::ingest::load::{self, Feed, Pace, Schedule};
use crate::cli::bench::ingest::process::Postmaster;
use crate::cli::bench::ingest::report::{Latency, Peer, Served, Single};
use crate::cli::bench::ingest::scratch::Scratch;
use crate::cli::bench::ingest::server::Serving;
use crate::cli::bench::ingest::usage::Meter;
use crate::cli::bench::ingest::workload::{Totals, Workload};
use crate::client::Verdicts;

/// What all who are measured have in common.
pub struct Contest<'a> {
    pub scratch: &'a Scratch,
    pub workload: Workload,
    /// The instant of round 0.
    pub start: DateTime<Utc>,
    pub format: Format,
    /// Of a step.
    pub length: Duration,
    /// Further options of the server.
    pub serve: &'a [String],
    pub postmaster: Option<Postmaster>,
    /// May post the provider's readings.
    pub key: String,
}

/// Latencies are measured at this part of what the server can do.
const HALF: f64 = 0.5;

/// Connections to the database that a server and the measurement need beside those that the server stores on.
const OTHER_CONNECTIONS: u32 = 30;

impl Contest<'_> {
    /// The server at its best, its latencies, and what it acknowledged.
    pub async fn server(&self) -> Result<(Served, Latency, Totals), Failure> {
        self.scratch.checkpoint().await?;
        let serving = Serving::start(self.scratch, self.serve).await?;
        let feed = self.feed(&serving)?;
        let warm = self.warm_up(&feed).await?;
        let meter = Meter::start(Some(serving.pid()), self.postmaster);
        let full = load::run(&feed, "the server at its best, seconds", Pace::Full(self.length)).await?;
        let served = Served::new(&full, meter.stop(full.readings));
        let schedule = Schedule { per_second: HALF * served.requests_per_second, length: self.length };
        let half = load::run(&feed, "latencies, seconds", Pace::Scheduled(schedule)).await?;
        serving.stop().await?;
        let acknowledged = self.verify(&feed, &[&warm.verdicts, &full.verdicts, &half.verdicts]).await?;
        let (per_second, spread) = (schedule.per_second, half.latencies.spread());
        Ok((served, Latency { requests_per_second: per_second, requests: half.requests, spread }, acknowledged))
    }

    /// The server with a transaction for each request: over as many connections to the database as it has anyway, and
    /// over as many as there are connections to it, as far as the database has them.
    pub async fn single(&self) -> Result<Vec<Single>, Failure> {
        let free = self.scratch.free_connections().await?.saturating_sub(OTHER_CONNECTIONS);
        let many = self.workload.connections.min(free);
        let mut measured = Vec::new();
        for database_connections in [Some(copy::CONNECTIONS), Some(many).filter(|many| *many > copy::CONNECTIONS)] {
            let Some(database_connections) = database_connections else { continue };
            self.scratch.checkpoint().await?;
            let connections = database_connections.to_string();
            let own = ["--flush-readings", "1", "--ingest-connections", &connections].map(str::to_owned);
            let serving = Serving::start(self.scratch, &[self.serve, &own].concat()).await?;
            let feed = self.feed(&serving)?;
            let warm = self.warm_up(&feed).await?;
            let meter = Meter::start(Some(serving.pid()), self.postmaster);
            let full = load::run(&feed, "a transaction each, seconds", Pace::Full(self.length)).await?;
            let served = Served::new(&full, meter.stop(full.readings));
            serving.stop().await?;
            self.verify(&feed, &[&warm.verdicts, &full.verdicts]).await?;
            self.scratch.empty().await?;
            measured.push(Single { database_connections, served });
        }
        Ok(measured)
    }

    /// InfluxDB at its best.
    pub async fn influx(&self, program: &Path) -> Result<Peer, Failure> {
        let influx = Influx::start(program).await?;
        let writer = Writer::new(Format::Lines, self.start, self.workload.channels);
        let mut feed = Feed::new(self.workload, writer, &influx.address, influx::WRITE);
        feed.stored = StatusCode::NO_CONTENT;
        let feed = Arc::new(feed);
        self.warm_up(&feed).await?;
        let meter = Meter::start(Some(influx.pid()), None);
        let full = load::run(&feed, "InfluxDB, seconds", Pace::Full(self.length)).await?;
        let served = Served::new(&full, meter.stop(full.readings));
        influx.verify(self.workload.totals(feed.sent())).await?;
        let version = influx.version.clone();
        influx.stop().await?;
        Ok(Peer { version, durability: influx::DURABILITY, served })
    }

    fn feed(&self, serving: &Serving) -> Result<Arc<Feed>, Failure> {
        let writer = Writer::new(self.format, self.start, self.workload.channels);
        Ok(Arc::new(Feed::of_readings(self.workload, writer, &serving.address, &self.key)?))
    }

    async fn warm_up(&self, feed: &Arc<Feed>) -> Result<load::Load, Failure> {
        load::run(feed, "warming up, requests", Pace::Requests(self.workload.requests_of_round())).await
    }

    /// What was acknowledged is stored and nothing else, and the verdicts said so.
    async fn verify(&self, feed: &Feed, verdicts: &[&Verdicts]) -> Result<Totals, Failure> {
        let acknowledged = self.workload.totals(feed.sent());
        acknowledged.check(verdicts.iter().copied())?;
        self.scratch.verify(acknowledged).await?;
        Ok(acknowledged)
    }
}
