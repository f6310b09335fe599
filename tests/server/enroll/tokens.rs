//! Enrollment tokens as their keepers make and end them.

use meterbase::keys::Scope;
use serde_json::{Value, json};

use super::{ask, audited, device, key_of, north, posted, token};
use crate::binary::text;
use crate::harness::TestApp;

pub async fn a_token_is_made_shown_once_listed_and_revoked(app: TestApp) {
    let key = north(&app).await;
    let body = json!({"customer": "acme", "group": "roof", "name": "Roof", "uses": 5, "approval": false,
        "expires_at": "2099-01-01T00:00:00Z"});
    let mut made = app.post(&key, "/v1/enrollment-tokens", body).await.expect_status(201).json();
    let revealed = made.as_object_mut().unwrap().remove("token").unwrap();
    let path = format!("/v1/enrollment-tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(app.get(&key, &path).await.expect_status(200).json(), made);
    let told = ["provider", "customer", "group", "name"].map(|field| made[field].as_str().unwrap());
    assert_eq!(told, ["north", "acme", "roof", "Roof"]);
    assert_eq!((&made["uses_allowed"], &made["uses"], &made["approval"]), (&json!(5), &json!(0), &json!(false)));
    let second = token(&app, &key, json!({})).await;
    let page = app.get(&key, "/v1/enrollment-tokens?limit=1").await.expect_status(200).json();
    assert_eq!(page["items"], json!([made]));
    let next = format!("/v1/enrollment-tokens?cursor={}", page["next"].as_str().unwrap());
    let page = app.get(&key, &next).await.expect_status(200).json();
    let other = &page["items"][0];
    assert_eq!((&other["id"], &other["uses_allowed"], &other["approval"]), (&json!(second.1), &json!(1), &json!(true)));

    let south = app.provider("south", "UTC").await;
    app.get(&south, &path).await.expect_status(404);
    app.delete(&south, &path).await.expect_status(404);
    for scope in [Scope::Read, Scope::Ingest] {
        let key = app.key("north", scope).await;
        app.get(&key, "/v1/enrollment-tokens").await.expect_status(403);
    }
    for _ in 0..2 {
        app.delete(&key, &path).await.expect_status(204);
    }
    assert!(app.get(&key, &path).await.json()["revoked_at"].is_string());
    ask(&app, &device(revealed.as_str().unwrap(), "S-1")).await.expect_status(403);
    let actions = ["enrollment_token.create", "enrollment_token.create", "enrollment_token.revoke"];
    assert_eq!(audited(&app, &key, "enrollment_token").await, actions);
    // A customer that has nothing but tokens can go, and they go with it.
    app.put(&key, "/v1/customers/empty", json!({"name": "E"})).await.expect_status(201);
    let of_empty = token(&app, &key, json!({"customer": "empty"})).await;
    app.delete(&key, "/v1/customers/empty").await.expect_status(204);
    ask(&app, &device(&of_empty.0, "S-1")).await.expect_status(403);
}

pub async fn what_a_token_cannot_be_is_explained(app: TestApp) {
    let key = north(&app).await;
    for (field, value, status) in [
        ("customer", json!("none"), 404),
        ("group", json!("none"), 404),
        ("name", json!(""), 422),
        ("expires_at", json!("2001-01-01T00:00:00Z"), 422),
        ("expires_at", json!("2099-01-01T00:00:00"), 422),
        ("uses", json!(0), 422),
        ("uses", json!(100_001), 422),
    ] {
        let mut body = json!({"customer": "acme", "expires_at": "2099-01-01T00:00:00Z"});
        body[field] = value;
        let answer = app.post(&key, "/v1/enrollment-tokens", body.clone()).await.expect_status(status).json();
        assert_eq!(answer["errors"][0]["pointer"], format!("/{field}"), "{body}");
    }
    let body = json!({"customer": "other", "group": "roof", "expires_at": "2099-01-01T00:00:00Z"});
    let answer = app.post(&key, "/v1/enrollment-tokens", body).await.expect_status(409);
    assert_eq!(answer.problem(), "group_of_another_customer");
    app.post(&key, "/v1/enrollment-tokens", json!({"customer": "acme"})).await.expect_status(422);
    app.get(&key, "/v1/enrollments?state=lost").await.expect_status(400);
    app.get(&key, "/v1/enrollments/none").await.expect_status(404);
}

pub async fn commands_keep_tokens_and_decide_about_devices(app: TestApp) {
    let key = north(&app).await;
    let command = |arguments: &[&str]| crate::verify::command(&app, arguments).output().expect("the binary");
    let said = |arguments: &[&str]| {
        let output = command(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let create = ["enrollment-tokens", "create", "--provider", "north", "--customer", "acme", "--expires", "7d"];
    let token = said(&[&create[..], &["--group", "roof", "--uses", "3"]].concat());
    let open = said(&[&create[..], &["--without-approval"]].concat());
    ask(&app, &device(&open, "S-0")).await.expect_status(201);
    let mut keys = Vec::new();
    for serial in ["S-1", "S-2", "S-3"] {
        keys.push(key_of(&ask(&app, &device(&token, serial)).await.expect_status(202)));
    }
    let list = |state: &str| -> Vec<Value> {
        let listed = said(&["enrollments", "list", "--json", "--provider", "north", "--state", state]);
        serde_json::from_str(&listed).unwrap()
    };
    let pending = list("pending");
    let ids: Vec<_> = pending.iter().map(|one| one["id"].as_str().unwrap()).collect();
    said(&["enrollments", "approve", ids[0]]);
    said(&["enrollments", "refuse", ids[1]]);
    said(&["enrollments", "delete", ids[2]]);
    assert_eq!(posted(&app, &keys[0], "S-1", 5).await, "stored");
    for ended in &keys[1..] {
        app.get(ended, "/v1/enroll").await.expect_status(401);
    }
    assert_eq!((list("approved").len(), list("refused").len(), list("pending").len()), (2, 1, 0));
    let table = said(&["enrollments", "list"]);
    assert!(table.contains("refused") && table.contains("S-2") && !table.contains("S-3"), "{table}");
    let tokens: Vec<Value> = serde_json::from_str(&said(&["enrollment-tokens", "list", "--json"])).unwrap();
    assert_eq!((&tokens[0]["uses"], &tokens[0]["group"]), (&json!(3), &json!("roof")));
    assert!(said(&["enrollment-tokens", "list"]).contains("3 of 3"));
    said(&["enrollment-tokens", "revoke", tokens[0]["id"].as_str().unwrap()]);
    ask(&app, &device(&token, "S-1")).await.expect_status(403);
    for (arguments, status, because) in [
        (&["enrollments", "approve", ids[1]][..], 1, "delete it"),
        (&["enrollments", "approve", ids[2]], 1, "there is no enrollment"),
        (&[&create[..6], &["--expires", "2001-01-01T00:00:00Z"]].concat(), 2, "in the future"),
        (&[&create[..], &["--group", "none"]].concat(), 1, "has no group none"),
        (&["enrollment-tokens", "revoke", ids[2]], 1, "there is no enrollment token"),
    ] {
        let refused = command(arguments);
        assert_eq!(refused.status.code(), Some(status), "{arguments:?}: {}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains(because), "{}", text(&refused.stderr));
    }
    let mut actions = audited(&app, &key, "enrollment.").await;
    actions.retain(|action| action != "enrollment.create");
    assert_eq!(actions, ["approve", "approve", "refuse", "delete"].map(|action| format!("enrollment.{action}")));
}
