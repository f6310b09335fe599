//! Providers do not see each other: whatever names another provider's entity is not found.

use meterbase::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::TestApp;

/// A provider with one of everything, all by the same keys but for what is its alone.
async fn fill(app: &TestApp, provider: &str) -> String {
    let key = app.provider(provider, "UTC").await;
    let own = |what: &str| format!("{provider}-{what}");
    app.put(&key, &format!("/v1/customers/{}", own("customer")), json!({"name": "N"})).await.expect_status(201);
    let body = json!({"name": "N", "customer": own("customer")});
    app.put(&key, &format!("/v1/groups/{}", own("group")), body).await.expect_status(201);
    let body = json!({"customer": own("customer"), "group": own("group")});
    app.put(&key, &format!("/v1/devices/{}", own("device")), body).await.expect_status(201);
    let body = json!({"name": "N", "unit": "", "kind": "delta"});
    app.put(&key, &format!("/v1/metrics/{}", own("metric")), body).await.expect_status(201);
    key
}

/// Key and id of the south's entity of a kind.
async fn names(app: &TestApp, south: &str, kind: &str) -> [String; 2] {
    let key = format!("south-{kind}");
    let entity = app.get(south, &format!("/v1/{kind}s/{key}")).await.expect_status(200).json();
    [key, entity["id"].as_str().unwrap().to_owned()]
}

pub async fn another_provider_s_entities_are_not_found(app: TestApp) {
    let north = fill(&app, "north").await;
    let south = fill(&app, "south").await;
    let before = app.get(&south, "/v1/tree").await.expect_status(200).json();
    for kind in ["customer", "group", "device", "metric"] {
        for name in names(&app, &south, kind).await {
            let path = format!("/v1/{kind}s/{name}");
            app.get(&north, &path).await.expect_status(404);
            if kind != "metric" {
                app.delete(&north, &path).await.expect_status(404);
            }
        }
    }
    for name in names(&app, &south, "customer").await {
        refused(&app, &north, Method::GET, &format!("/v1/customers/{name}/tree"), None).await;
        refused(&app, &north, Method::GET, &format!("/v1/customers?parent={name}"), None).await;
        refused(&app, &north, Method::GET, &format!("/v1/groups?customer={name}"), None).await;
        refused(&app, &north, Method::GET, &format!("/v1/devices?customer={name}"), None).await;
        let body = json!({"name": "N", "parent": name});
        refused(&app, &north, Method::PUT, "/v1/customers/north-customer", Some(body)).await;
        let body = json!({"name": "N", "customer": name});
        refused(&app, &north, Method::PUT, "/v1/groups/north-new", Some(body)).await;
        let body = json!({"customer": name});
        refused(&app, &north, Method::PUT, "/v1/devices/north-new", Some(body.clone())).await;
        refused(&app, &north, Method::POST, "/v1/devices/north-device/moves", Some(body)).await;
        let answer = app.post(&north, "/v1/devices", json!([{"key": "north-new", "customer": name}])).await;
        assert_eq!(answer.expect_status(200).json()["results"][0]["code"], "not_found");
    }
    for name in names(&app, &south, "group").await {
        refused(&app, &north, Method::GET, &format!("/v1/devices?group={name}"), None).await;
        let body = json!({"customer": "north-customer", "group": name});
        refused(&app, &north, Method::PUT, "/v1/devices/north-device", Some(body.clone())).await;
        refused(&app, &north, Method::POST, "/v1/devices/north-device/moves", Some(body)).await;
    }
    for name in names(&app, &south, "device").await {
        refused(&app, &north, Method::GET, &format!("/v1/devices/{name}/assignments"), None).await;
        refused(&app, &north, Method::GET, &format!("/v1/devices/{name}/replacements"), None).await;
        let id = uuid::Uuid::now_v7();
        refused(&app, &north, Method::DELETE, &format!("/v1/devices/{name}/replacements/{id}"), None).await;
        let body = json!({"metric": "north-metric", "final": 1, "initial": 0});
        refused(&app, &north, Method::POST, &format!("/v1/devices/{name}/replacements"), Some(body)).await;
        refused(&app, &north, Method::GET, &format!("/v1/reviews?device={name}"), None).await;
        let body = json!({"customer": "north-customer"});
        refused(&app, &north, Method::POST, &format!("/v1/devices/{name}/moves"), Some(body)).await;
    }
    for name in names(&app, &south, "metric").await {
        let body = json!({"metric": name, "final": 1, "initial": 0});
        refused(&app, &north, Method::POST, "/v1/devices/north-device/replacements", Some(body)).await;
        refused(&app, &north, Method::GET, &format!("/v1/reviews?metric={name}"), None).await;
    }
    // By id nothing can be replaced either; the same key is another entity.
    for (kind, body) in [
        ("customer", json!({"name": "M"})),
        ("group", json!({"name": "M", "customer": "north-customer"})),
        ("device", json!({"customer": "north-customer", "name": "M"})),
        ("metric", json!({"name": "M", "unit": "", "kind": "delta"})),
    ] {
        let [key, id] = names(&app, &south, kind).await;
        refused(&app, &north, Method::PUT, &format!("/v1/{kind}s/{id}"), Some(body.clone())).await;
        let made = app.put(&north, &format!("/v1/{kind}s/{key}"), body).await.expect_status(201).json();
        assert_ne!(made["id"], json!(id));
    }
    assert_eq!(app.get(&south, "/v1/tree").await.expect_status(200).json(), before);
    for kind in ["customers", "groups", "devices", "metrics"] {
        assert_eq!(app.walk(&south, &format!("/v1/{kind}")).await.len(), 1);
    }
}

async fn refused(app: &TestApp, key: &str, method: Method, path: &str, body: Option<Value>) {
    let answer = app.call(key, method.clone(), path, body).await;
    assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    assert_eq!(answer.problem(), "not_found");
}

pub async fn the_scope_of_a_key_decides_what_it_may_do_in_the_registry(app: TestApp) {
    let north = fill(&app, "north").await;
    fill(&app, "south").await;
    let (read, ingest) = (app.key("north", Scope::Read).await, app.key("north", Scope::Ingest).await);
    for path in ["/v1/customers", "/v1/groups", "/v1/devices", "/v1/metrics", "/v1/tree", "/v1/devices/north-device"] {
        app.get(&read, path).await.expect_status(200);
        app.get(&ingest, path).await.expect_status(403);
        // An admin key names the provider; any other may only name its own.
        app.get(&app.admin, path).await.expect_status(400);
        app.get(&app.admin, &format!("{path}?provider=north")).await.expect_status(200);
        app.get(&north, &format!("{path}?provider=north")).await.expect_status(200);
        app.get(&north, &format!("{path}?provider=south")).await.expect_status(404);
    }
    for key in [&read, &ingest] {
        app.put(key, "/v1/customers/new", json!({"name": "N"})).await.expect_status(403);
        app.post(key, "/v1/devices", json!([])).await.expect_status(403);
        app.post(key, "/v1/devices/north-device/moves", json!({"customer": "north-customer"})).await.expect_status(403);
        app.delete(key, "/v1/devices/north-device").await.expect_status(403);
    }
}

pub async fn callers_who_come_at_once_are_told_apart(app: TestApp) {
    let (north, south) = (fill(&app, "north").await, fill(&app, "south").await);
    let unknown = format!("{}0", &north[..north.len() - 1]);
    let unknown = if unknown == north { format!("{}1", &north[..north.len() - 1]) } else { unknown };
    // Who calls, what else is in the query, and whose customer comes back; none: not let in or no such provider.
    let asked = [
        (&north, "", Ok("north-customer")),
        (&south, "", Ok("south-customer")),
        (&app.admin, "?provider=south", Ok("south-customer")),
        (&app.admin, "?provider=north", Ok("north-customer")),
        (&north, "?provider=north", Ok("north-customer")),
        (&north, "?provider=south", Err(404)),
        (&app.admin, "?provider=west", Err(404)),
        (&app.admin, "", Err(400)),
        (&unknown, "", Err(401)),
    ];
    let all = asked.iter().cycle().take(180).map(async |(key, query, expected)| {
        let answer = app.get(key, &format!("/v1/customers{query}")).await;
        match expected {
            Ok(customer) => {
                let page = answer.expect_status(200).json();
                let keys: Vec<_> = page["items"].as_array().expect("items").iter().map(|item| &item["key"]).collect();
                assert_eq!(keys, [customer], "{query}");
            }
            Err(status) => drop(answer.expect_status(*status)),
        }
    });
    futures::future::join_all(all).await;
}
