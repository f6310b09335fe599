//! Billing months that begin on another day than the first.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::usage::{metric, post, thousandths, usage};

/// Device, customer, number of the hours between its readings.
const DEVICES: [(&str, &str, i64); 4] =
    [("t", "top", 29), ("five", "fifth", 31), ("last", "twenty-eighth", 37), ("below", "inherits", 41)];

/// Customers in UTC: `top` (from the 10th) above `fifth` (5), `twenty-eighth` (28), below it `inherits`; readings from
/// December to April. `five` is in the group `roof`.
async fn family(app: &TestApp) -> String {
    let key = app.provider("north", "UTC").await;
    metric(app, &key, "energy", "delta").await;
    for (customer, parent, anchor) in [
        ("top", None, Some(10)),
        ("fifth", Some("top"), Some(5)),
        ("twenty-eighth", Some("top"), Some(28)),
        ("inherits", Some("twenty-eighth"), None),
    ] {
        let body = json!({"name": customer, "parent": parent, "billing_anchor": anchor});
        let made = app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201).json();
        assert_eq!(made["billing_anchor"], json!(anchor));
        assert_eq!(made["billing_month_anchor"], anchor.unwrap_or(28));
    }
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "fifth"})).await.expect_status(201);
    for (device, customer, _) in DEVICES {
        let group = (device == "five").then_some("roof");
        let body = json!({"customer": customer, "group": group});
        app.put(&key, &format!("/v1/devices/{device}"), body).await.expect_status(201);
        let sent = readings(device).into_iter();
        let reading = |(at, units): (DateTime<Utc>, i64)| json!({"device": device, "metric": "energy", "at": at, "value": thousandths(units.into())});
        post(app, &key, sent.map(reading).collect()).await;
    }
    app.settle().await;
    key
}

fn readings(device: &str) -> Vec<(DateTime<Utc>, i64)> {
    let (_, _, hours) = DEVICES.into_iter().find(|(name, ..)| *name == device).unwrap();
    let first: DateTime<Utc> = "2025-12-01T00:00:00Z".parse().unwrap();
    (0..140 * 24 / hours).map(|i| (first + TimeDelta::hours(i * hours), i * 1009 % 997)).collect()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The name of the month that a day belongs to, told by its number in the calendar month alone.
fn month(day: NaiveDate, anchor: u32) -> String {
    let first = day.with_day(1).unwrap();
    let named = if day.day() >= anchor { first } else { first - Months::new(1) };
    named.format("%Y-%m").to_string()
}

/// Sums of devices in `[from, to)` by billing month.
fn naive(devices: &[&str], anchor: u32, from: &str, to: &str) -> BTreeMap<String, String> {
    let mut sums = BTreeMap::<String, i128>::new();
    for (at, units) in devices.iter().flat_map(|device| readings(device)) {
        if (day(from)..day(to)).contains(&at.date_naive()) {
            *sums.entry(month(at.date_naive(), anchor)).or_default() += i128::from(units);
        }
    }
    sums.into_iter().map(|(month, sum)| (month, thousandths(sum))).collect()
}

fn sums(series: &Value) -> BTreeMap<String, String> {
    let points = series["points"].as_array().unwrap().iter();
    points.map(|p| (p["period"].as_str().unwrap().to_owned(), p["sum"].as_str().unwrap().to_owned())).collect()
}

pub async fn months_begin_on_the_day_of_whose_they_are(app: TestApp) {
    let key = family(&app).await;
    let all = ["t", "five", "last", "below"];
    // Whole billing months of some and of none.
    for (from, to) in [("2025-12-01", "2026-05-01"), ("2026-01-05", "2026-03-05"), ("2026-02-03", "2026-03-30")] {
        let query = format!("metric=energy&bucket=month&from={from}&to={to}");
        let whole = async |scope: &str| sums(&usage(&app, &key, &format!("{query}&{scope}")).await["series"][0]);
        assert_eq!(whole("scope=provider").await, naive(&all, 1, from, to), "a provider has calendar months");
        assert_eq!(whole("scope=customer:top").await, naive(&all, 10, from, to), "a scope's whole subtree");
        assert_eq!(whole("scope=customer:top&own=true").await, naive(&["t"], 10, from, to));
        assert_eq!(whole("scope=customer:fifth").await, naive(&["five"], 5, from, to));
        assert_eq!(whole("scope=customer:inherits").await, naive(&["below"], 28, from, to));
        assert_eq!(whole("scope=group:roof").await, naive(&["five"], 5, from, to));
        assert_eq!(whole("scope=device:below").await, naive(&["below"], 28, from, to));
        let split = usage(&app, &key, &format!("{query}&scope=customer:top&by=customer")).await;
        let expected = [
            ("fifth", naive(&["five"], 5, from, to)),
            ("twenty-eighth", naive(&["last", "below"], 28, from, to)),
            ("top", naive(&["t"], 10, from, to)),
        ];
        let series = split["series"].as_array().unwrap().iter();
        let found: Vec<_> = series.map(|s| (s["customer"].as_str().unwrap(), sums(s))).collect();
        assert_eq!(found, expected);
        let split = usage(&app, &key, &format!("{query}&by=group")).await;
        assert_eq!(sums(&split["series"][0]), naive(&["five"], 5, from, to), "the group's customer's");
        assert_eq!(sums(&split["series"][1]), naive(&["t", "last", "below"], 1, from, to), "the scope's");
        let split = usage(&app, &key, &format!("{query}&scope=customer:top&by=device")).await;
        let series = split["series"].as_array().unwrap().iter();
        for series in series {
            let device = series["device"].as_str().unwrap();
            assert_eq!(sums(series), naive(&[device], 10, from, to), "the scope's for every {device}");
        }
    }
}

pub async fn the_ends_of_a_billing_month_are_told(app: TestApp) {
    let key = family(&app).await;
    let points = async |query: &str| {
        let answer = usage(&app, &key, &format!("metric=energy&bucket=month&{query}")).await;
        answer["series"][0]["points"].as_array().unwrap().clone()
    };
    let ends = |points: &[Value]| points.iter().map(|p| json!([p["period"], p["start"], p["end"]])).collect::<Vec<_>>();
    let february = points("scope=customer:twenty-eighth&from=2026-01-28&to=2026-03-28").await;
    let expected = [
        json!(["2026-01", "2026-01-28T00:00:00+00:00", "2026-02-28T00:00:00+00:00"]),
        json!(["2026-02", "2026-02-28T00:00:00+00:00", "2026-03-28T00:00:00+00:00"]),
    ];
    assert_eq!(ends(&february), expected);
    let cut = points("scope=customer:fifth&from=2026-02-01&to=2026-03-01&fill=zero").await;
    let expected = [
        json!(["2026-01", "2026-02-01T00:00:00+00:00", "2026-02-05T00:00:00+00:00"]),
        json!(["2026-02", "2026-02-05T00:00:00+00:00", "2026-03-01T00:00:00+00:00"]),
    ];
    assert_eq!(ends(&cut), expected);
    let empty = points("scope=customer:fifth&from=2027-01-05&to=2027-03-05&fill=zero").await;
    assert_eq!(
        empty.iter().map(|p| json!([p["period"], p["sum"]])).collect::<Vec<_>>(),
        [json!(["2027-01", "0.000"]), json!(["2027-02", "0.000"]),]
    );
    // Readings are awaited for 30 days: of the month from 5 October to 5 November nothing is final on 21 November.
    let last: DateTime<Utc> =
        february[1]["end"].as_str().unwrap().parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc();
    assert_eq!(february[1]["final"], last + TimeDelta::days(30) <= Utc::now());
}

pub async fn active_devices_of_a_billing_month_are_distinct(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    metric(&app, &key, "energy", "delta").await;
    let body = json!({"name": "Acme", "billing_anchor": 5});
    app.put(&key, "/v1/customers/acme", body).await.expect_status(201);
    let mut readings = Vec::new();
    // Both within the month from 5 January on; the second on one side of the first of February only, the third after it.
    for (device, days) in [
        ("a", vec!["2026-01-05", "2026-01-31", "2026-02-01", "2026-02-04"]),
        ("b", vec!["2026-02-04"]),
        ("c", vec!["2026-02-05"]),
    ] {
        app.put(&key, &format!("/v1/devices/{device}"), json!({"customer": "acme"})).await.expect_status(201);
        let reading =
            |day: &str| json!({"device": device, "metric": "energy", "at": format!("{day}T12:00:00Z"), "value": 1});
        readings.extend(days.into_iter().map(reading));
    }
    post(&app, &key, readings).await;
    app.settle().await;
    let active = async |query: &str| {
        let query = format!("metric=energy&stats=active_devices&bucket=month&from=2026-01-01&to=2026-04-01&{query}");
        let answer = usage(&app, &key, &query).await;
        let points = answer["series"][0]["points"].as_array().unwrap().clone();
        points.iter().map(|p| json!([p["period"], p["active_devices"]])).collect::<Vec<_>>()
    };
    for query in ["scope=customer:acme", "by=customer"] {
        assert_eq!(active(query).await, [json!(["2026-01", 2]), json!(["2026-02", 1])], "{query}");
    }
    assert_eq!(active("scope=provider").await, [json!(["2026-01", 1]), json!(["2026-02", 3])]);
    // It can change at any time.
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(200);
    assert_eq!(active("scope=customer:acme").await, [json!(["2026-01", 1]), json!(["2026-02", 3])]);
    for anchor in [json!(0), json!(29), json!(-1), json!("5"), json!(1.5)] {
        let body = json!({"name": "Acme", "billing_anchor": anchor});
        let answer = app.put(&key, "/v1/customers/acme", body).await.expect_status(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], "/billing_anchor", "{anchor}");
    }
}

pub async fn billing_months_are_those_of_the_days_of_a_changed_time_zone(app: TestApp) {
    let key = family(&app).await;
    // From 5 February on in Honolulu, ten hours behind: the month ends where the day before began to end in UTC.
    let body = json!({"time_zone": "Pacific/Honolulu", "from": "2026-02-05"});
    app.post(&key, "/v1/customers/fifth/time-zone", body).await.expect_status(200);
    app.settle().await;
    let answer =
        usage(&app, &key, "metric=energy&bucket=month&scope=customer:fifth&from=2026-01-05&to=2026-03-05").await;
    let points = answer["series"][0]["points"].as_array().unwrap();
    let ends: Vec<_> = points.iter().map(|p| json!([p["period"], p["start"], p["end"]])).collect();
    let expected = [
        json!(["2026-01", "2026-01-05T00:00:00+00:00", "2026-02-05T00:00:00+00:00"]),
        json!(["2026-02", "2026-02-05T00:00:00+00:00", "2026-03-05T00:00:00-10:00"]),
    ];
    assert_eq!(ends, expected);
    let within = |from: &str, to: &str| {
        let (from, to): (DateTime<Utc>, DateTime<Utc>) = (from.parse().unwrap(), to.parse().unwrap());
        let sum =
            readings("five").iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, units)| *units).sum::<i64>();
        json!(thousandths(sum.into()))
    };
    assert_eq!(points[0]["sum"], within("2026-01-05T00:00:00Z", "2026-02-05T00:00:00Z"));
    assert_eq!(points[1]["sum"], within("2026-02-05T00:00:00Z", "2026-03-05T10:00:00Z"));
    let days =
        usage(&app, &key, "metric=energy&bucket=day&scope=customer:fifth&fill=zero&from=2026-02-04&to=2026-02-07")
            .await;
    let days = days["series"][0]["points"].as_array().unwrap();
    assert_eq!(days.last().unwrap()["end"], format!("{}T00:00:00-10:00", day("2026-02-06") + Days::new(1)));
}
