//! Somebody approves, or does not.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use super::{ask, audited, device, key_of, north, posted, proven, stored, token, uses};
use crate::harness::{Answer, TestApp};
use crate::ingest::quarantine::replay_due;

/// Decides about the only enrollment in a state.
async fn decide(app: &TestApp, key: &str, state: &str, decision: &str) -> Answer {
    let page = app.get(key, &format!("/v1/enrollments?state={state}")).await.expect_status(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
    let path = format!("/v1/enrollments/{}/{decision}", page["items"][0]["id"].as_str().unwrap());
    app.call(key, Method::POST, &path, None).await
}

/// `device code` of what is in quarantine, in the order in which it came.
async fn quarantined(app: &TestApp, key: &str) -> Vec<String> {
    let page = app.get(key, "/v1/quarantine").await.expect_status(200).json();
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| [&item["reading"]["device"], &item["code"]].map(|text| text.as_str().unwrap()).join(" ")).collect()
}

pub async fn what_an_unapproved_device_posts_counts_once_it_is_approved(app: TestApp) {
    let key = north(&app).await;
    let (token, id) = token(&app, &key, json!({"group": "roof"})).await;
    let answer = ask(&app, &proven(&token, "S-1", "a")).await.expect_status(202);
    assert_eq!(answer.headers["retry-after"], "60");
    let own = key_of(&answer);
    assert_eq!(answer.json(), json!({"state": "pending", "device": "S-1", "profile": null, "key": own}));
    assert_eq!(posted(&app, &own, "S-1", 5).await, "quarantined device_unapproved");
    assert_eq!(posted(&app, &own, "S-2", 5).await, "quarantined unknown_device");
    let payload = app.post(&own, "/v1/device/payload", json!({"t": "2026-03-01T00:15:00Z", "v": 8})).await;
    let payload = payload.expect_status(200).json();
    assert_eq!((&payload["quarantined"], &payload["results"][0]["code"]), (&json!(1), &json!("device_unapproved")));
    app.post(&own, "/v1/device/payload?device=S-2", json!({"v": 8})).await.expect_status(404);
    for path in ["/v1/device/config", "/v1/device/config?device=S-1"] {
        assert_eq!(app.get(&own, path).await.expect_status(403).problem(), "not_approved");
    }
    app.post(&own, "/v1/device/config/ack", json!({"version": 1})).await.expect_status(403);
    let standing = app.get(&own, "/v1/enroll").await.expect_status(202);
    assert_eq!(
        (&standing.headers["retry-after"], &standing.json()["state"]),
        (&HeaderValue::from_static("60"), &json!("pending"))
    );
    assert_eq!(key_of(&ask(&app, &proven(&token, "S-1", "a")).await.expect_status(202)), own);
    assert_eq!(uses(&app, &key, &id).await, 1);
    app.get(&key, "/v1/devices/S-1").await.expect_status(404);
    let page = app.get(&key, "/v1/quarantine?code=device_unapproved").await.expect_status(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    // To try it again changes nothing.
    app.call(&key, Method::POST, "/v1/quarantine/replay", None).await.expect_status(200);
    let waiting = ["S-1 device_unapproved", "S-2 unknown_device", "S-1 device_unapproved"];
    assert_eq!(quarantined(&app, &key).await, waiting);
    // Nor does it when somebody registers a device with that key: whoever has this key is still not approved.
    app.put(&key, "/v1/devices/S-1", json!({"customer": "acme", "group": "roof", "name": "By hand"}))
        .await
        .expect_status(201);
    replay_due(&app).await;
    assert_eq!(posted(&app, &own, "S-1", 6).await, "quarantined device_unapproved");
    assert_eq!(stored(&app, &key, "S-1").await, [""; 0]);

    for state in ["pending", "approved"] {
        let approved = decide(&app, &key, state, "approve").await.expect_status(200).json();
        assert_eq!(approved["state"], "approved");
    }
    replay_due(&app).await;
    let mut there = stored(&app, &key, "S-1").await;
    there.sort();
    // Of the two values of one instant the first stands.
    assert_eq!(there, ["5", "8"]);
    assert_eq!(quarantined(&app, &key).await, ["S-2 unknown_device", "S-1 value_differs"]);
    let registered = app.get(&key, "/v1/devices/S-1").await.expect_status(200).json();
    assert_eq!((&registered["name"], &registered["model"]), (&json!("By hand"), &json!("MB-050")));
    let standing = app.get(&own, "/v1/enroll").await.expect_status(200).json();
    assert_eq!(standing, json!({"state": "approved", "device": "S-1", "profile": "meter"}));
    app.get(&own, "/v1/device/config").await.expect_status(200);
    assert_eq!(key_of(&ask(&app, &proven(&token, "S-1", "a")).await.expect_status(200)), own);
    assert_eq!(posted(&app, &own, "S-1", 5).await, "duplicate");
    assert_eq!(decide(&app, &key, "approved", "refuse").await.expect_status(409).problem(), "enrollment_decided");
    assert_eq!(audited(&app, &key, "enrollment.").await, ["enrollment.create", "enrollment.approve"]);
}

pub async fn a_refused_device_ends_and_may_enroll_again_when_that_is_deleted(app: TestApp) {
    let key = north(&app).await;
    let (token, _) = token(&app, &key, json!({"uses": 3})).await;
    let own = key_of(&ask(&app, &proven(&token, "S-1", "a")).await.expect_status(202));
    assert_eq!(posted(&app, &own, "S-1", 5).await, "quarantined device_unapproved");
    let read = app.key("north", meterbase::keys::Scope::Read).await;
    decide(&app, &read, "pending", "refuse").await.expect_status(403);
    decide(&app, &key, "pending", "refuse").await.expect_status(200);
    decide(&app, &key, "refused", "refuse").await.expect_status(200);
    app.get(&own, "/v1/enroll").await.expect_status(401);
    for body in [proven(&token, "S-1", "a"), proven(&token, "S-1", "b"), device(&token, "S-1")] {
        ask(&app, &body).await.expect_status(403);
    }
    assert_eq!(decide(&app, &key, "refused", "approve").await.expect_status(409).problem(), "enrollment_decided");
    app.get(&key, "/v1/devices/S-1").await.expect_status(404);

    let page = app.get(&key, "/v1/enrollments").await.expect_status(200).json();
    let path = format!("/v1/enrollments/{}", page["items"][0]["id"].as_str().unwrap());
    assert_eq!(app.get(&key, &path).await.expect_status(200).json(), page["items"][0]);
    app.delete(&key, &path).await.expect_status(204);
    app.delete(&key, &path).await.expect_status(404);
    let again = key_of(&ask(&app, &proven(&token, "S-1", "b")).await.expect_status(202));
    assert_eq!(posted(&app, &again, "S-1", 6).await, "quarantined device_unapproved");
    decide(&app, &key, "pending", "approve").await.expect_status(200);
    replay_due(&app).await;
    // What the key posted that was refused does not count.
    assert_eq!(stored(&app, &key, "S-1").await, ["6"]);
    assert_eq!(quarantined(&app, &key).await, ["S-1 device_unapproved"]);
    let actions = ["create", "refuse", "delete", "create", "approve"].map(|action| format!("enrollment.{action}"));
    assert_eq!(audited(&app, &key, "enrollment.").await, actions);
}

pub async fn a_registered_device_enrolls_as_itself_when_somebody_approves(app: TestApp) {
    let key = north(&app).await;
    let body = json!({"customer": "acme", "serial": "S-1", "name": "Main", "kind": "gateway", "model": "old"});
    app.put(&key, "/v1/devices/m1", body).await.expect_status(201);
    assert_eq!(posted(&app, &key, "m1", 5).await, "stored");
    let (first, id) = token(&app, &key, json!({"approval": false, "uses": 2})).await;
    let answer = ask(&app, &proven(&first, "S-1", "a")).await.expect_status(202);
    let own = key_of(&answer);
    assert_eq!(answer.json()["device"], "m1");
    assert_eq!(posted(&app, &own, "m1", 6).await, "quarantined device_unapproved");
    assert_eq!(app.get(&key, "/v1/devices/m1").await.json()["model"], "old");
    // It is spoken for now, under either name.
    for serial in ["S-1", "m1"] {
        ask(&app, &proven(&first, serial, "b")).await.expect_status(403);
    }
    decide(&app, &key, "pending", "approve").await.expect_status(200);
    let there = app.get(&key, "/v1/devices/m1").await.expect_status(200).json();
    let fields = ["name", "kind", "customer", "model", "serial"].map(|field| there[field].as_str().unwrap());
    assert_eq!(fields, ["Main", "gateway", "acme", "MB-050", "S-1"]);
    replay_due(&app).await;
    assert_eq!(quarantined(&app, &key).await, ["m1 value_differs"]);
    assert_eq!(posted(&app, &own, "m1", 5).await, "duplicate");
    assert_eq!(app.walk(&key, "/v1/devices").await, ["m1"]);

    // It lost its secret: its enrollment is deleted, and another one takes the device over.
    let page = app.get(&key, "/v1/enrollments").await.expect_status(200).json();
    let one: &Value = &page["items"][0];
    app.delete(&key, &format!("/v1/enrollments/{}", one["id"].as_str().unwrap())).await.expect_status(204);
    app.get(&own, "/v1/enroll").await.expect_status(401);
    let own = key_of(&ask(&app, &proven(&first, "S-1", "c")).await.expect_status(202));
    decide(&app, &key, "pending", "approve").await.expect_status(200);
    assert_eq!(posted(&app, &own, "m1", 5).await, "duplicate");
    assert_eq!(uses(&app, &key, &id).await, 2);
}
