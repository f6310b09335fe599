//! Devices ask, once, again, many at once, and in vain.

use serde_json::{Value, json};

use super::{ask, audited, device, key_of, north, posted, proven, secret, stored, token, uses};
use crate::binary::Patience;
use crate::harness::TestApp;

pub async fn a_device_gets_its_identity_a_key_and_its_profile(app: TestApp) {
    let key = north(&app).await;
    let (token, id) = token(&app, &key, json!({"approval": false, "group": "roof"})).await;
    let answer = ask(&app, &proven(&token, "S-1", "a")).await.expect_status(201);
    let own = key_of(&answer);
    let expected = json!({"state": "approved", "device": "S-1", "profile": "meter", "key": own});
    assert_eq!(answer.json(), expected);
    let there = app.get(&key, "/v1/devices/S-1").await.expect_status(200).json();
    for (field, value) in
        [("customer", "acme"), ("group", "roof"), ("serial", "S-1"), ("model", "MB-050"), ("firmware", "5.0.2")]
    {
        assert_eq!(there[field], value, "{field}");
    }
    // Its key is for itself alone.
    app.put(&key, "/v1/devices/m2", json!({"customer": "acme"})).await.expect_status(201);
    assert_eq!(posted(&app, &own, "S-1", 7).await, "stored");
    assert_eq!(posted(&app, &own, "m2", 7).await, "quarantined unknown_device");
    assert_eq!(stored(&app, &key, "S-1").await, ["7"]);
    app.get(&own, "/v1/devices").await.expect_status(403);
    let config = app.get(&own, "/v1/device/config").await.expect_status(200).json();
    assert_eq!((&config["device"], &config["interval"]), (&json!("S-1"), &json!("15m")));
    let standing = app.get(&own, "/v1/enroll").await.expect_status(200).json();
    assert_eq!(standing, json!({"state": "approved", "device": "S-1", "profile": "meter"}));
    app.get(&key, "/v1/enroll").await.expect_status(404);
    app.get(&token, "/v1/enroll").await.expect_status(401);
    assert_eq!(uses(&app, &key, &id).await, 1);

    let enrolled = app.get(&key, "/v1/enrollments?state=approved").await.expect_status(200).json();
    let one = &enrolled["items"][0];
    assert_eq!((&one["device"], &one["token"], &one["group"]), (&json!("S-1"), &json!(id), &json!("roof")));
    assert_eq!(
        audited(&app, &key, "enrollment").await,
        ["enrollment_token.create", "enrollment.create", "enrollment.approve"]
    );
    let audit = app.get(&key, "/v1/audit?action=device.create&entity=S-1").await.expect_status(200).json();
    assert_eq!(
        (&audit["items"][0]["by"]["kind"], &audit["items"][0]["by"]["address"]),
        (&json!("device"), &json!("127.0.0.1"))
    );
    let audit = app.get(&key, "/v1/audit?limit=1000").await.expect_status(200).text;
    for text in [&own, &token] {
        assert!(!audit.contains(text.split('_').nth(2).unwrap()));
    }
    assert!(!audit.contains(&secret("a")));
}

pub async fn a_device_with_a_secret_repeats_as_often_as_it_likes_and_nobody_else_can(app: TestApp) {
    let key = north(&app).await;
    let (first, id) = token(&app, &key, json!({"approval": false, "uses": 2})).await;
    let (second, _) = token(&app, &key, json!({"approval": false})).await;
    let own = key_of(&ask(&app, &proven(&first, "S-1", "a")).await.expect_status(201));
    assert_eq!(posted(&app, &own, "S-1", 1).await, "stored");
    for _ in 0..3 {
        assert_eq!(key_of(&ask(&app, &proven(&first, "S-1", "a")).await.expect_status(200)), own);
    }
    for wrong in [proven(&first, "S-1", "b"), device(&first, "S-1"), proven(&second, "S-1", "a")] {
        assert_eq!(ask(&app, &wrong).await.expect_status(403).problem(), "enrollment_refused");
    }
    assert_eq!(uses(&app, &key, &id).await, 1);
    // The same secret of two devices makes two keys.
    let other = key_of(&ask(&app, &proven(&first, "S-2", "a")).await.expect_status(201));
    assert_ne!(other, own);
    // A used up token is good for those who used it.
    assert_eq!(key_of(&ask(&app, &proven(&first, "S-1", "a")).await.expect_status(200)), own);
    assert_eq!(app.walk(&key, "/v1/devices").await, ["S-1", "S-2"]);
    // A key that was revoked is not told again.
    let enrolled = app.get(&key, "/v1/enrollments").await.expect_status(200).json();
    let of_first = enrolled["items"][0]["key_id"].as_str().unwrap().to_owned();
    app.delete(&key, &format!("/v1/keys/{of_first}")).await.expect_status(204);
    ask(&app, &proven(&first, "S-1", "a")).await.expect_status(403);
    assert_eq!(posted(&app, &other, "S-2", 1).await, "stored");
}

pub async fn a_device_that_proves_itself_tells_of_its_new_firmware_by_enrolling_again(app: TestApp) {
    let key = north(&app).await;
    let other = json!({"name": "Later", "match": {"model": "MB-*", "firmware": "6.*"}, "format": "json", "interval": "5m",
        "time": {"from": "/t", "format": "rfc3339"}, "fields": [{"from": "/v", "metric": "energy"}]});
    app.put(&key, "/v1/profiles/later", other).await.expect_status(201);
    let (token, _) = token(&app, &key, json!({"uses": 2})).await;
    let told = |serial: &str, firmware: &str| {
        let mut body = proven(&token, serial, "a");
        body["firmware"] = json!(firmware);
        body
    };
    let own = key_of(&ask(&app, &told("S-1", "5.0.2")).await.expect_status(202));
    // While it waits as well as later.
    assert_eq!(key_of(&ask(&app, &told("S-1", "5.1")).await.expect_status(202)), own);
    let page = app.get(&key, "/v1/enrollments").await.expect_status(200).json();
    assert_eq!((&page["items"][0]["firmware"], &page["items"][0]["model"]), (&json!("5.1"), &json!("MB-050")));
    let path = format!("/v1/enrollments/{}/approve", page["items"][0]["id"].as_str().unwrap());
    app.post(&key, &path, Value::Null).await.expect_status(200);
    let firmware = async || app.get(&key, "/v1/devices/S-1").await.expect_status(200).json()["firmware"].clone();
    assert_eq!(firmware().await, "5.1");
    // What somebody writes stays while the device says nothing new.
    let body = json!({"customer": "acme", "name": "Main", "model": "MB-050", "firmware": "5.2", "serial": "S-1"});
    app.put(&key, "/v1/devices/S-1", body).await.expect_status(200);
    for body in [told("S-1", "5.1"), json!({"token": token, "serial": "S-1", "secret": secret("a")})] {
        assert_eq!(ask(&app, &body).await.expect_status(200).json()["profile"], "meter");
        assert_eq!(firmware().await, "5.2");
    }
    let answer = ask(&app, &told("S-1", "6.0")).await.expect_status(200);
    assert_eq!((&answer.json()["profile"], key_of(&answer)), (&json!("later"), own.clone()));
    let there = app.get(&key, "/v1/devices/S-1").await.expect_status(200).json();
    let fields = ["name", "customer", "model", "firmware", "serial"].map(|field| there[field].as_str().unwrap());
    assert_eq!(fields, ["Main", "acme", "MB-050", "6.0", "S-1"]);
    assert_eq!(app.get(&own, "/v1/device/config").await.expect_status(200).json()["interval"], "5m");
    let actions = ["create", "update", "approve", "update"].map(|action| format!("enrollment.{action}"));
    assert_eq!(audited(&app, &key, "enrollment.").await, actions);
    let changes = app.get(&key, "/v1/audit?action=device.update&entity=S-1").await.expect_status(200).json();
    assert_eq!(changes["items"][0]["after"]["firmware"], "6.0");
    assert_eq!(changes["items"][0]["by"]["kind"], "device");

    // Nobody else can say so: not with another secret, and not of a device that has none.
    let mut wrong = told("S-1", "7.0");
    wrong["secret"] = json!(secret("b"));
    ask(&app, &wrong).await.expect_status(403);
    ask(&app, &device(&token, "S-2")).await.expect_status(202);
    let mut body = device(&token, "S-2");
    body["firmware"] = json!("7.0");
    ask(&app, &body).await.expect_status(202);
    let page = app.get(&key, "/v1/enrollments").await.expect_status(200).json();
    assert_eq!([0, 1].map(|at| page["items"][at]["firmware"].clone()), [json!("6.0"), json!("5.0.2")]);
    // A device that is out of service stays so.
    app.delete(&key, "/v1/devices/S-1").await.expect_status(204);
    let retired = ask(&app, &told("S-1", "7.0")).await.status;
    assert!([200, 403].contains(&retired), "{retired}");
    assert!(app.walk(&key, "/v1/devices").await.is_empty());
}

pub async fn a_device_without_a_secret_gets_a_key_until_it_has_used_one(app: TestApp) {
    let key = north(&app).await;
    let (token, id) = token(&app, &key, json!({"approval": false, "uses": 2})).await;
    let lost = key_of(&ask(&app, &device(&token, "S-1")).await.expect_status(201));
    let own = key_of(&ask(&app, &device(&token, "S-1")).await.expect_status(200));
    assert_ne!(lost, own);
    assert_eq!(posted(&app, &own, "S-1", 1).await, "stored");
    assert_eq!(posted(&app, &lost, "S-1", 1).await, "duplicate");
    let key_id = app.get(&key, "/v1/enrollments").await.expect_status(200).json()["items"][0]["key_id"].clone();
    let path = format!("/v1/keys/{}", key_id.as_str().unwrap());
    let mut patience = Patience::for_("the key's use is noted");
    while app.get(&key, &path).await.json()["last_used_at"].is_null() {
        patience.poll().await;
    }
    let answer = ask(&app, &device(&token, "S-1")).await.expect_status(200).json();
    assert_eq!(answer, json!({"state": "approved", "device": "S-1", "profile": "meter", "key": null}));
    assert_eq!(posted(&app, &own, "S-1", 1).await, "duplicate");
    ask(&app, &proven(&token, "S-1", "a")).await.expect_status(403);
    assert_eq!((uses(&app, &key, &id).await, app.walk(&key, "/v1/devices").await), (json!(1), vec!["S-1".to_owned()]));
}

pub async fn of_many_at_once_as_many_enroll_as_the_token_allows(app: TestApp) {
    let key = north(&app).await;
    let (three, id) = token(&app, &key, json!({"approval": false, "uses": 3})).await;
    let bodies: Vec<_> = (0..10).map(|number| proven(&three, &format!("S-{number}"), "a")).collect();
    let answers = futures::future::join_all(bodies.iter().map(|body| ask(&app, body))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 201, 403, 403, 403, 403, 403, 403, 403]);
    assert_eq!((uses(&app, &key, &id).await, app.walk(&key, "/v1/devices").await.len()), (json!(3), 3));

    // One device that asks many times at once is one device with one key.
    let (one, id) = token(&app, &key, json!({"approval": false})).await;
    let body = proven(&one, "T-1", "b");
    let answers = futures::future::join_all((0..8).map(|_| ask(&app, &body))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let again = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((made, again), (1, 7));
    assert!(answers.iter().all(|answer| key_of(answer) == key_of(&answers[0])));
    assert_eq!(uses(&app, &key, &id).await, 1);

    // Two tokens and one serial number: one device.
    let (left, _) = token(&app, &key, json!({"approval": false})).await;
    let (right, _) = token(&app, &key, json!({"approval": false, "customer": "other"})).await;
    let bodies = [proven(&left, "U-1", "c"), proven(&right, "U-1", "d")];
    let answers = futures::future::join_all(bodies.iter().map(|body| ask(&app, body))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403]);
}

pub async fn what_is_refused_does_not_tell_why(app: TestApp) {
    let key = north(&app).await;
    let devices = json!([
        {"key": "of-other", "customer": "other"}, {"key": "in-group", "customer": "acme", "group": "roof"},
        {"key": "retired", "customer": "acme"}, {"key": "named", "customer": "other", "serial": "S-named"},
        {"key": "twice-1", "customer": "acme", "serial": "S-twice"}, {"key": "twice-2", "customer": "acme", "serial": "S-twice"}]);
    app.post(&key, "/v1/devices", devices).await.expect_status(200);
    app.delete(&key, "/v1/devices/retired").await.expect_status(204);
    let (good, id) = token(&app, &key, json!({"approval": false, "uses": 100})).await;
    let (used_up, _) = token(&app, &key, json!({"approval": false})).await;
    ask(&app, &proven(&used_up, "S-1", "a")).await.expect_status(201);
    let (expired, expired_id) = token(&app, &key, json!({"approval": false, "uses": 2})).await;
    ask(&app, &proven(&expired, "S-2", "a")).await.expect_status(201);
    let (revoked, revoked_id) = token(&app, &key, json!({"approval": false, "uses": 2})).await;
    ask(&app, &proven(&revoked, "S-3", "a")).await.expect_status(201);
    let expire = "UPDATE enrollment_token SET expires_at = now() WHERE uuid = $1::uuid";
    sqlx::query(expire).bind(&expired_id).execute(&mut app.db().await).await.unwrap();
    app.delete(&key, &format!("/v1/enrollment-tokens/{revoked_id}")).await.expect_status(204);
    let last = if good.ends_with('0') { "1" } else { "0" };
    let wrong_secret = format!("{}{last}", &good[..good.len() - 1]);
    let absent = format!("mb_{}_{}", "0".repeat(16), "0".repeat(64));
    let mut told: Vec<(String, Value)> = Vec::new();
    for (token, serial) in [
        (absent.as_str(), "S-9"),
        ("no token", "S-9"),
        (&key, "S-9"),
        (&wrong_secret, "S-9"),
        (&used_up, "S-9"),
        (&expired, "S-9"),
        (&expired, "S-2"),
        (&revoked, "S-9"),
        (&revoked, "S-3"),
        (&good, "S-1"),
        (&good, "of-other"),
        (&good, "in-group"),
        (&good, "retired"),
        (&good, "S-named"),
        (&good, "S-twice"),
    ] {
        let answer = ask(&app, &proven(token, serial, "a")).await.expect_status(403);
        told.push((format!("{serial} {token}"), answer.json()));
    }
    for (what, answer) in &told {
        assert_eq!(answer, &told[0].1, "{what}");
    }
    assert_eq!(uses(&app, &key, &id).await, 0);
    for (body, pointer) in [
        (json!({"token": good, "serial": "a b"}), "/serial"),
        (json!({"token": good, "serial": "S-9", "model": ""}), "/model"),
        (json!({"token": good, "serial": "S-9", "secret": "A".repeat(64)}), "/secret"),
        (json!({"token": good, "serial": "S-9", "secret": "a"}), "/secret"),
        (json!({"token": good, "serial": "S-9", "colour": "red"}), "/colour"),
        (json!({"serial": "S-9"}), "/token"),
    ] {
        let answer = ask(&app, &body).await.expect_status(422).json();
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{body}");
    }
    let large = json!({"token": good, "serial": "S-9", "model": "x".repeat(20_000)});
    ask(&app, &large).await.expect_status(413);
}

pub async fn another_provider_s_device_makes_no_difference(app: TestApp) {
    let key = north(&app).await;
    let south = app.provider("south", "UTC").await;
    app.put(&south, "/v1/customers/acme", json!({"name": "South's"})).await.expect_status(201);
    let devices = json!([{"key": "A-1", "customer": "acme"}, {"key": "m", "customer": "acme", "serial": "B-1"}]);
    app.post(&south, "/v1/devices", devices).await.expect_status(200);
    let (southern, _) = token(&app, &south, json!({"approval": false, "uses": 2})).await;
    for serial in ["A-2", "B-2"] {
        ask(&app, &proven(&southern, serial, "a")).await.expect_status(201);
    }
    let before = app.get(&south, "/v1/devices").await.expect_status(200).json();
    for (approval, serials, status) in [(false, ["A-1", "A-2", "A-3"], 201), (true, ["B-1", "B-2", "B-3"], 202)] {
        let (token, _) = token(&app, &key, json!({"approval": approval, "uses": 3})).await;
        let mut told = Vec::new();
        for serial in serials {
            let answer = ask(&app, &proven(&token, serial, "a")).await.expect_status(status);
            told.push(answer.text.replace(&key_of(&answer), "KEY").replace(serial, "SERIAL"));
        }
        // The third is nobody's.
        assert!(told[0] == told[2] && told[1] == told[2], "{told:?}");
    }
    assert_eq!(app.get(&south, "/v1/devices").await.expect_status(200).json(), before);
    assert_eq!(app.walk(&key, "/v1/devices").await, ["A-1", "A-2", "A-3"]);
    let of_south = app.get(&south, "/v1/enrollments").await.expect_status(200).json();
    assert_eq!(of_south["items"].as_array().unwrap().len(), 2);
}

pub async fn whoever_is_refused_too_often_has_to_wait(app: TestApp) {
    let key = north(&app).await;
    let (token, _) = token(&app, &key, json!({"approval": false, "uses": 100})).await;
    for number in 0..70 {
        // Those that are not refused take nothing.
        ask(&app, &proven(&token, &format!("S-{number}"), "a")).await.expect_status(201);
    }
    let mut refused = 0;
    let answer = loop {
        let answer = ask(&app, &device("no token", "S-1")).await;
        if answer.status != 403 {
            break answer;
        }
        refused += 1;
        assert!(refused < 10_000);
    };
    assert!(refused >= 60, "{refused}");
    assert_eq!(answer.expect_status(429).headers["retry-after"], "2");
    assert_eq!(ask(&app, &device("no token", "S-1")).await.problem(), "too_many_tries");
    let metrics = app.client.get(format!("{}/metrics", app.base)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("meterbase_limit_refusals_total{limit=\"refused_enrollments\"}"));
}
