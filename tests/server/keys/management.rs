//! Keys as their keepers make, change and end them.

use meterbase::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::binary::{Patience, text};
use crate::harness::TestApp;
use crate::keys::world;

pub async fn a_key_is_made_changed_rotated_and_revoked(app: TestApp) {
    let by = app.provider("north", "UTC").await;
    let body = json!({"scope": "read", "name": "reports", "expires_at": "2099-01-01T00:00:00Z", "rate": 5});
    let made = app.post(&by, "/v1/keys", body).await.expect_status(201).json();
    let (first, id) = (made["key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned());
    let path = format!("/v1/keys/{id}");
    assert_eq!(
        [&made["scope"], &made["provider"], &made["name"], &made["rate"]],
        [&json!("read"), &json!("north"), &json!("reports"), &json!(5)]
    );
    // Its text is shown this once.
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("key");
    assert_eq!(app.get(&by, &path).await.expect_status(200).json(), shown);
    app.get(&first, "/v1/customers").await.expect_status(200);

    // When it was used is noted a little later.
    let mut patience = Patience::for_("the last use of a key");
    while app.get(&by, &path).await.json()["last_used_at"].is_null() {
        patience.poll().await;
    }
    let changed = app.put(&by, &path, json!({"name": "monthly"})).await.expect_status(200).json();
    assert_eq!(
        [&changed["name"], &changed["expires_at"], &changed["rate"]],
        [&json!("monthly"), &json!(null), &json!(null)]
    );

    let rotate = async |body: Value| {
        let rotated = app.post(&by, &format!("{path}/rotate"), body).await.expect_status(200).json();
        assert_eq!(rotated["id"], *id);
        rotated["key"].as_str().unwrap().to_owned()
    };
    let second = rotate(json!({"overlap": "1h"})).await;
    for good in [&first, &second] {
        app.get(good, "/v1/customers").await.expect_status(200);
    }
    let third = rotate(Value::Null).await;
    app.get(&first, "/v1/customers").await.expect_status(401);
    for good in [&second, &third] {
        app.get(good, "/v1/customers").await.expect_status(200);
    }
    let end = "UPDATE api_key SET previous_until = now() WHERE uuid = $1::uuid";
    sqlx::query(end).bind(&id).execute(&mut app.db().await).await.unwrap();
    app.get(&second, "/v1/customers").await.expect_status(401);

    app.delete(&by, &path).await.expect_status(204);
    app.delete(&by, &path).await.expect_status(204);
    app.get(&third, "/v1/customers").await.expect_status(401);
    assert!(app.get(&by, &path).await.json()["revoked_at"].is_string());
    let ended = app.call(&by, Method::POST, &format!("{path}/rotate"), None).await.expect_status(409);
    assert_eq!(ended.problem(), "key_ended");
    app.put(&by, &path, json!({})).await.expect_status(409);
    let audit = app.get(&by, &format!("/v1/audit?entity={id}")).await.expect_status(200).json();
    let actions: Vec<_> = audit["items"].as_array().unwrap().iter().rev().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["key.create", "key.update", "key.rotate", "key.rotate", "key.revoke"]);
    for key in [first, second, third] {
        assert!(!audit.to_string().contains(key.split('_').nth(2).unwrap()));
    }
}

/// Ids of the keys that a caller sees.
async fn ids(app: &TestApp, key: &str, query: &str) -> Vec<String> {
    let page = app.get(key, &format!("/v1/keys{query}")).await.expect_status(200).json();
    page["items"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect()
}

pub async fn a_key_is_kept_by_admin_and_its_own_provider_alone(app: TestApp) {
    let (north, south) = (app.provider("north", "UTC").await, app.provider("south", "UTC").await);
    let all = ids(&app, &app.admin, "").await;
    assert_eq!(all.len(), 3);
    assert_eq!([ids(&app, &north, "").await, ids(&app, &south, "").await], [&all[1..2], &all[2..3]]);
    assert_eq!(ids(&app, &app.admin, "?provider=south").await, all[2..3]);
    // Neither another provider's key nor an admin's is there for a provider.
    for id in [&all[0], &all[2], "0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f", "mine"] {
        let path = format!("/v1/keys/{id}");
        app.get(&north, &path).await.expect_status(404);
        app.put(&north, &path, json!({})).await.expect_status(404);
        app.delete(&north, &path).await.expect_status(404);
        app.call(&north, Method::POST, &format!("{path}/rotate"), None).await.expect_status(404);
    }
    app.post(&north, "/v1/keys", json!({"scope": "admin"})).await.expect_status(403);
    app.post(&north, "/v1/keys?provider=south", json!({"scope": "read"})).await.expect_status(404);
    for scope in ["provider", "read", "ingest"] {
        app.post(&app.admin, "/v1/keys", json!({"scope": scope})).await.expect_status(400);
        world::key(&app, &north, json!({"scope": scope})).await;
    }
    app.post(&app.admin, "/v1/keys?provider=north", json!({"scope": "admin"})).await.expect_status(400);
    let admin = world::key(&app, &app.admin, json!({"scope": "admin"})).await;
    assert_eq!(ids(&app, &admin, "?limit=1000").await.len(), 7);
    for scope in [Scope::Read, Scope::Ingest] {
        let key = app.key("north", scope).await;
        app.get(&key, "/v1/keys").await.expect_status(403);
        app.post(&key, "/v1/keys", json!({"scope": "read"})).await.expect_status(403);
    }
}

pub async fn what_a_key_cannot_be_is_explained(app: TestApp) {
    let by = world::north(&app).await;
    for (body, pointer) in [
        (json!({"scope": "king"}), "/scope"),
        (json!({"scope": "read", "name": ""}), "/name"),
        (json!({"scope": "read", "expires_at": "2001-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"scope": "read", "expires_at": "2099-01-01T00:00:00"}), "/expires_at"),
        (json!({"scope": "ingest", "rate": -1}), "/rate"),
        (json!({"scope": "ingest", "burst": 5}), "/burst"),
        (json!({"scope": "provider", "customer": "acme"}), "/customer"),
        (json!({"scope": "read", "device": "in-acme"}), "/device"),
        (json!({"scope": "ingest", "customer": "acme", "device": "in-acme"}), "/device"),
    ] {
        let answer = app.post(&by, "/v1/keys", body.clone()).await.expect_status(422).json();
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{body}");
    }
    let answer = app.post(&by, "/v1/keys", json!({"scope": "ingest", "group": "none"})).await.expect_status(404).json();
    assert_eq!(answer["errors"][0]["pointer"], "/group");
    // What a key is for cannot be deleted.
    app.put(&by, "/v1/customers/empty", json!({"name": "Empty"})).await.expect_status(201);
    world::key(&app, &by, json!({"scope": "read", "customer": "empty"})).await;
    assert_eq!(app.delete(&by, "/v1/customers/empty").await.expect_status(409).problem(), "customer_in_use");
}

pub async fn commands_make_keys_of_parts_and_rotate_them(app: TestApp) {
    world::north(&app).await;
    let command = |arguments: &[&str]| crate::verify::command(&app, arguments).output().expect("the binary");
    let said = |arguments: &[&str]| {
        let output = command(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let create = |scope: &str, part: &[&str]| {
        said(&[&["keys", "create", "--provider", "north", "--scope", scope], part].concat())
    };
    let read = create("read", &["--customer", "acme"]);
    let ingest = create("ingest", &["--device", "in-acme"]);
    create("ingest", &["--group", "acme-group"]);
    assert_eq!(app.walk(&read, "/v1/customers").await, ["acme", "acme-sub"]);
    let listed: Value = serde_json::from_str(&said(&["keys", "list", "--json", "--provider", "north"])).unwrap();
    let listed: Vec<_> = listed.as_array().unwrap()[1..].iter().collect();
    assert_eq!(listed[0]["customer"], "acme");
    assert_eq!(listed[1]["device"], "in-acme");
    assert_eq!(listed[2]["group"], "acme-group");
    let rotated = said(&["keys", "rotate", listed[0]["id"].as_str().unwrap(), "--overlap", "0s"]);
    app.get(&read, "/v1/customers").await.expect_status(401);
    app.get(&rotated, "/v1/customers").await.expect_status(200);
    app.get(&ingest, "/v1/customers").await.expect_status(403);
    let table = said(&["keys", "list"]);
    assert!(table.contains("device in-acme") && table.contains("LAST USED"), "{table}");
    for (arguments, status, because) in [
        (["--scope", "provider", "--customer", "acme"], 2, "part of a provider"),
        (["--scope", "read", "--device", "in-acme"], 2, "--customer"),
        (["--scope", "ingest", "--device", "none"], 1, "has no device none"),
    ] {
        let refused = command(&[&["keys", "create", "--provider", "north"], &arguments[..]].concat());
        assert_eq!(refused.status.code(), Some(status));
        assert!(text(&refused.stderr).contains(because), "{}", text(&refused.stderr));
    }
}
