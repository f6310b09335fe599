//! Read keys for a customer: all else does not exist.

use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::keys::world;

pub async fn a_read_key_of_a_customer_sees_its_subtree_alone(app: TestApp) {
    let all = world::north(&app).await;
    let acme = world::key(&app, &all, json!({"scope": "read", "customer": "acme"})).await;
    assert_eq!(app.walk(&acme, "/v1/customers").await, ["acme", "acme-sub"]);
    assert_eq!(app.walk(&acme, "/v1/customers?q=o").await, Vec::<String>::new());
    assert_eq!(app.walk(&acme, "/v1/customers?parent=acme").await, ["acme-sub"]);
    assert_eq!(app.walk(&acme, "/v1/groups").await, ["acme-group"]);
    assert_eq!(app.walk(&acme, "/v1/devices?limit=2").await, ["in-acme", "in-sub", "mover"]);
    assert_eq!(app.walk(&acme, "/v1/devices?customer=acme").await, ["in-acme", "mover"]);
    assert_eq!(app.walk(&acme, "/v1/metrics").await, ["energy"]);
    let parent = async |key: &str| app.get(key, "/v1/customers/acme").await.expect_status(200).json()["parent"].clone();
    assert_eq!([parent(&all).await, parent(&acme).await], [json!("top"), json!(null)]);
    let tree = app.get(&acme, "/v1/tree").await.expect_status(200).json();
    assert_eq!([&tree["key"], &tree["subtree_devices"]], [&json!("north"), &json!({"device": 3})]);
    let tops: Vec<_> = tree["customers"].as_array().unwrap().iter().map(|customer| &customer["key"]).collect();
    assert_eq!(tops, ["acme"]);
    assert!(!tree.to_string().contains("other") && !tree.to_string().contains("foreign"), "{tree}");
    for path in [
        "/v1/customers/top",
        "/v1/customers/other",
        "/v1/customers/top/tree",
        "/v1/customers/other/time-zone",
        "/v1/customers?parent=top",
        "/v1/groups/other-group",
        "/v1/groups?customer=other",
        "/v1/devices/foreign",
        "/v1/devices?customer=top",
        "/v1/devices?group=other-group",
        "/v1/devices/foreign/assignments",
        "/v1/devices/foreign/readings",
        "/v1/devices/foreign/replacements",
    ] {
        assert_eq!(app.get(&acme, path).await.expect_status(404).problem(), "not_found", "{path}");
        app.get(&all, path).await.expect_status(200);
    }
    // A customer that comes into the part is seen from then on, and one that leaves it no more.
    app.put(&all, "/v1/customers/other", json!({"name": "other", "parent": "acme"})).await.expect_status(200);
    app.put(&all, "/v1/customers/acme-sub", json!({"name": "acme-sub", "parent": "top"})).await.expect_status(200);
    assert_eq!(app.walk(&acme, "/v1/customers").await, ["acme", "other"]);
}

/// The sum of each series over all time, by its label.
async fn sums(app: &TestApp, key: &str, scope: &str) -> Vec<(String, String)> {
    let path = format!("/v1/usage?metric=energy&bucket=total&from=2026-01-01&to=2026-06-01&{scope}");
    let usage = app.get(key, &path).await.expect_status(200).json();
    let label = |series: &Value| {
        let labels = ["customer", "group", "device"].map(|label| series[label].as_str().unwrap_or_default().to_owned());
        labels.concat()
    };
    let sum = |series: &Value| series["points"][0]["sum"].as_str().unwrap_or("none").to_owned();
    usage["series"].as_array().unwrap().iter().map(|series| (label(series), sum(series))).collect()
}

pub async fn figures_of_a_part_are_those_of_its_customers_at_their_time(app: TestApp) {
    let all = world::north(&app).await;
    let acme = world::key(&app, &all, json!({"scope": "read", "customer": "acme"})).await;
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
    assert_eq!(sums(&app, &all, "").await, pairs(&[("", "255")]));
    // 1 + 2 + 4 + 8 + 128: of what has moved here, what it read since.
    assert_eq!(sums(&app, &acme, "").await, pairs(&[("", "143")]));
    assert_eq!(sums(&app, &acme, "by=customer").await, pairs(&[("acme-sub", "12"), ("acme", "131")]));
    assert_eq!(sums(&app, &acme, "by=group").await, pairs(&[("acme-group", "3"), ("", "140")]));
    assert_eq!(sums(&app, &acme, "by=device").await, pairs(&[("in-acme", "3"), ("in-sub", "12"), ("mover", "128")]));
    assert_eq!(sums(&app, &acme, "scope=customer:acme-sub").await, pairs(&[("", "12")]));
    assert_eq!(sums(&app, &all, "scope=device:mover").await, pairs(&[("", "192")]));
    assert_eq!(sums(&app, &acme, "scope=device:mover").await, pairs(&[("", "128")]));
    for scope in ["provider", "customer:top", "customer:other", "group:other-group", "device:foreign"] {
        let path = format!("/v1/usage?metric=energy&bucket=total&from=2026-01-01&to=2026-06-01&scope={scope}");
        assert_eq!(app.get(&acme, &path).await.expect_status(404).problem(), "not_found", "{scope}");
    }
    let readings = async |key: &str| {
        let page = app.get(key, "/v1/devices/mover/readings").await.expect_status(200).json();
        let values = page["items"].as_array().unwrap().iter().map(|item| item["value"].as_str().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    assert_eq!([readings(&all).await, readings(&acme).await], [vec!["64", "128"], vec!["128"]]);
    let csv = app.client.get(format!("{}/v1/devices/mover/readings", app.base)).bearer_auth(&acme);
    let csv = crate::harness::Answer::of(csv.header("accept", "text/csv")).await.expect_status(200).text;
    assert!(csv.contains("2026-03-15") && !csv.contains("2026-01-15"), "{csv}");
    let owners = async |key: &str| {
        app.get(key, "/v1/devices/mover/assignments").await.expect_status(200).json()["items"].as_array().unwrap().len()
    };
    assert_eq!([owners(&all).await, owners(&acme).await], [2, 1]);
    // What has moved away is no longer there; what it read here stays in the figures.
    let body = json!({"customer": "other", "at": "2026-03-01T00:00:00Z"});
    app.post(&all, "/v1/devices/in-sub/moves", body).await.expect_status(200);
    app.settle().await;
    app.get(&acme, "/v1/devices/in-sub").await.expect_status(404);
    assert_eq!(sums(&app, &acme, "by=device").await, pairs(&[("in-acme", "3"), ("in-sub", "4"), ("mover", "128")]));
}

pub async fn what_concerns_all_of_a_provider_is_not_for_a_part(app: TestApp) {
    let all = world::north(&app).await;
    let acme = world::key(&app, &all, json!({"scope": "read", "customer": "acme"})).await;
    for path in ["/v1/accounting", "/v1/quarantine", "/v1/reviews", "/v1/audit", "/v1/keys"] {
        app.get(&all, path).await.expect_status(200);
        assert_eq!(app.get(&acme, path).await.expect_status(403).problem(), "forbidden", "{path}");
    }
    app.put(&acme, "/v1/customers/acme-sub", json!({"name": "M"})).await.expect_status(403);
    app.post(&acme, "/v1/readings", json!([])).await.expect_status(403);
}
