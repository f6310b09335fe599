//! Groups: replacing, whose they are, lists.

use serde_json::json;

use crate::harness::TestApp;

pub async fn a_group_is_made_replaced_found_and_deleted(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    let other = app.put(&key, "/v1/customers/other", json!({"name": "Other"})).await.expect_status(201).json();
    let body = json!({"name": "Roof", "customer": "acme", "kind": "site"});
    let made = app.put(&key, "/v1/groups/roof", body.clone()).await.expect_status(201).json();
    assert_eq!((&made["customer"], &made["kind"]), (&json!("acme"), &json!("site")));
    assert_eq!(app.put(&key, "/v1/groups/roof", body).await.expect_status(200).json(), made);

    // Without devices it can still go to another customer, here named by id.
    let path = format!("/v1/groups/{}", made["id"].as_str().unwrap());
    let replaced =
        app.put(&key, &path, json!({"name": "Roof", "customer": other["id"]})).await.expect_status(200).json();
    assert_eq!((&replaced["customer"], &replaced["kind"]), (&json!("other"), &json!("group")));
    assert_eq!(app.get(&key, "/v1/groups/roof").await.expect_status(200).json(), replaced);
    app.put(&key, "/v1/groups/cellar", json!({"name": "Cellar", "customer": "nobody"})).await.expect_status(404);

    app.delete(&key, "/v1/groups/roof").await.expect_status(204);
    app.get(&key, "/v1/groups/roof").await.expect_status(404);
}

pub async fn a_group_that_had_devices_stays_with_its_customer(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for customer in ["acme", "other"] {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": "N"})).await.expect_status(201);
    }
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "acme"})).await.expect_status(201);
    app.put(&key, "/v1/devices/m1", json!({"customer": "acme", "group": "roof"})).await.expect_status(201);
    app.put(&key, "/v1/devices/m1", json!({"customer": "acme"})).await.expect_status(200);
    let answer = app.delete(&key, "/v1/groups/roof").await.expect_status(409);
    assert_eq!(answer.problem(), "group_in_use");
    let answer =
        app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "other"})).await.expect_status(409);
    assert_eq!(answer.problem(), "group_in_use");
    app.put(&key, "/v1/groups/roof", json!({"name": "New roof", "customer": "acme"})).await.expect_status(200);
}

pub async fn groups_are_listed_by_customer_and_kind(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for customer in ["acme", "other"] {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": "N"})).await.expect_status(201);
    }
    for (group, customer, kind) in
        [("c", "acme", "site"), ("a", "acme", "site"), ("b", "acme", "group"), ("d", "other", "site")]
    {
        let body = json!({"name": "N", "customer": customer, "kind": kind});
        app.put(&key, &format!("/v1/groups/{group}"), body).await.expect_status(201);
    }
    for (query, found) in [
        ("", &["a", "b", "c", "d"][..]),
        ("customer=acme", &["a", "b", "c"]),
        ("kind=site&limit=1", &["a", "c", "d"]),
        ("customer=acme&kind=site", &["a", "c"]),
        ("kind=none", &[]),
    ] {
        assert_eq!(app.walk(&key, &format!("/v1/groups?{query}")).await, found, "{query}");
    }
    app.get(&key, "/v1/groups?customer=nobody").await.expect_status(404);
}
