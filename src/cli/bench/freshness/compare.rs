//! Whether the rollups are what was acknowledged: every customer's readings and their sum.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::cli::Failure;
use crate::cli::bench::freshness::dashboard::{Asker, days};
use crate::cli::bench::freshness::seen::Seen;
use crate::cli::bench::ingest::workload::{Totals, Workload};
use crate::cli::bench::registry::Size;

/// How long the rollups may take to follow what was sent last, and the time between two looks.
const PATIENCE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
struct Answer {
    fresh_through: DateTime<Utc>,
    series: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    customer: String,
    points: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    sum: Option<String>,
    count: u64,
}

/// Readings of each customer and the sum of their values in thousandths, by its number.
pub type ByCustomer = BTreeMap<u32, (u64, u64)>;

/// What the requests from 0 to before this one come to by customer, with so many probes of a device of 0.001 each.
pub fn acknowledged(workload: &Workload, requests: u64, size: &Size, probes: (u32, u64)) -> ByCustomer {
    // The registry gives device n to group n modulo their number, and that to the customer likewise.
    let customer = |device: u32| device % size.groups % size.customers;
    let mut all = ByCustomer::new();
    for reading in (0..requests).flat_map(|request| workload.readings(request)) {
        let (count, sum) = all.entry(customer(reading.device)).or_default();
        (*count, *sum) = (*count + 1, *sum + u64::from(reading.value));
    }
    let (device, probes) = probes;
    let (count, sum) = all.entry(customer(device)).or_default();
    (*count, *sum) = (*count + probes, *sum + probes);
    all
}

/// All of them.
pub fn total(by_customer: &ByCustomer) -> Totals {
    let sent = by_customer.values().map(|(count, _)| count).sum();
    Totals { sent, distinct: sent, sum: by_customer.values().map(|(_, sum)| sum).sum() }
}

/// Waits until the rollups have followed all that was recorded before now, and fails where they are not what was
/// acknowledged; tells how long that took.
pub async fn compare(asker: &mut Asker, seen: &Seen, acknowledged: &ByCustomer) -> Result<Duration, Failure> {
    let (started, now) = (Instant::now(), Utc::now());
    let query = format!("scope=customer:all&by=customer&bucket=total&stats=sum,count&{}", days(now.date_naive()));
    while started.elapsed() < PATIENCE {
        tokio::time::sleep(PAUSE).await;
        let Some(body) = asker.ask(&query, seen).await else { continue };
        let answer: Answer = serde_json::from_slice(&body)?;
        if answer.fresh_through > now {
            let took = started.elapsed();
            return told(&answer).and_then(|told| check(&told, acknowledged)).map(|()| took);
        }
    }
    Err(Failure::Failed(format!("the rollups have not followed after {PATIENCE:?}")))
}

fn told(answer: &Answer) -> Result<ByCustomer, Failure> {
    let mut told = ByCustomer::new();
    for (series, point) in
        answer.series.iter().flat_map(|series| series.points.iter().map(move |point| (series, point)))
    {
        let customer = series.customer.strip_prefix("c-").and_then(|number| number.parse().ok());
        let unreadable = || Failure::Failed(format!("{:?} cannot have figures: {:?}", series.customer, point.sum));
        let sum = thousandths(point.sum.as_deref().unwrap_or("0.000"));
        let (customer, sum) = customer.zip(sum).ok_or_else(unreadable)?;
        let (count, of_customer) = told.entry(customer).or_default();
        (*count, *of_customer) = (*count + point.count, *of_customer + sum);
    }
    told.retain(|_, (count, _)| *count > 0);
    Ok(told)
}

/// Of a decimal with three places.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, places) = text.split_once('.').filter(|(_, places)| places.len() == 3)?;
    format!("{whole}{places}").parse().ok()
}

fn check(told: &ByCustomer, acknowledged: &ByCustomer) -> Result<(), Failure> {
    let customers = told.keys().chain(acknowledged.keys());
    let wrong = |customer: &&u32| told.get(customer) != acknowledged.get(customer);
    let Some(customer) = customers.filter(wrong).min() else { return Ok(()) };
    let of = |all: &ByCustomer| all.get(customer).copied().unwrap_or_default();
    let ((count, sum), (right, right_sum)) = (of(told), of(acknowledged));
    Err(Failure::Failed(format!(
        "THE ROLLUPS ARE WRONG: c-{customer} has {count} readings with a sum of {sum} thousandths in them, and {right} with a \
         sum of {right_sum} were acknowledged"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::ingest::workload::Name;

    #[test]
    fn what_is_acknowledged_is_added_up_by_customer_and_every_difference_is_found() {
        let workload = Workload { workload: Name::A, channels: 4, batch: 2, connections: 1, every_s: 10 };
        let size = Size { devices: 5, customers: 2, groups: 6 };
        // Devices 0 to 3 have 1000, 1007, 1014, 1021; 0 and 2 are the first customer's, like the one that probes.
        let all = acknowledged(&workload, 2, &size, (4, 3));
        assert_eq!(all, ByCustomer::from([(0, (2 + 3, 1000 + 1014 + 3)), (1, (2, 1007 + 1021))]));
        assert_eq!(total(&all), Totals { sent: 7, distinct: 7, sum: 4045 });
        let answer = r#"{"fresh_through": "2026-11-21T00:00:00Z", "series": [
            {"customer": "all", "points": []}, {"customer": "c-0", "points": [{"sum": "2.017", "count": 5}]},
            {"customer": "c-1", "points": [{"sum": "2.028", "count": 2}]}]}"#;
        let told = told(&serde_json::from_str(answer).unwrap()).unwrap();
        assert!(check(&told, &all).is_ok());
        let mut less = told.clone();
        less.remove(&1);
        assert!(check(&less, &all).is_err() && check(&told, &less).is_err());
        assert!(check(&ByCustomer::from([(0, (5, 2018)), (1, (2, 2028))]), &all).is_err());
        assert_eq!((thousandths("12.345"), thousandths("1.5")), (Some(12_345), None));
    }
}
