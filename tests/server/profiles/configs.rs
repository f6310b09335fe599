//! Configurations: told, waited for, acknowledged, reported.

use meterbase::keys::Scope;
use serde_json::{Value, json};

use super::{north, p1, with};
use crate::binary::Patience;
use crate::harness::{Answer, TestApp};

/// Asks for the configuration with the tag of an answer before.
async fn ask(app: &TestApp, key: &str, query: &str, tag: &str) -> Answer {
    let request = app.client.get(format!("{}/v1/device/config?{query}", app.base)).bearer_auth(key);
    Answer::of(request.header("if-none-match", tag)).await
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().expect("text").to_owned()
}

async fn shown(app: &TestApp, key: &str) -> Value {
    app.get(key, "/v1/devices/m1/config").await.expect_status(200).json()
}

pub async fn a_configuration_is_told_once(app: TestApp) {
    let key = north(&app).await;
    let ingest = app.key("north", Scope::Ingest).await;
    let nothing = app.get(&ingest, "/v1/device/config?device=m1").await.expect_status(200);
    let expected = json!({"device": "m1", "profile": null, "version": null, "interval": null, "interval_seconds": null,
        "settings": {}});
    assert_eq!(nothing.json(), expected);
    ask(&app, &ingest, "device=m1", &tag(&nothing)).await.expect_status(304);

    app.put(&key, "/v1/profiles/meter", with(p1(), "/settings", json!({"led": "off"}))).await.expect_status(201);
    let first = ask(&app, &ingest, "device=m1", &tag(&nothing)).await.expect_status(200);
    let expected = json!({"device": "m1", "profile": "meter", "version": 1, "interval": "15m", "interval_seconds": 900,
        "settings": {"led": "off"}});
    assert_eq!(first.json(), expected);
    let unchanged = ask(&app, &ingest, "device=m1", &tag(&first)).await.expect_status(304);
    assert_eq!((tag(&unchanged), unchanged.text.as_str()), (tag(&first), ""));
    ask(&app, &ingest, "device=m1&wait=1", &tag(&first)).await.expect_status(304);
    let query = format!("device=m1&provider=north&wait={}", 0);
    ask(&app, &app.admin, &query, &format!("\"other\", W/{}", tag(&first))).await.expect_status(304);
    // What cannot be known is told at once, whatever the wait.
    ask(&app, &ingest, "device=m1&wait=60", "\"other\"").await.expect_status(200);

    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(200);
    let second = ask(&app, &ingest, "device=m1&wait=60", &tag(&first)).await.expect_status(200);
    assert_eq!((&second.json()["version"], &second.json()["settings"]), (&json!(2), &json!({})));
    // A profile that is made anew begins with version 1, and is another one.
    app.delete(&key, "/v1/profiles/meter").await.expect_status(204);
    assert_eq!(tag(&ask(&app, &ingest, "device=m1", &tag(&second)).await.expect_status(200)), tag(&nothing));
    app.put(&key, "/v1/profiles/meter", with(p1(), "/settings", json!({"led": "off"}))).await.expect_status(201);
    let third = ask(&app, &ingest, "device=m1", &tag(&first)).await.expect_status(200);
    assert_eq!(third.json(), first.json());

    for query in ["device=m1&wait=61", "device=m1&wait=-1", "device=m1&wait=x", "wait=1", "device=m1&colour=red"] {
        ask(&app, &ingest, query, "\"other\"").await.expect_status(400);
    }
    app.get(&ingest, "/v1/device/config?device=m2").await.expect_status(404);
}

pub async fn a_device_that_waits_is_told_of_any_change(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/devices/m2", json!({"customer": "acme", "model": "X"})).await.expect_status(201);
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    app.put(&key, "/v1/profiles/other", with(p1(), "/match", Value::Null)).await.expect_status(201);
    let by_hand = "UPDATE profile SET definition = jsonb_set(definition, '{interval}', '\"7m\"'), version = version + 1 WHERE key = 'meter'";
    let device = json!({"customer": "acme", "model": "MB-050", "firmware": "5.0.2", "profile": "other"});
    let changes = [
        ("an interval", Some(("/v1/profiles/meter", with(p1(), "/interval", json!("5m")))), json!("5m")),
        ("by hand", None, json!("7m")),
        ("a profile named", Some(("/v1/devices/m1", device)), json!("15m")),
        ("another model", Some(("/v1/devices/m1", json!({"customer": "acme", "model": "X"}))), Value::Null),
    ];
    let mut known = tag(&app.get(&key, "/v1/device/config?device=m1").await.expect_status(200));
    for (what, change, interval) in changes {
        let waiting = ask(&app, &key, "device=m1&wait=60", &known);
        let changed = async {
            match change {
                Some((path, body)) => drop(app.put(&key, path, body).await.expect_status(200)),
                None => drop(sqlx::query(by_hand).execute(&mut app.db().await).await.expect("a change")),
            }
        };
        let (told, ()) = tokio::join!(waiting, changed);
        let told = told.expect_status(200);
        assert_eq!(told.json()["interval"], interval, "{what}");
        known = tag(&told);
    }
    // What changes nothing for a device does not end its wait.
    let nothing = tag(&app.get(&key, "/v1/device/config?device=m2").await.expect_status(200));
    let waiting = ask(&app, &key, "device=m2&wait=2", &nothing);
    let changed = app.put(&key, "/v1/profiles/meter", with(p1(), "/interval", json!("9m")));
    let (told, _) = tokio::join!(waiting, changed);
    assert_eq!(tag(&told.expect_status(304)), nothing);
}

pub async fn a_key_that_is_revoked_while_its_device_waits_is_told_nothing_more(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    let known = tag(&app.get(&key, "/v1/device/config?device=m1").await.expect_status(200));
    let made = app.post(&key, "/v1/keys", json!({"scope": "ingest", "device": "m1"})).await.expect_status(201).json();
    let path = format!("/v1/keys/{}", made["id"].as_str().expect("an id"));
    let waiting = ask(&app, made["key"].as_str().expect("a key"), "wait=60", &known);
    let changed = async {
        let mut patience = Patience::for_("the device asks");
        while app.get(&key, &path).await.json()["last_used_at"].is_null() {
            patience.poll().await;
        }
        app.delete(&key, &path).await.expect_status(204);
        app.put(&key, "/v1/profiles/meter", with(p1(), "/interval", json!("5m"))).await.expect_status(200);
    };
    let (told, ()) = tokio::join!(waiting, changed);
    told.expect_status(401);
}

pub async fn what_a_device_acknowledges_and_reports_is_shown_beside_what_is_desired(app: TestApp) {
    let key = north(&app).await;
    let ingest = app.key("north", Scope::Ingest).await;
    let acknowledge = async |body: Value| {
        app.post(&ingest, "/v1/device/config/ack?device=m1", body).await.expect_status(204);
        shown(&app, &key).await
    };
    let before = shown(&app, &key).await;
    assert_eq!((&before["acknowledged"], &before["reported"]), (&Value::Null, &Value::Null));
    assert_eq!((&before["in_sync"], &before["desired"]["profile"]), (&json!(true), &Value::Null));
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    assert_eq!(shown(&app, &key).await["in_sync"], false);

    let first = acknowledge(json!({"version": 1, "settings": {"led": "on", "list": [1, "é"]}})).await;
    assert_eq!((&first["in_sync"], &first["acknowledged"]["profile"]), (&json!(true), &json!("meter")));
    assert_eq!(first["reported"]["settings"], json!({"led": "on", "list": [1, "é"]}));
    // Said again, it is as it was; what is left out stays.
    let again = acknowledge(json!({"version": 1})).await;
    assert_eq!((&again["acknowledged"], &again["reported"]), (&first["acknowledged"], &first["reported"]));
    let reported = acknowledge(json!({"settings": {}})).await;
    assert_eq!((&reported["acknowledged"], &reported["reported"]["settings"]), (&first["acknowledged"], &json!({})));

    app.put(&key, "/v1/profiles/meter", with(p1(), "/interval", json!("5m"))).await.expect_status(200);
    let behind = shown(&app, &key).await;
    let versions = (&behind["desired"]["version"], &behind["acknowledged"]["version"], &behind["in_sync"]);
    assert_eq!(versions, (&json!(2), &json!(1), &json!(false)));
    let second = acknowledge(json!({"version": 2, "profile": "meter"})).await;
    assert_eq!((&second["acknowledged"]["version"], &second["in_sync"]), (&json!(2), &json!(true)));

    // The same key and version of a profile that is made anew is not what the device has.
    app.delete(&key, "/v1/profiles/meter").await.expect_status(204);
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    app.put(&key, "/v1/profiles/meter", with(p1(), "/interval", json!("5m"))).await.expect_status(200);
    let anew = shown(&app, &key).await;
    assert_eq!((&anew["desired"]["version"], &anew["in_sync"]), (&json!(2), &json!(false)));
    assert_eq!(anew["acknowledged"], second["acknowledged"]);
}

pub async fn a_key_of_a_part_speaks_for_the_devices_in_it_alone(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/customers/below", json!({"name": "Below", "parent": "acme"})).await.expect_status(201);
    app.put(&key, "/v1/customers/other", json!({"name": "Other"})).await.expect_status(201);
    app.put(&key, "/v1/groups/roof", json!({"name": "Roof", "customer": "below"})).await.expect_status(201);
    let devices = json!([{"key": "m2", "customer": "below", "group": "roof"}, {"key": "m3", "customer": "other"}]);
    app.post(&key, "/v1/devices", devices).await.expect_status(200);
    let asked = async |part: &str, query: &str| {
        let ingest = app.key("north", Scope::Ingest).await;
        let lookup = ingest.split('_').nth(1).expect("a key").to_owned();
        let bind = format!("UPDATE api_key SET {part} WHERE lookup = $1");
        let bind = sqlx::query(sqlx::AssertSqlSafe(bind)).bind(lookup);
        bind.execute(&mut app.db().await).await.expect("a bound key");
        let answer = app.get(&ingest, &format!("/v1/device/config?{query}")).await;
        (answer.status, answer.json()["device"].as_str().unwrap_or_default().to_owned())
    };
    let device = "device_id = (SELECT device_id FROM device WHERE key = 'm2')";
    let group = "group_id = (SELECT group_id FROM device_group WHERE key = 'roof')";
    let customer = "customer_id = (SELECT customer_id FROM customer WHERE key = 'acme')";
    for (part, query, answer) in [
        (device, "", (200, "m2")),
        (device, "device=m2", (200, "m2")),
        (device, "device=m1", (404, "")),
        (group, "", (400, "")),
        (group, "device=m2", (200, "m2")),
        (group, "device=m1", (404, "")),
        (customer, "device=m1", (200, "m1")),
        (customer, "device=m2", (200, "m2")),
        (customer, "device=m3", (404, "")),
    ] {
        let (status, device) = asked(part, query).await;
        assert_eq!((status, device.as_str()), answer, "{part} {query}");
    }
}

pub async fn what_cannot_be_acknowledged_is_refused(app: TestApp) {
    let key = north(&app).await;
    const PATH: &str = "/v1/device/config/ack?device=m1";
    let refused = app.post(&key, PATH, json!({"version": 1})).await.expect_status(409);
    assert_eq!(refused.problem(), "no_profile");
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    for (body, pointer) in [
        (json!({}), "/version"),
        (json!({"version": 2}), "/version"),
        (json!({"version": 0}), "/version"),
        (json!({"version": 1, "profile": "other"}), "/version"),
        (json!({"profile": "meter", "settings": {}}), "/version"),
        (json!({"version": 1, "settings": {"a": "\0"}}), "/settings"),
        (json!({"version": 1, "settings": {"a": "x".repeat(16 * 1024)}}), "/settings"),
        (json!({"version": 1, "settings": []}), "/settings"),
    ] {
        let answer = app.post(&key, PATH, body).await.expect_status(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{}", answer.text);
    }
    app.post(&key, "/v1/device/config/ack", json!({"version": 1})).await.expect_status(400);
    app.post(&key, "/v1/device/config/ack?device=m2", json!({"version": 1})).await.expect_status(404);
    assert_eq!(shown(&app, &key).await["acknowledged"], Value::Null);
    app.post(&app.key("north", Scope::Read).await, PATH, json!({"version": 1})).await.expect_status(403);
}
