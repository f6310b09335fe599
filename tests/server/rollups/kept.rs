//! Questions about what is no longer kept: refused, never answered with less than there was.

use chrono::{DateTime, Days, NaiveDate, SecondsFormat, SubsecRound, TimeDelta, Utc};
use meterbase::keys::Scope;
use meterbase::rollup::retention::Keep;
use serde_json::{Value, json};

use super::retention::{DAY, retain};
use crate::fixtures::{self, Metric};
use crate::harness::{Answer, TestApp};

const KEEP: Keep = Keep {
    readings: Some(DAY.saturating_mul(40)),
    hourly: Some(DAY.saturating_mul(60)),
    daily: Some(DAY.saturating_mul(200)),
    monthly: None,
};

/// Noon, UTC, so many days ago.
fn noon(days: u64) -> DateTime<Utc> {
    day(days).and_hms_opt(12, 0, 0).expect("noon").and_utc()
}

fn day(days: u64) -> NaiveDate {
    Utc::now().date_naive() - Days::new(days)
}

/// Readings of 400, 100 and 5 days ago, of which each level keeps some. A key that may read.
async fn history(app: &TestApp) -> String {
    let ingest = fixtures::north(app).await;
    fixtures::metric(&mut app.db().await, "north", "level", Metric { kind: "gauge", scale: 1, ..Metric::default() })
        .await;
    let reading = |metric: &str, days: u64, value: &str| json!({"device": "m1", "metric": metric, "at": noon(days), "value": value});
    let readings = [
        reading("energy", 400, "1"),
        reading("energy", 100, "20"),
        reading("energy", 5, "300"),
        reading("level", 400, "7.5"),
    ];
    assert_eq!(fixtures::counts(&fixtures::send_json(app, &ingest, &json!(readings)).await)[1], 4);
    app.settle().await;
    retain(app, &KEEP).await;
    app.key("north", Scope::Provider).await
}

/// As a parameter of a query.
fn z(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn usage(app: &TestApp, key: &str, question: &str) -> Answer {
    app.get(key, &format!("/v1/usage?scope=customer:acme&{question}")).await
}

fn total(answer: &Value) -> f64 {
    let points = answer["series"][0]["points"].as_array().expect("points");
    points.iter().map(|point| point["sum"].as_str().expect("a sum").parse::<f64>().expect("a number")).sum()
}

pub async fn a_question_about_what_was_dropped_is_refused(app: TestApp) {
    let key = history(&app).await;
    let tomorrow = Utc::now().date_naive() + Days::new(1);
    let month = |days: u64| chrono::Datelike::with_day(&day(days), 1).expect("a first");
    let next_month = month(0) + chrono::Months::new(1);

    // What each level still has, and what it has no longer.
    for (bucket, from, expected) in [("hour", day(50), 300.0), ("day", day(150), 320.0), ("month", month(400), 321.0)] {
        let to = if bucket == "month" { next_month } else { tomorrow };
        let answer = usage(&app, &key, &format!("metric=energy&bucket={bucket}&from={from}&to={to}")).await;
        assert_eq!(total(&answer.expect_status(200).json()), expected, "by {bucket}");
    }
    for (bucket, days) in [("hour", 100), ("hour", 400), ("day", 400), ("total", 400)] {
        let question = |from: &str| format!("metric=energy&bucket={bucket}&from={from}&to={tomorrow}");
        let refused = usage(&app, &key, &question(&day(days).to_string())).await.expect_status(422);
        assert_eq!(refused.problem(), "not_kept", "by {bucket}");
        let problem = refused.json();
        assert_eq!(problem["errors"][0]["pointer"], "from");
        // The day that it names is the first one that is answered.
        let detail = problem["detail"].as_str().expect("a detail");
        let first = detail.split(' ').find_map(|word| word.parse::<NaiveDate>().ok()).expect(detail);
        usage(&app, &key, &question(&first.to_string())).await.expect_status(200);
        usage(&app, &key, &question(&(first - Days::new(1)).to_string())).await.expect_status(422);
    }
    let hours = format!("metric=energy&bucket=total&from={}&to={}", z(noon(100)), z(noon(0)));
    assert_eq!(usage(&app, &key, &hours).await.expect_status(422).problem(), "not_kept");
    // Who was registered is known for all time.
    let registered =
        format!("metric=energy&bucket=day&from={}&to={}&stats=registered_devices&fill=zero", day(400), day(398));
    usage(&app, &key, &registered).await.expect_status(200);
}

pub async fn readings_that_were_dropped_are_not_listed_as_none(app: TestApp) {
    let key = history(&app).await;
    let list = async |range: &str| app.get(&key, &format!("/v1/devices/m1/readings?metric=energy{range}")).await;
    for (range, pointer) in [
        (format!("&from={}", day(100)), "from"),
        (format!("&from={}&to={}", day(100), day(90)), "from"),
        (format!("&to={}", day(90)), "to"),
    ] {
        let refused = list(&range).await.expect_status(422);
        assert_eq!(refused.problem(), "not_kept");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    for range in [String::new(), format!("&from={}", day(30)), format!("&to={}", day(0))] {
        let answer = list(&range).await.expect_status(200).json();
        assert_eq!(answer["items"].as_array().map(Vec::len), Some(1), "{range}");
    }
}

pub async fn gaps_are_filled_with_levels_from_before_what_is_kept(app: TestApp) {
    let key = history(&app).await;
    let now = Utc::now().trunc_subsecs(0);
    let hour = now - TimeDelta::seconds(now.timestamp() % 3600) - TimeDelta::days(10);
    let month = |days: u64| chrono::Datelike::with_day(&day(days), 1).expect("a first");
    for (bucket, from, to, points) in [
        ("day", day(30).to_string(), day(27).to_string(), 3),
        ("hour", z(hour), z(hour + TimeDelta::hours(2)), 2),
        ("total", month(300).to_string(), month(200).to_string(), 1),
    ] {
        let question = format!("metric=level&bucket={bucket}&from={from}&to={to}&stats=last&fill=previous");
        let answer = usage(&app, &key, &question).await.expect_status(200).json();
        let found = answer["series"][0]["points"].as_array().expect("points");
        assert_eq!(found.len(), points, "by {bucket}");
        assert!(found.iter().all(|point| point["last"] == "7.5"), "by {bucket}: {answer}");
    }
}
