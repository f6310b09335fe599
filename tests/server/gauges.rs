//! Gauges: levels over any bucket, compared with a naive recomputation, and gaps filled with the level before.

use std::collections::BTreeMap;

use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::fixtures::{counts, send_json};
use crate::harness::TestApp;

/// A level that was sent, in tenths.
#[derive(Clone, Copy)]
struct Level {
    device: &'static str,
    customer: &'static str,
    group: Option<&'static str>,
    zone: Tz,
    at: DateTime<Utc>,
    tenths: i64,
}

const DEVICES: [(&str, &str, Option<&str>, Tz); 4] = [
    ("p1", "paris", None, Tz::Europe__Paris),
    ("p2", "paris", Some("roof"), Tz::Europe__Paris),
    ("n1", "nepal", None, Tz::Asia__Kathmandu),
    ("n2", "nepal", Some("shed"), Tz::Asia__Kathmandu),
];

async fn registry(app: &TestApp) -> String {
    let key = app.provider("north", "UTC").await;
    for (customer, zone, group) in [("paris", "Europe/Paris", "roof"), ("nepal", "Asia/Kathmandu", "shed")] {
        let body = json!({"name": customer, "time_zone": zone});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201);
        let body = json!({"name": group, "customer": customer});
        app.put(&key, &format!("/v1/groups/{group}"), body).await.expect_status(201);
    }
    for (device, customer, group, _) in DEVICES {
        let body = json!({"customer": customer, "group": group});
        app.put(&key, &format!("/v1/devices/{device}"), body).await.expect_status(201);
    }
    let body = json!({"name": "Level", "unit": "%", "kind": "gauge", "scale": 1});
    app.put(&key, "/v1/metrics/level", body).await.expect_status(201);
    key
}

async fn send(app: &TestApp, key: &str, levels: &[Level]) {
    let reading = |l: &Level| {
        let value = format!("{}e-1", l.tenths);
        json!({"device": l.device, "metric": "level", "at": l.at, "value": value})
    };
    let sent: Vec<_> = levels.iter().map(reading).collect();
    assert_eq!(counts(&send_json(app, key, &json!(sent)).await)[1] as usize, levels.len());
    app.settle().await;
}

fn tenths(units: i64) -> String {
    format!("{}{}.{}", if units < 0 { "-" } else { "" }, units.abs() / 10, units.abs() % 10)
}

/// `[min, max, avg, first, last, count]` of levels in order of time; the mean is rounded half to even.
fn statistics(levels: &[Level]) -> Value {
    let values: Vec<_> = levels.iter().map(|l| l.tenths).collect();
    let (sum, count) = (values.iter().sum::<i64>(), values.len() as i64);
    let (floor, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
    let up = 2 * rest > count || (2 * rest == count && floor % 2 != 0);
    let texts = [
        *values.iter().min().expect("a level"),
        *values.iter().max().expect("a level"),
        floor + i64::from(up),
        values[0],
        values[values.len() - 1],
    ];
    let [min, max, avg, first, last] = texts.map(tenths);
    json!([min, max, avg, first, last, count])
}

const STATS: [&str; 6] = ["min", "max", "avg", "first", "last", "count"];

/// Label -> period -> statistics.
fn told(answer: &Value, label: Option<&str>) -> BTreeMap<String, BTreeMap<String, Value>> {
    let series = answer["series"].as_array().expect("series").iter();
    let series = series.map(|series| {
        let points = series["points"].as_array().expect("points").iter();
        let points = points.map(|p| (p["period"].as_str().unwrap().to_owned(), json!(STATS.map(|stat| &p[stat]))));
        (label.and_then(|label| series[label].as_str()).unwrap_or_default().to_owned(), points.collect())
    });
    series.collect()
}

fn naive(
    levels: &[Level],
    label: impl Fn(&Level) -> Option<String>,
    period: impl Fn(&Level) -> String,
) -> BTreeMap<String, BTreeMap<String, Value>> {
    let mut groups: BTreeMap<String, BTreeMap<String, Vec<Level>>> = BTreeMap::new();
    for level in levels {
        if let Some(label) = label(level) {
            groups.entry(label).or_default().entry(period(level)).or_default().push(*level);
        }
    }
    let of_periods = |periods: BTreeMap<String, Vec<Level>>| {
        periods.into_iter().map(|(period, levels)| (period, statistics(&levels))).collect()
    };
    groups.into_iter().map(|(label, periods)| (label, of_periods(periods))).collect()
}

/// A level every 100 minutes or so over two months, no two at one instant: sparse enough that days weigh differently.
fn levels() -> Vec<Level> {
    let start: DateTime<Utc> = "2025-09-28T12:00:00Z".parse().expect("an instant");
    let level = |number: i64| {
        let (device, customer, group, zone) = DEVICES[(number * 7 % 11 % 4) as usize];
        // Some days have many readings, some few, and one reading stands out.
        let at = start + TimeDelta::minutes(number * 100 + (number * number) % 97);
        let tenths = if number == 500 { 99_999 } else { (number * 7919) % 2003 - 700 };
        Level { device, customer, group, zone, at, tenths }
    };
    (0..900).filter(|number| number % 13 < 9).map(level).collect()
}

pub async fn levels_over_any_bucket_and_scope_are_those_of_the_readings(app: TestApp) {
    let key = registry(&app).await;
    let levels = levels();
    send(&app, &key, &levels).await;
    let local = |l: &Level, format: &str| l.at.with_timezone(&l.zone).format(format).to_string();
    type Label = fn(&Level) -> Option<String>;
    let questions: [(&str, Option<&str>, Label); 7] = [
        ("", None, |_| Some(String::new())),
        ("scope=customer:paris", None, |l| (l.customer == "paris").then(String::new)),
        ("scope=group:shed", None, |l| (l.group == Some("shed")).then(String::new)),
        ("scope=device:n1", None, |l| (l.device == "n1").then(String::new)),
        ("by=customer", Some("customer"), |l| Some(l.customer.to_owned())),
        ("by=group", Some("group"), |l| Some(l.group.unwrap_or_default().to_owned())),
        ("by=device", Some("device"), |l| Some(l.device.to_owned())),
    ];
    for (query, label_name, label) in questions {
        for (bucket, format) in
            [("hour", "utc"), ("day", "%Y-%m-%d"), ("month", "%Y-%m"), ("total", "2025-09-01/2025-12-05")]
        {
            let period = |l: &Level| {
                if bucket == "hour" { l.at.format("%Y-%m-%dT%H:00:00Z").to_string() } else { local(l, format) }
            };
            let range = "metric=level&stats=min,max,avg,first,last,count&from=2025-09-01&to=2025-12-05";
            let answer = app.get(&key, &format!("/v1/usage?{range}&bucket={bucket}&{query}")).await;
            let told = told(&answer.expect_status(200).json(), label_name);
            assert_eq!(told, naive(&levels, label, period), "{bucket} {query}");
        }
    }
}

pub async fn the_maximum_of_a_month_is_that_of_its_readings(app: TestApp) {
    let key = registry(&app).await;
    let levels = levels();
    send(&app, &key, &levels).await;
    let of_november: Vec<_> = levels
        .iter()
        .filter(|l| l.customer == "paris" && l.at.with_timezone(&l.zone).format("%Y-%m").to_string() == "2025-11")
        .copied()
        .collect();
    let range = "metric=level&stats=min,max,avg,first,last,count&scope=customer:paris&from=2025-11-01&to=2025-12-01";
    let ask = async |bucket: &str| {
        let answer = app.get(&key, &format!("/v1/usage?{range}&bucket={bucket}")).await.expect_status(200).json();
        told(&answer, None).remove("").expect("the series")
    };
    let month = ask("month").await["2025-11"].clone();
    assert_eq!(month, statistics(&of_november));
    // The wrong ways: the most of the days' means or of their last levels, the mean of the days' means.
    let days: Vec<_> = ask("day").await.into_values().collect();
    let number = |value: &Value| value.as_str().expect("a level").replace('.', "").parse::<i64>().expect("tenths");
    let most = |place: usize| days.iter().map(|day| number(&day[place])).max().expect("a day");
    assert!(most(2) < number(&month[1]) && most(4) < number(&month[1]));
    assert_eq!(most(1), number(&month[1]));
    let mean = days.iter().map(|day| number(&day[2])).sum::<i64>() / days.len() as i64;
    assert!((mean - number(&month[2])).abs() > 1, "{mean} and {}", month[2]);
}

pub async fn a_level_goes_on_into_months_without_a_reading(app: TestApp) {
    let key = registry(&app).await;
    let at = |text: &str| text.parse::<DateTime<Utc>>().expect("an instant");
    let level = |device: usize, text: &str, tenths| {
        let (device, customer, group, zone) = DEVICES[device];
        Level { device, customer, group, zone, at: at(text), tenths }
    };
    let levels = [
        // On 1 March in Paris, on 28 February in UTC.
        level(0, "2025-02-28T23:30:00Z", 10),
        level(0, "2025-03-05T00:00:00Z", 15),
        level(1, "2025-03-04T00:00:00Z", 20),
        level(2, "2025-03-06T00:00:00Z", 30),
        level(0, "2025-06-10T00:00:00Z", -40),
    ];
    send(&app, &key, &levels).await;
    type Name = fn(&Level) -> String;
    let questions: [(&str, Option<&str>, Name); 5] = [
        ("", None, |_| String::new()),
        ("scope=customer:paris", None, |l| if l.customer == "paris" { String::new() } else { "-".into() }),
        ("by=customer", Some("customer"), |l| l.customer.to_owned()),
        ("by=group", Some("group"), |l| l.group.unwrap_or_default().to_owned()),
        ("by=device", Some("device"), |l| l.device.to_owned()),
    ];
    let first_of = |month: u32| NaiveDate::from_ymd_opt(2025, 1, 1).expect("a day") + Months::new(month);
    // Ranges before the first reading, around it, between readings, and entirely after the last one.
    for (from, to) in [(0, 2), (0, 12), (2, 4), (3, 5), (4, 5), (5, 7), (7, 9), (13, 15)] {
        let (first, end) = (first_of(from), first_of(to));
        for (query, label_name, label) in questions {
            let range = format!("metric=level&bucket=month&fill=previous&stats=last,min&from={first}&to={end}&{query}");
            let answer = app.get(&key, &format!("/v1/usage?{range}")).await.expect_status(200).json();
            for series in answer["series"].as_array().unwrap() {
                let name = label_name.and_then(|label| series[label].as_str()).unwrap_or_default();
                let own: Vec<_> = levels.iter().filter(|l| label(l) == name).copied().collect();
                let points: Vec<_> = series["points"].as_array().unwrap().iter().map(|p| p["last"].clone()).collect();
                let day = |l: &Level| l.at.with_timezone(&l.zone).date_naive();
                let until = |month: u32| {
                    let mut before: Vec<_> = own.iter().filter(|l| day(l) < first_of(month + 1)).collect();
                    before.sort_by_key(|l| l.at);
                    before.last().map(|l| tenths(l.tenths))
                };
                let expected: Vec<_> = (from..to).map(|month| json!(until(month))).collect();
                // What is in no group is not shown where there never was a level.
                let nothing = points.is_empty() && query == "by=group" && name.is_empty();
                let expected = if nothing && until(to - 1).is_none() { vec![] } else { expected };
                assert_eq!(points, expected, "{range} {name}");
            }
        }
    }
    // The other device's level is the last one of the customer, until its own next reading.
    let range = "metric=level&bucket=month&fill=previous&scope=customer:paris&from=2025-03-01&to=2025-07-01";
    let answer = app.get(&key, &format!("/v1/usage?{range}&stats=min,max,avg,first,last,count")).await;
    let months = &told(&answer.expect_status(200).json(), None)[""];
    assert_eq!(months["2025-03"], json!(["1.0", "2.0", "1.5", "1.0", "1.5", 3]));
    assert_eq!(months["2025-05"], json!(["1.5", "1.5", "1.5", "1.5", "1.5", 0]));
    assert_eq!(months["2025-06"], json!(["-4.0", "-4.0", "-4.0", "-4.0", "-4.0", 1]));
}
