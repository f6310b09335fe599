//! Trees: the hierarchy with groups and numbers of devices.

use serde_json::{Value, json};

use crate::harness::TestApp;

pub async fn a_tree_has_sub_customers_groups_and_numbers_of_devices(app: TestApp) {
    let key = app.provider("north", "Europe/Paris").await;
    for (customer, parent, zone) in [
        ("acme", Value::Null, Value::Null),
        ("acme-b", json!("acme"), json!("Asia/Tokyo")),
        ("acme-a", json!("acme"), Value::Null),
        ("acme-b-1", json!("acme-b"), Value::Null),
        ("zeta", Value::Null, Value::Null),
    ] {
        let body = json!({"name": customer.to_uppercase(), "parent": parent, "time_zone": zone});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201);
    }
    for (group, customer) in [("site-2", "acme"), ("site-1", "acme"), ("hall", "acme-b-1")] {
        let body = json!({"name": group, "customer": customer, "kind": "site"});
        app.put(&key, &format!("/v1/groups/{group}"), body).await.expect_status(201);
    }
    for (device, body) in [
        ("m1", json!({"customer": "acme", "group": "site-1"})),
        ("m2", json!({"customer": "acme", "group": "site-1"})),
        ("g1", json!({"customer": "acme", "group": "site-1", "kind": "gateway"})),
        ("m3", json!({"customer": "acme"})),
        ("m4", json!({"customer": "acme-b-1", "group": "hall"})),
        ("m5", json!({"customer": "acme-b-1", "group": "hall"})),
        ("m6", json!({"customer": "zeta"})),
        ("m7", json!({"customer": "acme-a"})),
    ] {
        app.put(&key, &format!("/v1/devices/{device}"), body).await.expect_status(201);
    }
    // Neither a retired device nor a past owner counts.
    app.delete(&key, "/v1/devices/m5").await.expect_status(204);
    app.put(&key, "/v1/devices/m7", json!({"customer": "zeta"})).await.expect_status(200);

    let tree = app.get(&key, "/v1/tree").await.expect_status(200).json();
    assert_eq!(
        shape(&tree),
        json!({"key": "north", "name": "north", "time_zone": "Europe/Paris", "subtree_devices": {"device": 6, "gateway": 1},
            "customers": [
                {"key": "acme", "name": "ACME", "billing_time_zone": "Europe/Paris",
                    "devices": {"device": 3, "gateway": 1}, "subtree_devices": {"device": 4, "gateway": 1},
                    "groups": [
                        {"key": "site-1", "name": "site-1", "kind": "site", "devices": {"device": 2, "gateway": 1}},
                        {"key": "site-2", "name": "site-2", "kind": "site", "devices": {}}],
                    "customers": [
                        {"key": "acme-a", "name": "ACME-A", "billing_time_zone": "Europe/Paris", "groups": [],
                            "devices": {}, "subtree_devices": {}, "customers": []},
                        {"key": "acme-b", "name": "ACME-B", "billing_time_zone": "Asia/Tokyo", "groups": [],
                            "devices": {}, "subtree_devices": {"device": 1}, "customers": [
                                {"key": "acme-b-1", "name": "ACME-B-1", "billing_time_zone": "Asia/Tokyo",
                                    "groups": [{"key": "hall", "name": "hall", "kind": "site", "devices": {"device": 1}}],
                                    "devices": {"device": 1}, "subtree_devices": {"device": 1}, "customers": []}]}]},
                {"key": "zeta", "name": "ZETA", "billing_time_zone": "Europe/Paris", "groups": [],
                    "devices": {"device": 2}, "subtree_devices": {"device": 2}, "customers": []}]})
    );
    // A customer's own tree is its part of the whole.
    let acme = app.get(&key, "/v1/customers/acme/tree").await.expect_status(200).json();
    assert_eq!(acme, tree["customers"][0]);
    let path = format!("/v1/customers/{}/tree", acme["customers"][1]["id"].as_str().unwrap());
    assert_eq!(app.get(&key, &path).await.expect_status(200).json(), acme["customers"][1]);

    app.provider("empty", "UTC").await;
    let tree = app.get(&app.admin, "/v1/tree?provider=empty").await.expect_status(200).json();
    assert_eq!((&tree["customers"], &tree["subtree_devices"]), (&json!([]), &json!({})));
}

/// The tree without its ids.
fn shape(tree: &Value) -> Value {
    match tree {
        Value::Object(fields) => {
            fields.iter().filter(|(name, _)| *name != "id").map(|(name, value)| (name.clone(), shape(value))).collect()
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        other => other.clone(),
    }
}

pub async fn a_chain_of_a_thousand_levels_is_shown(app: TestApp) {
    const LEVELS: usize = 1_000;
    let key = app.provider("north", "UTC").await;
    let mut db = app.db().await;
    for level in 0..LEVELS {
        let below = "INSERT INTO customer (uuid, provider_id, key, name, parent_id)
            SELECT gen_random_uuid(), p.provider_id, 'c' || $1, 'Level', c.customer_id
            FROM provider p LEFT JOIN customer c ON c.key = 'c' || ($1 - 1) WHERE p.key = 'north'";
        sqlx::query(below).bind(level as i32).execute(&mut db).await.unwrap();
    }
    app.put(&key, "/v1/devices/deepest", json!({"customer": format!("c{}", LEVELS - 1)})).await;

    for path in ["/v1/customers/c0/tree", "/v1/tree"] {
        let text = app.get(&key, path).await.expect_status(200).text;
        assert_eq!(text.matches(r#""subtree_devices":{"device":1}"#).count(), LEVELS + usize::from(path == "/v1/tree"));
        // Level after level the node that is open holds the next.
        let mut rest = text.as_str();
        for level in 0..LEVELS {
            let found = rest.find(&format!(r#""key":"c{level}","#)).expect("the level");
            assert!(!rest[..found].contains("]}"), "nothing is closed above level {level}");
            rest = &rest[found..];
        }
        let closed = rest.find("]}").expect("the end");
        let levels = if path == "/v1/tree" { LEVELS + 1 } else { LEVELS };
        assert_eq!(&rest[closed..], "]}".repeat(levels));
    }
    // A parent that would close the chain to a circle.
    let body = json!({"name": "Top", "parent": format!("c{}", LEVELS - 1)});
    assert_eq!(app.put(&key, "/v1/customers/c0", body).await.expect_status(409).problem(), "customer_cycle");
}
