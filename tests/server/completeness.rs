//! Readings expected and received.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::json;

use crate::fixtures::{Metric, counts, metric, north, send_json};
use crate::harness::TestApp;

async fn first_readings(app: &TestApp) -> Vec<(String, DateTime<Utc>)> {
    let firsts = "SELECT m.key::text || ch.dimensions, ch.first_ts FROM channel ch JOIN metric m USING (metric_id)";
    let mut firsts: Vec<_> = sqlx::query_as(firsts).fetch_all(&mut app.db().await).await.expect("the channels");
    firsts.sort();
    firsts
}

pub async fn a_channel_knows_its_earliest_reading(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    metric(&mut db, "north", "meter", Metric { kind: "register", scale: 3, ..Metric::default() }).await;
    let at = |minutes: i64| "2026-11-02T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes);
    let names = [("energy", json!({})), ("energy", json!({"phase": "L1"})), ("meter", json!({}))];
    let reading = |(metric, dimensions): &(&str, serde_json::Value), minutes: i64| json!({"device": "m1", "metric": metric, "dimensions": dimensions, "at": at(minutes), "value": 1});
    // Each batch has a channel or two, in an order of its own; they come over several connections at once.
    let batches = (0..60_i64).map(|number| {
        let minutes = number * 37 % 60 + 5;
        let of = |place: i64| reading(&names[(number + place) as usize % 3], minutes + place);
        let batch = if number % 2 == 0 { json!([of(0), of(1)]) } else { json!([of(1), of(0), of(2)]) };
        let (app, key) = (&app, &key);
        async move { assert_eq!(counts(&send_json(app, key, &batch).await)[5], 0) }
    });
    join_all(batches).await;
    let sent = "SELECT m.key::text || ch.dimensions, min(r.ts)
        FROM reading r JOIN channel ch USING (channel_id) JOIN metric m USING (metric_id) GROUP BY ch.channel_id, m.key";
    let mut sent: Vec<(String, DateTime<Utc>)> = sqlx::query_as(sent).fetch_all(&mut db).await.unwrap();
    sent.sort();
    assert_eq!(sent.len(), 3);
    assert_eq!(first_readings(&app).await, sent);

    // What is not stored begins nothing; what is later neither.
    let before = json!([{"device": "m1", "metric": "energy", "at": at(-60), "value": "1e30"}, reading(&names[0], 600)]);
    assert_eq!(counts(&send_json(&app, &key, &before).await)[5], 1);
    assert_eq!(first_readings(&app).await, sent);
    let before = json!([reading(&names[0], -60), reading(&names[0], -30)]);
    assert_eq!(counts(&send_json(&app, &key, &before).await)[1], 2);
    sent[1].1 = at(-60);
    assert_eq!((sent[1].0.as_str(), first_readings(&app).await), ("energy{}", sent.clone()));
}
