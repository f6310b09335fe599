//! Posting readings: a verdict for each, nothing twice, owners and billing days as of the reading.

use meterbase::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::harness::{Answer, TestApp};

/// A customer in a time zone of its own, with devices, straight into the registry's tables.
const CUSTOMER: &str = "
    INSERT INTO customer (uuid, provider_id, key, name, time_zone)
    SELECT gen_random_uuid(), provider_id, $2::text, $2, $3::text FROM provider WHERE key = $1::text";
const DEVICE: &str = "
    WITH owner AS (SELECT provider_id, customer_id FROM customer JOIN provider p USING (provider_id)
                   WHERE p.key = $1::text AND customer.key = $2::text),
    made AS (INSERT INTO device (uuid, provider_id, key) SELECT gen_random_uuid(), provider_id, $3::text FROM owner
             RETURNING device_id)
    INSERT INTO assignment (provider_id, device_id, customer_id, during)
    SELECT provider_id, device_id, customer_id, '(,)' FROM owner, made";
const METRIC: &str = "
    INSERT INTO metric (uuid, provider_id, key, name, unit, kind, scale, strict, rollover_at, max_per_hour)
    SELECT gen_random_uuid(), provider_id, $2::text, $2, 'kWh', $3, $4, $5, $6, $7 FROM provider WHERE key = $1::text";

pub async fn customer(db: &mut PgConnection, provider: &str, key: &str, time_zone: &str) {
    sqlx::query(CUSTOMER).bind(provider).bind(key).bind(time_zone).execute(db).await.expect("a customer");
}

pub async fn device(db: &mut PgConnection, provider: &str, customer: &str, key: &str) {
    sqlx::query(DEVICE).bind(provider).bind(customer).bind(key).execute(db).await.expect("a device");
}

pub async fn metric(db: &mut PgConnection, provider: &str, key: &str, kind: &str, scale: i16) {
    let query = sqlx::query(METRIC).bind(provider).bind(key).bind(kind).bind(scale).bind(false);
    query.bind(None::<i64>).bind(None::<i64>).execute(db).await.expect("a metric");
}

/// A provider `north` in Paris with a customer `acme`, a device `m1` and the metric `energy`; its ingest key.
pub async fn north(app: &TestApp) -> String {
    app.provider("north", "Europe/Paris").await;
    let mut db = app.db().await;
    customer(&mut db, "north", "acme", "Europe/Paris").await;
    device(&mut db, "north", "acme", "m1").await;
    metric(&mut db, "north", "energy", "delta", 3).await;
    app.key("north", Scope::Ingest).await
}

pub async fn send(app: &TestApp, key: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = app.client.request(Method::POST, format!("{}/v1/readings?receipts=all", app.base));
    Answer::of(request.bearer_auth(key).header("content-type", content_type).body(body)).await
}

fn reading(minute: usize, value: Value) -> Value {
    let at = format!("2026-03-{:02}T{:02}:{:02}:00Z", minute / 1440 + 1, minute / 60 % 24, minute % 60);
    json!({"device": "m1", "metric": "energy", "at": at, "value": value})
}

/// `[received, stored, duplicates, conflicts, quarantined, rejected]`
pub fn counts(answer: &Value) -> [u64; 6] {
    ["received", "stored", "duplicates", "conflicts", "quarantined", "rejected"]
        .map(|name| answer[name].as_u64().unwrap_or_else(|| panic!("no {name} in {answer}")))
}

pub async fn each_trouble_is_explained_and_harms_no_neighbour(app: TestApp) {
    let key = north(&app).await;
    let mut sent: Vec<String> = (0..1000).map(|minute| reading(minute, json!(1.5)).to_string()).collect();
    let troubles: [(usize, String, &str, &str); 10] = [
        (7, sent[7].replace("m1", "m2"), "quarantined", "unknown_device"),
        (101, sent[101].replace("energy", "water"), "quarantined", "unknown_metric"),
        (202, sent[202].replace("1.5", "NaN"), "rejected", "invalid_value"),
        (303, sent[303].replace("1.5", "1e400"), "rejected", "out_of_range"),
        (404, sent[404].replace("1.5", &"1234567890".repeat(4)), "rejected", "out_of_range"),
        (505, sent[505].replace("1.5", "\"12,3\""), "rejected", "invalid_value"),
        (606, sent[606].replace(":00Z", ":00"), "rejected", "naive_time"),
        (707, sent[707].replace("2026-", "0001-"), "rejected", "time_out_of_range"),
        (808, sent[800].replace("1.5", "2.5"), "conflict", "value_differs"),
        (909, sent[900].clone(), "duplicate", ""),
    ];
    for (index, text, _, _) in &troubles {
        sent[*index] = text.clone();
    }
    let answer = app
        .client
        .post(format!("{}/v1/readings", app.base))
        .bearer_auth(&key)
        .header("content-type", "application/json")
        .body(format!("{{\"readings\": [{}]}}", sent.join(",\n")));
    let answer = Answer::of(answer).await.expect_status(200).json();
    assert_eq!(counts(&answer), [1000, 990, 1, 1, 2, 6], "{answer}");
    let results = answer["results"].as_array().unwrap();
    let told: Vec<_> =
        results.iter().map(|r| (r["index"].as_u64().unwrap() as usize, &r["status"], &r["code"])).collect();
    let expected = troubles[..9].iter().map(|(index, _, status, code)| (*index, json!(status), json!(code)));
    let expected: Vec<_> = expected.collect();
    assert_eq!(told, expected.iter().map(|(i, s, c)| (*i, s, c)).collect::<Vec<_>>());
    assert!(results[8]["detail"].as_str().unwrap().contains("1.500"), "{}", results[8]);

    let sum = sqlx::query_as("SELECT count(*), sum(value)::bigint, sum(increment)::bigint FROM reading");
    let sum: (i64, i64, i64) = sum.fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(sum, (990, 990 * 1500, 990 * 1500));
    let kept: Vec<(String, String, String, String)> =
        sqlx::query_as("SELECT device, metric, value, code FROM quarantine ORDER BY code")
            .fetch_all(&mut app.db().await)
            .await
            .unwrap();
    let row = |texts: [&str; 4]| texts.map(str::to_owned).into();
    assert_eq!(
        kept,
        vec![row(["m2", "energy", "1.5", "unknown_device"]), row(["m1", "water", "1.5", "unknown_metric"])]
    );
}
