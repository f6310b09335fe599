//! Profiles made, changed, listed, deleted, refused.

use meterbase::keys::Scope;
use serde_json::{Value, json};

use super::{north, p1, with};
use crate::harness::TestApp;

const PATH: &str = "/v1/profiles/meter";

pub async fn a_profile_is_made_changed_and_found_in_all_its_versions(app: TestApp) {
    let key = north(&app).await;
    let made = app.put(&key, PATH, p1()).await.expect_status(201).json();
    assert_eq!((&made["version"], &made["interval"], &made["settings"]), (&json!(1), &json!("15m"), &json!({})));
    assert_eq!(made["fields"][0]["kind"], "register");
    assert_eq!(app.put(&key, PATH, p1()).await.expect_status(200).json(), made);

    let by_id = format!("/v1/profiles/{}", made["id"].as_str().unwrap());
    let changed = with(with(p1(), "/interval", json!("PT5M")), "/settings", json!({"leds": [1, 0.5, null]}));
    let second = app.put(&key, &by_id, changed.clone()).await.expect_status(200).json();
    assert_eq!((&second["version"], &second["interval"]), (&json!(2), &json!("5m")));
    assert_eq!(second["settings"], json!({"leds": [1, 0.5, null]}));
    assert_eq!(app.put(&key, PATH, changed).await.expect_status(200).json()["version"], 2);
    assert_eq!(app.put(&key, PATH, p1()).await.expect_status(200).json()["version"], 3);
    assert_eq!(app.get(&key, &format!("{PATH}?version=2")).await.expect_status(200).json(), second);
    assert_eq!(app.get(&key, &format!("{PATH}?version=1")).await.json()["fields"], made["fields"]);
    app.get(&key, &format!("{PATH}?version=4")).await.expect_status(404);
    for version in ["0", "-1", "x", "3000000000"] {
        app.get(&key, &format!("{PATH}?version={version}")).await.expect_status(400);
    }

    app.put(&key, "/v1/profiles/other", with(p1(), "/match", Value::Null)).await.expect_status(201);
    assert_eq!(app.walk(&key, "/v1/profiles?limit=1").await, ["meter", "other"]);
    app.delete(&key, PATH).await.expect_status(204);
    app.delete(&key, PATH).await.expect_status(404);
    app.get(&key, PATH).await.expect_status(404);
    let entries =
        "SELECT action, before ->> 'version', after ->> 'version' FROM audit WHERE entity = 'meter' ORDER BY audit_id";
    let entries: Vec<(String, Option<String>, Option<String>)> =
        sqlx::query_as(entries).fetch_all(&mut app.db().await).await.unwrap();
    let entries: Vec<_> = entries.iter().map(|(a, b, c)| (a.as_str(), b.as_deref(), c.as_deref())).collect();
    let expected = [
        ("profile.create", None, Some("1")),
        ("profile.update", Some("1"), Some("2")),
        ("profile.update", Some("2"), Some("3")),
        ("profile.delete", Some("3"), None),
    ];
    assert_eq!(entries, expected);
}

pub async fn a_profile_that_cannot_be_is_refused(app: TestApp) {
    let key = north(&app).await;
    let json = json!({"name": "Heat", "format": "json", "time": {"from": "/t", "format": "unix"},
        "fields": [{"from": "/v", "metric": "energy"}]});
    let csv = with(with(json.clone(), "/format", json!("csv")), "/time/from", json!("t"));
    app.put(&key, PATH, json.clone()).await.expect_status(201);
    let nul = json!({"a": [{"b": "\0"}]});
    let many: Vec<_> =
        (0..65).map(|n| json!({"from": "/v", "metric": "energy", "dimensions": {"n": format!("{n}")}})).collect();
    for (body, pointer) in [
        (with(p1(), "/name", json!("")), "/name"),
        (with(p1(), "/fields", json!([])), "/fields"),
        (with(json.clone(), "/fields", json!(many)), "/fields"),
        (with(p1(), "/fields/0/from", json!("1.8.1")), "/fields/0/from"),
        (with(p1(), "/fields/0/device_type", json!(3)), "/fields/0/from"),
        (with(p1(), "/fields/2/device_type", Value::Null), "/fields/2/from"),
        (with(p1(), "/fields/1/dimensions/tariff", json!("low")), "/fields/1/metric"),
        (with(p1(), "/fields/1/dimensions", json!({"a b": "c"})), "/fields/1/dimensions"),
        (with(p1(), "/fields/0/kind", json!("delta")), "/fields/0/kind"),
        (with(p1(), "/fields/0/unit", json!("m3")), "/fields/0/unit"),
        (with(p1(), "/fields/0/unit", json!("")), "/fields/0/unit"),
        (with(p1(), "/fields/0/multiplier", json!(0)), "/fields/0/multiplier"),
        (with(p1(), "/fields/0/multiplier", json!("1,5")), "/fields/0/multiplier"),
        (with(p1(), "/fields/0/multiplier", json!("1e20")), "/fields/0/multiplier"),
        (with(p1(), "/time", json!({"from": "/t", "format": "unix"})), "/time"),
        (with(p1(), "/records", json!("/a")), "/records"),
        (with(csv.clone(), "/records", json!("/a")), "/records"),
        (with(csv, "/fields/0/from", json!("")), "/fields/0/from"),
        (with(json.clone(), "/records", json!("a")), "/records"),
        (with(json.clone(), "/time/from", json!("/~")), "/time/from"),
        (with(json.clone(), "/time/format", json!("local")), "/time/format"),
        (with(json.clone(), "/fields/0/from", json!("v")), "/fields/0/from"),
        (with(json.clone(), "/interval", json!("0s")), "/interval"),
        (with(json.clone(), "/settings", json!({"a": "x".repeat(16 * 1024)})), "/settings"),
        (with(json.clone(), "/settings", nul), "/settings"),
        (with(json.clone(), "/match", json!({"model": ""})), "/match/model"),
        (with(json.clone(), "/match", json!({"model": "a", "firmware": "\n"})), "/match/firmware"),
        (with(json.clone(), "/colour", json!("red")), "/colour"),
    ] {
        let answer = app.put(&key, PATH, body).await.expect_status(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    let answer = app.put(&key, PATH, with(json, "/fields/0/metric", json!("heat"))).await.expect_status(404);
    assert_eq!(answer.json()["errors"][0]["pointer"], "/fields/0/metric");
    assert_eq!(app.get(&key, PATH).await.expect_status(200).json()["version"], 1);
    let unknown = "/v1/profiles/018f0000-0000-7000-8000-000000000000";
    app.put(&key, unknown, p1()).await.expect_status(404);
}

pub async fn units_are_converted_exactly_or_not_at_all(app: TestApp) {
    let key = north(&app).await;
    let field = |unit: Value, multiplier: Value| {
        json!({"name": "N", "format": "csv", "fields": [
            {"from": "v", "metric": "energy", "unit": unit, "multiplier": multiplier}]})
    };
    // 1 Wh is 0.001 kWh; a current transformer of 40 to 1.
    for (unit, multiplier, factor) in [
        (json!("Wh"), Value::Null, "0.001"),
        (json!("Wh"), json!(40), "0.04"),
        (json!("MWh"), json!("0.10"), "100"),
        (Value::Null, json!("-1"), "-1"),
        (Value::Null, Value::Null, "1"),
    ] {
        let body = app.put(&key, PATH, field(unit, multiplier)).await.json();
        let shown = &body["fields"][0];
        assert_eq!((&shown["factor"], &shown["metric_unit"]), (&json!(factor), &json!("kWh")), "{body}");
    }
    let answer = app.put(&key, PATH, field(json!("MJ"), Value::Null)).await.expect_status(422);
    assert!(answer.text.contains("not a decimal number of one in the other"), "{}", answer.text);
    // Another unit of the metric changes nothing of a profile that is there.
    let metric = json!({"name": "energy", "unit": "MJ", "kind": "register"});
    app.put(&key, "/v1/metrics/energy", metric).await.expect_status(200);
    assert_eq!(app.get(&key, PATH).await.json()["fields"][0]["metric_unit"], "kWh");
    let shown = app.put(&key, PATH, field(json!("kWh"), Value::Null)).await.expect_status(200).json();
    assert_eq!(shown["fields"][0]["factor"], "3.6");
}

pub async fn another_provider_s_profiles_and_metrics_are_not_there(app: TestApp) {
    let north = north(&app).await;
    let south = app.provider("south", "UTC").await;
    let profile = app.put(&north, PATH, p1()).await.expect_status(201).json();
    let metric = app.get(&north, "/v1/metrics/energy").await.json();
    app.put(&south, "/v1/customers/south", json!({"name": "S"})).await.expect_status(201);
    for name in ["meter", profile["id"].as_str().unwrap()] {
        let path = format!("/v1/profiles/{name}");
        app.get(&south, &path).await.expect_status(404);
        app.delete(&south, &path).await.expect_status(404);
        let device = json!({"customer": "south", "profile": name});
        let answer = app.put(&south, "/v1/devices/s1", device).await.expect_status(404);
        assert_eq!(answer.json()["errors"][0]["pointer"], "/profile");
    }
    for name in ["energy", metric["id"].as_str().unwrap()] {
        let body = with(p1(), "/fields/0/metric", json!(name));
        app.put(&south, PATH, body).await.expect_status(404);
    }
    app.put(&south, &format!("/v1/profiles/{}", profile["id"].as_str().unwrap()), p1()).await.expect_status(404);
    let device = app.get(&north, "/v1/devices/m1").await.json();
    for name in ["m1", device["id"].as_str().unwrap()] {
        app.get(&south, &format!("/v1/devices/{name}/config")).await.expect_status(404);
        app.get(&south, &format!("/v1/device/config?device={name}")).await.expect_status(404);
        app.post(&south, &format!("/v1/device/config/ack?device={name}"), json!({"settings": {}}))
            .await
            .expect_status(404);
    }
    let (read, ingest) = (app.key("north", Scope::Read).await, app.key("north", Scope::Ingest).await);
    for key in [&read, &ingest] {
        app.put(key, PATH, p1()).await.expect_status(403);
        app.delete(key, PATH).await.expect_status(403);
    }
    app.get(&read, PATH).await.expect_status(200);
    app.get(&ingest, PATH).await.expect_status(403);
    app.get(&read, "/v1/device/config?device=m1").await.expect_status(403);
    app.get(&ingest, "/v1/device/config?device=m1").await.expect_status(200);
}
