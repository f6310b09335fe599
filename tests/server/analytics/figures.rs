//! The views of figures, compared with `GET /v1/usage` over every level and period.

use std::collections::BTreeMap;

use super::{analyst, fleet, rows};
use crate::harness::TestApp;
use crate::usage::usage;

/// Period to what the columns or statistics say, as text; `-` for none.
type Points = BTreeMap<String, Vec<String>>;

const PERIODS: [(&str, &str, &str); 3] = [
    ("hour", "hourly", "to_char(hour, 'YYYY-MM-DD\"T\"HH24:00:00\"Z\"')"),
    ("day", "daily", "day::text"),
    ("month", "monthly", "to_char(month, 'YYYY-MM')"),
];

/// Scope of the API, view, and what tells its rows.
const SCOPES: [(&str, &str, &str); 8] = [
    ("provider", "provider", "true"),
    ("customer:acme&own=true", "customer", "customer = 'acme'"),
    ("customer:acme-north&own=true", "customer", "customer = 'acme-north'"),
    ("customer:acme-south", "customer", "customer = 'acme-south'"),
    ("customer:globex", "customer", "customer = 'globex'"),
    ("group:roof", "group", "device_group = 'roof'"),
    ("device:m2", "device", "device = 'm2'"),
    ("device:m3", "device", "device = 'm3'"),
];

/// What the API says of a metric and scope, and how many points that is.
async fn asked(app: &TestApp, key: &str, metric: &str, scope: &str, bucket: &str, stats: &str) -> Points {
    let query = format!("metric={metric}&scope={scope}&bucket={bucket}&stats={stats}&from=2026-10-01&to=2026-12-05");
    let answer = usage(app, key, &query).await;
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let points = answer["series"][0]["points"].as_array().expect("points").iter();
    // Where readings were expected and none came, the API has a point all the same.
    let points = points.filter(|p| p["count"] != 0);
    points.map(|p| (text(&p["period"]), stats.split(',').map(|stat| text(&p[stat])).collect())).collect()
}

/// The same from the views.
async fn seen(db: &mut sqlx::PgConnection, sql: &str) -> Points {
    let rows = rows(db, sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let number = rows.len();
    let points: Points = rows.into_iter().map(|row| (row[0].clone(), row[1..].to_vec())).collect();
    assert_eq!(points.len(), number, "a period comes once: {sql}");
    points
}

async fn compare(app: &TestApp, metric: &str, stats: &str, columns: &str) {
    let key = fleet(app).await;
    let mut db = analyst(app, "northwind").await;
    let mut compared = 0;
    for (bucket, adverb, period) in PERIODS {
        for (scope, level, condition) in SCOPES {
            let sql = format!(
                "SELECT {period}, {columns} FROM analytics.{level}_usage_{adverb} WHERE metric = '{metric}' AND {condition}"
            );
            let (asked, seen) = (asked(app, &key, metric, scope, bucket, stats).await, seen(&mut db, &sql).await);
            for (period, asked) in &asked {
                assert_eq!(seen.get(period), Some(asked), "{scope} {period}");
            }
            assert_eq!(seen.len(), asked.len(), "{scope} {bucket}");
            compared += seen.len();
        }
    }
    assert!(compared > 10, "{compared}");
}

pub async fn every_view_of_figures_says_what_the_api_says(app: TestApp) {
    let columns = "used, readings, lowest, highest, mean, first_value, last_value";
    compare(&app, "energy", "sum,count,min,max,avg,first,last", columns).await;
}

pub async fn levels_and_registers_say_what_the_api_says(app: TestApp) {
    compare(&app, "level", "count,min,max,avg,first,last", "readings, lowest, highest, mean, first_value, last_value")
        .await;
    let mut db = analyst(&app, "northwind").await;
    // 112.34 - 100.00; the jump waits for a decision.
    let register = "SELECT used, readings, mean, first_value, last_value FROM analytics.customer_usage_monthly
        WHERE metric = 'meter'";
    assert_eq!(rows(&mut db, register).await.expect("rows"), [["12.34", "3", "-", "100.00", "9112.34"]]);
    // The months of globex begin on the 5th: 2 and 3 November are in its October.
    let months =
        "SELECT DISTINCT month::text FROM analytics.customer_usage_monthly WHERE customer = 'globex' ORDER BY 1";
    assert_eq!(rows(&mut db, months).await.expect("rows"), [["2026-10-01"]]);
    let gauge = "SELECT count(used), count(mean) FROM analytics.provider_usage_daily WHERE metric = 'level'";
    assert_eq!(rows(&mut db, gauge).await.expect("rows"), [["0", "2"]]);
    let halves = "SELECT analytics.mean(5, 2), analytics.mean(7, 2), analytics.mean(-5, 2), analytics.mean(-7, 2),
        analytics.mean(10, 3), analytics.mean(-11, 3), analytics.mean(99999999999999999999999999999999999999, 2)";
    let expected = ["2", "4", "-2", "-4", "3", "-4", "50000000000000000000000000000000000000"];
    assert_eq!(rows(&mut db, halves).await.expect("rows"), [expected]);
}

pub async fn raw_readings_are_those_of_the_api(app: TestApp) {
    let key = fleet(&app).await;
    let mut db = analyst(&app, "northwind").await;
    for (device, metric, number) in [("m1", "energy", 156), ("m3", "meter", 3), ("m2", "level", 3)] {
        let path = format!("/v1/devices/{device}/readings?metric={metric}&from=2026-10-01&to=2026-12-01&limit=1000");
        let answer = app.get(&key, &path).await.expect_status(200).json();
        let items = answer["items"].as_array().expect("items").iter();
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let asked: Vec<_> = items.map(|item| vec![text(&item["at"]), text(&item["value"])]).collect();
        let sql = format!(
            "SELECT to_char(at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), value FROM analytics.readings
             WHERE device = '{device}' AND metric = '{metric}' ORDER BY at"
        );
        assert_eq!(rows(&mut db, &sql).await.expect("rows"), asked, "{device} {metric}");
        assert_eq!(asked.len(), number);
    }
    // A moved device's readings are those of the owner of their instant.
    let owners = "SELECT customer, device_group, count(*), min(day)::text, max(day)::text FROM analytics.readings
        WHERE device = 'm1' GROUP BY 1, 2 ORDER BY 1";
    let expected =
        [["acme-north", "roof", "107", "2026-10-29", "2026-11-02"], ["globex", "-", "49", "2026-11-02", "2026-11-04"]];
    assert_eq!(rows(&mut db, owners).await.expect("rows"), expected);
}
