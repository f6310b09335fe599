//! Meters that are replaced: no spike, no loss, in whatever order it is told.

use std::collections::VecDeque;

use meterbase::keys::Scope;
use serde_json::{Value, json};

use crate::fixtures::{Metric, device, metric, north, send_csv};
use crate::harness::TestApp;
use crate::naive_registers as naive;
use crate::registers::shuffled;

/// A register `total` with one decimal, that runs at most 50.0 an hour; a provider key and an ingest key.
async fn registered(app: &TestApp) -> [String; 2] {
    let ingest = north(app).await;
    let mut db = app.db().await;
    let total = Metric { kind: "register", scale: 1, max_per_hour: Some(500), ..Metric::default() };
    metric(&mut db, "north", "total", total).await;
    [app.key("north", Scope::Provider).await, ingest]
}

async fn post(app: &TestApp, ingest: &str, device: &str, readings: &[(&str, &str)]) {
    let rows = readings.iter().map(|(time, value)| format!("{device},total,2026-03-02T{time}:00Z,{value}\n"));
    send_csv(app, ingest, &format!("device,metric,at,value\n{}", rows.collect::<String>())).await;
}

fn told(time: &str, last: &str, first: &str) -> Value {
    json!({"metric": "total", "at": format!("2026-03-02T{time}:00Z"), "final": last, "initial": first})
}

async fn increments(app: &TestApp, key: &str, device: &str) -> Vec<String> {
    let page = app.get(key, &format!("/v1/devices/{device}/readings")).await.expect_status(200).json();
    page["items"].as_array().unwrap().iter().map(|item| item["increment"].as_str().unwrap().to_owned()).collect()
}

pub async fn a_new_meter_goes_on_from_where_the_old_one_ended(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    post(&app, &ingest, "m1", &[("08:00", "500"), ("09:00", "505"), ("10:00", "252"), ("11:00", "260")]).await;
    assert_eq!(increments(&app, &key, "m1").await, ["0.0", "5.0", "0.0", "8.0"]);
    assert_eq!(app.get(&key, "/v1/reviews").await.json()["items"].as_array().unwrap().len(), 1);

    let body =
        json!({"metric": "total", "at": "2026-03-02T09:30:00Z", "final": 507.5, "initial": "250", "note": "seal"});
    let path = "/v1/devices/m1/replacements";
    let answer = app.post(&key, path, body.clone()).await.expect_status(201).json();
    assert_eq!([&answer["recomputed"], &answer["under_review"]], [&json!(1), &json!(0)]);
    assert_eq!([&answer["replacement"]["final"], &answer["replacement"]["initial"]], ["507.5", "250.0"]);
    // By hand: 507.5 - 505 of the old meter, 252 - 250 of the new one.
    assert_eq!(increments(&app, &key, "m1").await, ["0.0", "5.0", "4.5", "8.0"]);
    assert_eq!(app.get(&key, "/v1/reviews").await.json()["items"], json!([]));
    app.settle().await;
    let usage = "/v1/usage?metric=total&bucket=day&from=2026-03-02&to=2026-03-03";
    let usage = app.get(&key, usage).await.expect_status(200).json();
    assert_eq!(usage["series"][0]["points"][0]["sum"], "17.5");

    let again = app.post(&key, path, body).await.expect_status(200).json();
    assert_eq!([&again["replacement"], &again["recomputed"]], [&answer["replacement"], &json!(0)]);
    let other = app.post(&key, path, told("09:30", "508", "250")).await.expect_status(409);
    assert_eq!(other.problem(), "replacement_differs");
    let listed = app.get(&key, path).await.expect_status(200).json();
    assert_eq!(listed, json!({"items": [answer["replacement"]], "next": null}));
    naive::check(&mut app.db().await).await;

    // Taken back, everything is as before.
    let one = format!("{path}/{}", answer["replacement"]["id"].as_str().unwrap());
    app.delete(&key, &one).await.expect_status(204);
    app.delete(&key, &one).await.expect_status(404);
    assert_eq!(increments(&app, &key, "m1").await, ["0.0", "5.0", "0.0", "8.0"]);
    assert_eq!(app.get(&key, "/v1/reviews").await.json()["items"].as_array().unwrap().len(), 1);
    let audit = "SELECT before->>'final', after->>'final' FROM audit WHERE action = 'device.replacement'
                 AND entity = 'm1' AND key_id IS NOT NULL ORDER BY audit_id";
    let audit: Vec<(Option<String>, Option<String>)> =
        sqlx::query_as(audit).fetch_all(&mut app.db().await).await.unwrap();
    assert_eq!(audit, [(None, Some("507.5".to_owned())), (Some("507.5".to_owned()), None)]);
    naive::check(&mut app.db().await).await;
}

pub async fn readings_and_replacements_come_in_any_order(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    #[derive(Clone, Copy)]
    enum Step {
        Read(&'static str, &'static str),
        Replace(&'static str, &'static str, &'static str),
    }
    use Step::{Read, Replace};
    let steps = [
        Read("08:00", "500"),
        Read("09:00", "505"),
        Replace("09:30", "507", "990"),
        Replace("09:40", "991", "20"),
        Read("10:00", "23"),
        Read("11:00", "0"),
        Read("12:00", "31"),
        Replace("12:30", "33", "250"),
        Read("12:30", "250"),
        Read("13:00", "255"),
    ];
    for order in 0..12 {
        let name = format!("r{order}");
        device(&mut app.db().await, "north", &name, &[("acme", "(,)")]).await;
        let mut steps = VecDeque::from(if order == 0 { steps.to_vec() } else { shuffled(&steps, order) });
        while let Some(step) = steps.pop_front() {
            match step {
                Read(time, value) => post(&app, &ingest, &name, &[(time, value)]).await,
                Replace(time, last, first) => {
                    let path = format!("/v1/devices/{name}/replacements");
                    let answer = app.post(&key, &path, told(time, last, first)).await;
                    if answer.status == 422 && answer.text.contains("does not follow") {
                        // What comes before it is not told yet.
                        steps.push_back(step);
                    } else {
                        answer.expect_status(201);
                    }
                }
            }
            naive::check(&mut app.db().await).await;
        }
        // By hand: 5; 2 of the first meter, 1 of the second, 3 of the third; nothing at the slip; 8 past it; 2; 5.
        let expected = ["0.0", "5.0", "6.0", "0.0", "8.0", "2.0", "5.0"];
        assert_eq!(increments(&app, &key, &name).await, expected, "{order}");
        let open = app.get(&key, &format!("/v1/reviews?device={name}")).await.expect_status(200).json();
        assert_eq!(open["items"], json!([]), "{order}");
    }
}

pub async fn a_meter_may_begin_with_a_replacement(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    let mut body = told("08:00", "7", "250");
    body["dimensions"] = json!({"tariff": "peak"});
    app.post(&key, "/v1/devices/m1/replacements", body).await.expect_status(201);
    let csv = "device,metric,at,value,dimensions.tariff\nm1,total,2026-03-02T09:00:00Z,253.5,peak\n";
    send_csv(&app, &ingest, csv).await;
    assert_eq!(increments(&app, &key, "m1").await, ["3.5"]);
    naive::check(&mut app.db().await).await;
}

pub async fn a_replacement_that_cannot_be_is_refused(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    post(&app, &ingest, "m1", &[("08:00", "500"), ("09:00", "505")]).await;
    let path = "/v1/devices/m1/replacements";
    let ahead = (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339();
    let with = |field: &str, value: Value| {
        let mut body = told("10:00", "510", "250");
        body[field] = value;
        body
    };
    for (field, value) in [
        ("final", json!("504.9")),
        ("final", json!("600")),
        ("final", json!("510.55")),
        ("final", json!("x")),
        ("initial", json!("9e18")),
        ("at", json!(ahead)),
        ("at", json!("2026-03-02T10:00:00")),
        ("metric", json!("energy")),
        ("note", json!("")),
        ("dimensions", json!({"a b": "c"})),
        ("meter", json!("4711")),
    ] {
        let answer = app.post(&key, path, with(field, value.clone())).await.expect_status(422);
        assert_eq!(answer.json()["errors"][0]["pointer"], json!(format!("/{field}")), "{value}");
    }
    let lower = app.post(&key, path, with("final", json!("504.9"))).await;
    assert!(lower.text.contains("505.0 at 2026-03-02T09:00:00Z"), "{}", lower.text);
    app.post(&key, path, with("metric", json!("nothing"))).await.expect_status(404);
    app.post(&key, "/v1/devices/nobody/replacements", told("10:00", "510", "250")).await.expect_status(404);
    for scope in [Scope::Read, Scope::Ingest] {
        let other = app.key("north", scope).await;
        app.post(&other, path, told("10:00", "510", "250")).await.expect_status(403);
    }
    assert_eq!(app.get(&key, path).await.json()["items"], json!([]));
    // Nothing of what was refused is left, not even a channel.
    let channels: i64 =
        sqlx::query_scalar("SELECT count(*) FROM channel").fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(channels, 1);
    // Before what is kept of dropped readings nothing can be told any more.
    sqlx::query("INSERT INTO register_base SELECT channel_id, '2026-03-02 08:30Z', 0, 502 FROM channel")
        .execute(&mut app.db().await)
        .await
        .unwrap();
    let answer = app.post(&key, path, told("08:30", "503", "250")).await.expect_status(422);
    assert_eq!(answer.json()["errors"][0]["pointer"], "/at");
}

pub async fn a_register_goes_on_from_the_last_reading_that_was_dropped(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    post(&app, &ingest, "m1", &[("08:00", "500")]).await;
    let mut db = app.db().await;
    let base = "WITH dropped AS (DELETE FROM reading RETURNING channel_id, ts, event_key, value)
                INSERT INTO register_base SELECT * FROM dropped";
    sqlx::query(base).execute(&mut db).await.unwrap();
    post(&app, &ingest, "m1", &[("09:00", "510"), ("10:00", "7"), ("11:00", "515")]).await;
    assert_eq!(increments(&app, &key, "m1").await, ["10.0", "0.0", "5.0"]);
}
