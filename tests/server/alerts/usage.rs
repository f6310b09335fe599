//! An alert says what usage says.

use serde_json::{Value, json};

use super::world::World;
use crate::harness::TestApp;

const SCOPES: [&str; 7] =
    ["provider", "customer:acme", "customer:acme-sub", "customer:other", "group:roof", "device:m1", "device:m2"];

/// Readings of some days before and after a change of clocks in Paris, over the ends of billing months.
fn readings() -> String {
    let mut lines = String::new();
    for hour in 0..24 * 50 {
        let at =
            "2026-02-20T00:20:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap() + chrono::TimeDelta::hours(hour);
        let device = ["m1", "m2", "m3"][hour as usize % 3];
        let at = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        lines += &format!("{device},energy,{at},{}.{:03}\n", hour % 17, hour % 997);
        lines += &format!("{device},heat,{at},{}\n", hour * 7 % 41);
    }
    lines
}

/// The figure that usage has of a period.
async fn figure(world: &World<'_>, scope: &str, metric: &str, bucket: &str, stat: &str, told: &Value) -> Value {
    let [from, to] = match bucket {
        "hour" => [&told["start"], &told["end"]].map(|at| at.as_str().unwrap().to_owned()),
        _ => ["2026-02-01".to_owned(), "2026-06-01".to_owned()],
    };
    let path = format!("/v1/usage?metric={metric}&scope={scope}&bucket={bucket}&stats={stat}&from={from}&to={to}");
    let usage = world.app.get(&world.key, &path).await.expect_status(200).json();
    let points = usage["series"][0]["points"].as_array().unwrap();
    let point = points.iter().find(|point| point["period"] == told["period"]);
    point.unwrap_or_else(|| panic!("no {} in {usage}", told["period"]))[stat].clone()
}

pub async fn an_alert_tells_the_figures_of_usage(app: TestApp) {
    let world = World::new(&app).await;
    world.read(&readings()).await;
    let stats = [
        ("energy", "sum"),
        ("energy", "count"),
        ("energy", "active_devices"),
        ("energy", "registered_devices"),
        ("heat", "avg"),
        ("heat", "min"),
        ("heat", "max"),
        ("heat", "first"),
        ("heat", "last"),
    ];
    let mut alerts = Vec::new();
    for scope in SCOPES {
        for (metric, stat) in stats {
            for bucket in ["hour", "day", "month"] {
                let key = format!("a{}", alerts.len());
                let body = json!({"kind": "threshold", "scope": scope, "metric": metric, "bucket": bucket, "stat": stat, "above": "-1"});
                world.alert(&key, body).await;
                alerts.push((key, scope, metric, bucket, stat));
            }
        }
    }
    world.judge("2026-03-30T10:40:00Z").await;
    let mut fired = 0;
    for (key, scope, metric, bucket, stat) in &alerts {
        let alert = app.get(&world.key, &format!("/v1/alerts/{key}")).await.expect_status(200).json();
        if alert["state"] != "firing" {
            // Only where there is no reading in the hour.
            assert!(*bucket == "hour" && *metric == "heat", "{alert}");
            continue;
        }
        fired += 1;
        let told = &alert["last"];
        let usage = match told["value"].as_str() {
            // Zero has no point of its own.
            Some("0" | "0.000") if *bucket == "hour" && *stat != "registered_devices" => continue,
            _ => figure(&world, scope, metric, bucket, stat, told).await,
        };
        let usage = usage.as_str().map_or_else(|| usage.to_string(), str::to_owned);
        assert_eq!(told["value"], usage, "{key} {scope} {metric} {bucket} {stat}");
    }
    println!("{fired} alerts of {} compared with usage ({})", alerts.len(), app.edition);
    assert!(fired > 150);
}
