//! Active devices: each counts once in whatever period and series it has a reading of the metric.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::fixtures::{counts, send_json};
use crate::harness::TestApp;
use crate::rollups::columnstore::compress;

/// A reading that was sent: device, customer, group, billing day. All customers are billed in one zone.
type Sent = (String, &'static str, Option<&'static str>, NaiveDate);

/// `top` is above `west` and `east`, `west` above `far-west`; `aside` is beside them.
const CUSTOMERS: [(&str, Option<&str>); 5] =
    [("top", None), ("west", Some("top")), ("east", Some("top")), ("far-west", Some("west")), ("aside", None)];

/// Where a device is in the first ten days of each month, in the next ten, and in the rest.
const STAYS: [[(&str, Option<&str>); 3]; 7] = [
    [("top", None), ("top", None), ("top", None)],
    [("west", Some("roof")), ("east", None), ("west", Some("cellar"))],
    [("west", Some("roof")), ("west", Some("roof")), ("west", None)],
    [("far-west", None), ("west", Some("cellar")), ("far-west", None)],
    [("east", None), ("aside", None), ("aside", None)],
    [("aside", None), ("aside", None), ("east", None)],
    [("east", None), ("east", None), ("east", None)],
];

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// Devices with two channels of the metric each, and one of another metric, which does not count. February is empty.
async fn fleet(app: &TestApp) -> (String, Vec<Sent>) {
    let key = app.provider("north", "Europe/Paris").await;
    for (customer, parent) in CUSTOMERS {
        let body = json!({"name": customer, "parent": parent});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201);
    }
    for group in ["roof", "cellar"] {
        let body = json!({"name": group, "customer": "west"});
        app.put(&key, &format!("/v1/groups/{group}"), body).await.expect_status(201);
    }
    for metric in ["energy", "other"] {
        let body = json!({"name": metric, "unit": "kWh", "kind": "delta"});
        app.put(&key, &format!("/v1/metrics/{metric}"), body).await.expect_status(201);
    }
    let (mut sent, mut readings) = (Vec::new(), Vec::new());
    for (number, stays) in STAYS.iter().enumerate() {
        let device = format!("d{number}");
        let owner = |part: usize| json!({"customer": stays[part].0, "group": stays[part].1});
        app.put(&key, &format!("/v1/devices/{device}"), owner(0)).await.expect_status(201);
        for (part, at) in
            [(1, "2025-01-11"), (2, "2025-01-21"), (0, "2025-02-01"), (1, "2025-03-11"), (2, "2025-03-21")]
        {
            let mut body = owner(part);
            body["at"] = json!(format!("{at}T00:00:00+01:00"));
            app.post(&key, &format!("/v1/devices/{device}/moves"), body).await.expect_status(200);
        }
        for (first, days) in [("2025-01-01", 31), ("2025-03-01", 31)] {
            for place in (0..days).filter(|place| (place + number as u64).is_multiple_of(number as u64 + 2)) {
                let date = day(first) + Days::new(place);
                let (customer, group) = stays[(place / 10).min(2) as usize];
                let at: DateTime<Utc> = date.and_hms_opt(9, 0, 0).expect("nine").and_utc();
                for phase in ["L1", "L2"] {
                    let dimensions = json!({"phase": phase});
                    readings.push(
                        json!({"device": device, "metric": "energy", "at": at, "value": 1, "dimensions": dimensions}),
                    );
                }
                sent.push((device.clone(), customer, group, date));
            }
        }
        readings.push(json!({"device": device, "metric": "other", "at": "2025-02-10T00:00:00Z", "value": 1}));
    }
    let stored = counts(&send_json(app, &key, &json!(readings)).await)[1];
    assert_eq!(stored as usize, readings.len());
    app.settle().await;
    (key, sent)
}

/// Label -> period -> number.
type Numbers = BTreeMap<Option<String>, BTreeMap<String, i64>>;

fn told(answer: &Value, label: Option<&str>) -> Numbers {
    let series = answer["series"].as_array().expect("series").iter();
    let numbers = series.map(|series| {
        let points = series["points"].as_array().expect("points").iter();
        let points = points.map(|p| (p["period"].as_str().unwrap().to_owned(), p["active_devices"].as_i64().unwrap()));
        (label.and_then(|label| series[label].as_str()).map(str::to_owned), points.collect())
    });
    numbers.collect()
}

/// Distinct devices among what was sent; `label` says in which series a reading counts, if any.
fn naive(sent: &[Sent], format: &str, label: impl Fn(&Sent) -> Option<Option<String>>) -> Numbers {
    let mut devices: BTreeMap<Option<String>, BTreeMap<String, BTreeSet<&str>>> = BTreeMap::new();
    for reading in sent {
        if let Some(label) = label(reading) {
            let periods = devices.entry(label).or_default();
            periods.entry(reading.3.format(format).to_string()).or_default().insert(&reading.0);
        }
    }
    let counted = |periods: BTreeMap<String, BTreeSet<&str>>| {
        periods.into_iter().map(|(period, devices)| (period, devices.len() as i64)).collect()
    };
    devices.into_iter().map(|(label, periods)| (label, counted(periods))).collect()
}

fn below_top(sent: &Sent) -> bool {
    sent.1 != "aside"
}

/// The direct sub-customer of `top` that a reading counts under, or `top` itself.
fn part_of_top(sent: &Sent) -> Option<Option<String>> {
    let part = if sent.1 == "far-west" { "west" } else { sent.1 };
    below_top(sent).then(|| Some(part.to_owned()))
}

pub async fn active_devices_of_a_month_are_not_the_sum_of_its_days(app: TestApp) {
    let (key, sent) = fleet(&app).await;
    every_split_counts_them(&app, &key, &sent).await;
}

pub async fn active_devices_are_counted_in_the_columnstore_too(app: TestApp) {
    let (key, sent) = fleet(&app).await;
    compress(&app, &mut app.db().await).await;
    every_split_counts_them(&app, &key, &sent).await;
}

async fn every_split_counts_them(app: &TestApp, key: &str, sent: &[Sent]) {
    type Label = fn(&Sent) -> Option<Option<String>>;
    let of_group: Label = |s| below_top(s).then(|| s.2.map(str::to_owned));
    let questions: [(&str, Option<&str>, Label); 7] = [
        ("", None, |_| Some(None)),
        ("scope=customer:top", None, |s| below_top(s).then_some(None)),
        ("scope=customer:west&own=true", None, |s| (s.1 == "west").then_some(None)),
        ("scope=group:roof", None, |s| (s.2 == Some("roof")).then_some(None)),
        ("scope=customer:top&by=customer", Some("customer"), part_of_top),
        ("scope=customer:top&by=group", Some("group"), of_group),
        ("scope=customer:top&by=device", Some("device"), |s| below_top(s).then(|| Some(s.0.clone()))),
    ];
    for (query, label_name, label) in questions {
        let ask = async |bucket: &str| {
            let range = "metric=energy&stats=active_devices&from=2025-01-01&to=2025-04-01";
            let path = format!("/v1/usage?{range}&bucket={bucket}&{query}");
            let mut numbers = told(&app.get(key, &path).await.expect_status(200).json(), label_name);
            numbers.retain(|_, points| !points.is_empty());
            numbers
        };
        let (days, months) = (ask("day").await, ask("month").await);
        assert_eq!(days, naive(sent, "%Y-%m-%d", label), "{query}");
        assert_eq!(months, naive(sent, "%Y-%m", label), "{query}");
        assert_eq!(ask("total").await, naive(sent, "2025-01-01/2025-04-01", label), "{query}");
        let path =
            format!("/v1/usage?metric=energy&stats=active_devices&bucket=day&from=2025-03-15&to=2025-03-16&{query}");
        let mut day = told(&app.get(key, &path).await.expect_status(200).json(), label_name);
        day.retain(|_, points| !points.is_empty());
        let of_day: Vec<_> = sent.iter().filter(|sent| sent.3.to_string() == "2025-03-15").cloned().collect();
        assert_eq!(day, naive(&of_day, "%Y-%m-%d", label), "{query}");
        // The wrong way, adding up the days, gives another number in every split.
        let sum_of_days = |label: &Option<String>| -> i64 {
            days[label].iter().filter(|(day, _)| day.starts_with("2025-01")).map(|(_, devices)| devices).sum()
        };
        let differs = months.iter().any(|(label, months)| months["2025-01"] < sum_of_days(label));
        assert!(differs, "{query}");
    }
}

pub async fn parts_of_a_customer_share_the_devices_that_moved_between_them(app: TestApp) {
    let (key, sent) = fleet(&app).await;
    let range = "metric=energy&stats=active_devices&bucket=month&from=2025-01-01&to=2025-04-01&fill=zero";
    let whole = app.get(&key, &format!("/v1/usage?{range}&scope=customer:top")).await.expect_status(200).json();
    let whole = &told(&whole, None)[&None];
    let parts =
        app.get(&key, &format!("/v1/usage?{range}&scope=customer:top&by=customer")).await.expect_status(200).json();
    let parts = told(&parts, Some("customer"));
    assert_eq!(parts.len(), 3);
    assert!(parts.values().map(|months| months["2025-01"]).sum::<i64>() > whole["2025-01"]);
    // In February nothing came, of this metric; with zeros it is there all the same.
    let mut expected = naive(&sent, "%Y-%m", part_of_top);
    for months in expected.values_mut() {
        months.insert("2025-02".to_owned(), 0);
    }
    assert_eq!(parts, expected);
    assert_eq!(whole["2025-02"], 0);
}
