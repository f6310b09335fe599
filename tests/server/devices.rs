//! Devices: replacing, owners, service and retirement, lists.

use serde_json::json;

use crate::harness::TestApp;

pub async fn a_device_is_made_replaced_and_found(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "acme"})).await.expect_status(201);
    let body = json!({"customer": "acme", "group": "roof", "kind": "gateway", "name": "Main"});
    let made = app.put(&key, "/v1/devices/m1", body.clone()).await.expect_status(201).json();
    assert_eq!(made["customer"], "acme");
    assert_eq!(made["group"], "roof");
    assert_eq!(made["kind"], "gateway");
    assert_eq!(made["retired_at"], json!(null));
    assert_eq!(app.put(&key, "/v1/devices/m1", body).await.expect_status(200).json(), made);

    let path = format!("/v1/devices/{}", made["id"].as_str().unwrap());
    let replaced = app.put(&key, &path, json!({"customer": "acme"})).await.expect_status(200).json();
    assert_eq!(replaced["kind"], "device");
    assert_eq!(replaced["name"], json!(null));
    assert_eq!(replaced["group"], json!(null));
    assert_ne!(replaced["updated_at"], made["updated_at"]);
    assert_eq!(app.get(&key, "/v1/devices/m1").await.expect_status(200).json(), replaced);

    let answer = app.get(&key, "/v1/devices/m1/assignments").await.expect_status(200).json();
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!((&items[0]["group"], &items[0]["from"]), (&json!("roof"), &json!(null)));
    assert_eq!((&items[1]["group"], &items[1]["to"]), (&json!(null), &json!(null)));
    assert_eq!(items[0]["to"], items[1]["from"]);
}
