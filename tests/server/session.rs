//! Browsers that sign in with a key or a token of a portal.

mod browser;

use chrono::{DateTime, TimeDelta, Utc};
use meterbase::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use crate::binary::Serving;
use crate::certificates::authority::{Authority, Files, builder, url};
use crate::harness::{Answer, TestApp};
use crate::keys::world;
use browser::{Browser, sign_in};

/// Runs a statement about the key with a text.
async fn alter(app: &TestApp, sql: &'static str, key: &str) {
    let lookup = key.split('_').nth(1).expect("a key");
    let done = sqlx::query(sql).bind(lookup).execute(&mut app.db().await).await.expect("a change");
    assert_eq!(done.rows_affected(), 1);
}

pub async fn a_browser_signs_in_and_out(app: TestApp) {
    let key = world::north(&app).await;
    let answer = sign_in(&app.client, &app.base, &key).await.expect_status(201);
    let who = answer.json();
    let browser = Browser::with(app.client.clone(), app.base.clone(), &answer);
    assert_eq!(browser.attributes, ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"]);
    let until: DateTime<Utc> = who["until"].as_str().expect("an end").parse().expect("an instant");
    assert!(until > Utc::now() + TimeDelta::hours(11) && until <= Utc::now() + TimeDelta::hours(12));
    let expected = json!({"scope": "provider", "provider": "north", "time_zone": "UTC", "customer": null, "name": null,
        "portal": false, "until": until});
    assert_eq!((&who, browser.get("/v1/session").await.expect_status(200).json()), (&expected, expected.clone()));
    // Neither the cookie nor the key is in the database.
    let stored: String = sqlx::query_scalar("SELECT string_agg(s::text, '') FROM browser_session s")
        .fetch_one(&mut app.db().await)
        .await
        .expect("sessions");
    let (lookup, secret) = browser.value().split_once('_').expect("two parts");
    assert!(stored.contains(lookup) && !stored.contains(secret));
    // A session is not a key.
    app.get(&format!("mb_{}", browser.value()), "/v1/devices").await.expect_status(401);

    let nobody = app.client.get(format!("{}/v1/session", app.base));
    assert_eq!(Answer::of(nobody).await.expect_status(204).text, "");
    let out = browser.change(Method::DELETE, "/v1/session", None).await.expect_status(204);
    let forgotten: Vec<_> = out.headers.get_all("set-cookie").iter().map(|line| line.to_str().expect("text")).collect();
    assert!(
        forgotten.iter().all(|line| line.contains("=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict")),
        "{forgotten:?}"
    );
    browser.get("/v1/session").await.expect_status(204);
    let told = browser.get("/v1/devices").await.expect_status(401);
    assert_eq!(told.problem(), "unauthorized");
    browser.change(Method::DELETE, "/v1/session", None).await.expect_status(204);
    let audit = app.get(&key, "/v1/audit?limit=2").await.expect_status(200).json();
    assert_eq!([&audit["items"][0]["action"], &audit["items"][1]["action"]], ["session.end", "session.create"]);
    assert_eq!(audit["items"][0]["entity"], audit["items"][1]["entity"]);

    for wrong in ["", "mb_1_2", "Bearer x", &key.replace("mb_", "mb"), &format!("{}0", &key[..key.len() - 1])] {
        if wrong != key {
            sign_in(&app.client, &app.base, wrong).await.expect_status(401);
        }
    }
    sign_in(&app.client, &app.base, &app.key("north", Scope::Ingest).await).await.expect_status(403);
    let post = || app.client.post(format!("{}/v1/session", app.base));
    Answer::of(post()).await.expect_status(415);
    Answer::of(post().json(&json!({"key": key, "more": 1}))).await.expect_status(422);
    // The header is as good as a body.
    let answer = Answer::of(post().bearer_auth(&key)).await.expect_status(201);
    assert_eq!(answer.json()["provider"], "north");
    assert_eq!(app.get(&key, "/v1/session").await.expect_status(200).json()["until"], Value::Null);
    app.get("mb_1_2", "/v1/session").await.expect_status(401);
}

pub async fn a_cookie_stands_for_its_key(app: TestApp) {
    let key = world::north(&app).await;
    let browser = Browser::signed_in(&app, &key).await;
    let tree = browser.get("/v1/tree").await.expect_status(200);
    assert_eq!(tree.text, app.get(&key, "/v1/tree").await.expect_status(200).text);
    browser.change(Method::PUT, "/v1/customers/new", Some(json!({"name": "New"}))).await.expect_status(201);
    let audit = app.get(&key, "/v1/audit?entity=new").await.expect_status(200).json();
    let keys = app.get(&key, "/v1/keys").await.expect_status(200).json();
    let id = |lookup_name: Value| keys["items"].as_array().expect("keys").iter().any(|one| one["id"] == lookup_name);
    assert!(id(audit["items"][0]["by"]["key_id"].clone()), "{audit}");
    // What a key may not do its cookie may not either, and a key in the header comes first.
    let reader = app.key("north", Scope::Read).await;
    let reading = Browser::signed_in(&app, &reader).await;
    reading.change(Method::PUT, "/v1/customers/more", Some(json!({"name": "M"}))).await.expect_status(403);
    let both = reading.request(Method::PUT, "/v1/customers/more").bearer_auth(&key).json(&json!({"name": "M"}));
    Answer::of(both).await.expect_status(201);
    let wrong = browser.request(Method::GET, "/v1/devices").bearer_auth("mb_1_2");
    Answer::of(wrong).await.expect_status(401);
    // An administrator names the provider, as ever.
    let admin = Browser::signed_in(&app, &app.admin).await;
    assert_eq!(admin.get("/v1/session").await.json()["provider"], Value::Null);
    admin.get("/v1/devices").await.expect_status(400);
    let devices = admin.get("/v1/devices?provider=north").await.expect_status(200);
    assert_eq!(devices.text, app.get(&key, "/v1/devices").await.text);
}

pub async fn a_session_ends_with_its_key_on_every_server(app: TestApp) {
    world::north(&app).await;
    let revoked = app.key("north", Scope::Provider).await;
    let browser = Browser::signed_in(&app, &revoked).await;
    browser.get("/v1/tree").await.expect_status(200);
    alter(&app, "UPDATE api_key SET revoked_at = now() WHERE lookup = $1", &revoked).await;
    browser.get("/v1/tree").await.expect_status(401);
    browser.get("/v1/session").await.expect_status(204);
    sign_in(&app.client, &app.base, &revoked).await.expect_status(401);

    let expiring = app.key("north", Scope::Read).await;
    let browser = Browser::signed_in(&app, &expiring).await;
    alter(&app, "UPDATE api_key SET expires_at = now() + interval '1 hour' WHERE lookup = $1", &expiring).await;
    let until = browser.get("/v1/session").await.expect_status(200).json()["until"].clone();
    let until: DateTime<Utc> = until.as_str().expect("an end").parse().expect("an instant");
    assert!(until <= Utc::now() + TimeDelta::hours(1));
    alter(&app, "UPDATE api_key SET expires_at = now() WHERE lookup = $1", &expiring).await;
    browser.get("/v1/tree").await.expect_status(401);

    // Another secret: the session lasts as long as the one that it was begun with.
    let rotated = app.key("north", Scope::Read).await;
    let browser = Browser::signed_in(&app, &rotated).await;
    let rotate = "UPDATE api_key SET previous_hash = secret_hash, previous_until = now() + interval '1 hour',
        secret_hash = sha256('other') WHERE lookup = $1";
    alter(&app, rotate, &rotated).await;
    browser.get("/v1/tree").await.expect_status(200);
    alter(&app, "UPDATE api_key SET previous_until = now() WHERE lookup = $1", &rotated).await;
    browser.get("/v1/tree").await.expect_status(401);

    let lasting = app.key("north", Scope::Read).await;
    let browser = Browser::signed_in(&app, &lasting).await;
    let end =
        "UPDATE browser_session SET expires_at = now() WHERE key_id = (SELECT key_id FROM api_key WHERE lookup = $1)";
    alter(&app, end, &lasting).await;
    browser.get("/v1/tree").await.expect_status(401);
    // Signing in tidies up, and a key has so many sessions at most.
    let mut browsers = Vec::new();
    for _ in 0..=100 {
        browsers.push(Browser::signed_in(&app, &lasting).await);
    }
    browsers[0].get("/v1/tree").await.expect_status(401);
    browsers[1].get("/v1/tree").await.expect_status(200);
    let ended: i64 = sqlx::query_scalar("SELECT count(*) FROM browser_session WHERE expires_at <= now()")
        .fetch_one(&mut app.db().await)
        .await
        .expect("a count");
    assert_eq!(ended, 0);
}

pub async fn a_token_of_a_portal_signs_in_to_its_subtree_alone(app: TestApp) {
    let all = world::north(&app).await;
    let body = json!({"customer": "acme", "expires_in": "15m"});
    let made = app.post(&all, "/v1/portal-tokens", body).await.expect_status(201).json();
    let token = made["token"].as_str().expect("a token");
    let browser = Browser::signed_in(&app, token).await;
    let who = browser.get("/v1/session").await.expect_status(200).json();
    let expected = json!({"scope": "read", "provider": "north", "time_zone": "UTC", "customer": "acme", "name": null,
        "portal": true, "until": made["expires_at"]});
    assert_eq!(who, expected);
    for path in ["/v1/customers", "/v1/devices", "/v1/tree", "/v1/customers/other", "/v1/keys", "/v1/accounting"] {
        let [seen, by_token] = [browser.get(path).await, app.get(token, path).await];
        assert_eq!((seen.status, &seen.text), (by_token.status, &by_token.text), "{path}");
    }
    let devices = browser.get("/v1/devices").await.expect_status(200).json();
    let keys: Vec<_> = devices["items"].as_array().expect("devices").iter().map(|one| one["key"].clone()).collect();
    assert_eq!(keys, ["in-acme", "in-sub", "mover"]);
    browser.get("/v1/customers/other").await.expect_status(404);
    browser.change(Method::PUT, "/v1/customers/acme", Some(json!({"name": "M"}))).await.expect_status(403);
    browser.change(Method::POST, "/v1/portal-tokens", Some(json!({"customer": "acme"}))).await.expect_status(403);
    alter(&app, "UPDATE portal_token SET expires_at = now() WHERE lookup = $1", token).await;
    browser.get("/v1/devices").await.expect_status(401);
    // It goes with its token.
    alter(&app, "DELETE FROM portal_token WHERE lookup = $1", token).await;
    browser.get("/v1/session").await.expect_status(204);
}

pub async fn pages_of_other_sites_change_nothing(app: TestApp) {
    let key = world::north(&app).await;
    let browser = Browser::signed_in(&app, &key).await;
    let changes = [
        (Method::PUT, "/v1/customers/evil", Some(json!({"name": "E"}))),
        (Method::POST, "/v1/devices", Some(json!([{"key": "evil", "customer": "acme"}]))),
        (Method::POST, "/v1/readings", Some(json!([]))),
        (Method::DELETE, "/v1/devices/in-acme", None),
        (Method::DELETE, "/v1/session", None),
    ];
    for (method, path, body) in changes {
        for origin in [None, Some("https://evil.example"), Some(app.base.as_str())] {
            let mut request = browser.request(method.clone(), path);
            request = if let Some(body) = &body { request.json(body) } else { request };
            request = if let Some(origin) = origin { request.header("origin", origin) } else { request };
            let refused = Answer::of(request).await.expect_status(403);
            assert_eq!(refused.problem(), "cross_site_request", "{method} {path}");
        }
    }
    let wrong = browser.request(Method::DELETE, "/v1/devices/in-acme").header("x-meterbase-request", "0");
    Answer::of(wrong).await.expect_status(403);
    // No other site may ask for leave to send the header, nor sign a browser in with a form.
    let asked = browser.request(Method::OPTIONS, "/v1/devices/in-acme").header("origin", "https://evil.example");
    let told = Answer::of(asked.header("access-control-request-headers", "x-meterbase-request")).await;
    assert!(told.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{:?}", told.headers);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let form = app.client.post(format!("{}/v1/session", app.base)).header("content-type", kind);
        Answer::of(form.body(json!({"key": key}).to_string())).await.expect_status(415);
    }
    assert_eq!(app.get(&key, "/v1/devices/in-acme").await.expect_status(200).json()["retired_at"], Value::Null);
    browser.get("/v1/session").await.expect_status(200);
}

pub async fn over_tls_the_cookie_stays_on_tls(app: TestApp) {
    let key = world::north(&app).await;
    let (authority, files) = (Authority::new("Servers"), Files::new());
    files.write_server(&authority.issue("server", Utc::now() + TimeDelta::days(300)));
    let server = Serving::start(files.serve(&app, &[]));
    let client = builder(&authority).build().expect("a client");
    let answer = sign_in(&client, &url(&server), &key).await.expect_status(201);
    assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000");
    let browser = Browser::with(client, url(&server), &answer);
    assert_eq!(browser.attributes, ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict", "Secure"]);
    assert!(answer.headers["set-cookie"].to_str().expect("text").starts_with("__Host-meterbase_session="));
    browser.get("/v1/tree").await.expect_status(200);
    browser.change(Method::DELETE, "/v1/session", None).await.expect_status(204);
    browser.get("/v1/tree").await.expect_status(401);
    // Behind a proxy that adds TLS the browser says so.
    let request = app.client.post(format!("{}/v1/session", app.base)).json(&json!({"key": key}));
    let answer = Answer::of(request.header("origin", "https://meter.example")).await.expect_status(201);
    assert!(answer.headers["set-cookie"].to_str().expect("text").ends_with("; Secure"));
    assert!(!answer.headers.contains_key("strict-transport-security"));
}
