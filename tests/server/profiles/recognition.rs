//! Which profile holds for a device.

use serde_json::{Value, json};

use super::{north, p1, with};
use crate::harness::TestApp;

async fn profile_of(app: &TestApp, key: &str, device: &str) -> Value {
    app.get(key, &format!("/v1/devices/{device}/config")).await.expect_status(200).json()["desired"]["profile"].clone()
}

pub async fn the_profile_that_says_more_holds(app: TestApp) {
    let key = north(&app).await;
    assert_eq!(profile_of(&app, &key, "m1").await, Value::Null);
    // Made one after the other, and which one holds then; the device's model is MB-050 and its firmware 5.0.2.
    for (profile, recognises, holds) in [
        ("z", json!({"model": "*"}), "z"),
        ("b", json!({"model": "MB-*"}), "b"),
        // As many characters: the first by key.
        ("a", json!({"model": "*050"}), "a"),
        ("c", json!({"model": "M?-??0"}), "a"),
        ("d", json!({"model": "mb-050"}), "a"),
        ("e", json!({"model": "MB-050"}), "e"),
        ("f", json!({"model": "MB-05%"}), "e"),
        ("g", json!({"model": "MB_050"}), "e"),
        ("h", json!({"model": "MB-050", "firmware": "4.*"}), "e"),
        ("i", json!({"model": "*", "firmware": "*"}), "i"),
        ("j", json!({"model": "*", "firmware": "5.*"}), "j"),
        ("k", json!({"model": "MB-050", "firmware": "5.0.2"}), "k"),
    ] {
        app.put(&key, &format!("/v1/profiles/{profile}"), with(p1(), "/match", recognises)).await.expect_status(201);
        assert_eq!(profile_of(&app, &key, "m1").await, holds, "{profile}");
    }
    app.put(&key, "/v1/devices/m1", json!({"customer": "acme", "model": "MB-050"})).await.expect_status(200);
    assert_eq!(profile_of(&app, &key, "m1").await, "e");
    app.put(&key, "/v1/devices/m1", json!({"customer": "acme", "firmware": "5.0.2"})).await.expect_status(200);
    assert_eq!(profile_of(&app, &key, "m1").await, Value::Null);
    app.put(&key, "/v1/devices/m1", json!({"customer": "acme", "model": "X\\%_"})).await.expect_status(200);
    assert_eq!(profile_of(&app, &key, "m1").await, "z");
}

pub async fn a_profile_that_a_device_names_goes_before_any_other_and_stays(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    let named = app.put(&key, "/v1/profiles/named", with(p1(), "/match", Value::Null)).await.expect_status(201).json();
    assert_eq!(profile_of(&app, &key, "m1").await, "meter");
    for name in ["named", named["id"].as_str().unwrap()] {
        let body = json!({"customer": "acme", "model": "MB-050", "serial": "S-1", "profile": name});
        let device = app.put(&key, "/v1/devices/m1", body).await.expect_status(200).json();
        assert_eq!((&device["profile"], &device["serial"]), (&json!("named"), &json!("S-1")));
        assert_eq!((&device["model"], &device["firmware"]), (&json!("MB-050"), &Value::Null));
    }
    assert_eq!(profile_of(&app, &key, "m1").await, "named");
    let refused = app.delete(&key, "/v1/profiles/named").await.expect_status(409);
    assert_eq!(refused.problem(), "profile_in_use");
    let body = json!({"customer": "acme", "model": "MB-050"});
    app.put(&key, "/v1/devices/m1", body).await.expect_status(200);
    app.delete(&key, "/v1/profiles/named").await.expect_status(204);
    assert_eq!(profile_of(&app, &key, "m1").await, "meter");
    app.delete(&key, "/v1/profiles/meter").await.expect_status(204);
    assert_eq!(profile_of(&app, &key, "m1").await, Value::Null);
    for (field, value) in [("model", ""), ("firmware", "a\nb"), ("serial", "")] {
        let answer =
            app.put(&key, "/v1/devices/m1", json!({"customer": "acme", field: value})).await.expect_status(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], format!("/{field}"));
    }
}

pub async fn many_devices_at_once_have_models_and_profiles_too(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    let body = json!([
        {"key": "d1", "customer": "acme", "model": "MB-042", "firmware": "4.2", "serial": "1"},
        {"key": "d2", "customer": "acme", "profile": "meter"},
        {"key": "d3", "customer": "acme", "profile": "nothing"},
        {"key": "d4", "customer": "acme", "serial": "x".repeat(129)},
    ]);
    let answer = app.post(&key, "/v1/devices", body.clone()).await.expect_status(200).json();
    let statuses: Vec<_> = answer["results"].as_array().unwrap().iter().map(|r| (&r["status"], &r["code"])).collect();
    let (created, rejected) = (json!("created"), json!("rejected"));
    let expected = [
        (&created, &Value::Null),
        (&created, &Value::Null),
        (&rejected, &json!("not_found")),
        (&rejected, &json!("invalid_value")),
    ];
    assert_eq!(statuses, expected);
    assert_eq!(profile_of(&app, &key, "d1").await, "meter");
    assert_eq!(profile_of(&app, &key, "d2").await, "meter");
    let page = app.get(&key, "/v1/devices?customer=acme&q=d").await.expect_status(200).json();
    assert_eq!((&page["items"][0]["model"], &page["items"][1]["profile"]), (&json!("MB-042"), &json!("meter")));
    let again = app.post(&key, "/v1/devices", body).await.expect_status(200).json();
    assert_eq!(again["unchanged"], 2);
}
