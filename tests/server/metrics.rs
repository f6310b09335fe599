//! Metrics: exact settings, and what is fixed once readings exist.

use serde_json::json;

use crate::harness::TestApp;
use crate::stored;

pub async fn a_metric_is_made_replaced_and_found(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let made = app.put(&key, "/v1/metrics/energy", json!({"name": "Energy", "unit": "kWh", "kind": "delta"})).await;
    let made = made.expect_status(201).json();
    assert_eq!(made["scale"], 3);
    assert_eq!(made["strict"], false);
    assert_eq!((&made["rollover_at"], &made["max_per_hour"]), (&json!(null), &json!(null)));

    // A number this long would lose digits as a double.
    let body = r#"{"name": "E", "unit": "", "kind": "register", "scale": 1, "strict": true,
        "rollover_at": 900719925474099310.5, "max_per_hour": "2.5e2"}"#;
    let request = app.client.put(format!("{}/v1/metrics/energy", app.base)).bearer_auth(&key);
    let request = request.header("content-type", "application/json").body(body);
    let replaced = crate::harness::Answer::of(request).await.expect_status(200).json();
    assert_eq!(replaced["rollover_at"], "900719925474099310.5");
    assert_eq!(replaced["max_per_hour"], "250.0");
    assert_eq!(replaced["strict"], true);
    assert_eq!(app.get(&key, "/v1/metrics/energy").await.expect_status(200).json(), replaced);
    assert_eq!(app.get(&key, "/v1/metrics").await.json(), json!({"items": [replaced], "next": null}));
}

pub async fn settings_of_registers_are_exact_and_positive(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let cases = [
        (json!({"kind": "delta", "rollover_at": 5}), "/rollover_at"),
        (json!({"kind": "gauge", "max_per_hour": "5"}), "/max_per_hour"),
        (json!({"kind": "register", "rollover_at": 0}), "/rollover_at"),
        (json!({"kind": "register", "rollover_at": "-1"}), "/rollover_at"),
        (json!({"kind": "register", "rollover_at": "1.2345"}), "/rollover_at"),
        (json!({"kind": "register", "rollover_at": "many"}), "/rollover_at"),
        (json!({"kind": "register", "rollover_at": true}), "/rollover_at"),
        (json!({"kind": "register", "max_per_hour": "1e30"}), "/max_per_hour"),
        (json!({"kind": "register", "scale": 10}), "/scale"),
        (json!({"kind": "register", "scale": -1}), "/scale"),
        (json!({"kind": "counter"}), "/kind"),
        (json!({"kind": "delta", "unit": "x".repeat(33)}), "/unit"),
        (json!({"kind": "delta", "unit": "a\u{0}b"}), "/unit"),
    ];
    for (case, pointer) in cases {
        let mut body = json!({"name": "Energy", "unit": "kWh"});
        body.as_object_mut().unwrap().extend(case.as_object().unwrap().clone());
        let answer = app.put(&key, "/v1/metrics/energy", body).await.expect_status(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{case}");
    }
}

pub async fn an_expected_interval_is_answered_in_one_text(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let put = async |interval: serde_json::Value| {
        let body = json!({"name": "Energy", "unit": "kWh", "kind": "delta", "expected_interval": interval});
        app.put(&key, "/v1/metrics/energy", body).await
    };
    assert_eq!(put(json!(null)).await.expect_status(201).json()["expected_interval"], json!(null));
    for interval in [json!(900), json!("900"), json!("15m"), json!("PT15M")] {
        assert_eq!(put(interval).await.expect_status(200).json()["expected_interval"], "15m");
    }
    for (interval, text) in [(json!(1), "1s"), (json!("P31D"), "31d"), (json!("1d12h"), "36h")] {
        let answer = put(interval).await.expect_status(200).json();
        assert_eq!(answer["expected_interval"], text);
        assert_eq!(app.get(&key, "/v1/metrics/energy").await.json(), answer);
        assert_eq!(app.get(&key, "/v1/metrics").await.json()["items"], json!([answer]));
    }
    for interval in [json!(0), json!(-900), json!(900.5), json!("32d"), json!("P1M"), json!("soon"), json!(true)] {
        let answer = put(interval.clone()).await.expect_status(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], "/expected_interval", "{interval}: {}", answer.text);
    }
    let body = json!({"name": "Energy", "unit": "kWh", "kind": "delta"});
    let left_out = app.put(&key, "/v1/metrics/energy", body).await.expect_status(200).json();
    assert_eq!(left_out["expected_interval"], json!(null));
}

pub async fn kind_and_scale_are_fixed_once_there_are_readings(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    app.put(&key, "/v1/devices/m1", json!({"customer": "acme"})).await.expect_status(201);
    let put = async |kind: &str, scale: u8, name: &str| {
        let body = json!({"name": name, "unit": "kWh", "kind": kind, "scale": scale});
        app.put(&key, "/v1/metrics/energy", body).await
    };
    put("delta", 3, "Energy").await.expect_status(201);
    put("register", 2, "Energy").await.expect_status(200);
    stored::store(&mut app.db().await, "m1", "energy", &["2026-03-25T20:00:00Z".parse().unwrap()]).await;
    for (kind, scale) in [("delta", 2), ("register", 3), ("gauge", 0)] {
        assert_eq!(put(kind, scale, "Energy").await.expect_status(409).problem(), "metric_in_use");
    }
    let renamed = put("register", 2, "Active energy").await.expect_status(200).json();
    assert_eq!((&renamed["name"], &renamed["scale"]), (&json!("Active energy"), &json!(2)));
}

pub async fn metrics_are_listed_by_key(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for metric in ["water", "energy", "heat"] {
        let body = json!({"name": metric, "unit": "", "kind": "gauge", "scale": 0});
        app.put(&key, &format!("/v1/metrics/{metric}"), body).await.expect_status(201);
    }
    assert_eq!(app.walk(&key, "/v1/metrics?limit=2").await, ["energy", "heat", "water"]);
    app.get(&key, "/v1/metrics/nothing").await.expect_status(404);
    let unknown = "/v1/metrics/018f0000-0000-7000-8000-000000000000";
    app.put(&key, unknown, json!({"name": "N", "unit": "", "kind": "delta"})).await.expect_status(404);
}
