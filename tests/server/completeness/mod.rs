//! Readings expected and received, compared with a count of every single instant.

mod naive;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::fixtures::{Metric, counts, metric, north, send_json};
use crate::harness::TestApp;
use naive::{Channel, Instant, Stay};

async fn first_readings(app: &TestApp) -> Vec<(String, DateTime<Utc>)> {
    let firsts = "SELECT m.key::text || ch.dimensions, ch.first_ts FROM channel ch JOIN metric m USING (metric_id)";
    let mut firsts: Vec<_> = sqlx::query_as(firsts).fetch_all(&mut app.db().await).await.expect("the channels");
    firsts.sort();
    firsts
}

pub async fn a_channel_knows_its_earliest_reading(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    metric(&mut db, "north", "meter", Metric { kind: "register", scale: 3, ..Metric::default() }).await;
    let at = |minutes: i64| "2026-11-02T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes);
    let names = [("energy", json!({})), ("energy", json!({"phase": "L1"})), ("meter", json!({}))];
    let reading = |(metric, dimensions): &(&str, serde_json::Value), minutes: i64| json!({"device": "m1", "metric": metric, "dimensions": dimensions, "at": at(minutes), "value": 1});
    // Each batch has a channel or two, in an order of its own; they come over several connections at once.
    let batches = (0..60_i64).map(|number| {
        let minutes = number * 37 % 60 + 5;
        let of = |place: i64| reading(&names[(number + place) as usize % 3], minutes + place);
        let batch = if number % 2 == 0 { json!([of(0), of(1)]) } else { json!([of(1), of(0), of(2)]) };
        let (app, key) = (&app, &key);
        async move { assert_eq!(counts(&send_json(app, key, &batch).await)[5], 0) }
    });
    join_all(batches).await;
    let sent = "SELECT m.key::text || ch.dimensions, min(r.ts)
        FROM reading r JOIN channel ch USING (channel_id) JOIN metric m USING (metric_id) GROUP BY ch.channel_id, m.key";
    let mut sent: Vec<(String, DateTime<Utc>)> = sqlx::query_as(sent).fetch_all(&mut db).await.unwrap();
    sent.sort();
    assert_eq!(sent.len(), 3);
    assert_eq!(first_readings(&app).await, sent);

    // What is not stored begins nothing; what is later neither.
    let before = json!([{"device": "m1", "metric": "energy", "at": at(-60), "value": "1e30"}, reading(&names[0], 600)]);
    assert_eq!(counts(&send_json(&app, &key, &before).await)[5], 1);
    assert_eq!(first_readings(&app).await, sent);
    let before = json!([reading(&names[0], -60), reading(&names[0], -30)]);
    assert_eq!(counts(&send_json(&app, &key, &before).await)[1], 2);
    sent[1].1 = at(-60);
    assert_eq!((sent[1].0.as_str(), first_readings(&app).await), ("energy{}", sent.clone()));
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

const ZONES: [(&str, Option<&str>, Tz); 3] = [
    ("paris", None, Tz::Europe__Paris),
    ("kathmandu", Some("paris"), Tz::Asia__Kathmandu),
    ("st-johns", None, Tz::America__St_Johns),
];

/// Where the devices are, from October to December of 2025; `m4` is retired in between.
fn stays() -> BTreeMap<&'static str, Vec<Stay>> {
    let (paris, kathmandu, st_johns) = (Tz::Europe__Paris, Tz::Asia__Kathmandu, Tz::America__St_Johns);
    let (first, second) = (Some(utc("2025-11-04T23:30:00Z")), Some(utc("2025-11-20T10:07:00Z")));
    BTreeMap::from([
        ("m1", vec![("paris", paris, None, None, None)]),
        ("m2", vec![("kathmandu", kathmandu, Some("roof"), None, first), ("st-johns", st_johns, None, first, None)]),
        (
            "m3",
            vec![
                ("paris", paris, None, None, first),
                ("kathmandu", kathmandu, None, first, second),
                ("kathmandu", kathmandu, Some("roof"), second, None),
            ],
        ),
        ("m4", vec![("st-johns", st_johns, None, None, first), ("st-johns", st_johns, None, second, None)]),
    ])
}

/// Intervals that fit into hours, that do not, and days; first readings on and beside the grid of the clock.
const METRICS: [(&str, i64, &str); 4] =
    [("quarter", 900, "15m"), ("odd", 4931, "4931s"), ("daily", 86_400, "1d"), ("weekly", 604_800, "7d")];

/// Device, dimensions, first reading.
fn streams() -> [(&'static str, Value, DateTime<Utc>); 6] {
    [
        ("m1", json!({}), utc("2025-10-03T00:00:00Z")),
        ("m1", json!({"phase": "L1"}), utc("2025-11-11T11:11:11.111111Z")),
        ("m2", json!({}), utc("2025-09-30T18:15:00Z")),
        ("m3", json!({}), utc("2025-10-26T00:59:59.999999Z")),
        ("m4", json!({}), utc("2025-10-01T00:07:30Z")),
        ("m4", json!({"phase": "L1"}), utc("2025-11-20T10:07:00Z")),
    ]
}

async fn fleet(app: &TestApp) -> String {
    let key = app.provider("north", "UTC").await;
    for (customer, parent, zone) in ZONES {
        let body = json!({"name": customer, "parent": parent, "time_zone": zone.name()});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201);
    }
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "kathmandu"})).await.expect_status(201);
    for (metric, seconds, text) in METRICS {
        let body = json!({"name": metric, "unit": "", "kind": "gauge", "expected_interval": seconds});
        let made = app.put(&key, &format!("/v1/metrics/{metric}"), body).await.expect_status(201).json();
        assert_eq!(made["expected_interval"], text);
    }
    let plain = json!({"name": "plain", "unit": "", "kind": "delta"});
    app.put(&key, "/v1/metrics/plain", plain).await.expect_status(201);
    for (device, stays) in stays() {
        let mut stays = stays.into_iter();
        let (customer, _, group, ..) = stays.next().expect("a first one");
        let body = json!({"customer": customer, "group": group});
        app.put(&key, &format!("/v1/devices/{device}"), body).await.expect_status(201);
        for (customer, _, group, from, _) in stays {
            let body = json!({"customer": customer, "group": group, "at": from});
            app.post(&key, &format!("/v1/devices/{device}/moves"), body).await.expect_status(200);
        }
    }
    // Out of service in between: the API retires as of now only.
    let ended = "UPDATE assignment SET during = tstzrange(lower(during), '2025-11-04 23:30Z')
        WHERE lower_inf(during) AND device_id = (SELECT device_id FROM device WHERE key = 'm4')";
    let begun = "INSERT INTO assignment (provider_id, device_id, customer_id, during)
        SELECT provider_id, device_id, customer_id, '[2025-11-20 10:07Z,)' FROM assignment
        WHERE device_id = (SELECT device_id FROM device WHERE key = 'm4')";
    for statement in [ended, begun] {
        sqlx::query(statement).execute(&mut app.db().await).await.expect("another assignment");
    }
    key
}

/// Label -> period -> number, of a series of one metric.
fn told(answer: &Value, field: &str, label: Option<&str>) -> BTreeMap<String, BTreeMap<String, i64>> {
    let mut numbers = BTreeMap::new();
    for series in answer["series"].as_array().expect("series") {
        let label = label.and_then(|label| series[label].as_str()).unwrap_or_default().to_owned();
        let total = answer["bucket"] == "total";
        let period = |p: &Value| if total { String::new() } else { p["period"].as_str().unwrap().to_owned() };
        let points = series["points"].as_array().expect("points").iter();
        let points: BTreeMap<_, _> = points
            .map(|p| (period(p), p[field].as_i64().unwrap_or_else(|| panic!("no {field}: {p}"))))
            .filter(|(_, number)| *number > 0)
            .collect();
        if !points.is_empty() {
            numbers.insert(label, points);
        }
    }
    numbers
}

pub async fn expected_readings_are_counted_over_moves_zones_and_intervals(app: TestApp) {
    let key = fleet(&app).await;
    let stays = stays();
    let mut readings = Vec::new();
    for (metric, ..) in METRICS {
        readings.extend(streams().into_iter().map(|(device, dimensions, first)| {
            json!({"device": device, "metric": metric, "dimensions": dimensions, "at": first, "value": 1})
        }));
    }
    assert_eq!(counts(&send_json(&app, &key, &json!(readings)).await)[1], 24);
    app.settle().await;

    let in_days = |i: &Instant, from: &str, to: &str| {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        (day(from)..day(to)).contains(&i.day)
    };
    type Label = fn(&Instant) -> Option<String>;
    let of_paris = |i: &Instant| i.customer != "st-johns";
    let questions: [(&str, Option<&str>, Label, bool); 7] = [
        ("", None, |_| Some(String::new()), false),
        ("by=device", Some("device"), |i| Some(i.device.to_owned()), false),
        ("scope=customer:paris", None, |_| Some(String::new()), true),
        ("scope=customer:paris&by=customer", Some("customer"), |i| Some(i.customer.to_owned()), true),
        ("scope=customer:paris&by=group", Some("group"), |i| Some(i.group.unwrap_or_default().to_owned()), true),
        ("scope=device:m3", None, |i| (i.device == "m3").then(String::new), false),
        ("scope=group:roof&by=kind", Some("kind"), |i| i.group.map(|_| "device".to_owned()), false),
    ];
    let mut compared = 0;
    for (metric, seconds, _) in METRICS {
        let channels: Vec<_> = streams()
            .into_iter()
            .map(|(device, _, first)| Channel {
                device,
                stays: &stays[device],
                first,
                interval: TimeDelta::seconds(seconds),
            })
            .collect();
        let instants = naive::instants(&channels, utc("2025-12-10T00:00:00Z"));
        for (query, label_name, label, paris_only) in questions {
            let label = |i: &Instant| label(i).filter(|_| !paris_only || of_paris(i));
            for (bucket, from, to) in [
                ("day", "2025-10-20", "2025-11-25"),
                ("month", "2025-09-01", "2025-12-01"),
                ("month", "2025-10-10", "2025-11-12"),
                ("total", "2025-10-10", "2025-11-12"),
                ("hour", "2025-11-03", "2025-11-07"),
            ] {
                let path = format!("/v1/usage?metric={metric}&bucket={bucket}&from={from}&to={to}&{query}");
                let answer = app.get(&key, &path).await.expect_status(200).json();
                let period = |i: &Instant| in_days(i, from, to).then(|| i.period(bucket));
                let expected = naive::count(&instants, label, period);
                compared += expected.values().map(BTreeMap::len).sum::<usize>();
                assert_eq!(told(&answer, "expected", label_name), expected, "{path}");
            }
        }
        let hours = "from=2025-11-04T22:00:00Z&to=2025-11-05T01:00:00Z&bucket=hour&scope=device:m2";
        let answer = app.get(&key, &format!("/v1/usage?metric={metric}&{hours}")).await.expect_status(200).json();
        let within = |i: &Instant| {
            (utc("2025-11-04T22:00:00Z")..utc("2025-11-05T01:00:00Z")).contains(&i.at).then(|| i.period("hour"))
        };
        let expected = naive::count(&instants, |i| (i.device == "m2").then(String::new), within);
        assert_eq!(told(&answer, "expected", None), expected);
    }
    assert!(compared > 1000, "{compared} points were compared");
}

pub async fn what_was_received_is_told_beside_what_was_expected(app: TestApp) {
    let key = fleet(&app).await;
    let (start, quarter) = (utc("2025-11-10T00:00:00Z"), TimeDelta::minutes(15));
    // Three days of quarters; the second one is missing but for a reading; one reading of the third comes late.
    let sent = (0..288).filter(|n| !(96..192).contains(n) || *n == 100).filter(|n| *n != 200);
    let reading = |n: i32| json!({"device": "m1", "metric": "quarter", "at": start + quarter * n, "value": n});
    send_json(&app, &key, &json!(sent.map(reading).collect::<Vec<_>>())).await;
    let other = json!([{"device": "m1", "metric": "plain", "at": start, "value": 1}]);
    send_json(&app, &key, &other).await;
    app.settle().await;
    let query = "metric=quarter&stats=count&scope=device:m1&bucket=day&from=2025-11-09&to=2025-11-16";
    let days = async |query: &str| {
        let answer = app.get(&key, &format!("/v1/usage?{query}")).await.expect_status(200).json();
        let point = |p: &Value| json!([p["period"], p["count"], p["expected"], p["received"]]);
        answer["series"][0]["points"].as_array().unwrap().iter().map(point).collect::<Vec<_>>()
    };
    // The device is billed in Paris: each of its days begins at 23:00 in UTC. From the 13th on nothing came.
    let expected = [
        json!(["2025-11-10", 92, 92, 92]),
        json!(["2025-11-11", 5, 96, 5]),
        json!(["2025-11-12", 91, 96, 91]),
        json!(["2025-11-13", 4, 96, 4]),
        json!(["2025-11-14", 0, 96, 0]),
        json!(["2025-11-15", 0, 96, 0]),
    ];
    assert_eq!(days(query).await, expected);
    let filled = days(&format!("{query}&fill=zero")).await;
    assert_eq!((&filled[0], &filled[1..]), (&json!(["2025-11-09", 0, 0, 0]), &expected[..]));

    send_json(&app, &key, &json!([reading(200)])).await;
    app.settle().await;
    assert_eq!(days(query).await[2], json!(["2025-11-12", 92, 96, 92]));
    // A history sent later begins the channel earlier; readings beside the grid count as received.
    let before = [-3, -2].map(|n| json!({"device": "m1", "metric": "quarter", "at": start + quarter * n, "value": 0}));
    let beside = json!({"device": "m1", "metric": "quarter", "at": start + TimeDelta::minutes(7), "value": 0});
    send_json(&app, &key, &json!([before[0], before[1], beside])).await;
    app.settle().await;
    assert_eq!(days(query).await[0], json!(["2025-11-10", 95, 95, 95]));

    // A metric without an interval has no such numbers; in CSV the columns are there when any metric has them.
    let both = "metric=quarter,plain&stats=count&scope=device:m1&bucket=day&from=2025-11-10&to=2025-11-11";
    let answer = app.get(&key, &format!("/v1/usage?{both}")).await.expect_status(200).json();
    let plain = answer["series"][1]["points"][0].as_object().unwrap();
    assert!(!plain.contains_key("expected") && !plain.contains_key("received"), "{plain:?}");
    let csv = async |query: &str| {
        let csv = app.client.get(format!("{}/v1/usage?{query}", app.base)).bearer_auth(&key);
        crate::harness::Answer::of(csv.header("accept", "text/csv")).await.expect_status(200).text
    };
    let span = "Europe/Paris,2025-11-10,2025-11-10T00:00:00+01:00,2025-11-11T00:00:00+01:00";
    let rows = format!(
        "metric,unit,time_zone,period,start,end,count,expected,received,final\n\
        quarter,,{span},95,95,95,true\nplain,,{span},1,,,true\n"
    );
    assert_eq!(csv(both).await, rows);
    assert!(
        csv(&both.replace("quarter,", "")).await.starts_with("metric,unit,time_zone,period,start,end,count,final\n")
    );
    // The interval may change at any time, and go.
    let body = json!({"name": "quarter", "unit": "", "kind": "gauge", "expected_interval": "1h"});
    app.put(&key, "/v1/metrics/quarter", body).await.expect_status(200);
    assert_eq!(days(query).await[4], json!(["2025-11-14", 0, 24, 0]));
    let body = json!({"name": "quarter", "unit": "", "kind": "gauge"});
    app.put(&key, "/v1/metrics/quarter", body).await.expect_status(200);
    assert_eq!(days(query).await.len(), 4);
}

pub async fn nothing_is_expected_of_what_is_not_known_yet(app: TestApp) {
    let key = fleet(&app).await;
    let first = DateTime::from_timestamp(Utc::now().timestamp() - 5 * 86_400, 0).expect("a time");
    let reading = json!([{"device": "m1", "metric": "odd", "at": first, "value": 1}]);
    send_json(&app, &key, &reading).await;
    app.settle().await;
    let day = |days: i64| (first + TimeDelta::days(days)).date_naive();
    let query = format!("metric=odd&scope=customer:paris&bucket=total&from={}&to={}", day(-3), day(30));
    let answer = app.get(&key, &format!("/v1/usage?{query}")).await.expect_status(200).json();
    let fresh_through = utc(answer["fresh_through"].as_str().unwrap());
    let passed = (0..).take_while(|n| first + TimeDelta::seconds(4931 * n) < fresh_through).count();
    assert!(passed > 80);
    assert_eq!(answer["series"][0]["points"][0]["expected"], passed);
}

pub async fn a_period_is_final_when_late_readings_are_no_longer_awaited(app: TestApp) {
    let key = fleet(&app).await;
    let midnight = Utc::now().date_naive();
    let ago = |days: i64| midnight - TimeDelta::days(days);
    let readings: Vec<_> = (0..40)
        .map(|days| {
            let at = ago(days).and_hms_opt(0, 0, 0).expect("a midnight").and_utc();
            json!({"device": "m1", "metric": "plain", "at": at, "value": 1})
        })
        .collect();
    send_json(&app, &key, &json!(readings)).await;
    app.settle().await;
    let finals = async |scope: &str| {
        let query = format!("metric=plain&fill=zero&bucket=day&from={}&to={}&{scope}", ago(36), ago(24));
        let answer = app.get(&key, &format!("/v1/usage?{query}")).await.expect_status(200).json();
        let fresh_through = utc(answer["fresh_through"].as_str().unwrap());
        let points = answer["series"][0]["points"].as_array().unwrap().clone();
        let told: Vec<_> = points.iter().map(|p| p["final"].as_bool().unwrap()).collect();
        let days = points.iter().map(|p| p["period"].as_str().unwrap().parse::<NaiveDate>().unwrap());
        (told, days.collect::<Vec<_>>(), fresh_through)
    };
    // The tests' server awaits late readings for 30 days. A day ends last in the westernmost zone.
    let over = |day: NaiveDate, zone: Tz, fresh_through: DateTime<Utc>| {
        let end = (day + TimeDelta::days(1)).and_hms_opt(0, 0, 0).expect("a midnight").and_local_timezone(zone);
        end.earliest().expect("a midnight").to_utc() + TimeDelta::days(30) <= fresh_through
    };
    for (scope, zone) in [("scope=device:m1", Tz::Europe__Paris), ("", Tz::America__St_Johns)] {
        let (told, days, fresh_through) = finals(scope).await;
        let expected: Vec<_> = days.iter().map(|day| over(*day, zone, fresh_through)).collect();
        assert_eq!(told, expected, "{scope}");
        assert!(told[0] && !told[11], "{scope}: {told:?}");
    }
    let thirty_days_ago = finals("scope=device:m1").await.0[5];
    // While the figures have yet to follow a change, no period is final whose late readings it may be among.
    let behind = "INSERT INTO reading_change (hour, changed_at)
        VALUES (date_trunc('hour', now()), now() - interval '4 days')";
    sqlx::query(behind).execute(&mut app.db().await).await.expect("a change");
    let (told, days, fresh_through) = finals("scope=device:m1").await;
    assert!(Utc::now() - fresh_through >= TimeDelta::days(4));
    let expected: Vec<_> = days.iter().map(|day| over(*day, Tz::Europe__Paris, fresh_through)).collect();
    assert_eq!(told, expected);
    assert_eq!((told[0], thirty_days_ago, told[5]), (true, true, false));
}
