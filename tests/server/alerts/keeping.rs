//! Alerts are made, replaced, listed, seen by those who may, and deleted.

use serde_json::{Value, json};

use super::world::{World, by_day, reader};
use crate::harness::TestApp;

pub async fn an_alert_is_made_replaced_found_and_deleted(app: TestApp) {
    let world = World::new(&app).await;
    let made =
        world.alert("much", by_day("customer:acme", json!({"above": 100, "resolve": "90.0", "for": "15m"}))).await;
    let told = |alert: &Value| {
        ["scope", "above", "resolve", "for", "state"].map(|name| alert[name].as_str().unwrap().to_owned())
    };
    assert_eq!(told(&made), ["customer:acme", "100", "90.0", "15m", "ok"]);
    assert_eq!((&made["since"], &made["last"]), (&Value::Null, &Value::Null));
    let id = made["id"].as_str().unwrap();
    assert_eq!(app.get(&world.key, &format!("/v1/alerts/{id}")).await.expect_status(200).json(), made);
    let mut same = by_day("customer:acme", json!({"above": 100, "resolve": "90.0", "for": "15m", "name": "Too much"}));
    let renamed = app.put(&world.key, &format!("/v1/alerts/{id}"), same.clone()).await.expect_status(200).json();
    assert_eq!((&renamed["name"], &renamed["key"]), (&json!("Too much"), &json!("much")));
    same["scope"] = json!("device:m1");
    same["for"] = json!(null);
    app.put(&world.key, "/v1/alerts/much", same).await.expect_status(200);
    // One that fires begins anew with another rule, and that is told.
    assert_eq!(world.judge("2026-03-02T09:00:00Z").await, 0);
    world.read("m1,energy,2026-03-02T09:10:00Z,101\n").await;
    assert_eq!(world.judge("2026-03-02T09:20:00Z").await, 1);
    world.alert("much", by_day("device:m1", json!({"above": 200}))).await;
    assert_eq!(world.history("much").await, ["firing 2026-03-02 101.000", "resolved changed"]);
    assert_eq!(world.state("much").await, "resolved");
    world.alert("much", by_day("device:m1", json!({"above": 50}))).await;
    assert_eq!(world.judge("2026-03-02T09:30:00Z").await, 1);
    assert_eq!(app.walk(&world.key, "/v1/alerts?state=firing").await, ["much"]);
    assert!(app.walk(&world.key, "/v1/alerts?state=ok").await.is_empty());
    app.delete(&world.key, "/v1/alerts/much").await.expect_status(204);
    app.delete(&world.key, "/v1/alerts/much").await.expect_status(404);
    let events: Vec<_> = world.events().await.into_iter().map(|(kind, data)| (kind, data["reason"].clone())).collect();
    let reasons: Vec<_> = events.iter().map(|(kind, reason)| (kind.as_str(), reason.as_str())).collect();
    let resolved = |reason| ("alert.resolved", Some(reason));
    assert_eq!(reasons, [("alert.firing", None), resolved("changed"), ("alert.firing", None), resolved("deleted")]);
    let audit = app.get(&world.key, "/v1/audit?entity=much").await.expect_status(200).json();
    let actions: Vec<_> =
        audit["items"].as_array().unwrap().iter().rev().map(|entry| entry["action"].clone()).collect();
    let (create, update, delete) = (json!("alert.create"), json!("alert.update"), json!("alert.delete"));
    assert_eq!(actions, [create, update.clone(), update.clone(), update.clone(), update, delete]);
}

pub async fn what_an_alert_cannot_be_is_explained(app: TestApp) {
    let world = World::new(&app).await;
    let quota = |more: Value| {
        let mut body = json!({"kind": "quota", "metric": "energy", "bucket": "day", "limit": 5});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let wrong = [
        (by_day("provider", json!({})), "/above"),
        (by_day("provider", json!({"above": 1, "below": 1})), "/above"),
        (by_day("provider", json!({"above": "1e3"})), "/above"),
        (by_day("provider", json!({"above": 1, "resolve": 2})), "/resolve"),
        (by_day("provider", json!({"below": 2, "resolve": 1})), "/resolve"),
        (by_day("provider", json!({"above": 1, "limit": 2})), "/limit"),
        (by_day("provider", json!({"above": 1, "for": "0s"})), "/for"),
        (by_day("team:a", json!({"above": 1})), "/scope"),
        (by_day("provider", json!({"above": 1, "bucket": null})), "/bucket"),
        (by_day("provider", json!({"above": 1, "bucket": "total"})), "/bucket"),
        (by_day("provider", json!({"above": 1, "stat": null})), "/stat"),
        (by_day("provider", json!({"above": 1, "metric": "heat"})), "/stat"),
        (quota(json!({"limit": 0})), "/limit"),
        (quota(json!({"limit": null})), "/limit"),
        (quota(json!({"bucket": "hour"})), "/bucket"),
        (quota(json!({"steps": []})), "/steps"),
        (quota(json!({"steps": [0]})), "/steps"),
        (quota(json!({"above": 1})), "/above"),
        (quota(json!({"for": "5m"})), "/for"),
    ];
    for (mut body, pointer) in wrong {
        body["name"] = json!("N");
        let answer = app.put(&world.key, "/v1/alerts/wrong", body.clone()).await.expect_status(422).json();
        assert!(answer["errors"][0]["pointer"].as_str().unwrap().starts_with(pointer), "{body} {answer}");
    }
    for (scope, metric) in
        [("customer:none", "energy"), ("group:none", "energy"), ("device:none", "energy"), ("provider", "none")]
    {
        let mut body = by_day(scope, json!({"above": 1, "name": "N"}));
        body["metric"] = json!(metric);
        app.put(&world.key, "/v1/alerts/wrong", body).await.expect_status(404);
    }
    app.get(&world.key, "/v1/alerts/wrong").await.expect_status(404);
    app.get(&world.key, "/v1/alerts/wrong/history").await.expect_status(404);
    app.get(&world.key, "/v1/alerts?state=loud").await.expect_status(400);
}

pub async fn who_sees_a_part_sees_the_alerts_of_that_part(app: TestApp) {
    let world = World::new(&app).await;
    let scopes = [
        "provider",
        "customer:acme",
        "customer:acme-sub",
        "customer:other",
        "group:roof",
        "device:m1",
        "device:m2",
        "device:m3",
    ];
    for scope in scopes {
        world.alert(&scope.replace(':', "-"), by_day(scope, json!({"above": "1"}))).await;
    }
    assert_eq!(app.walk(&world.key, "/v1/alerts?limit=3").await.len(), scopes.len());
    assert_eq!(app.walk(&reader(&app).await, "/v1/alerts").await.len(), scopes.len());
    let (acme, sub) = (world.reader_of("acme").await, world.reader_of("acme-sub").await);
    let of_acme = ["customer-acme", "customer-acme-sub", "device-m1", "device-m2", "group-roof"];
    assert_eq!(app.walk(&acme, "/v1/alerts").await, of_acme);
    assert_eq!(app.walk(&sub, "/v1/alerts").await, ["customer-acme-sub", "device-m2"]);
    for (caller, alert, status) in [(&acme, "device-m3", 404), (&sub, "group-roof", 404), (&sub, "device-m2", 200)] {
        app.get(caller, &format!("/v1/alerts/{alert}")).await.expect_status(status);
        app.get(caller, &format!("/v1/alerts/{alert}/history")).await.expect_status(status);
    }
    let body = by_day("device:m2", json!({"above": "1", "name": "N"}));
    app.put(&sub, "/v1/alerts/device-m2", body).await.expect_status(403);
    app.delete(&reader(&app).await, "/v1/alerts/device-m2").await.expect_status(403);
    // With its customer or group an alert ends.
    for (path, body) in
        [("customers/new", json!({"name": "New"})), ("groups/new", json!({"name": "New", "customer": "new"}))]
    {
        app.put(&world.key, &format!("/v1/{path}"), body).await.expect_status(201);
    }
    world.alert("new", by_day("group:new", json!({"above": "1"}))).await;
    app.delete(&world.key, "/v1/groups/new").await.expect_status(204);
    app.get(&world.key, "/v1/alerts/new").await.expect_status(404);
}
