//! Acked means committed: readings are sent while the server, or PostgreSQL under it, is killed.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use meterbase::embedded::cluster;
use nix::sys::signal::{Signal, kill};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::ConnectOptions;

use crate::binary::{DataDir, Patience, Serving};
use crate::harness::{Answer, TestApp};

/// Readings of a request, and requests of a test.
const BATCH: usize = 40;
const BATCHES: usize = 60;

/// Acknowledged requests after which something is killed.
const KILL_AT: usize = 15;

/// The readings of a request: a second apart, each with its number as its value.
fn batch(number: usize) -> Value {
    let base = chrono::DateTime::from_timestamp(1_770_000_000, 0).expect("an instant");
    let readings = (number * BATCH..(number + 1) * BATCH).map(|n| {
        let at = base + chrono::Duration::seconds(i64::try_from(n).expect("a small number"));
        json!({"device": "meter", "metric": "energy", "at": at.to_rfc3339(), "value": n})
    });
    json!({"readings": readings.collect::<Vec<_>>()})
}

async fn register(app: &TestApp, server: &Serving, key: &str) {
    let put = async |path: &str, body: Value| {
        let request = app.client.request(Method::PUT, format!("{}{path}", server.url));
        Answer::of(request.bearer_auth(key).json(&body)).await.expect_status(201);
    };
    put("/v1/providers/north", json!({"name": "North"})).await;
    put("/v1/metrics/energy?provider=north", json!({"name": "Energy", "unit": "kWh", "kind": "delta"})).await;
    put("/v1/customers/acme?provider=north", json!({"name": "Acme"})).await;
    put("/v1/devices/meter?provider=north", json!({"customer": "acme"})).await;
}

/// Sends a request; true when its readings are acknowledged, false when the server or its database is away.
async fn send(app: &TestApp, server: &Serving, key: &str, number: usize) -> bool {
    let request = app.client.post(format!("{}/v1/readings?provider=north", server.url));
    let Ok(response) = request.bearer_auth(key).json(&batch(number)).send().await else { return false };
    let status = response.status().as_u16();
    let Ok(text) = response.text().await else { return false };
    if status == 503 {
        return false;
    }
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let stored = answer["stored"].as_u64().expect("a number") + answer["duplicates"].as_u64().expect("a number");
    assert_eq!(stored, BATCH as u64, "{answer}");
    true
}

/// Number of readings and sum of their numbers, asked of the database itself.
async fn stored(data: &DataDir) -> (i64, i64) {
    let sockets = data.database().join("cluster/run");
    let mut db = cluster::options(Path::new(&sockets)).connect().await.expect("the database");
    // Values have three decimals.
    let sql = "SELECT count(*), coalesce(sum(value) / 1000, 0)::bigint FROM reading";
    sqlx::query_as(sql).fetch_one(&mut db).await.expect("an answer")
}

/// What [`stored`] says when the first `batches` requests are stored once.
fn exactly(batches: usize) -> (i64, i64) {
    let count = i64::try_from(batches * BATCH).expect("a small number");
    (count, count * (count - 1) / 2)
}

pub async fn no_acknowledged_reading_is_lost_or_doubled_when_postgresql_is_killed(app: TestApp) {
    let data = DataDir::new(app.edition);
    let server = data.serve();
    let key = server.first_key().to_owned();
    register(&app, &server, &key).await;
    let acknowledged = AtomicUsize::new(0);
    let sending = async {
        for number in 0..BATCHES {
            let mut patience = Patience::for_("an acknowledgement");
            while !send(&app, &server, &key, number).await {
                patience.poll().await;
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    };
    let killing = async {
        for at in [KILL_AT, 2 * KILL_AT, 3 * KILL_AT] {
            let mut patience = Patience::for_("a number of acknowledgements");
            while acknowledged.load(Ordering::Relaxed) < at || data.postmaster().is_none() {
                patience.poll().await;
            }
            // It may be on its way up still from the time before; then it is killed there.
            kill(data.postmaster().expect("a running PostgreSQL"), Signal::SIGKILL).expect("PostgreSQL");
        }
    };
    tokio::join!(sending, killing);
    assert_eq!(stored(&data).await, exactly(BATCHES));
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}

pub async fn no_acknowledged_reading_is_lost_or_doubled_when_the_server_is_killed(app: TestApp) {
    let data = DataDir::new(app.edition);
    let server = data.serve();
    let key = server.first_key().to_owned();
    register(&app, &server, &key).await;
    let acknowledged = AtomicUsize::new(0);
    let sending = async {
        for number in 0..BATCHES {
            if !send(&app, &server, &key, number).await {
                return number;
            }
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        panic!("the server was not killed");
    };
    let killing = async {
        let mut patience = Patience::for_("a number of acknowledgements");
        while acknowledged.load(Ordering::Relaxed) < KILL_AT {
            patience.poll().await;
        }
        kill(server.pid(), Signal::SIGKILL).expect("the server");
    };
    let (unanswered, ()) = tokio::join!(sending, killing);
    assert_eq!(server.end(Signal::SIGKILL), None);

    let server = data.serve();
    let after = stored(&data).await;
    let whole = [exactly(unanswered), exactly(unanswered + 1)];
    assert!(
        whole.contains(&after),
        "{after:?} is neither of {whole:?}: all acknowledged, the unanswered one whole or not"
    );
    for number in unanswered..BATCHES {
        assert!(send(&app, &server, &key, number).await);
    }
    assert_eq!(stored(&data).await, exactly(BATCHES));
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}
