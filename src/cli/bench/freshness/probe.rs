//! Probes: readings of a device that sends nothing else, at even distances, and how long it takes until the device's daily
//! figure has each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, header};
use chrono::{SecondsFormat, Utc};
use serde::Deserialize;

use crate::cli::Failure;
use crate::cli::bench::freshness::dashboard::{Asker, days};
use crate::cli::bench::freshness::seen::Seen;
use crate::cli::bench::freshness::stream;
use crate::cli::bench::ingest::http::{Connection, authorized};
use crate::cli::bench::ingest::load::Schedule;

/// Probes a second.
pub const PER_SECOND: f64 = 1.0;

/// Time between two looks: so exact is what is told of a probe.
const LOOK: Duration = Duration::from_millis(100);

/// How long to look for the last ones after the end.
const PATIENCE: Duration = Duration::from_secs(120);

/// The device that probes, and who asks.
pub struct Prober<'a> {
    pub address: &'a str,
    /// Keys that may post, and read.
    pub sends: &'a str,
    pub reads: &'a str,
    /// Its number.
    pub device: u32,
}

/// When each probe was posted that no answer has had yet.
type Awaited = Arc<Mutex<VecDeque<Instant>>>;

/// What is told of one device.
#[derive(Deserialize)]
struct Answer {
    series: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    points: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    count: u64,
}

impl Prober<'_> {
    /// Posts by the schedule, and looks until all are found; tells how many there were. Each is a reading of 0.001.
    pub async fn run(&self, schedule: Schedule, seen: &Seen) -> Result<u64, Failure> {
        let (awaited, ended) = (Awaited::default(), tokio::sync::watch::channel(false));
        let post = async {
            let posted = self.post(schedule, &awaited, seen).await;
            // Whoever looks may have failed already.
            let _ = ended.0.send(true);
            posted
        };
        let (posted, found) = tokio::try_join!(post, self.look(&awaited, ended.1, seen))?;
        if posted == found {
            Ok(posted)
        } else {
            Err(Failure::Failed(format!("{posted} probes were sent, {found} found")))
        }
    }

    async fn post(&self, schedule: Schedule, awaited: &Awaited, seen: &Seen) -> Result<u64, Failure> {
        let mut connection = Connection::open(self.address).await?;
        let mut headers = authorized(self.sends)?;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv"));
        let (started, mut number) = (Instant::now(), 0);
        while let Some(due) = schedule.due(number) {
            tokio::time::sleep_until((started + due).into()).await;
            let at = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
            let body = format!("device,metric,at,value\nd-{},energy,{at},0.001\n", self.device);
            awaited.lock().unwrap_or_else(PoisonError::into_inner).push_back(Instant::now());
            stream::post(&mut connection, "/v1/readings", &headers, body.into(), 1, seen).await?;
            number += 1;
        }
        Ok(number)
    }

    /// Until all are found that were posted before the end.
    async fn look(
        &self,
        awaited: &Awaited,
        ended: tokio::sync::watch::Receiver<bool>,
        seen: &Seen,
    ) -> Result<u64, Failure> {
        let mut asker = Asker::open(self.address, self.reads).await?;
        let (mut found, mut since_end, mut look) = (0, None, tokio::time::interval(LOOK));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let is_end = *ended.borrow();
            let query =
                format!("scope=device:d-{}&bucket=day&stats=count&{}", self.device, days(Utc::now().date_naive()));
            if let Some(body) = asker.ask(&query, seen).await {
                let answer: Answer = serde_json::from_slice(&body)?;
                let count = answer.series.iter().flat_map(|series| &series.points).map(|point| point.count).sum();
                for _ in found..count {
                    let posted = awaited.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let posted = posted.ok_or_else(|| Failure::Failed("a probe was counted twice".to_owned()))?;
                    seen.probe(posted.elapsed());
                }
                found = count;
            }
            if is_end {
                let waited = since_end.get_or_insert_with(Instant::now).elapsed();
                if awaited.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                    return Ok(found);
                }
                if waited > PATIENCE {
                    return Err(Failure::Failed(format!(
                        "THE ROLLUPS ARE WRONG: a probe is not there after {PATIENCE:?}"
                    )));
                }
            }
        }
    }
}
