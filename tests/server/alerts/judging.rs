//! What fires and resolves, and when it is told.

use std::time::Duration;

use meterbase::alerts::{Depth, judge, schedule};
use serde_json::json;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::world::{World, at, by_day};
use crate::harness::TestApp;

pub async fn a_threshold_fires_once_and_resolves_with_the_next_day(app: TestApp) {
    let world = World::new(&app).await;
    world.alert("much", by_day("customer:acme", json!({"above": "100", "resolve": 90}))).await;
    assert_eq!(world.judge("2026-03-02T08:00:00Z").await, 0);
    world.read("m1,energy,2026-03-02T08:30:00Z,60\nm2,energy,2026-03-02T08:40:00Z,40\n").await;
    assert_eq!(world.judge("2026-03-02T09:00:00Z").await, 0);
    assert_eq!(world.state("much").await, "ok");
    world.read("m1,energy,2026-03-02T09:10:00Z,0.001\n").await;
    assert_eq!(world.judge("2026-03-02T09:20:00Z").await, 1);
    world.read("m1,energy,2026-03-02T09:30:00Z,7\n").await;
    assert_eq!(world.judge("2026-03-02T09:40:00Z").await, 0);
    // Corrected, but not as far as it has to come back.
    world.read("m1,energy,2026-03-02T09:50:00Z,-17\n").await;
    assert_eq!(world.judge("2026-03-02T10:00:00Z").await, 0);
    assert_eq!(world.state("much").await, "firing");
    world.read("m2,energy,2026-03-02T10:10:00Z,20\n").await;
    // In New York it is still the day before, but a later one has begun in Paris.
    assert_eq!(world.judge("2026-03-02T23:30:00Z").await, 1);
    assert_eq!(world.history("much").await, ["firing 2026-03-02 100.001", "resolved 2026-03-02 110.001 over"]);
    let events = world.events().await;
    let told: Vec<_> = events.iter().map(|(kind, data)| (kind.as_str(), &data["alert"], &data["value"])).collect();
    let (much, values) = (json!("much"), [json!("100.001"), json!("110.001")]);
    assert_eq!(told, [("alert.firing", &much, &values[0]), ("alert.resolved", &much, &values[1])]);
    assert_eq!([&events[0].1["scope"], &events[0].1["rule"]["above"]], ["customer:acme", "100"]);
}

pub async fn what_is_below_is_judged_when_its_period_has_ended(app: TestApp) {
    let world = World::new(&app).await;
    world.alert("little", by_day("device:m1", json!({"below": 5}))).await;
    assert_eq!(world.judge("2026-03-02T12:00:00Z").await, 0);
    world.read("m1,energy,2026-03-02T12:30:00Z,4.999\n").await;
    // Midnight in Paris.
    assert_eq!(world.judge("2026-03-02T22:59:00Z").await, 0);
    assert_eq!(world.judge("2026-03-02T23:00:00Z").await, 1);
    // The next day is below, too: it stands, and is not told again.
    assert_eq!(world.judge("2026-03-03T23:00:00Z").await, 0);
    world.read("m1,energy,2026-03-04T12:30:00Z,5\n").await;
    assert_eq!(world.judge("2026-03-04T23:00:00Z").await, 1);
    assert_eq!(world.history("little").await, ["firing 2026-03-02 4.999", "resolved 2026-03-02 4.999 over"]);
}

pub async fn late_readings_make_ended_periods_fire_and_resolve(app: TestApp) {
    let world = World::new(&app).await;
    world.alert("much", by_day("group:roof", json!({"above": "10"}))).await;
    world.alert("little", by_day("group:roof", json!({"below": "5"}))).await;
    assert_eq!(world.judge("2026-03-01T12:00:00Z").await, 0);
    let days = ["03-01", "03-02", "03-03"].map(|day| format!("m1,energy,2026-{day}T10:00:00Z,7\n"));
    world.read(&days.concat()).await;
    assert_eq!(world.judge("2026-03-03T12:00:00Z").await, 0);
    world.read("m1,energy,2026-03-01T11:00:00Z,4\nm1,energy,2026-03-02T11:00:00Z,-3\n").await;
    assert_eq!(world.judge("2026-03-03T13:00:00Z").await, 2);
    assert_eq!([world.state("much").await, world.state("little").await], ["firing", "firing"]);
    world.read("m1,energy,2026-03-01T11:30:00Z,-1\nm1,energy,2026-03-02T11:30:00Z,1\n").await;
    assert_eq!(world.judge("2026-03-03T14:00:00Z").await, 2);
    assert_eq!(world.history("much").await, ["firing 2026-03-01 11.000 late", "resolved 2026-03-01 10.000 back late"]);
    assert_eq!(world.history("little").await, ["firing 2026-03-02 4.000", "resolved 2026-03-02 5.000 back"]);
}

pub async fn a_quota_tells_each_step_once_a_billing_month(app: TestApp) {
    let world = World::new(&app).await;
    let body =
        json!({"kind": "quota", "scope": "customer:acme", "metric": "energy", "bucket": "month", "limit": "1000"});
    let made = world.alert("month", body).await;
    assert_eq!((&made["steps"], &made["stat"]), (&json!([80, 100]), &json!("sum")));
    assert_eq!(world.judge("2026-03-05T12:00:00Z").await, 0);
    // The month begins on the fifth: what was before does not count.
    world.read("m1,energy,2026-03-04T12:00:00Z,5000\nm1,energy,2026-03-06T12:00:00Z,799.999\n").await;
    assert_eq!(world.judge("2026-03-07T12:00:00Z").await, 0);
    world.read("m2,energy,2026-03-08T12:00:00Z,0.001\n").await;
    assert_eq!(world.judge("2026-03-08T13:00:00Z").await, 1);
    assert_eq!(world.judge("2026-03-09T13:00:00Z").await, 0);
    world.read("m2,energy,2026-03-10T12:00:00Z,200\n").await;
    assert_eq!(world.judge("2026-03-10T13:00:00Z").await, 1);
    assert_eq!(world.judge("2026-04-04T12:00:00Z").await, 0);
    assert_eq!(world.judge("2026-04-05T12:00:00Z").await, 1);
    world.read("m1,energy,2026-04-06T12:00:00Z,1200\n").await;
    assert_eq!(world.judge("2026-04-06T13:00:00Z").await, 2);
    let told = [
        "firing 2026-03 800.000 80",
        "firing 2026-03 1000.000 100",
        "resolved 2026-03 1000.000 over",
        "firing 2026-04 1200.000 80",
        "firing 2026-04 1200.000 100",
    ];
    assert_eq!(world.history("month").await, told);
}

pub async fn what_is_not_fresh_is_not_judged(app: TestApp) {
    let world = World::new(&app).await;
    let body = json!({"kind": "threshold", "metric": "energy", "bucket": "hour", "stat": "count", "below": 2});
    world.alert("few", body).await;
    assert_eq!(world.judge("2026-03-02T10:00:00Z").await, 0);
    world.read("m1,energy,2026-03-02T10:10:00Z,1\n").await;
    // What came in since half past ten has not been followed.
    world.post("m1,energy,2026-03-02T10:20:00Z,1\n").await;
    let mut db = app.db().await;
    let since = "UPDATE reading_change SET changed_at = '2026-03-02T10:30:00Z'";
    sqlx::query(since).execute(&mut db).await.expect("changes");
    assert_eq!(world.judge("2026-03-02T11:01:00Z").await, 0);
    app.settle().await;
    assert_eq!(world.judge("2026-03-02T11:02:00Z").await, 0);
    assert_eq!(world.judge("2026-03-02T12:01:00Z").await, 1);
    assert_eq!(world.history("few").await, ["firing 2026-03-02T11:00:00Z 0"]);
}

async fn run(db: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(db).await.expect(sql);
}

pub async fn a_transition_is_whole_or_not_at_all_and_happens_once(app: TestApp) {
    let world = World::new(&app).await;
    for number in 0..20 {
        world.alert(&format!("a{number}"), by_day("provider", json!({"above": number}))).await;
    }
    assert_eq!(world.judge("2026-03-02T08:00:00Z").await, 0);
    world.read("m1,energy,2026-03-02T08:30:00Z,10\n").await;
    // Events cannot be written: nothing else is, either.
    let mut db = app.db().await;
    run(&mut db, "ALTER TABLE event ADD CONSTRAINT no_more CHECK (event_id < 5) NOT VALID").await;
    let mut other = app.db().await;
    judge(&mut other, app.edition, at("2026-03-02T09:00:00Z"), Depth::Late).await.expect_err("a refusal");
    assert_eq!(
        (world.state("a1").await, world.history("a1").await.len(), world.events().await.len()),
        ("ok".into(), 0, 0)
    );
    run(&mut db, "ALTER TABLE event DROP CONSTRAINT no_more").await;
    // Several judge at once, as if the lock had been lost.
    let looks = (0..4).map(|_| world.judge("2026-03-02T09:00:00Z"));
    assert_eq!(futures::future::join_all(looks).await.iter().sum::<usize>(), 10);
    assert_eq!(world.events().await.len(), 10);
    for number in 0..20 {
        assert_eq!(world.history(&format!("a{number}")).await.len(), usize::from(number < 10));
    }
}

pub async fn a_server_judges_by_itself(app: TestApp) {
    let world = World::new(&app).await;
    world.alert("much", by_day("device:m3", json!({"above": "100"}))).await;
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    world.read(&format!("m3,energy,{now},100.001\n")).await;
    let stop = CancellationToken::new();
    // Two of them share the database.
    let every = Duration::from_millis(20);
    let judging = [0; 2].map(|_| tokio::spawn(schedule::run(app.options.clone(), app.edition, every, stop.clone())));
    while world.state("much").await != "firing" {
        tokio::task::yield_now().await;
    }
    while !app.get(&world.key, "/metrics").await.text.contains("meterbase_alert_evaluation_duration_seconds_count") {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    for judge in judging {
        judge.await.expect("an end");
    }
    assert_eq!(world.history("much").await.len(), 1);
}
