//! Devices that register themselves.

mod approval;
mod asking;
mod certificates;
mod tokens;

use serde_json::{Value, json};

use self::{
    approval as enroll_approval, asking as enroll_asking, certificates as enroll_certificates, tokens as enroll_tokens,
};
use crate::harness::{Answer, Test, TestApp, topic};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(enroll_asking::{
            a_device_gets_its_identity_a_key_and_its_profile,
            a_device_with_a_secret_repeats_as_often_as_it_likes_and_nobody_else_can,
            a_device_that_proves_itself_tells_of_its_new_firmware_by_enrolling_again,
            a_device_without_a_secret_gets_a_key_until_it_has_used_one,
            of_many_at_once_as_many_enroll_as_the_token_allows,
            what_is_refused_does_not_tell_why,
            another_provider_s_device_makes_no_difference,
            whoever_is_refused_too_often_has_to_wait,
        }),
        topic!(enroll_approval::{
            what_an_unapproved_device_posts_counts_once_it_is_approved,
            a_refused_device_ends_and_may_enroll_again_when_that_is_deleted,
            a_registered_device_enrolls_as_itself_when_somebody_approves,
        }),
        topic!(enroll_certificates::{
            a_device_with_a_key_pair_has_a_certificate_in_place_of_a_key,
            a_certificate_is_followed_by_others_until_its_key_is_revoked,
            what_cannot_be_certified_is_explained,
        }),
        topic!(enroll_tokens::{
            a_token_is_made_shown_once_listed_and_revoked,
            what_a_token_cannot_be_is_explained,
            commands_keep_tokens_and_decide_about_devices,
        }),
    ]
}

/// A provider `north` with the customers `acme`, which has the group `roof`, and `other`, the metric `energy` and a profile for
/// models `MB-*`; its key.
async fn north(app: &TestApp) -> String {
    let key = app.provider("north", "UTC").await;
    for customer in ["acme", "other"] {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": "N"})).await.expect_status(201);
    }
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "acme"})).await.expect_status(201);
    let metric = json!({"name": "Energy", "unit": "kWh", "kind": "delta", "scale": 0});
    app.put(&key, "/v1/metrics/energy", metric).await.expect_status(201);
    let profile = json!({"name": "Meter", "match": {"model": "MB-*"}, "format": "json", "interval": "15m",
        "time": {"from": "/t", "format": "rfc3339"}, "fields": [{"from": "/v", "metric": "energy"}]});
    app.put(&key, "/v1/profiles/meter", profile).await.expect_status(201);
    key
}

/// A token for `acme`, or as the fields say.
async fn token(app: &TestApp, key: &str, fields: Value) -> (String, String) {
    let mut body = json!({"customer": "acme", "expires_at": "2099-01-01T00:00:00Z"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let made = app.post(key, "/v1/enrollment-tokens", body).await.expect_status(201).json();
    (made["token"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
}

/// A secret that a device may have drawn.
fn secret(digit: &str) -> String {
    digit.repeat(64)
}

/// Asks as a device does, without a key.
async fn ask(app: &TestApp, body: &Value) -> Answer {
    Answer::of(app.client.post(format!("{}/v1/enroll", app.base)).json(body)).await
}

fn key_of(answer: &Answer) -> String {
    answer.json()["key"].as_str().expect("a key").to_owned()
}

/// What a device of a token says.
fn device(token: &str, serial: &str) -> Value {
    json!({"token": token, "serial": serial, "model": "MB-050", "firmware": "5.0.2"})
}

/// The same with a secret.
fn proven(token: &str, serial: &str, digit: &str) -> Value {
    let mut body = device(token, serial);
    body["secret"] = json!(secret(digit));
    body
}

/// `status code` of one reading posted with a key.
async fn posted(app: &TestApp, key: &str, device: &str, value: i32) -> String {
    let body = json!([{"device": device, "metric": "energy", "at": "2026-03-01T00:00:00Z", "value": value}]);
    let answer = app.post(key, "/v1/readings?receipts=all", body).await.expect_status(200).json();
    let result = &answer["results"][0];
    [&result["status"], &result["code"]].map(|text| text.as_str().unwrap_or_default()).join(" ").trim().to_owned()
}

/// The values that are stored of a device.
async fn stored(app: &TestApp, key: &str, device: &str) -> Vec<String> {
    let path = format!("/v1/devices/{device}/readings?metric=energy");
    let page = app.get(key, &path).await.expect_status(200).json();
    page["items"].as_array().unwrap().iter().map(|item| item["value"].as_str().unwrap().to_owned()).collect()
}

/// How often a token was used.
async fn uses(app: &TestApp, key: &str, id: &str) -> Value {
    app.get(key, &format!("/v1/enrollment-tokens/{id}")).await.expect_status(200).json()["uses"].clone()
}

/// `action` of the audit's entries of a kind, oldest first.
async fn audited(app: &TestApp, key: &str, what: &str) -> Vec<String> {
    let page = app.get(key, "/v1/audit?limit=1000").await.expect_status(200).json();
    let actions = page["items"].as_array().unwrap().iter().rev().map(|entry| entry["action"].as_str().unwrap());
    actions.filter(|action| action.starts_with(what)).map(str::to_owned).collect()
}
