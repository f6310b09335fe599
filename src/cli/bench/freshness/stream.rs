//! The readings: every device has one at each full interval, and requests come at even distances through the interval.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use tokio::task::JoinSet;

use crate::cli::Failure;
use crate::cli::bench::freshness::seen::Seen;
use crate::cli::bench::ingest::http::Connection;
use crate::cli::bench::ingest::load::{Feed, Schedule};
use crate::cli::bench::ingest::workload::Totals;
use crate::client::{Receipt, Verdicts};

/// How long a request is tried again that is not answered 200, and how long it rests between two tries. Each of these is
/// told as an error.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Sends what is due by the schedule, over the feed's connections; each request until it is stored.
pub async fn run(feed: Arc<Feed>, schedule: Schedule, seen: Arc<Seen>) -> Result<(), Failure> {
    let mut connections = JoinSet::new();
    let started = Instant::now();
    for _ in 0..feed.workload.connections {
        let connection = Connection::open(&feed.address).await?;
        connections.spawn(stream(feed.clone(), connection, schedule, started, seen.clone()));
    }
    while let Some(done) = connections.join_next().await {
        done??;
    }
    Ok(())
}

/// One connection's part.
async fn stream(
    feed: Arc<Feed>,
    mut connection: Connection,
    schedule: Schedule,
    started: Instant,
    seen: Arc<Seen>,
) -> Result<(), Failure> {
    while let Some((number, due)) = feed.take_due(schedule) {
        let mut sent = Totals::default();
        let body = feed.writer.body(feed.workload.readings(number).inspect(|reading| sent.add(reading)));
        tokio::time::sleep_until((started + due).into()).await;
        post(&mut connection, feed.path, &feed.headers, body.into(), sent.sent, &seen).await?;
        seen.stored(sent, started.elapsed().saturating_sub(due));
    }
    Ok(())
}

/// Posts readings until all of them are stored.
pub async fn post(
    connection: &mut Connection,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
    readings: u64,
    seen: &Seen,
) -> Result<(), Failure> {
    let first = Instant::now();
    while first.elapsed() < PATIENCE {
        match connection.send(Method::POST, path, headers, body.clone()).await {
            Ok(answer) if answer.status == StatusCode::OK => {
                let told: Receipt = serde_json::from_slice(&answer.body)?;
                let Verdicts { stored, duplicates, .. } = told.verdicts;
                // Where a try before this one was not answered its readings may be there already.
                if stored + duplicates == readings {
                    return Ok(());
                }
                return Err(Failure::Failed(format!("readings were not stored: {:?}", told.verdicts)));
            }
            Ok(answer) => seen.error(answer.status.as_u16().to_string()),
            Err(_) => seen.error("no answer".to_owned()),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Failure::Failed(format!("readings could not be stored for {PATIENCE:?}")))
}
