//! A provider with customers below and beside each other, a device that moved between them, and readings of all.

use serde_json::json;

use crate::fixtures::{counts, send_csv};
use crate::harness::TestApp;

/// `north`: `top` with `acme` (with `acme-sub`) and `other`; a group and a device of each, and `mover`, which was `other`'s until
/// February. Each device read something in January and in March, and what each read tells all sums apart.
pub async fn north(app: &TestApp) -> String {
    let key = app.provider("north", "UTC").await;
    for (customer, parent) in [("top", None), ("acme", Some("top")), ("acme-sub", Some("acme")), ("other", Some("top"))]
    {
        let body = json!({"name": customer, "parent": parent});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201);
    }
    for customer in ["acme", "other"] {
        let body = json!({"name": "Group", "customer": customer});
        app.put(&key, &format!("/v1/groups/{customer}-group"), body).await.expect_status(201);
    }
    let devices = json!([
        {"key": "in-acme", "customer": "acme", "group": "acme-group"}, {"key": "in-sub", "customer": "acme-sub"},
        {"key": "foreign", "customer": "other", "group": "other-group"}, {"key": "mover", "customer": "other"}]);
    app.post(&key, "/v1/devices", devices).await.expect_status(200);
    let body = json!({"customer": "acme", "at": "2026-02-01T00:00:00Z"});
    app.post(&key, "/v1/devices/mover/moves", body).await.expect_status(200);
    let metric = json!({"name": "Energy", "unit": "kWh", "kind": "delta", "scale": 0});
    app.put(&key, "/v1/metrics/energy", metric).await.expect_status(201);
    let values = [("in-acme", 1, 2), ("in-sub", 4, 8), ("foreign", 16, 32), ("mover", 64, 128)];
    let rows = values.map(|(device, january, march)| {
        format!("{device},energy,2026-01-15T00:00:00Z,{january}\n{device},energy,2026-03-15T00:00:00Z,{march}\n")
    });
    let sent = send_csv(app, &key, &format!("device,metric,at,value\n{}", rows.concat())).await;
    assert_eq!(counts(&sent), [8, 8, 0, 0, 0, 0]);
    app.settle().await;
    key
}

/// Makes a key with a body, and gives its text.
pub async fn key(app: &TestApp, by: &str, body: serde_json::Value) -> String {
    let made = app.post(by, "/v1/keys", body).await.expect_status(201).json();
    made["key"].as_str().expect("its text").to_owned()
}
