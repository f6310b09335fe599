//! Posts a fleet's readings.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::client::{Client, Outcome, Verdicts};
use crate::fleet::feed::Feed;
use crate::fleet::roster::Fleet;
use crate::simulation::SimulationError;

/// How to send.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Most readings of a request.
    pub batch: usize,
    /// Requests under way at once.
    pub connections: usize,
    /// Most readings a second; none for as fast as the server takes them.
    pub rate: Option<u32>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch: 2_000, connections: 4, rate: None }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct SentReport {
    pub verdicts: Verdicts,
    /// The first few readings that were refused: none of them should have been.
    pub refused: Vec<Outcome>,
}

/// Most refused readings that are kept to be shown.
const SHOWN: usize = 10;

/// Sends everything, and says after each answer what has come of it so far.
pub async fn send(
    client: &Client,
    fleet: &Fleet,
    pace: Pace,
    mut progress: impl FnMut(&Verdicts),
) -> Result<SentReport, SimulationError> {
    let clients: Vec<_> = fleet.providers.iter().map(|roster| client.in_provider(roster.catalog.key)).collect();
    let (started, mut before) = (Instant::now(), 0_u64);
    let posts = stream::iter(Feed::new(fleet, pace.batch)).map(|batch| {
        let due = pace.rate.map(|rate| started + Duration::from_secs_f64(before as f64 / f64::from(rate.max(1))));
        let sent = batch.readings.len() as u64;
        before += sent;
        let client = &clients[batch.provider];
        async move {
            if let Some(due) = due {
                tokio::time::sleep_until(due).await;
            }
            let receipt = client.post_readings("application/x-ndjson", batch.ndjson(fleet)).await?;
            let received = receipt.verdicts.received;
            if received == sent { Ok(receipt) } else { Err(SimulationError::Miscounted { sent, received }) }
        }
    });
    let mut posts = posts.buffer_unordered(pace.connections.max(1));
    let mut report = SentReport::default();
    while let Some(receipt) = posts.try_next().await? {
        report.verdicts.add(&receipt.verdicts);
        let room = SHOWN - report.refused.len();
        report.refused.extend(receipt.results.into_iter().filter(|one| one.status != "duplicate").take(room));
        progress(&report.verdicts);
    }
    Ok(report)
}
