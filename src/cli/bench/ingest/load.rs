//! The load: requests one after the other on each connection, as fast as they are answered or by a schedule.
//!
//! Latencies are told of a schedule only, and count from the moment at which a request was due, not from the one at which
//! it could be sent: while the other side stands still, the requests that it keeps from being sent wait too. Measured
//! from their sending they would look quick ("coordinated omission").

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::task::JoinSet;

use crate::cli::Failure;
use crate::cli::bench::ingest::body::Writer;
use crate::cli::bench::ingest::http::{Answer, Connection, authorized};
use crate::cli::bench::ingest::workload::Workload;
use crate::cli::bench::timing::Times;
use crate::cli::progress::{Progress, Unit};
use crate::client::{Receipt, Verdicts};

/// Where a workload goes. Requests are numbered on from one load to the next: each is sent, and answered, once.
pub struct Feed {
    pub workload: Workload,
    pub writer: Writer,
    /// `host:port`
    pub address: String,
    pub path: &'static str,
    pub headers: HeaderMap,
    /// The status of a request that was stored; a body that comes with it has the verdicts.
    pub stored: StatusCode,
    next: AtomicU64,
}

/// When requests are sent, and for how long.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As fast as they are answered, so many.
    Requests(u64),
    /// As fast as they are answered.
    Full(Duration),
    Scheduled(Schedule),
}

/// Requests at even distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    pub per_second: f64,
    pub length: Duration,
}

impl Schedule {
    /// When a request is due, since the start; none after the end.
    pub fn due(&self, number: u64) -> Option<Duration> {
        let due = Duration::from_secs_f64(number as f64 / self.per_second);
        (due < self.length).then_some(due)
    }
}

/// What a load came to.
#[derive(Debug, Clone, Default)]
pub struct Load {
    pub requests: u64,
    pub readings: u64,
    pub seconds: f64,
    /// Times that a request was answered 429 or 503, and sent again.
    pub refused: u64,
    /// The server's verdicts.
    pub verdicts: Verdicts,
    /// Of a schedule: from when each was due to the last byte of its answer.
    pub latencies: Times,
}

/// How long to wait before a request that was refused is sent again, and how often.
const REFUSED_WAIT: Duration = Duration::from_millis(50);
const REFUSALS: u32 = 600;

impl Feed {
    pub fn new(workload: Workload, writer: Writer, address: &str, path: &'static str) -> Self {
        let (headers, next) = (HeaderMap::new(), AtomicU64::new(0));
        Self { workload, writer, address: address.to_owned(), path, headers, stored: StatusCode::OK, next }
    }

    /// Readings for the server at an address, with a key that may post them.
    pub fn of_readings(workload: Workload, writer: Writer, address: &str, key: &str) -> Result<Self, Failure> {
        let mut headers = authorized(key)?;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(writer.content_type()));
        Ok(Self { headers, ..Self::new(workload, writer, address, "/v1/readings") })
    }

    /// Requests that were sent, all of which were answered: a load fails where one is not.
    pub fn sent(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Takes on the next request: its number.
    pub fn take(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes on the next request of a schedule that is all that is sent: its number, and when it is due.
    pub fn take_due(&self, schedule: Schedule) -> Option<(u64, Duration)> {
        let number = self.take();
        Some((number, schedule.due(number)?))
    }

    async fn send(&self, connection: &mut Connection, body: Vec<u8>, load: &mut Load) -> Result<(), Failure> {
        let body = axum::body::Bytes::from(body);
        for _ in 0..REFUSALS {
            let answer = connection.send(Method::POST, self.path, &self.headers, body.clone()).await?;
            if ![StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status) {
                return self.judge(answer, load);
            }
            load.refused += 1;
            tokio::time::sleep(REFUSED_WAIT).await;
        }
        Err(Failure::Failed(format!("a request was refused {REFUSALS} times")))
    }

    /// A reading that was not stored though nothing is wrong with it makes the measurement worthless.
    fn judge(&self, answer: Answer, load: &mut Load) -> Result<(), Failure> {
        let answer = answer.expect(self.stored)?;
        if !answer.body.is_empty() {
            let receipt: Receipt = serde_json::from_slice(&answer.body)?;
            if let Some(outcome) = receipt.results.first() {
                return Err(Failure::Failed(format!("a reading was not stored: {outcome:?}")));
            }
            load.verdicts.add(&receipt.verdicts);
        }
        Ok(())
    }
}

/// Sends the next requests of a feed.
pub async fn run(feed: &Arc<Feed>, what: &'static str, pace: Pace) -> Result<Load, Failure> {
    let mut connections = Vec::new();
    for _ in 0..feed.workload.connections {
        connections.push(Connection::open(&feed.address).await?);
    }
    let (until, unit) = match pace {
        Pace::Requests(number) => (number, Unit::Number),
        Pace::Full(length) | Pace::Scheduled(Schedule { length, .. }) => (length.as_secs(), Unit::Number),
    };
    let progress = Progress::new(what, until, unit);
    let shared = Arc::new(Shared {
        feed: feed.clone(),
        pace,
        started: Instant::now(),
        taken: AtomicU64::new(0),
        answered: AtomicU64::new(0),
    });
    let mut tasks = JoinSet::new();
    for connection in connections {
        tasks.spawn(work(shared.clone(), connection));
    }
    let mut all = Load::default();
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(load) => all.add(load??),
                None => break,
            },
            _ = tick.tick() => shared.show(&progress),
        }
    }
    all.seconds = shared.started.elapsed().as_secs_f64();
    Ok(all)
}

/// What the connections of a load have in common.
struct Shared {
    feed: Arc<Feed>,
    pace: Pace,
    started: Instant,
    /// Requests of this load that a connection has taken on.
    taken: AtomicU64,
    /// Readings answered.
    answered: AtomicU64,
}

impl Shared {
    /// Takes on the next request of this load: when it is due; none where that was all.
    fn take(&self) -> Option<Duration> {
        let elapsed = self.started.elapsed();
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        match self.pace {
            Pace::Requests(all) => (number < all).then_some(elapsed),
            Pace::Full(length) => (elapsed < length).then_some(elapsed),
            Pace::Scheduled(schedule) => schedule.due(number),
        }
    }

    fn show(&self, progress: &Progress) {
        let elapsed = self.started.elapsed().as_secs_f64();
        let readings = self.answered.load(Ordering::Relaxed);
        progress.note(&format!("{:.0} readings/s", readings as f64 / elapsed.max(0.001)));
        progress.at(match self.pace {
            Pace::Requests(all) => self.taken.load(Ordering::Relaxed).min(all),
            _ => elapsed as u64,
        });
    }
}

/// One connection's part of a load.
async fn work(shared: Arc<Shared>, mut connection: Connection) -> Result<Load, Failure> {
    let feed = &shared.feed;
    let mut load = Load::default();
    while let Some(due) = shared.take() {
        let number = feed.take();
        let readings = feed.workload.readings(number);
        let mut count = 0;
        let body = feed.writer.body(readings.inspect(|_| count += 1));
        tokio::time::sleep_until((shared.started + due).into()).await;
        feed.send(&mut connection, body, &mut load).await?;
        if let Pace::Scheduled(_) = shared.pace {
            load.latencies.add(latency(due, shared.started.elapsed()));
        }
        load.requests += 1;
        load.readings += count;
        shared.answered.fetch_add(count, Ordering::Relaxed);
    }
    Ok(load)
}

/// From when a request was due to when it was answered.
fn latency(due: Duration, answered: Duration) -> Duration {
    answered.saturating_sub(due)
}

impl Load {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.readings += other.readings;
        self.refused += other.refused;
        self.verdicts.add(&other.verdicts);
        self.latencies.append(other.latencies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Schedule = Schedule { per_second: 100.0, length: Duration::from_secs(1) };

    #[test]
    fn requests_are_due_at_even_distances_until_the_end() {
        let due: Vec<_> = (0..4).map(|number| SECOND.due(number)).collect();
        assert_eq!(due, [0, 10, 20, 30].map(|ms| Some(Duration::from_millis(ms))));
        assert_eq!((SECOND.due(99), SECOND.due(100)), (Some(Duration::from_millis(990)), None));
    }

    /// The latencies of one connection to a server that takes 1 ms for a request, but for one that takes 105 ms.
    fn with_a_stall(from: impl Fn(Duration, Duration) -> Duration) -> Times {
        let (mut free, mut times) = (Duration::ZERO, Times::default());
        for number in 0..100 {
            let due = SECOND.due(number).unwrap();
            let sent = free.max(due);
            free = sent + Duration::from_millis(if number == 50 { 105 } else { 1 });
            times.add(latency(from(due, sent), free));
        }
        times
    }

    #[test]
    fn requests_that_a_stall_keeps_from_being_sent_count_from_when_they_were_due() {
        // Request 50 is due at 500 ms and answered at 605; 51 is due at 510 and answered at 606, 96 ms later, 52 at 607,
        // 87 ms later, and so on by 9 ms until one is answered before the next is due: 105, 96, 87, 78, 69, 60, 51, 42,
        // 33, 24, 15, 6, and 88 requests of 1 ms. So the 99th of 100 is 96.
        let spread = with_a_stall(|due, _| due).spread();
        assert_eq!((spread.p50_ms, spread.p99_ms), (1.0, 96.0));
        // Measured from their sending all but one take 1 ms: what must not be told.
        let spread = with_a_stall(|_, sent| sent).spread();
        assert_eq!((spread.p50_ms, spread.p99_ms), (1.0, 1.0));
    }
}
