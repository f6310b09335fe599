//! Customers: replacing, the hierarchy, lists.

use serde_json::json;

use crate::harness::TestApp;

pub async fn a_customer_is_made_replaced_and_found(app: TestApp) {
    let key = app.provider("north", "Europe/Paris").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme", "time_zone": "Asia/Tokyo"})).await.expect_status(201);
    let body = json!({"name": "Acme North", "parent": "acme"});
    let made = app.put(&key, "/v1/customers/acme-north", body.clone()).await.expect_status(201).json();
    assert_eq!(made["parent"], "acme");
    assert_eq!(made["time_zone"], json!(null));
    assert_eq!(made["billing_time_zone"], "Asia/Tokyo");
    assert_eq!(made["created_at"], made["updated_at"]);

    let again = app.put(&key, "/v1/customers/acme-north", body).await.expect_status(200).json();
    assert_eq!(again, made, "nothing changed, so updated_at does not either");

    // By id; what is left out takes its default, and null counts as left out.
    let id = made["id"].as_str().unwrap();
    let body = json!({"name": "Northern", "parent": null, "time_zone": null});
    let replaced = app.put(&key, &format!("/v1/customers/{id}"), body).await.expect_status(200).json();
    assert_eq!(replaced["key"], "acme-north");
    assert_eq!(replaced["parent"], json!(null));
    assert_eq!(replaced["billing_time_zone"], "Europe/Paris");
    assert_ne!(replaced["updated_at"], made["updated_at"]);
    assert_eq!(app.get(&key, "/v1/customers/acme-north").await.expect_status(200).json(), replaced);

    let unknown = "/v1/customers/018f0000-0000-7000-8000-000000000000";
    app.put(&key, unknown, json!({"name": "Nobody"})).await.expect_status(404);
}

pub async fn a_parent_can_be_named_by_id_and_must_be_there(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let acme = app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.json();
    let sub = app.put(&key, "/v1/customers/sub", json!({"name": "Sub", "parent": acme["id"]})).await.expect_status(201);
    assert_eq!(sub.json()["parent"], "acme");
    let answer = app.put(&key, "/v1/customers/sub", json!({"name": "Sub", "parent": "nobody"})).await;
    assert_eq!(answer.expect_status(404).json()["errors"][0]["pointer"], "/parent");
}
