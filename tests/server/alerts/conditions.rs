//! Silence, reviews and completeness.

use serde_json::json;

use super::world::World;
use crate::harness::TestApp;

pub async fn a_silent_device_is_told_until_it_sends_again(app: TestApp) {
    let world = World::new(&app).await;
    world.alert("m1", json!({"kind": "silence", "scope": "device:m1", "after": "30m"})).await;
    world.read("m1,energy,2026-03-02T10:00:00Z,1\n").await;
    assert_eq!(world.judge("2026-03-02T10:29:59Z").await, 0);
    assert_eq!(world.judge("2026-03-02T10:30:00Z").await, 1);
    assert_eq!(world.judge("2026-03-02T12:30:00Z").await, 0);
    // What comes late does not end the silence; what comes of any metric does.
    world.read("m1,energy,2026-03-02T11:00:00Z,1\n").await;
    assert_eq!(world.judge("2026-03-02T12:31:00Z").await, 0);
    world.read("m1,heat,2026-03-02T12:31:30Z,1\n").await;
    assert_eq!(world.judge("2026-03-02T12:32:00Z").await, 1);
    assert_eq!(world.history("m1").await, ["firing 100.000", "resolved 0.000 back"]);
}

pub async fn the_share_of_silent_devices_is_that_of_those_who_are_there(app: TestApp) {
    let world = World::new(&app).await;
    for number in 4..=11 {
        let body = json!({"customer": "other", "name": "N"});
        app.put(&world.key, &format!("/v1/devices/m{number}"), body).await.expect_status(201);
    }
    world.settle_in().await;
    // Of nine devices of `other` more than a third, of the whole provider any.
    let body = json!({"kind": "silence", "scope": "customer:other", "after": "1h", "share": "33.333", "resolve": "20"});
    world.alert("third", body).await;
    world.alert("any", json!({"kind": "silence", "after": "1h", "share": 0})).await;
    let lines = |devices: std::ops::RangeInclusive<i32>, at: &str| {
        devices.map(|number| format!("m{number},energy,2026-03-02T{at}:00Z,1\n")).collect::<String>()
    };
    world.read(&lines(1..=11, "09:30")).await;
    assert_eq!(world.judge("2026-03-02T10:00:00Z").await, 0);
    world.read(&lines(1..=8, "10:05")).await;
    // Three of nine are a little more than 33.333 percent.
    assert_eq!(world.judge("2026-03-02T10:31:00Z").await, 2);
    world.read(&lines(9..=9, "10:40")).await;
    assert_eq!(world.judge("2026-03-02T10:41:00Z").await, 0);
    // One that came just now is not silent, but there.
    app.put(&world.key, "/v1/devices/m12", json!({"customer": "other"})).await.expect_status(201);
    let since = "UPDATE assignment SET during = '[2026-03-02 10:30+00,)' WHERE lower(during) IS NOT NULL";
    sqlx::query(since).execute(&mut app.db().await).await.expect("an assignment");
    assert_eq!(world.judge("2026-03-02T10:42:00Z").await, 1);
    assert_eq!(world.history("third").await, ["firing 33.333", "resolved 20.000 back"]);
    assert_eq!(world.history("any").await, ["firing 27.273"]);
}

pub async fn reviews_are_told_while_any_is_open(app: TestApp) {
    let world = World::new(&app).await;
    let metric = json!({"name": "Water", "unit": "m3", "kind": "register", "scale": 0, "max_per_hour": 5});
    app.put(&world.key, "/v1/metrics/water", metric).await.expect_status(201);
    world.alert("all", json!({"kind": "review"})).await;
    world.alert("roof", json!({"kind": "review", "scope": "group:roof", "metric": "water"})).await;
    world.alert("sub", json!({"kind": "review", "scope": "customer:acme-sub"})).await;
    world.alert("energy", json!({"kind": "review", "metric": "energy"})).await;
    world.read("m1,water,2026-03-02T10:00:00Z,1\nm1,water,2026-03-02T11:00:00Z,900\n").await;
    assert_eq!(world.judge("2026-03-02T12:00:00Z").await, 2);
    assert_eq!([world.state("all").await, world.state("roof").await], ["firing", "firing"]);
    assert_eq!([world.state("sub").await, world.state("energy").await], ["ok", "ok"]);
    let review = app.get(&world.key, "/v1/reviews").await.expect_status(200).json();
    let id = review["items"][0]["id"].as_str().unwrap();
    app.post(&world.key, &format!("/v1/reviews/{id}/accept"), json!({})).await.expect_status(200);
    app.settle().await;
    assert_eq!(world.judge("2026-03-02T12:01:00Z").await, 2);
    assert_eq!(world.history("roof").await, ["firing 1", "resolved 0 back"]);
}

pub async fn a_finished_day_that_misses_readings_is_told(app: TestApp) {
    let world = World::new(&app).await;
    let metric = json!({"name": "Energy", "unit": "kWh", "kind": "delta", "expected_interval": "1h"});
    app.put(&world.key, "/v1/metrics/energy", metric).await.expect_status(200);
    world
        .alert("whole", json!({"kind": "completeness", "scope": "device:m3", "metric": "energy", "below": "95.9"}))
        .await;
    assert_eq!(world.judge("2026-03-01T12:00:00Z").await, 0);
    let hours = |day: u32, hours: std::ops::Range<u32>| {
        hours.map(|hour| format!("m3,energy,2026-03-{day:02}T{hour:02}:00:00Z,1\n")).collect::<String>()
    };
    world.read(&[hours(1, 0..24), hours(2, 0..23), hours(3, 0..24)].concat()).await;
    assert_eq!(world.judge("2026-03-02T23:59:00Z").await, 0);
    // 23 of 24 are 95.833 percent.
    assert_eq!(world.judge("2026-03-03T00:00:00Z").await, 1);
    let path = "/v1/usage?metric=energy&scope=device:m3&bucket=day&from=2026-03-02&to=2026-03-03";
    let point = app.get(&world.key, path).await.expect_status(200).json()["series"][0]["points"][0].clone();
    assert_eq!((&point["received"], &point["expected"]), (&json!(23), &json!(24)));
    // What was missing comes late.
    world.read(&hours(2, 23..24)).await;
    assert_eq!(world.judge("2026-03-03T01:00:00Z").await, 1);
    assert_eq!(world.history("whole").await, ["firing 2026-03-02 95.833", "resolved 2026-03-02 100.000 back"]);
}

pub async fn what_other_kinds_cannot_be_is_explained(app: TestApp) {
    let world = World::new(&app).await;
    let wrong = [
        (json!({"kind": "silence", "scope": "device:m1"}), "/after"),
        (json!({"kind": "silence", "scope": "device:m1", "after": "30s"}), "/after"),
        (json!({"kind": "silence", "scope": "device:m1", "after": "8d"}), "/after"),
        (json!({"kind": "silence", "scope": "device:m1", "after": "1h", "share": 5}), "/share"),
        (json!({"kind": "silence", "scope": "group:roof", "after": "1h"}), "/share"),
        (json!({"kind": "silence", "scope": "group:roof", "after": "1h", "share": 101}), "/share"),
        (json!({"kind": "silence", "scope": "group:roof", "after": "1h", "share": 5, "resolve": 6}), "/resolve"),
        (json!({"kind": "silence", "metric": "energy", "after": "1h", "share": 5}), "/metric"),
        (json!({"kind": "review", "above": 5}), "/above"),
        (json!({"kind": "completeness", "below": 5}), "/metric"),
        (json!({"kind": "completeness", "metric": "energy", "below": 5}), "/metric"),
        (json!({"kind": "threshold", "bucket": "day", "stat": "sum", "above": 5}), "/metric"),
    ];
    for (mut body, pointer) in wrong {
        body["name"] = json!("N");
        let answer = app.put(&world.key, "/v1/alerts/wrong", body.clone()).await.expect_status(422).json();
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{body} {answer}");
    }
}
