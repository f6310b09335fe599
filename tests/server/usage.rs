//! `GET /v1/usage`, compared with a naive recomputation from the readings that were posted.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use meterbase::keys::Scope;
use serde_json::{Value, json};

use crate::harness::TestApp;

/// A reading that was posted: device, customer, instant, thousandths.
#[derive(Clone, Copy)]
struct Posted {
    device: &'static str,
    customer: &'static str,
    zone: Tz,
    at: DateTime<Utc>,
    units: i64,
}

const ZONES: [(&str, Tz); 4] = [
    ("paris", Tz::Europe__Paris),
    ("kathmandu", Tz::Asia__Kathmandu),
    ("st-johns", Tz::America__St_Johns),
    ("apia", Tz::Pacific__Apia),
];

/// One provider with a customer and two devices in each zone, and a reading every 30 minutes over the end of summer time.
async fn four_zones(app: &TestApp) -> (String, Vec<Posted>) {
    let key = app.provider("north", "UTC").await;
    metric(app, &key, "energy", "delta").await;
    let mut posted = Vec::new();
    for (customer, zone) in ZONES {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": customer, "time_zone": zone.name()}))
            .await
            .expect_status(201);
        for number in [1, 2] {
            let device: &'static str = format!("{customer}-{number}").leak();
            app.put(&key, &format!("/v1/devices/{device}"), json!({"customer": customer})).await.expect_status(201);
            let mut at: DateTime<Utc> = "2026-10-23T10:00:00Z".parse().unwrap();
            while at < "2026-11-03T20:00:00Z".parse::<DateTime<Utc>>().unwrap() {
                // Any spread of values will do; this one has negative ones too.
                let units = (at.timestamp() / 1800 * 7919 * number) % 10_007 - 500;
                posted.push(Posted { device, customer, zone, at, units });
                at += TimeDelta::minutes(30);
            }
        }
    }
    let readings = posted
        .iter()
        .map(|r| json!({"device": r.device, "metric": "energy", "at": r.at, "value": thousandths(r.units.into())}));
    post(app, &key, readings.collect()).await;
    app.settle().await;
    (key, posted)
}

pub async fn metric(app: &TestApp, key: &str, name: &str, kind: &str) {
    let body = json!({"name": name, "unit": "kWh", "kind": kind});
    app.put(key, &format!("/v1/metrics/{name}"), body).await.expect_status(201);
}

pub async fn post(app: &TestApp, key: &str, readings: Vec<Value>) {
    let sent = readings.len();
    let answer = app.post(key, "/v1/readings", Value::Array(readings)).await.expect_status(200).json();
    assert_eq!(answer["stored"], sent, "{answer}");
}

pub fn thousandths(units: i128) -> String {
    format!("{}{}.{:03}", if units < 0 { "-" } else { "" }, units.abs() / 1000, units.abs() % 1000)
}

pub async fn usage(app: &TestApp, key: &str, query: &str) -> Value {
    app.get(key, &format!("/v1/usage?{query}")).await.expect_status(200).json()
}

/// Series by their label, each as period -> (sum, count).
fn sums(answer: &Value, label: &str) -> BTreeMap<String, BTreeMap<String, (String, i64)>> {
    let series = answer["series"].as_array().unwrap().iter();
    let points = |series: &Value| {
        let points = series["points"].as_array().unwrap().iter();
        let point = |p: &Value| {
            (
                p["period"].as_str().unwrap().to_owned(),
                (p["sum"].as_str().unwrap().to_owned(), p["count"].as_i64().unwrap()),
            )
        };
        points.map(point).collect()
    };
    series.map(|series| (series[label].as_str().unwrap_or_default().to_owned(), points(series))).collect()
}

/// The same from the readings: `label` and `period` say where each belongs.
fn naive(
    posted: &[Posted],
    label: impl Fn(&Posted) -> &str,
    period: impl Fn(&Posted) -> String,
) -> BTreeMap<String, BTreeMap<String, (String, i64)>> {
    let mut totals: BTreeMap<String, BTreeMap<String, (i128, i64)>> = BTreeMap::new();
    for reading in posted {
        let total = totals.entry(label(reading).to_owned()).or_default().entry(period(reading)).or_default();
        *total = (total.0 + i128::from(reading.units), total.1 + 1);
    }
    let text = |points: BTreeMap<String, (i128, i64)>| {
        points.into_iter().map(|(p, (sum, n))| (p, (thousandths(sum), n))).collect()
    };
    totals.into_iter().map(|(label, points)| (label, text(points))).collect()
}

fn local_day(reading: &Posted) -> String {
    reading.at.with_timezone(&reading.zone).format("%Y-%m-%d").to_string()
}

fn local_month(reading: &Posted) -> String {
    reading.at.with_timezone(&reading.zone).format("%Y-%m").to_string()
}

pub async fn days_and_months_are_those_of_each_owner(app: TestApp) {
    let (key, posted) = four_zones(&app).await;
    for (bucket, period) in [("day", local_day as fn(&Posted) -> String), ("month", local_month)] {
        let range = "from=2026-10-01&to=2026-12-01";
        let by_customer = usage(&app, &key, &format!("metric=energy&by=customer&bucket={bucket}&{range}")).await;
        assert_eq!(sums(&by_customer, "customer"), naive(&posted, |r| r.customer, period), "{bucket}");
        let by_device = usage(&app, &key, &format!("metric=energy&by=device&bucket={bucket}&{range}")).await;
        assert_eq!(sums(&by_device, "device"), naive(&posted, |r| r.device, period), "{bucket}");
        let whole = usage(&app, &key, &format!("metric=energy&bucket={bucket}&{range}")).await;
        assert_eq!(sums(&whole, "customer"), naive(&posted, |_| "", period), "{bucket}");
        assert_eq!((&whole["time_zone"], &whole["series"][0]["points"][0]["start"]), (&Value::Null, &Value::Null));
        for (customer, zone) in ZONES {
            let one =
                usage(&app, &key, &format!("metric=energy&scope=customer:{customer}&bucket={bucket}&{range}")).await;
            let own: Vec<_> = posted.iter().filter(|r| r.customer == customer).copied().collect();
            assert_eq!(sums(&one, "customer"), naive(&own, |_| "", period), "{customer} {bucket}");
            assert_eq!(one["time_zone"], zone.name());
        }
    }
}

pub async fn hours_add_up_to_local_days_in_any_zone(app: TestApp) {
    let (key, posted) = four_zones(&app).await;
    let utc_hour = |r: &Posted| r.at.format("%Y-%m-%dT%H:00:00Z").to_string();
    for (customer, zone) in ZONES {
        let query = format!("metric=energy&scope=customer:{customer}&bucket=hour&from=2026-11-01&to=2026-11-02");
        let hours = usage(&app, &key, &query).await;
        let own: Vec<_> =
            posted.iter().filter(|r| r.customer == customer && local_day(r) == "2026-11-01").copied().collect();
        assert_eq!(sums(&hours, "customer"), naive(&own, |_| "", utc_hour), "{zone}");
        let points = hours["series"][0]["points"].as_array().unwrap();
        assert!(points[0]["start"].as_str().unwrap().starts_with("2026-11-01T00:00:00"), "{}", points[0]);
        let last = points.last().unwrap();
        assert!(last["end"].as_str().unwrap().starts_with("2026-11-02T00:00:00"), "{last}");
    }
}

pub async fn a_range_within_months_counts_its_days_alone(app: TestApp) {
    let (key, posted) = four_zones(&app).await;
    let within: Vec<_> =
        posted.iter().filter(|r| ("2026-10-29".."2026-11-02").contains(&local_day(r).as_str())).copied().collect();
    let range = "from=2026-10-29&to=2026-11-02";
    let months = usage(&app, &key, &format!("metric=energy&bucket=month&by=customer&{range}")).await;
    assert_eq!(sums(&months, "customer"), naive(&within, |r| r.customer, local_month));
    let total = usage(&app, &key, &format!("metric=energy&bucket=total&{range}")).await;
    assert_eq!(sums(&total, "customer"), naive(&within, |_| "", |_| "2026-10-29/2026-11-02".into()));
    let hours = "from=2026-10-30T05:00:00Z&to=2026-10-30T09:00:00Z";
    let some: Vec<_> = posted
        .iter()
        .filter(|r| (5..9).contains(&chrono::Timelike::hour(&r.at)) && r.at.date_naive().to_string() == "2026-10-30")
        .copied()
        .collect();
    let total = usage(&app, &key, &format!("metric=energy&bucket=total&{hours}")).await;
    assert_eq!(sums(&total, "customer"), naive(&some, |_| "", |_| "2026-10-30T05:00:00Z/2026-10-30T09:00:00Z".into()));
}

/// north: parent (a device of its own) > child > grandchild, and a second child; groups and kinds.
async fn family(app: &TestApp) -> String {
    let key = app.provider("north", "Europe/Paris").await;
    metric(app, &key, "energy", "delta").await;
    for (customer, parent) in
        [("parent", None), ("child", Some("parent")), ("grandchild", Some("child")), ("second", Some("parent"))]
    {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": customer, "parent": parent}))
            .await
            .expect_status(201);
    }
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "child"})).await.expect_status(201);
    app.put(&key, "/v1/groups/cellar", json!({"name": "Cellar", "customer": "child"})).await.expect_status(201);
    for (device, customer, group, kind) in [
        ("p", "parent", None, "gateway"),
        ("c1", "child", Some("roof"), "device"),
        ("c2", "child", Some("roof"), "device"),
        ("g", "grandchild", None, "device"),
    ] {
        app.put(&key, &format!("/v1/devices/{device}"), json!({"customer": customer, "group": group, "kind": kind}))
            .await
            .expect_status(201);
    }
    let reading =
        |device: &str, at: &str, value: &str| json!({"device": device, "metric": "energy", "at": at, "value": value});
    post(
        app,
        &key,
        vec![
            reading("p", "2026-11-03T10:00:00+01:00", "1"),
            reading("c1", "2026-11-03T10:00:00+01:00", "10"),
            reading("c1", "2026-11-04T10:00:00+01:00", "10"),
            reading("c2", "2026-11-04T10:00:00+01:00", "100.001"),
            reading("g", "2026-11-05T10:00:00+01:00", "1000"),
        ],
    )
    .await;
    app.settle().await;
    key
}

pub async fn a_customer_counts_with_its_subtree_and_splits_into_sub_customers(app: TestApp) {
    let key = family(&app).await;
    let sum = async |query: &str| {
        let answer =
            usage(&app, &key, &format!("metric=energy&bucket=month&from=2026-11-01&to=2026-12-01&{query}")).await;
        let series = answer["series"].as_array().unwrap().clone();
        series.into_iter().map(|s| json!([s["customer"], s["points"][0]["sum"]])).collect::<Vec<_>>()
    };
    assert_eq!(sum("scope=customer:parent").await, [json!([null, "1121.001"])]);
    assert_eq!(sum("scope=customer:parent&own=true").await, [json!([null, "1.000"])]);
    assert_eq!(sum("scope=customer:child").await, [json!([null, "1120.001"])]);
    let split = [json!(["child", "1120.001"]), json!(["second", null]), json!(["parent", "1.000"])];
    assert_eq!(sum("scope=customer:parent&by=customer").await, split);
    assert_eq!(sum("by=customer").await, [json!(["parent", "1121.001"])]);
}

pub async fn usage_splits_by_group_device_and_kind(app: TestApp) {
    let key = family(&app).await;
    let series = async |query: &str, label: &str| {
        let answer =
            usage(&app, &key, &format!("metric=energy&bucket=total&from=2026-11-01&to=2026-12-01&{query}")).await;
        let series = answer["series"].as_array().unwrap().clone();
        series
            .into_iter()
            .map(|s| json!([s[label], s["points"][0]["sum"], s["points"][0]["count"]]))
            .collect::<Vec<_>>()
    };
    let groups = [json!(["cellar", null, null]), json!(["roof", "120.001", 3]), json!([null, "1001.000", 2])];
    assert_eq!(series("by=group", "group").await, groups);
    let devices = [json!(["c1", "20.000", 2]), json!(["c2", "100.001", 1])];
    assert_eq!(series("scope=group:roof&by=device", "device").await, devices);
    let kinds = [json!(["device", "1120.001", 4]), json!(["gateway", "1.000", 1])];
    assert_eq!(series("by=kind", "kind").await, kinds);
    assert_eq!(series("scope=device:c2", "device").await, [json!([null, "100.001", 1])]);
    assert_eq!(series("scope=group:roof", "group").await, [json!([null, "120.001", 3])]);
}

pub async fn active_devices_are_distinct_over_the_period(app: TestApp) {
    let key = family(&app).await;
    let active = async |query: &str| {
        let answer =
            usage(&app, &key, &format!("metric=energy&stats=active_devices&from=2026-11-01&to=2026-12-01&{query}"))
                .await;
        let points = answer["series"].as_array().unwrap().iter().flat_map(|s| s["points"].as_array().unwrap());
        points.map(|p| p["active_devices"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(active("bucket=month").await, [4]);
    assert_eq!(active("bucket=day").await, [2, 2, 1]);
    assert_eq!(active("bucket=month&scope=customer:child").await, [3]);
    assert_eq!(active("bucket=day&scope=customer:child&fill=zero").await[..6], [0, 0, 1, 2, 1, 0]);
    assert_eq!(active("bucket=total&scope=group:roof").await, [2]);
    assert_eq!(active("bucket=month&by=customer").await, [4]);
    assert_eq!(active("bucket=month&by=kind").await, [3, 1]);
}

pub async fn gauges_have_levels_and_gaps_can_be_filled(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    app.put(&key, "/v1/devices/d", json!({"customer": "acme"})).await.expect_status(201);
    app.put(&key, "/v1/metrics/level", json!({"name": "Level", "unit": "%", "kind": "gauge", "scale": 1}))
        .await
        .expect_status(201);
    let reading = |at: &str, value: f64| json!({"device": "d", "metric": "level", "at": at, "value": value});
    let readings = [
        ("2026-09-30T23:00:00Z", 7.5),
        ("2026-11-02T01:00:00Z", 1.5),
        ("2026-11-02T02:00:00Z", 2.0),
        ("2026-11-02T03:00:00Z", -3.1),
    ];
    post(&app, &key, readings.map(|(at, value)| reading(at, value)).to_vec()).await;
    app.settle().await;

    let days = usage(
        &app,
        &key,
        "metric=level&bucket=day&from=2026-11-01&to=2026-11-04&fill=previous&stats=min,max,avg,first,last,count",
    )
    .await;
    let values = |p: &Value| ["min", "max", "avg", "first", "last", "count"].map(|stat| p[stat].clone());
    let points: Vec<_> = days["series"][0]["points"].as_array().unwrap().iter().map(values).collect();
    // (1.5 + 2.0 - 3.1) / 3 = 0.1333...
    let same = |level: &str| json!([level, level, level, level, level, 0]);
    assert_eq!(json!(points), json!([same("7.5"), ["-3.1", "2.0", "0.1", "1.5", "-3.1", 3], same("-3.1")]));

    let months = usage(
        &app,
        &key,
        "metric=level&bucket=month&scope=device:d&from=2026-10-01&to=2026-11-01&fill=previous&stats=last",
    )
    .await;
    assert_eq!(months["series"][0]["points"][0]["last"], "7.5");
    let default = usage(&app, &key, "metric=level&bucket=day&from=2026-11-01&to=2026-11-04").await;
    let point = &default["series"][0]["points"][0];
    assert_eq!((&point["avg"], &point["sum"], &point["period"]), (&json!("0.1"), &Value::Null, &json!("2026-11-02")));
    let zero =
        usage(&app, &key, "metric=level&bucket=day&from=2026-11-01&to=2026-11-02&fill=zero&stats=last,count").await;
    assert_eq!(zero["series"][0]["points"][0]["last"], Value::Null);
    let answer = app
        .get(&key, "/v1/usage?metric=level&bucket=day&from=2026-11-01&to=2026-11-02&stats=sum")
        .await
        .expect_status(422);
    assert_eq!(answer.problem(), "meaningless_statistic");
}

pub async fn late_readings_correct_the_figures(app: TestApp) {
    let key = family(&app).await;
    let query = "metric=energy&bucket=day&scope=customer:grandchild&from=2026-11-01&to=2026-12-01";
    let before = usage(&app, &key, query).await;
    assert_eq!(before["series"][0]["points"].as_array().unwrap().len(), 1);
    post(&app, &key, vec![json!({"device": "g", "metric": "energy", "at": "2026-11-01T00:00:00+01:00", "value": 0.5})])
        .await;
    app.settle().await;
    let after = usage(&app, &key, query).await;
    assert_eq!(after["series"][0]["points"][0]["sum"], "0.500");
    assert!(after["fresh_through"].as_str() > before["fresh_through"].as_str());
}

pub async fn usage_as_csv_has_the_same_figures(app: TestApp) {
    let key = family(&app).await;
    let url = format!(
        "{}/v1/usage?metric=energy&bucket=month&by=customer&scope=customer:parent&from=2026-11-01&to=2026-12-01",
        app.base
    );
    let answer = crate::harness::Answer::of(app.client.get(url).bearer_auth(&key).header("accept", "text/csv"))
        .await
        .expect_status(200);
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let rows = "metric,unit,customer,time_zone,period,start,end,sum,count,final\n\
        energy,kWh,child,Europe/Paris,2026-11,2026-11-01T00:00:00+01:00,2026-12-01T00:00:00+01:00,1120.001,4,false\n\
        energy,kWh,parent,Europe/Paris,2026-11,2026-11-01T00:00:00+01:00,2026-12-01T00:00:00+01:00,1.000,1,false\n";
    assert_eq!(answer.text, rows);
}

pub async fn questions_that_make_no_sense_are_told_so(app: TestApp) {
    let key = family(&app).await;
    let cases = [
        ("bucket=day&from=2026-11-01&to=2026-12-01", 400, "metric"),
        ("metric=energy&bucket=week&from=2026-11-01&to=2026-12-01", 400, "bucket"),
        ("metric=energy&bucket=day&from=2026-11-01T10:00:00Z&to=2026-12-01", 400, "from"),
        ("metric=energy&bucket=day&from=2026-11-01&to=2026-11-01", 400, "to"),
        ("metric=energy&bucket=day&from=2026-11-01T00:00:00&to=2026-12-01", 400, "from"),
        ("metric=energy&bucket=day&from=2026-11-01&to=2026-12-01&by=colour", 400, "by"),
        ("metric=energy&bucket=day&from=2026-11-01&to=2026-12-01&by=customer&scope=group:roof", 400, "by"),
        ("metric=energy&bucket=day&from=2026-11-01&to=2026-12-01&own=true", 400, "own"),
        ("metric=energy&bucket=day&from=2026-11-01&to=2026-12-01&stats=sum,median", 400, "stats"),
        ("metric=energy&bucket=day&from=2026-11-01&to=2026-12-01&scope=customer:nobody", 404, "scope"),
        ("metric=energy&bucket=day&from=2026-11-01&to=2026-12-01&scope=device:nobody", 404, "scope"),
        ("metric=energy,heat&bucket=day&from=2026-11-01&to=2026-12-01", 404, "metric"),
    ];
    for (query, status, parameter) in cases {
        let answer = app.get(&key, &format!("/v1/usage?{query}")).await.expect_status(status);
        assert_eq!(answer.json()["errors"][0]["pointer"], parameter, "{query}: {}", answer.text);
    }
    let answer = app
        .get(&key, "/v1/usage?metric=energy&bucket=hour&fill=zero&from=1990-01-01&to=2026-01-01")
        .await
        .expect_status(422);
    assert_eq!(answer.problem(), "too_many_points");
}

pub async fn usage_of_another_provider_is_not_there(app: TestApp) {
    family(&app).await;
    let other = app.provider("south", "UTC").await;
    metric(&app, &other, "heat", "delta").await;
    let range = "bucket=day&from=2026-11-01&to=2026-12-01";
    for query in [
        "metric=energy",
        "metric=heat&scope=customer:parent",
        "metric=heat&scope=group:roof",
        "metric=heat&scope=device:g",
    ] {
        app.get(&other, &format!("/v1/usage?{query}&{range}")).await.expect_status(404);
    }
    let own = usage(&app, &other, &format!("metric=heat&{range}&by=customer")).await;
    assert_eq!(own["series"], json!([]));
    let ingest = app.key("south", Scope::Ingest).await;
    app.get(&ingest, &format!("/v1/usage?metric=heat&{range}")).await.expect_status(403);
    app.get(&app.admin, &format!("/v1/usage?metric=heat&{range}")).await.expect_status(400);
    app.get(&app.admin, &format!("/v1/usage?metric=heat&{range}&provider=south")).await.expect_status(200);
}
