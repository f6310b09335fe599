//! Things of the registry straight into its tables, and readings into the server.

use meterbase::keys::Scope;
use serde_json::Value;
use sqlx::PgConnection;

use crate::harness::{Answer, TestApp};

const CUSTOMER: &str = "
    INSERT INTO customer (uuid, provider_id, key, name, time_zone)
    SELECT gen_random_uuid(), provider_id, $2::text, $2, $3::text FROM provider WHERE key = $1::text";
const DEVICE: &str = "
    WITH made AS (
        INSERT INTO device (uuid, provider_id, key)
        SELECT gen_random_uuid(), provider_id, $2::text FROM provider WHERE key = $1::text
        RETURNING device_id, provider_id)
    INSERT INTO assignment (provider_id, device_id, customer_id, during)
    SELECT provider_id, device_id, customer_id, owned.during
    FROM unnest($3::text[], $4::tstzrange[]) AS owned (customer, during), made JOIN customer c USING (provider_id)
    WHERE c.key = owned.customer";
const METRIC: &str = "
    INSERT INTO metric (uuid, provider_id, key, name, unit, kind, scale, strict, rollover_at, max_per_hour)
    SELECT gen_random_uuid(), provider_id, $2::text, $2, 'kWh', $3, $4, $5, $6, $7 FROM provider WHERE key = $1::text";

/// What a metric needs to be told in a test.
#[derive(Default)]
pub struct Metric {
    pub kind: &'static str,
    pub scale: i16,
    pub strict: bool,
    pub rollover_at: Option<i64>,
    pub max_per_hour: Option<i64>,
}

pub async fn customer(db: &mut PgConnection, provider: &str, key: &str, time_zone: &str) {
    sqlx::query(CUSTOMER).bind(provider).bind(key).bind(time_zone).execute(db).await.expect("a customer");
}

/// A device that belonged to customers in ranges of time, such as `[2026-03-01,)`.
pub async fn device(db: &mut PgConnection, provider: &str, key: &str, owners: &[(&str, &str)]) {
    let (customers, ranges): (Vec<_>, Vec<_>) = owners.iter().copied().unzip();
    sqlx::query(DEVICE).bind(provider).bind(key).bind(customers).bind(ranges).execute(db).await.expect("a device");
}

pub async fn metric(db: &mut PgConnection, provider: &str, key: &str, metric: Metric) {
    let query = sqlx::query(METRIC).bind(provider).bind(key).bind(metric.kind).bind(metric.scale).bind(metric.strict);
    query.bind(metric.rollover_at).bind(metric.max_per_hour).execute(db).await.expect("a metric");
}

/// A provider `north` with a customer `acme` in Paris, its device `m1`, and the metric `energy`, a delta with three
/// decimals; an ingest key of it.
pub async fn north(app: &TestApp) -> String {
    app.provider("north", "UTC").await;
    let mut db = app.db().await;
    customer(&mut db, "north", "acme", "Europe/Paris").await;
    device(&mut db, "north", "m1", &[("acme", "(,)")]).await;
    metric(&mut db, "north", "energy", Metric { kind: "delta", scale: 3, ..Metric::default() }).await;
    app.key("north", Scope::Ingest).await
}

/// Posts a body and asks for every receipt.
pub async fn send(app: &TestApp, key: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = app.client.post(format!("{}/v1/readings?receipts=all", app.base));
    Answer::of(request.bearer_auth(key).header("content-type", content_type).body(body)).await
}

pub async fn send_json(app: &TestApp, key: &str, readings: &Value) -> Value {
    send(app, key, "application/json", readings.to_string()).await.expect_status(200).json()
}

pub async fn send_csv(app: &TestApp, key: &str, csv: &str) -> Value {
    send(app, key, "text/csv", csv.to_owned()).await.expect_status(200).json()
}

/// `[received, stored, duplicates, conflicts, quarantined, rejected]`; the five verdicts add up to the first.
#[track_caller]
pub fn counts(answer: &Value) -> [u64; 6] {
    let counts = ["received", "stored", "duplicates", "conflicts", "quarantined", "rejected"]
        .map(|name| answer[name].as_u64().unwrap_or_else(|| panic!("no {name} in {answer}")));
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "{answer}");
    counts
}

/// `status` or `status code` of each result, in order.
pub fn verdicts(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().expect("results");
    let texts = results.iter().map(|result| {
        [&result["status"], &result["code"]].map(|text| text.as_str().unwrap_or_default()).join(" ").trim().to_owned()
    });
    texts.collect()
}
