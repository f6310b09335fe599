//! Billing time zones: inherited, and fixed once there are readings.

use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::stored;

/// Provider in Paris; `top` (inherits) above `middle` (Tokyo) above `low` (inherits) above `deep` (inherits); `free`.
async fn tree(app: &TestApp) -> String {
    let key = app.provider("north", "Europe/Paris").await;
    let customers = [
        ("top", Value::Null, Value::Null),
        ("middle", json!("top"), json!("Asia/Tokyo")),
        ("low", json!("middle"), Value::Null),
        ("deep", json!("low"), Value::Null),
        ("free", Value::Null, Value::Null),
    ];
    for (customer, parent, zone) in customers {
        put(app, &key, customer, parent, zone, 201).await;
    }
    app.put(&key, "/v1/metrics/energy", json!({"name": "Energy", "unit": "kWh", "kind": "delta"})).await;
    key
}

async fn put(app: &TestApp, key: &str, customer: &str, parent: Value, zone: Value, status: u16) -> Value {
    let body = json!({"name": customer, "parent": parent, "time_zone": zone});
    let answer = app.put(key, &format!("/v1/customers/{customer}"), body).await.expect_status(status);
    if status == 409 {
        assert_eq!(answer.problem(), "time_zone_in_use");
    }
    answer.json()
}

async fn zone(app: &TestApp, key: &str, customer: &str) -> String {
    let customer = app.get(key, &format!("/v1/customers/{customer}")).await.expect_status(200).json();
    customer["billing_time_zone"].as_str().unwrap().to_owned()
}

async fn provider_zone(app: &TestApp, zone: &str) -> u16 {
    let body = json!({"name": "north", "time_zone": zone});
    app.call(&app.admin, reqwest::Method::PUT, "/v1/providers/north", Some(body)).await.status
}

pub async fn a_customer_without_a_zone_has_the_nearest_above(app: TestApp) {
    let key = tree(&app).await;
    for (customer, expected) in [("top", "Europe/Paris"), ("middle", "Asia/Tokyo"), ("deep", "Asia/Tokyo")] {
        assert_eq!(zone(&app, &key, customer).await, expected);
    }
    // Nobody has readings, so all may change.
    assert_eq!(provider_zone(&app, "Asia/Kathmandu").await, 200);
    put(&app, &key, "middle", json!("top"), Value::Null, 200).await;
    for customer in ["top", "middle", "deep", "free"] {
        assert_eq!(zone(&app, &key, customer).await, "Asia/Kathmandu");
    }
}

pub async fn no_change_above_moves_the_billing_days_of_readings(app: TestApp) {
    let key = tree(&app).await;
    app.put(&key, "/v1/devices/m1", json!({"customer": "deep"})).await.expect_status(201);
    let mut db = app.db().await;
    stored::store(&mut db, "m1", "energy", &["2026-03-25T20:00:00Z".parse().unwrap()]).await;

    let tokyo = || json!("Asia/Tokyo");
    put(&app, &key, "deep", json!("low"), json!("Europe/Paris"), 409).await;
    put(&app, &key, "deep", json!("top"), Value::Null, 409).await;
    put(&app, &key, "low", Value::Null, Value::Null, 409).await;
    put(&app, &key, "middle", json!("top"), Value::Null, 409).await;
    put(&app, &key, "middle", json!("top"), json!("Asia/Kathmandu"), 409).await;
    assert_eq!(zone(&app, &key, "deep").await, "Asia/Tokyo");
    // What leaves the zone as it is may change.
    put(&app, &key, "deep", Value::Null, tokyo(), 200).await;
    put(&app, &key, "low", Value::Null, Value::Null, 200).await;
    put(&app, &key, "deep", json!("middle"), Value::Null, 200).await;
    put(&app, &key, "middle", json!("free"), tokyo(), 200).await;
    put(&app, &key, "top", Value::Null, json!("America/St_Johns"), 200).await;
    // The provider's zone does not reach below middle.
    assert_eq!(provider_zone(&app, "UTC").await, 200);
}

pub async fn the_provider_s_zone_is_fixed_by_those_who_inherit_it(app: TestApp) {
    let key = tree(&app).await;
    app.put(&key, "/v1/devices/m1", json!({"customer": "free"})).await.expect_status(201);
    stored::store(&mut app.db().await, "m1", "energy", &["2026-03-25T20:00:00Z".parse().unwrap()]).await;
    assert_eq!(provider_zone(&app, "UTC").await, 409);
    assert_eq!(provider_zone(&app, "Europe/Paris").await, 200);
    // The readings go to somebody else, and with them what holds the zone.
    let body = json!({"customer": "middle", "at": "2026-01-01T00:00:00Z"});
    app.post(&key, "/v1/devices/m1/moves", body).await.expect_status(200);
    assert_eq!(provider_zone(&app, "UTC").await, 200);
}
