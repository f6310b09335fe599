//! Suspicious readings of registers: what is listed, what decisions do, and that nothing else does.

use meterbase::keys::Scope;
use serde_json::{Value, json};

use crate::fixtures::{Metric, device, metric, north, send_csv, verdicts};
use crate::harness::TestApp;
use crate::naive_registers as naive;

/// A five-digit register `total` with one decimal, that runs at most 50.0 an hour; a provider key and an ingest key.
async fn registered(app: &TestApp) -> [String; 2] {
    let ingest = north(app).await;
    let total = Metric {
        kind: "register",
        scale: 1,
        rollover_at: Some(1_000_000),
        max_per_hour: Some(500),
        ..Metric::default()
    };
    metric(&mut app.db().await, "north", "total", total).await;
    [app.key("north", Scope::Provider).await, ingest]
}

/// Posts values of `m1` an hour apart, from an hour of 2026-03-02 on; gives the verdicts.
async fn post(app: &TestApp, ingest: &str, hour: u32, values: &[&str]) -> Vec<String> {
    let rows = values.iter().zip(hour..).map(|(value, hour)| format!("m1,total,2026-03-02T{hour:02}:00:00Z,{value}\n"));
    verdicts(&send_csv(app, ingest, &format!("device,metric,at,value\n{}", rows.collect::<String>())).await)
}

/// The increments of all readings in order, from the API.
async fn increments(app: &TestApp, key: &str) -> Vec<String> {
    let page = app.get(key, "/v1/devices/m1/readings?metric=total&limit=1000").await.expect_status(200).json();
    page["items"].as_array().unwrap().iter().map(|item| item["increment"].as_str().unwrap().to_owned()).collect()
}

async fn reviews(app: &TestApp, key: &str, query: &str) -> Vec<Value> {
    let page = app.get(key, &format!("/v1/reviews?{query}")).await.expect_status(200).json();
    page["items"].as_array().unwrap().clone()
}

/// The day's usage by the rollups, once they have followed.
async fn used(app: &TestApp, key: &str) -> String {
    app.settle().await;
    let path = "/v1/usage?metric=total&bucket=day&from=2026-03-02&to=2026-03-03";
    let answer = app.get(key, path).await.expect_status(200).json();
    answer["series"][0]["points"][0]["sum"].as_str().unwrap().to_owned()
}

pub async fn a_jump_adds_nothing_until_it_is_accepted(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    let told = post(&app, &ingest, 8, &["100.0", "900.0", "910.0"]).await;
    assert_eq!(told, ["stored", "stored under_review", "stored"]);
    assert_eq!(increments(&app, &key).await, ["0.0", "0.0", "10.0"]);
    assert_eq!(used(&app, &key).await, "10.0");
    let open = reviews(&app, &key, "").await;
    assert_eq!(open.len(), 1);
    let review = &open[0];
    let shown = [&review["device"], &review["metric"], &review["kind"], &review["state"]];
    assert_eq!(shown, ["m1", "total", "jump", "open"]);
    assert_eq!(review["trusted"], json!({"at": "2026-03-02T08:00:00Z", "value": "100.0"}));
    assert_eq!([&review["at"], &review["value"], &review["increment"]], ["2026-03-02T09:00:00Z", "900.0", "800.0"]);
    let path = format!("/v1/reviews/{}", review["id"].as_str().unwrap());
    assert_eq!(app.get(&key, &path).await.expect_status(200).json(), *review);

    // An empty body will do.
    let answer = app.call(&key, reqwest::Method::POST, &format!("{path}/accept"), None).await.expect_status(200).json();
    assert_eq!([&answer["state"], &answer["accepted_increment"]], ["accepted", "800.0"]);
    assert_eq!(used(&app, &key).await, "810.0");
    assert_eq!(reviews(&app, &key, "").await, Vec::<Value>::new());
    // Decided again, with a number; and again.
    let body = json!({"increment": "3.5", "note": "read by a technician"});
    let answer = app.post(&key, &format!("{path}/accept"), body).await.expect_status(200).json();
    assert_eq!([&answer["accepted_increment"], &answer["note"]], ["3.5", "read by a technician"]);
    assert_eq!(used(&app, &key).await, "13.5");
    let answer = app.post(&key, &format!("{path}/dismiss"), json!({})).await.expect_status(200).json();
    assert_eq!(
        [&answer["state"], &answer["accepted_increment"], &answer["note"]],
        [&json!("dismissed"), &Value::Null, &Value::Null]
    );
    assert_eq!(used(&app, &key).await, "10.0");
    assert_eq!(reviews(&app, &key, "state=dismissed&device=m1&metric=total").await.len(), 1);
    let audit = "SELECT action, before->>'state', after->>'state', after->>'accepted_increment'
                 FROM audit WHERE action LIKE 'review.%' AND key_id IS NOT NULL ORDER BY audit_id";
    let audit: Vec<(String, String, String, Option<String>)> =
        sqlx::query_as(audit).fetch_all(&mut app.db().await).await.unwrap();
    let entry = |action: &str, before: &str, after: &str, increment: Option<&str>| {
        (action.to_owned(), before.to_owned(), after.to_owned(), increment.map(str::to_owned))
    };
    let expected = [
        entry("review.accept", "open", "accepted", Some("800.0")),
        entry("review.accept", "accepted", "accepted", Some("3.5")),
        entry("review.dismiss", "accepted", "dismissed", None),
    ];
    assert_eq!(audit, expected);
    assert_eq!(naive::check(&mut app.db().await).await, 1);
}

pub async fn an_unexplained_decrease_waits_and_a_reset_does_not(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    let told = post(&app, &ingest, 0, &["500.0", "0.0", "5.0", "10.0", "7.0", "7.0", "9.0"]).await;
    let [stored, review] = ["stored", "stored under_review"];
    assert_eq!(told, [stored, stored, stored, stored, review, stored, stored]);
    assert_eq!(increments(&app, &key).await, ["0.0", "0.0", "5.0", "5.0", "0.0", "0.0", "2.0"]);
    let states: Vec<_> = reviews(&app, &key, "state=all").await.into_iter().map(|r| r["state"].clone()).collect();
    assert_eq!(states, ["repeated", "open", "explained"]);
    let open = reviews(&app, &key, "state=open").await;
    assert_eq!([&open[0]["kind"], &open[0]["value"], &open[0]["increment"]], ["decrease", "7.0", "7.0"]);
    let path = format!("/v1/reviews/{}/accept", open[0]["id"].as_str().unwrap());
    app.post(&key, &path, json!({})).await.expect_status(200);
    assert_eq!(increments(&app, &key).await, ["0.0", "0.0", "5.0", "5.0", "7.0", "0.0", "2.0"]);
    assert_eq!(used(&app, &key).await, "19.0");
    naive::check(&mut app.db().await).await;
}

pub async fn a_slip_is_withdrawn_when_the_register_goes_on_from_before_it(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    post(&app, &ingest, 0, &["99998.0", "3.0", "0.0"]).await;
    post(&app, &ingest, 3, &["13.0", "99999.0", "14.0"]).await;
    assert_eq!(increments(&app, &key).await, ["0.0", "5.0", "0.0", "10.0", "0.0", "1.0"]);
    assert_eq!(reviews(&app, &key, "").await, Vec::<Value>::new());
    let withdrawn = reviews(&app, &key, "state=withdrawn").await;
    assert_eq!(withdrawn.len(), 2);
    let path = format!("/v1/reviews/{}/accept", withdrawn[0]["id"].as_str().unwrap());
    let refused = app.post(&key, &path, json!({})).await.expect_status(409);
    assert_eq!(refused.problem(), "not_under_review");
    assert_eq!(used(&app, &key).await, "16.0");
    naive::check(&mut app.db().await).await;
}

pub async fn a_reading_inserted_between_two_others_makes_no_spike_and_no_loss(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    post(&app, &ingest, 1, &["100.0"]).await;
    post(&app, &ingest, 3, &["140.0"]).await;
    post(&app, &ingest, 2, &["125.0"]).await;
    assert_eq!(increments(&app, &key).await, ["0.0", "25.0", "15.0"]);
    // A jump that the reading in between explains.
    post(&app, &ingest, 5, &["280.0"]).await;
    assert_eq!(reviews(&app, &key, "").await.len(), 1);
    post(&app, &ingest, 4, &["230.0"]).await;
    assert_eq!(increments(&app, &key).await, ["0.0", "25.0", "15.0", "0.0", "50.0"]);
    let open = reviews(&app, &key, "").await;
    assert_eq!((open.len(), &open[0]["value"]), (1, &json!("230.0")));
    // One before it does not explain it, but is where it jumped from.
    send_csv(&app, &ingest, "device,metric,at,value\nm1,total,2026-03-02T03:30:00Z,160.0\n").await;
    assert_eq!(increments(&app, &key).await, ["0.0", "25.0", "15.0", "20.0", "0.0", "50.0"]);
    let open = reviews(&app, &key, "").await;
    assert_eq!((open.len(), &open[0]["value"], &open[0]["increment"]), (1, &json!("230.0"), &json!("70.0")));
    naive::check(&mut app.db().await).await;
}

pub async fn what_cannot_be_decided_is_told(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    post(&app, &ingest, 0, &["500.0", "7.0", "9.0"]).await;
    let id = reviews(&app, &key, "").await[0]["id"].as_str().unwrap().to_owned();
    let accept = format!("/v1/reviews/{id}/accept");
    for body in [json!({"increment": "1.25"}), json!({"increment": "x"}), json!({"note": ""}), json!({"sum": 1})] {
        app.post(&key, &accept, body).await.expect_status(422);
    }
    app.post(&key, &format!("/v1/reviews/{id}/dismiss"), json!({"increment": "1.0"})).await.expect_status(422);
    app.get(&key, "/v1/reviews?state=closed").await.expect_status(400);
    app.get(&key, "/v1/reviews?device=nobody").await.expect_status(404);
    app.get(&key, "/v1/reviews?metric=nothing").await.expect_status(404);
    app.get(&key, "/v1/reviews/7").await.expect_status(404);
    for scope in [Scope::Read, Scope::Ingest] {
        app.post(&app.key("north", scope).await, &accept, json!({})).await.expect_status(403);
    }
    // Another provider's review is not there.
    let south = app.provider("south", "UTC").await;
    app.get(&south, &format!("/v1/reviews/{id}")).await.expect_status(404);
    for verb in ["accept", "dismiss"] {
        app.post(&south, &format!("/v1/reviews/{id}/{verb}"), json!({})).await.expect_status(404);
    }
    assert_eq!(reviews(&app, &south, "state=all").await, Vec::<Value>::new());
    assert_eq!(reviews(&app, &key, "").await.len(), 1);
}

pub async fn reviews_are_walked_page_by_page(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    for place in 0..5 {
        device(&mut app.db().await, "north", &format!("d{place}"), &[("acme", "(,)")]).await;
        let rows: String = [(0, "500.0"), (1, "7.0"), (2, "9.0")]
            .map(|(hour, value)| format!("d{place},total,2026-03-02T{hour:02}:00:00Z,{value}\n"))
            .concat();
        send_csv(&app, &ingest, &format!("device,metric,at,value\n{rows}")).await;
    }
    let mut devices = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&key, &format!("/v1/reviews?limit=2{cursor}")).await.expect_status(200).json();
        devices.extend(page["items"].as_array().unwrap().iter().map(|item| item["device"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(devices, ["d4", "d3", "d2", "d1", "d0"]);
    assert_eq!(reviews(&app, &key, "device=d3").await.len(), 1);
}

pub async fn another_rule_holds_for_readings_from_then_on(app: TestApp) {
    let [key, ingest] = registered(&app).await;
    post(&app, &ingest, 0, &["0.0", "40.0", "80.0"]).await;
    let body = json!({"name": "N", "unit": "kWh", "kind": "register", "scale": 1, "max_per_hour": "10"});
    app.put(&key, "/v1/metrics/total", body).await.expect_status(200);
    // Of the past: by the old rule, the repaired successor too.
    let csv = "device,metric,at,value\nm1,total,2026-03-02T01:30:00Z,60.0\nm1,total,2026-03-02T03:00:00Z,120.0\n";
    assert_eq!(verdicts(&send_csv(&app, &ingest, csv).await), ["stored", "stored"]);
    assert_eq!(increments(&app, &key).await, ["0.0", "40.0", "20.0", "20.0", "40.0"]);
    let now = chrono::Utc::now();
    let later = |hours: i64| (now + chrono::TimeDelta::hours(hours)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let csv = format!("device,metric,at,value\nm1,total,{},121.0\nm1,total,{},161.0\n", later(1), later(2));
    assert_eq!(verdicts(&send_csv(&app, &ingest, &csv).await), ["stored", "stored under_review"]);
}
