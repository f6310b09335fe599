//! The questions of people who look at dashboards, at even distances, and how they are asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::task::JoinSet;

use crate::cli::Failure;
use crate::cli::bench::freshness::seen::Seen;
use crate::cli::bench::ingest::http::{Connection, authorized};
use crate::cli::bench::ingest::load::Schedule;
use crate::cli::bench::registry::Size;

/// Asks a server about figures.
pub struct Asker {
    connection: Connection,
    headers: HeaderMap,
}

/// What every answer says.
#[derive(Deserialize)]
struct Answered {
    fresh_through: DateTime<Utc>,
    #[serde(rename = "series")]
    _series: IgnoredAny,
}

impl Asker {
    pub async fn open(address: &str, key: &str) -> Result<Self, Failure> {
        Ok(Self { connection: Connection::open(address).await?, headers: authorized(key)? })
    }

    /// The answer to `/v1/usage?{query}`; none where it was not answered with figures, which is counted as an error.
    pub async fn ask(&mut self, query: &str, seen: &Seen) -> Option<Bytes> {
        let path = format!("/v1/usage?metric=energy&{query}");
        match self.connection.send(Method::GET, &path, &self.headers, Bytes::new()).await {
            Ok(answer) if answer.status == StatusCode::OK => return Some(answer.body),
            Ok(answer) => seen.error(answer.status.as_u16().to_string()),
            Err(_) => seen.error("no answer".to_owned()),
        }
        None
    }
}

/// The days around the readings, in any time zone: a query's `from` and `to`.
pub fn days(around: NaiveDate) -> String {
    format!("from={}&to={}", around - Days::new(1), around + Days::new(3))
}

/// One of ten in each turn, so that those that read every customer or device come less often.
const TURN: [(&str, &str); 10] = [
    ("a customer by hour", "scope=customer:c-{customer}&bucket=hour"),
    ("a customer by day", "scope=customer:c-{customer}&bucket=day"),
    ("a group by day", "scope=group:g-{group}&bucket=day"),
    ("the provider by day", "scope=provider&bucket=day"),
    ("a device by hour", "scope=device:d-{device}&bucket=hour"),
    ("all customers by day", "scope=customer:all&by=customer&bucket=day"),
    ("a customer by group", "scope=customer:c-{customer}&by=group&bucket=day"),
    ("a customer by hour", "scope=customer:c-{customer}&bucket=hour"),
    ("active devices by day", "scope=provider&bucket=day&stats=active_devices"),
    ("a customer's active devices", "scope=customer:c-{customer}&bucket=day&stats=active_devices"),
];

/// Entities lie this far apart from question to question, so that each finds other rows.
const STRIDE: u64 = 7919;

/// Askers at once: a slow answer does not hold up the next question.
const ASKERS: usize = 4;

/// A question's name and query.
fn question(number: u64, size: &Size, days: &str) -> (&'static str, String) {
    let (name, query) = TURN[(number % TURN.len() as u64) as usize];
    let one = |of: u32| ((number + 1) * STRIDE % u64::from(of)).to_string();
    let [customer, group, device] = [size.customers, size.groups, size.devices].map(one);
    let query = query.replace("{customer}", &customer).replace("{group}", &group).replace("{device}", &device);
    (name, format!("{query}&{days}"))
}

/// Asks by the schedule.
pub async fn run(address: &str, key: &str, schedule: Schedule, size: Size, seen: &Arc<Seen>) -> Result<(), Failure> {
    let (mut askers, next) = (JoinSet::new(), Arc::new(std::sync::atomic::AtomicU64::new(0)));
    let started = Instant::now();
    for _ in 0..ASKERS {
        let (mut asker, seen, next) = (Asker::open(address, key).await?, seen.clone(), next.clone());
        askers.spawn(async move {
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(due) = schedule.due(number) else { return Ok::<_, Failure>(()) };
                tokio::time::sleep_until((started + due).into()).await;
                let (name, query) = question(number, &size, &days(Utc::now().date_naive()));
                let Some(body) = asker.ask(&query, &seen).await else { continue };
                seen.question(name, started.elapsed().saturating_sub(due));
                let answered: Answered = serde_json::from_slice(&body)?;
                seen.behind((Utc::now() - answered.fresh_through).to_std().unwrap_or(Duration::ZERO));
            }
        });
    }
    while let Some(done) = askers.join_next().await {
        done??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_asks_of_other_entities() {
        let size = Size { devices: 50, customers: 10, groups: 30 };
        let days = days("2026-11-21".parse().unwrap());
        let asked = question(0, &size, &days);
        assert_eq!(
            asked,
            ("a customer by hour", "scope=customer:c-9&bucket=hour&from=2026-11-20&to=2026-11-24".to_owned())
        );
        let (name, query) = question(14, &size, &days);
        assert!(name == "a device by hour" && query.starts_with("scope=device:d-35&"), "{query}");
        // One is asked twice in a turn.
        let names: std::collections::BTreeSet<_> = (0..10).map(|number| question(number, &size, &days).0).collect();
        assert_eq!(names.len(), 9);
    }
}
