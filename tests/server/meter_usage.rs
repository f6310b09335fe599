//! Real meters, where their files are at hand: hourly readings posted as CSV, compared with exact decimal sums of the
//! same rows and with the daily and monthly figures that their publisher computed.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};
use crate::meters;

/// A row of a file: its line, its instant, and its value unless that is `nan`.
struct Row {
    line: usize,
    at: DateTime<Utc>,
    text: String,
    value: Option<Decimal>,
}

fn rows(name: &str) -> Vec<Row> {
    let row = |(index, (at, text)): (usize, (String, String))| {
        // The UK file writes a space for the T. The first row is the second line.
        let at = DateTime::parse_from_rfc3339(&at.replace(' ', "T")).expect("a time").to_utc();
        Row { line: index + 2, at, value: text.parse().ok(), text }
    };
    meters::rows(name).into_iter().enumerate().map(row).collect()
}

/// Posts the file as CSV, twice; the second time changes nothing.
async fn post(app: &TestApp, key: &str, device: &str, metric: &str, rows: &[Row]) {
    let mut body = String::from("device,metric,at,value\n");
    for row in rows {
        body += &format!("{device},{metric},{},{}\n", row.at.to_rfc3339(), row.text);
    }
    let good = rows.iter().filter(|row| row.value.is_some()).count();
    let bad: Vec<_> = rows.iter().filter(|row| row.value.is_none()).map(|row| row.line).collect();
    for (stored, duplicates) in [(good, 0), (0, good)] {
        let request = app.client.post(format!("{}/v1/readings", app.base)).bearer_auth(key);
        let answer =
            Answer::of(request.header("content-type", "text/csv").body(body.clone())).await.expect_status(200).json();
        let counts =
            ["received", "stored", "duplicates", "rejected"].map(|name| answer[name].as_u64().unwrap() as usize);
        assert_eq!(counts, [rows.len(), stored, duplicates, bad.len()]);
        let lines: Vec<_> =
            answer["results"].as_array().unwrap().iter().map(|r| r["line"].as_u64().unwrap() as usize).collect();
        assert_eq!(lines, bad);
        assert!(
            answer["results"]
                .as_array()
                .unwrap()
                .iter()
                .all(|r| r["status"] == "rejected" && r["code"] == "invalid_value")
        );
    }
    app.settle().await;
}

async fn meter(app: &TestApp, zone: &str, unit: &str) -> String {
    let key = app.provider("utility", "UTC").await;
    app.put(&key, "/v1/customers/home", json!({"name": "Home", "time_zone": zone})).await.expect_status(201);
    app.put(&key, "/v1/devices/meter", json!({"customer": "home"})).await.expect_status(201);
    app.put(&key, "/v1/metrics/use", json!({"name": "Use", "unit": unit, "kind": "delta"})).await.expect_status(201);
    key
}

/// Period -> sum.
async fn sums(app: &TestApp, key: &str, bucket: &str, from: NaiveDate, to: NaiveDate) -> BTreeMap<String, Decimal> {
    let query = format!("/v1/usage?metric=use&scope=customer:home&bucket={bucket}&from={from}&to={to}");
    let answer: Value = app.get(key, &query).await.expect_status(200).json();
    let points = answer["series"][0]["points"].as_array().unwrap().iter();
    points.map(|p| (p["period"].as_str().unwrap().to_owned(), p["sum"].as_str().unwrap().parse().unwrap())).collect()
}

/// Exact sums of the rows as they are stored: rounded half to even at three decimals.
fn naive(rows: &[Row], period: impl Fn(&Row) -> String) -> BTreeMap<String, Decimal> {
    let mut sums = BTreeMap::new();
    for row in rows {
        if let Some(value) = row.value {
            let rounded = value.round_dp_with_strategy(3, RoundingStrategy::MidpointNearestEven);
            *sums.entry(period(row)).or_insert(Decimal::ZERO) += rounded;
        }
    }
    sums
}

/// First day and the day after the last.
fn days(rows: &[Row], zone: Tz) -> (NaiveDate, NaiveDate) {
    let day = |row: &Row| row.at.with_timezone(&zone).date_naive();
    (day(&rows[0]), day(rows.last().expect("rows")) + TimeDelta::days(1))
}

fn assert_near(ours: Decimal, theirs: Decimal, tolerance: &str, what: &str) {
    let off = (ours - theirs).abs();
    assert!(off <= tolerance.parse().unwrap(), "{what}: {ours} and {theirs} are {off} apart");
}

/// The publisher's days start at midnight in Chicago, with daylight saving; its bills start at midnight in standard time
/// all year. Each agrees in its own zone only. Sums of hours are exact in either.
async fn illinois(app: &TestApp, name: &str, unit: &str, zone: Tz) -> String {
    let key = meter(app, zone.name(), unit).await;
    let hours = rows(&format!("{name}-hourly"));
    post(app, &key, "meter", "use", &hours).await;
    let (from, to) = days(&hours, zone);
    let local = |row: &Row, form: &str| row.at.with_timezone(&zone).format(form).to_string();
    assert_eq!(sums(app, &key, "day", from, to).await, naive(&hours, |row| local(row, "%Y-%m-%d")));
    assert_eq!(sums(app, &key, "month", from, to).await, naive(&hours, |row| local(row, "%Y-%m")));
    key
}

/// Each row of a publisher's file runs to the next row's start.
async fn assert_publisher_agrees(app: &TestApp, key: &str, file: &str, zone: Tz, tolerance: &str) {
    let theirs = rows(file);
    let day = |row: &Row| row.at.with_timezone(&zone).date_naive();
    let ours = sums(app, key, "day", day(&theirs[0]), day(theirs.last().expect("rows"))).await;
    for period in theirs.windows(2) {
        let (from, to) = (day(&period[0]).to_string(), day(&period[1]).to_string());
        let sum: Decimal = ours.range(from.clone()..to).map(|(_, sum)| sum).sum();
        assert_near(sum, period[0].value.expect("all but the last row have a value"), tolerance, &from);
    }
}

pub async fn illinois_electricity_equals_the_publishers_days(app: TestApp) {
    let zone = Tz::America__Chicago;
    let key = illinois(&app, "il-electricity-cdd-hdd", "kWh", zone).await;
    assert_publisher_agrees(&app, &key, "il-electricity-cdd-hdd-daily", zone, "0.12").await;
}

pub async fn illinois_electricity_equals_the_publishers_bills(app: TestApp) {
    let zone = Tz::Etc__GMTPlus6;
    let key = illinois(&app, "il-electricity-cdd-hdd", "kWh", zone).await;
    assert_publisher_agrees(&app, &key, "il-electricity-cdd-hdd-billing_monthly", zone, "0.5").await;
}

pub async fn illinois_gas_equals_the_publishers_days(app: TestApp) {
    let zone = Tz::America__Chicago;
    let key = illinois(&app, "il-gas-hdd-only", "therm", zone).await;
    assert_publisher_agrees(&app, &key, "il-gas-hdd-only-daily", zone, "0.12").await;
}

pub async fn uk_electricity_has_days_of_23_and_25_hours(app: TestApp) {
    let zone = Tz::Europe__London;
    let key = meter(&app, zone.name(), "kWh").await;
    let hours = rows("uk-electricity-hdd-only-hourly-sample-0");
    post(&app, &key, "meter", "use", &hours).await;
    let (from, to) = days(&hours, zone);
    let local = |row: &Row, form: &str| row.at.with_timezone(&zone).format(form).to_string();
    let by_day = sums(&app, &key, "day", from, to).await;
    assert_eq!(by_day, naive(&hours, |row| local(row, "%Y-%m-%d")));
    let by_month = sums(&app, &key, "month", from, to).await;
    assert_eq!(by_month, naive(&hours, |row| local(row, "%Y-%m")));
    for (month, sum) in by_month {
        let days: Decimal = by_day.iter().filter(|(day, _)| day.starts_with(&month)).map(|(_, sum)| sum).sum();
        assert_eq!(days, sum, "{month}");
    }
    for (day, hours) in [("2021-03-28", 23), ("2021-10-31", 25), ("2021-06-01", 24)] {
        let next: NaiveDate = day.parse::<NaiveDate>().unwrap() + TimeDelta::days(1);
        let by_hour = sums(&app, &key, "hour", day.parse().unwrap(), next).await;
        assert_eq!(by_hour.len(), hours, "{day}");
        assert_eq!(by_hour.values().sum::<Decimal>(), by_day[day], "{day}");
    }
}
