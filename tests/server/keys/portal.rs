//! Tokens that a browser may hold.

use serde_json::json;

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
    app.post(&app.key("north", meterbase::keys::Scope::Ingest).await, "/v1/portal-tokens", json!({"customer": "acme"}))
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
