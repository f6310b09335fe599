//! Registered devices, compared with a naive count at every instant at which an assignment or a period begins.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixtures::{Metric, customer, device, metric};
use crate::harness::TestApp;

/// A device's assignment, as the API tells it.
#[derive(Debug, Clone)]
struct Owned {
    device: String,
    kind: String,
    customer: String,
    group: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

/// Series by label (none: without one), each as period -> number.
type Numbers = BTreeMap<Option<String>, BTreeMap<String, i64>>;

/// Customers with their zones: `top` is above the others.
const CUSTOMERS: [(&str, Option<&str>, Tz); 4] = [
    ("top", None, Tz::UTC),
    ("west", Some("top"), Tz::America__St_Johns),
    ("east", Some("top"), Tz::Asia__Kathmandu),
    ("aside", None, Tz::Europe__Paris),
];
const GROUPS: [(&str, &str); 4] = [("west-1", "west"), ("west-2", "west"), ("east-1", "east"), ("top-1", "top")];

fn zone(customer: &str) -> Tz {
    CUSTOMERS.iter().find(|(key, ..)| *key == customer).expect("a customer").2
}

impl Owned {
    fn at(&self, instant: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| from <= instant) && self.to.is_none_or(|to| instant < to)
    }
}

async fn registry(app: &TestApp) -> String {
    let key = app.provider("north", "UTC").await;
    for (customer, parent, zone) in CUSTOMERS {
        let body = json!({"name": customer, "parent": parent, "time_zone": zone.name()});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201);
    }
    for (group, customer) in GROUPS {
        let body = json!({"name": group, "customer": customer});
        app.put(&key, &format!("/v1/groups/{group}"), body).await.expect_status(201);
    }
    app.put(&key, "/v1/metrics/energy", json!({"name": "E", "unit": "", "kind": "gauge"})).await.expect_status(201);
    key
}

/// Devices that move at random instants of the last months, some retired and some put into service again.
async fn wanderers(app: &TestApp, key: &str) -> Vec<Owned> {
    let mut state = 20_261_121_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let owner = |number: u64| match number {
        0..4 => json!({"customer": GROUPS[number as usize].1, "group": GROUPS[number as usize].0}),
        _ => json!({"customer": CUSTOMERS[number as usize - 4].0}),
    };
    let mut owned = Vec::new();
    for number in 0..14 {
        let (name, kind) = (format!("d{number:02}"), if random(3) == 0 { "gateway" } else { "device" });
        let put = async |mut body: Value| {
            body["kind"] = kind.into();
            app.put(key, &format!("/v1/devices/{name}"), body).await
        };
        put(owner(random(8))).await.expect_status(201);
        let mut ago: Vec<_> = (0..random(5)).map(|_| random(75 * 86_400)).collect();
        ago.sort_unstable_by(|a, b| b.cmp(a));
        for seconds in ago {
            let mut body = owner(random(8));
            // Some at a midnight, where a day ends for one and begins for the other.
            let seconds = if seconds % 4 == 0 { seconds - seconds % 86_400 } else { seconds };
            let midnight = Utc::now().date_naive().and_time(NaiveTime::MIN).and_utc();
            body["at"] = json!(midnight - TimeDelta::seconds(seconds.cast_signed()));
            app.post(key, &format!("/v1/devices/{name}/moves"), body).await.expect_status(200);
        }
        if random(3) == 0 {
            app.call(key, Method::DELETE, &format!("/v1/devices/{name}"), None).await.expect_status(204);
            if random(2) == 0 {
                put(owner(random(8))).await.expect_status(200);
            }
        }
        let list = app.get(key, &format!("/v1/devices/{name}/assignments")).await.expect_status(200).json();
        let instant = |value: &Value| value.as_str().map(|text| text.parse().expect("an instant"));
        owned.extend(list["items"].as_array().expect("items").iter().map(|item| Owned {
            device: name.clone(),
            kind: kind.to_owned(),
            customer: item["customer"].as_str().expect("a customer").to_owned(),
            group: item["group"].as_str().map(str::to_owned),
            from: instant(&item["from"]),
            to: instant(&item["to"]),
        }));
    }
    owned
}

/// Periods of a range with what they cover, for owners in these zones.
fn periods(
    bucket: &str,
    from: NaiveDate,
    to: NaiveDate,
    zones: &BTreeSet<&str>,
) -> BTreeMap<String, [DateTime<Utc>; 2]> {
    let midnight = |day: NaiveDate, zone: &str| {
        let zone: Tz = zone.parse().expect("a zone");
        zone.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest().expect("a midnight").to_utc()
    };
    let span = |first: NaiveDate, end: NaiveDate| {
        let starts = zones.iter().map(|zone| midnight(first.max(from), zone));
        let ends = zones.iter().map(|zone| midnight(end.min(to), zone));
        [starts.min().expect("a zone"), ends.max().expect("a zone")]
    };
    let mut periods = BTreeMap::new();
    let mut day = from;
    while day < to {
        let (name, next) = match bucket {
            "day" => (day.to_string(), day + Days::new(1)),
            "month" => (day.format("%Y-%m").to_string(), day.with_day(1).expect("a first") + Months::new(1)),
            _ => (format!("{from}/{to}"), to),
        };
        periods.insert(name, span(day, next));
        day = next;
    }
    periods
}

/// The most at any instant: changes only come with a start of a period or of an assignment.
fn naive(owned: &[&Owned], [start, end]: [DateTime<Utc>; 2]) -> i64 {
    let starts = owned.iter().filter_map(|a| a.from).filter(|from| (start..end).contains(from));
    let most = starts.chain([start]).map(|instant| owned.iter().filter(|a| a.at(instant)).count()).max();
    most.unwrap_or_default() as i64
}

async fn answered(app: &TestApp, key: &str, query: &str, label: Option<&str>) -> Numbers {
    let path = format!("/v1/usage?metric=energy&stats=registered_devices&{query}");
    let answer = app.get(key, &path).await.expect_status(200).json();
    let mut numbers = Numbers::new();
    for series in answer["series"].as_array().expect("series") {
        let points = series["points"].as_array().expect("points").iter();
        let points =
            points.map(|p| (p["period"].as_str().unwrap().to_owned(), p["registered_devices"].as_i64().unwrap()));
        let label = label.and_then(|label| series[label].as_str()).map(str::to_owned);
        assert!(numbers.insert(label, points.collect()).is_none(), "a series twice: {answer}");
    }
    numbers
}

type Label = fn(&Owned) -> Option<Option<String>>;

/// The customers whose days a series has; none for those of its assignments.
type Owners = fn(Option<&str>) -> &'static [&'static str];

fn below_top(owned: &Owned) -> bool {
    owned.customer != "aside"
}

/// Scope and split; how series are labelled; which series an assignment counts in, if any; whose days it has.
fn questions() -> Vec<(&'static str, Option<&'static str>, Label, Owners)> {
    const ALL: &[&str] = &["top", "west", "east", "aside"];
    const TOP: &[&str] = &["top", "west", "east"];
    let by_group: Label = |o| below_top(o).then(|| o.group.clone());
    let own: Owners = |label| match label {
        Some("top") => &["top"],
        Some("west" | "west-1" | "west-2") => &["west"],
        Some("east" | "east-1") => &["east"],
        Some("aside") => &["aside"],
        Some("top-1") => &["top"],
        _ => TOP,
    };
    vec![
        ("", None, |_| Some(None), |_| ALL),
        ("scope=customer:top", None, |o| below_top(o).then_some(None), |_| TOP),
        ("scope=customer:top&own=true", None, |o| (o.customer == "top").then_some(None), |_| &["top"]),
        ("scope=customer:west", None, |o| (o.customer == "west").then_some(None), |_| &["west"]),
        ("scope=group:west-1", None, |o| (o.group.as_deref() == Some("west-1")).then_some(None), |_| &["west"]),
        ("scope=device:d03", None, |o| (o.device == "d03").then_some(None), |_| &[]),
        (
            "by=customer",
            Some("customer"),
            |o| Some(Some(if below_top(o) { "top" } else { "aside" }.to_owned())),
            |label| if label == Some("top") { TOP } else { &["aside"] },
        ),
        ("scope=customer:top&by=customer", Some("customer"), |o| below_top(o).then(|| Some(o.customer.clone())), own),
        ("scope=customer:top&by=group", Some("group"), by_group, own),
        ("by=kind", Some("kind"), |o| Some(Some(o.kind.clone())), |_| &[]),
        ("scope=customer:top&by=device", Some("device"), |o| below_top(o).then(|| Some(o.device.clone())), |_| &[]),
        (
            "scope=group:west-1&by=device",
            Some("device"),
            |o| (o.group.as_deref() == Some("west-1")).then(|| Some(o.device.clone())),
            |_| &[],
        ),
    ]
}

pub async fn registered_devices_are_the_most_at_any_instant(app: TestApp) {
    let key = registry(&app).await;
    let owned = wanderers(&app, &key).await;
    let to = Utc::now().date_naive() + Days::new(3);
    let from = to - Days::new(90);
    let mut compared = 0;
    for (query, label_name, label_of, owners) in questions() {
        let mut series: BTreeMap<Option<String>, Vec<&Owned>> = BTreeMap::new();
        for one in &owned {
            if let Some(label) = label_of(one) {
                series.entry(label).or_default().push(one);
            }
        }
        for bucket in ["day", "month", "total"] {
            let mut expected = Numbers::new();
            for (label, owned) in &series {
                let known = owners(label.as_deref());
                let of_range = |a: &&&Owned| {
                    let reach = TimeDelta::days(2);
                    let first = from.and_time(NaiveTime::MIN).and_utc() - reach;
                    query.starts_with("scope=device") || a.to.is_none_or(|to| to > first)
                };
                let owners = owned.iter().filter(of_range).map(|a| a.customer.as_str());
                let owners: Vec<_> = if known.is_empty() { owners.collect() } else { known.to_vec() };
                let zones: BTreeSet<_> = owners.iter().map(|customer| zone(customer).name()).collect();
                if zones.is_empty() {
                    continue;
                }
                let of_periods = periods(bucket, from, to, &zones);
                let numbers = of_periods.into_iter().map(|(period, span)| (period, naive(owned, span)));
                expected.insert(label.clone(), numbers.filter(|(_, number)| *number > 0).collect());
            }
            let range = format!("bucket={bucket}&from={from}&to={to}&{query}");
            let mut none = answered(&app, &key, &range, label_name).await;
            let mut zero = answered(&app, &key, &format!("{range}&fill=zero"), label_name).await;
            compared += none.values().map(BTreeMap::len).sum::<usize>();
            expected.retain(|_, points| !points.is_empty());
            none.retain(|_, points| !points.is_empty());
            assert_eq!(none, expected, "{range}");
            let number = periods(bucket, from, to, &BTreeSet::from(["UTC"])).len();
            assert!(zero.values().all(|points| points.len() == number), "{range}: {zero:?}");
            zero.values_mut().for_each(|points| points.retain(|_, number| *number > 0));
            zero.retain(|_, points| !points.is_empty());
            assert_eq!(zero, expected, "{range}&fill=zero");
        }
    }
    assert!(compared > 2000, "{compared} points were compared");
}

pub async fn devices_after_each_other_are_never_two_at_once(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let mut db = app.db().await;
    for name in ["acme", "other"] {
        customer(&mut db, "north", name, "Europe/Paris").await;
    }
    metric(&mut db, "north", "energy", Metric { kind: "delta", scale: 3, ..Metric::default() }).await;
    let devices: [(&str, &[(&str, &str)]); 4] = [
        // Replaced by the next one at the same instant, at noon of 10 March.
        ("old", &[("acme", "[2025-01-01 00:00+01,2025-03-10 11:00Z)")]),
        ("new", &[("acme", "[2025-03-10 11:00Z,)")]),
        // For an hour of 20 March, and the first instant of 1 April.
        (
            "guest",
            &[("acme", "[2025-03-20 10:00Z,2025-03-20 11:00Z)"), ("other", "[2025-03-20 11:00Z,2025-03-31 22:00Z)")],
        ),
        ("last", &[("other", "[2025-03-31 22:00Z,2025-03-31 22:00:00.000001Z)")]),
    ];
    for (name, owners) in devices {
        device(&mut db, "north", name, owners).await;
    }
    let month = |name: &str, number: i64| (name.to_owned(), number);
    let months = "bucket=month&from=2024-11-01&to=2025-06-01";
    let acme = answered(&app, &key, &format!("{months}&scope=customer:acme"), None).await;
    // Three devices had to do with March, but never more than two at once.
    let expected =
        [month("2025-01", 1), month("2025-02", 1), month("2025-03", 2), month("2025-04", 1), month("2025-05", 1)];
    assert_eq!(acme, BTreeMap::from([(None, BTreeMap::from(expected))]));
    let other = answered(&app, &key, &format!("{months}&scope=customer:other"), None).await;
    assert_eq!(other[&None], BTreeMap::from([month("2025-03", 1), month("2025-04", 1)]));
    let whole = answered(&app, &key, months, None).await;
    assert_eq!(whole[&None]["2025-03"], 2);
    assert_eq!(whole[&None]["2025-04"], 2, "the new one, and the last one for a microsecond");
    let days = answered(&app, &key, "bucket=day&from=2025-03-09&to=2025-03-22&scope=customer:acme", None).await;
    let two: Vec<_> = days[&None].iter().filter(|(_, number)| **number == 2).map(|(day, _)| day.as_str()).collect();
    assert_eq!(two, ["2025-03-20"]);
    assert_eq!(days[&None].len(), 13);
    let hours = "bucket=hour&from=2025-03-20T08:00:00Z&to=2025-03-20T13:00:00Z&scope=customer:acme&fill=zero";
    let hours = answered(&app, &key, hours, None).await;
    assert_eq!(hours[&None].values().copied().collect::<Vec<_>>(), [1, 1, 2, 1, 1]);
}

pub async fn registered_devices_stand_beside_readings_of_any_kind_of_metric(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    for name in ["a", "b", "c"] {
        app.put(&key, &format!("/v1/devices/{name}"), json!({"customer": "acme"})).await.expect_status(201);
    }
    for kind in ["delta", "register", "gauge"] {
        let body = json!({"name": kind, "unit": "", "kind": kind, "scale": 0});
        app.put(&key, &format!("/v1/metrics/{kind}"), body).await.expect_status(201);
    }
    let readings = ["delta", "register", "gauge"]
        .map(|metric| json!({"device": "a", "metric": metric, "at": "2025-02-03T10:00:00Z", "value": 7}));
    app.post(&key, "/v1/readings", json!(readings)).await.expect_status(200);
    app.settle().await;
    let stats = "stats=count,active_devices,registered_devices,last&fill=previous";
    let query = format!("metric=delta,register,gauge&bucket=month&from=2025-01-01&to=2025-04-01&{stats}");
    let answer = app.get(&key, &format!("/v1/usage?{query}")).await.expect_status(200).json();
    for series in answer["series"].as_array().unwrap() {
        let point = |p: &Value| json!([p["count"], p["active_devices"], p["registered_devices"], p["last"]]);
        let points: Vec<_> = series["points"].as_array().unwrap().iter().map(point).collect();
        assert_eq!(json!(points), json!([[0, 0, 3, null], [1, 1, 3, "7"], [0, 0, 3, "7"]]), "{series}");
    }
    let url = format!(
        "{}/v1/usage?metric=delta&bucket=month&from=2025-01-01&to=2025-03-01&stats=sum,registered_devices",
        app.base
    );
    let csv = app.client.get(url).bearer_auth(&key).header("accept", "text/csv");
    let csv = crate::harness::Answer::of(csv).await.expect_status(200).text;
    let rows = "metric,unit,time_zone,period,start,end,sum,registered_devices,final\n\
        delta,,UTC,2025-01,2025-01-01T00:00:00+00:00,2025-02-01T00:00:00+00:00,0,3,true\n\
        delta,,UTC,2025-02,2025-02-01T00:00:00+00:00,2025-03-01T00:00:00+00:00,7,3,true\n";
    assert_eq!(csv, rows);
}
