//! Providers, and what all operations have in common, tried on them.

use meterbase::keys::Scope;
use serde_json::json;

use crate::harness::TestApp;

pub async fn a_provider_is_made_replaced_and_found(app: TestApp) {
    let made = app.put(&app.admin, "/v1/providers/north", json!({"name": "North", "time_zone": "Europe/Paris"})).await;
    let made = made.expect_status(201).json();
    assert_eq!(made["time_zone"], "Europe/Paris");

    let id = made["id"].as_str().unwrap();
    let replaced =
        app.put(&app.admin, &format!("/v1/providers/{id}"), json!({"name": "Northern"})).await.expect_status(200);
    assert_eq!(replaced.json()["time_zone"], "UTC");
    assert_eq!(replaced.json()["key"], "north");

    let found = app.get(&app.admin, "/v1/providers/north").await.expect_status(200).json();
    assert_eq!(found, replaced.json());
    let list = app.get(&app.admin, "/v1/providers").await.expect_status(200).json();
    assert_eq!(list, json!({"items": [found], "next": null}));
}

pub async fn only_admin_keys_keep_providers(app: TestApp) {
    app.provider("north", "UTC").await;
    for scope in [Scope::Provider, Scope::Read, Scope::Ingest] {
        let key = app.key("north", scope).await;
        let answer = app.put(&key, "/v1/providers/south", json!({"name": "South"})).await.expect_status(403);
        assert_eq!(answer.problem(), "forbidden");
    }
    let answer = app.get("mb_no_key", "/v1/providers").await.expect_status(401);
    assert_eq!(answer.problem(), "unauthorized");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

pub async fn unknown_parameters_and_fields_are_errors(app: TestApp) {
    let answer = app.get(&app.admin, "/v1/providers?colour=red").await.expect_status(400);
    assert_eq!(answer.json()["errors"][0]["pointer"], "colour");
    let answer = app.put(&app.admin, "/v1/providers/a", json!({"name": "A", "colour": "red"})).await.expect_status(422);
    assert_eq!(answer.problem(), "invalid_body");
    let answer = app.put(&app.admin, "/v1/providers/a", json!({"name": "A", "time_zone": "Mars/Base"})).await;
    assert_eq!(answer.expect_status(422).json()["errors"][0]["pointer"], "/time_zone");
}

pub async fn a_provider_s_own_key_sees_its_provider_alone(app: TestApp) {
    app.provider("north", "UTC").await;
    app.provider("south", "UTC").await;
    assert_eq!(app.walk(&app.admin, "/v1/providers?limit=1").await, ["north", "south"]);
    let south = app.get(&app.admin, "/v1/providers/south").await.expect_status(200).json();
    for scope in [Scope::Provider, Scope::Read] {
        let key = app.key("north", scope).await;
        assert_eq!(app.get(&key, "/v1/providers/north").await.expect_status(200).json()["key"], "north");
        app.get(&key, "/v1/providers/south").await.expect_status(404);
        app.get(&key, &format!("/v1/providers/{}", south["id"].as_str().unwrap())).await.expect_status(404);
        assert_eq!(app.walk(&key, "/v1/providers").await, ["north"]);
    }
    let ingest = app.key("north", Scope::Ingest).await;
    app.get(&ingest, "/v1/providers/north").await.expect_status(403);
}
