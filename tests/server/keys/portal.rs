//! Tokens that a browser may hold.

use meterbase::keys::Scope;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::keys::world;

pub async fn a_token_reads_one_customer_until_it_or_its_maker_ends(app: TestApp) {
    let all = world::north(&app).await;
    let maker =
        app.post(&all, "/v1/keys", json!({"scope": "read", "customer": "acme"})).await.expect_status(201).json();
    let (id, maker) = (maker["id"].as_str().unwrap(), maker["key"].as_str().unwrap());
    let make = async |by: &str, customer: &str| {
        let body = json!({"customer": customer, "expires_in": "15m"});
        let made = app.post(by, "/v1/portal-tokens", body).await.expect_status(201).json();
        assert_eq!(made["customer"], customer);
        made["token"].as_str().unwrap().to_owned()
    };
    let token = make(maker, "acme-sub").await;
    assert_eq!(app.walk(&token, "/v1/customers").await, ["acme-sub"]);
    assert_eq!(app.walk(&token, "/v1/devices").await, ["in-sub"]);
    let path = "/v1/usage?metric=energy&bucket=total&from=2026-01-01&to=2026-06-01";
    let usage = app.get(&token, path).await.expect_status(200).json();
    assert_eq!([&usage["scope"]["key"], &usage["series"][0]["points"][0]["sum"]], ["acme-sub", "12"]);
    app.get(&token, "/v1/customers/acme").await.expect_status(404);
    // It reads, and nothing else.
    app.put(&token, "/v1/customers/acme-sub", json!({"name": "M"})).await.expect_status(403);
    app.post(&token, "/v1/readings", json!([])).await.expect_status(403);
    app.get(&token, "/v1/keys").await.expect_status(403);
    app.post(&token, "/v1/portal-tokens", json!({"customer": "acme-sub"})).await.expect_status(403);
    // A key makes tokens for what it sees.
    for customer in ["top", "other", "none"] {
        app.post(maker, "/v1/portal-tokens", json!({"customer": customer})).await.expect_status(404);
    }
    for wrong in ["30s", "25h"] {
        let body = json!({"customer": "acme", "expires_in": wrong});
        app.post(maker, "/v1/portal-tokens", body).await.expect_status(422);
    }
    app.post(&app.key("north", Scope::Ingest).await, "/v1/portal-tokens", json!({"customer": "acme"}))
        .await
        .expect_status(403);

    let of_admin = {
        let body = json!({"customer": "other"});
        let made = app.post(&app.admin, "/v1/portal-tokens?provider=north", body).await.expect_status(201).json();
        made["token"].as_str().unwrap().to_owned()
    };
    assert_eq!(app.walk(&of_admin, "/v1/devices").await, ["foreign"]);
    let ends = "UPDATE portal_token SET expires_at = now() WHERE lookup = $1";
    let lookup = of_admin.split('_').nth(1).unwrap();
    sqlx::query(ends).bind(lookup).execute(&mut app.db().await).await.unwrap();
    app.get(&of_admin, "/v1/devices").await.expect_status(401);
    // A token of a customer that has left its maker's part is not good while it is out of it.
    let moved = |parent: &str| json!({"name": "acme-sub", "parent": parent});
    app.put(&all, "/v1/customers/acme-sub", moved("other")).await.expect_status(200);
    app.get(&token, "/v1/devices").await.expect_status(401);
    app.put(&all, "/v1/customers/acme-sub", moved("acme")).await.expect_status(200);
    app.get(&token, "/v1/devices").await.expect_status(200);
    app.delete(&all, &format!("/v1/keys/{id}")).await.expect_status(204);
    app.get(&token, "/v1/devices").await.expect_status(401);
}

pub async fn a_token_is_listed_and_ends_alone(app: TestApp) {
    let all = world::north(&app).await;
    let of_acme = world::key(&app, &all, json!({"scope": "read", "customer": "acme"})).await;
    let of_all = app.key("north", Scope::Read).await;
    let mut made = Vec::new();
    for (by, customer) in [(&of_acme, "acme"), (&of_acme, "acme-sub"), (&of_all, "acme"), (&all, "other")] {
        made.push(app.post(by, "/v1/portal-tokens", json!({"customer": customer})).await.expect_status(201).json());
    }
    let [id, text] =
        ["id", "token"].map(|field| made.iter().map(|one| one[field].as_str().unwrap()).collect::<Vec<_>>());
    let listed = async |by: &str, path: &str| {
        let page = app.get(by, path).await.expect_status(200).json();
        page["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let list = "/v1/portal-tokens";
    // Who keeps keys keeps all tokens, others what they made.
    assert_eq!(listed(&all, list).await, id);
    assert_eq!(listed(&app.admin, "/v1/portal-tokens?provider=north").await, id);
    assert_eq!(listed(&of_acme, list).await, id[..2]);
    assert_eq!(listed(&of_all, list).await, id[2..3]);
    let page = app.get(&all, "/v1/portal-tokens?limit=3").await.expect_status(200).json();
    assert_eq!(listed(&all, &format!("{list}?cursor={}", page["next"].as_str().unwrap())).await, id[3..]);
    let mut first = made[0].clone();
    first.as_object_mut().unwrap().remove("token");
    assert_eq!((&page["items"][0], &first["customer"], &first["revoked_at"]), (&first, &json!("acme"), &Value::Null));
    app.get(text[0], list).await.expect_status(403);
    app.get(&app.key("north", Scope::Ingest).await, list).await.expect_status(403);
    let south = app.provider("south", "UTC").await;
    assert!(listed(&south, list).await.is_empty());

    let path = |at: usize| format!("{list}/{}", id[at]);
    for (by, at) in [(&south, 0), (&of_all, 0), (&of_acme, 2)] {
        app.delete(by, &path(at)).await.expect_status(404);
    }
    app.delete(&all, &format!("{list}/none")).await.expect_status(404);
    app.delete(text[0], &path(0)).await.expect_status(403);
    for _ in 0..2 {
        app.delete(&of_acme, &path(0)).await.expect_status(204);
    }
    app.get(text[0], "/v1/devices").await.expect_status(401);
    for good in &text[1..] {
        app.get(good, "/v1/devices").await.expect_status(200);
    }
    app.delete(&all, &path(2)).await.expect_status(204);
    let command = |arguments: &[&str]| {
        let output = crate::verify::command(&app, arguments).output().expect("the binary");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    command(&["portal-tokens", "revoke", id[3]]);
    for ended in &text[2..] {
        app.get(ended, "/v1/devices").await.expect_status(401);
    }
    app.get(text[1], "/v1/devices").await.expect_status(200);
    let shown: Value = serde_json::from_str(&command(&["portal-tokens", "list", "--json"])).unwrap();
    let ended: Vec<_> = shown.as_array().unwrap().iter().map(|one| !one["revoked_at"].is_null()).collect();
    assert_eq!(ended, [true, false, true, true]);
    assert!(command(&["portal-tokens", "list", "--provider", "north"]).contains("acme-sub"));
    let audit = app.get(&all, "/v1/audit?action=portal_token.revoke").await.expect_status(200).json();
    let revoked: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|one| one["entity"].as_str().unwrap()).collect();
    assert_eq!(revoked.len(), 3);
    assert!([0, 2, 3].iter().all(|at| revoked.contains(&id[*at])), "{revoked:?}");
    assert!(!audit.to_string().contains(text[0].split('_').nth(2).unwrap()));
}
