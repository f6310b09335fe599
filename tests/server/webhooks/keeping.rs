//! `/v1/webhooks`, and for how long events are kept.

use meterbase::events::{self, EventType};
use meterbase::keys::Scope;
use meterbase::{app, database};
use serde_json::json;

use super::{deliveries, happen, hook};
use crate::harness::TestApp;

pub async fn a_webhook_is_made_changed_shown_and_deleted(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let path = "/v1/webhooks/pager";
    let body = json!({"url": "https://example.com/hook", "events": ["alert.resolved", "alert.firing", "alert.firing"]});
    let made = app.put(&key, path, body.clone()).await.expect_status(201).json();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(made["events"], json!(["alert.firing", "alert.resolved"]));
    assert_eq!((&made["state"], &made["enabled"]), (&json!("ok"), &json!(true)));
    let again = app.put(&key, path, body).await.expect_status(200).json();
    assert_eq!(again["secret"], json!(null));
    assert_eq!(again["updated_at"], made["updated_at"]);
    let shown =
        app.get(&key, &format!("/v1/webhooks/{}", made["id"].as_str().unwrap())).await.expect_status(200).json();
    assert_eq!((&shown["key"], shown.get("secret")), (&json!("pager"), None));
    let off = json!({"url": "https://example.com/other", "events": ["alert.firing"], "enabled": false});
    let off = app.put(&key, path, off).await.expect_status(200).json();
    assert_eq!((&off["state"], &off["url"]), (&json!("disabled"), &json!("https://example.com/other")));
    assert_eq!(
        app.post(&key, &format!("{path}/test"), json!({})).await.expect_status(409).problem(),
        "webhook_disabled"
    );
    hook(&app, &key, "another", "https://example.com/").await;
    assert_eq!(app.walk(&key, "/v1/webhooks?limit=1").await, ["another", "pager"]);
    app.delete(&key, path).await.expect_status(204);
    app.get(&key, path).await.expect_status(404);
    // An address can have its key in it: who only reads is not shown any.
    for scope in [Scope::Read, Scope::Ingest] {
        app.get(&app.key("north", scope).await, "/v1/webhooks").await.expect_status(403);
    }
}

pub async fn what_a_webhook_cannot_be_is_explained(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let put = async |url: &str, events: serde_json::Value| {
        let answer = app.put(&key, "/v1/webhooks/pager", json!({"url": url, "events": events})).await;
        answer.expect_status(422).json()["errors"][0]["pointer"].clone()
    };
    for url in ["", "example.com", "/hook", "ftp://example.com", "https://user:secret@example.com", "https://"] {
        assert_eq!(put(url, json!(["alert.firing"])).await, "/url", "{url}");
    }
    assert_eq!(put("https://example.com", json!([])).await, "/events");
    assert_eq!(put("https://example.com", json!(["alert.exploded"])).await, "/events/0");
    for made in 0..50 {
        hook(&app, &key, &format!("hook-{made}"), "https://example.com").await;
    }
    let one_more =
        app.put(&key, "/v1/webhooks/more", json!({"url": "https://example.com", "events": ["alert.firing"]}));
    assert_eq!(one_more.await.expect_status(409).problem(), "too_many_webhooks");
}

pub async fn changes_of_webhooks_are_in_the_audit_and_secrets_nowhere(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let first = hook(&app, &key, "pager", "https://example.com").await;
    let path = "/v1/webhooks/pager";
    let turned = app.post(&key, &format!("{path}/secret"), json!({"overlap": "1h"})).await.expect_status(200).json();
    let second = turned["secret"].as_str().unwrap().to_owned();
    assert!(first != second && turned["previous_until"].is_string());
    let other = json!({"url": "https://example.com/2", "events": ["alert.firing"]});
    app.put(&key, path, other.clone()).await.expect_status(200);
    app.put(&key, path, other).await.expect_status(200);
    app.post(&key, &format!("{path}/test"), json!({})).await.expect_status(202);
    let all = app.get(&key, path).await.text + &app.get(&key, "/v1/webhooks").await.text;
    app.delete(&key, path).await.expect_status(204);
    let audit = app.get(&key, "/v1/audit?entity=pager").await.expect_status(200);
    let entries = audit.json();
    let mut actions: Vec<_> =
        entries["items"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    actions.sort_by_key(ToString::to_string);
    assert_eq!(
        actions,
        ["webhook.create", "webhook.delete", "webhook.rotate", "webhook.test", "webhook.update"]
            .map(|word| json!(word))
    );
    for secret in [&first, &second].map(|secret| secret.trim_start_matches("whsec_")) {
        assert!(!all.contains(secret) && !audit.text.contains(secret));
    }
}

pub async fn events_are_kept_for_a_time(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    hook(&app, &key, "pager", "https://example.com").await;
    happen(&app, "north", EventType::AlertFiring, &["old", "new"]).await;
    let mut db = app.db().await;
    let age = "UPDATE event SET recorded_at = now() - interval '31 days' WHERE subject = 'old'";
    sqlx::query(age).execute(&mut db).await.unwrap();
    let pool = database::pool(&app.options, "events", 1, app::QUERY_TIMEOUT);
    events::KEPT.forget(&pool).await.expect("a tidy table");
    let left: Vec<String> = sqlx::query_scalar("SELECT subject FROM event").fetch_all(&mut db).await.unwrap();
    assert_eq!(left, ["new"]);
    let told = deliveries(&app, &key, "pager", "pending").await;
    assert_eq!(told.iter().map(|delivery| delivery["subject"].as_str().unwrap()).collect::<Vec<_>>(), ["new"]);
}
