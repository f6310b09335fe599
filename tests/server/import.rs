//! `meterbase import`: files through the API, row by row accountable.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use meterbase::keys::Scope;
use serde_json::{Value, json};

use crate::binary::{meterbase, text};
use crate::harness::TestApp;

/// Rows of the file, one of them bad.
const ROWS: u32 = 250;

async fn one_meter(app: &TestApp) -> String {
    let key = app.provider("north", "Europe/Paris").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    app.put(&key, "/v1/devices/meter-1", json!({"customer": "acme"})).await.expect_status(201);
    let metric = json!({"name": "Energy", "unit": "kWh", "kind": "delta", "scale": 3});
    app.put(&key, "/v1/metrics/energy", metric).await.expect_status(201);
    app.key("north", Scope::Ingest).await
}

/// `start,value` for quarters of an hour, each of 0.028999999999999998; the value of one row is a word.
fn load_profile() -> String {
    let mut csv = "start,value\r\n".to_owned();
    for n in 0..ROWS {
        let value = if n == 120 { "none" } else { "0.028999999999999998" };
        csv += &format!("2026-11-{:02}T{:02}:{:02}:00+01:00,{value}\r\n", 1 + n / 96, n / 4 % 24, n % 4 * 15);
    }
    csv
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

/// Runs it on a thread of its own; gives exit status, standard output as JSON, and standard error.
async fn import(url: &str, key: &str, file: &Path, more: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = meterbase();
    command.args(["import", "--json", "--url", url, "--key", key]).args(more).arg(file);
    let output = tokio::task::spawn_blocking(move || command.output().expect("the binary")).await.unwrap();
    let out = text(&output.stdout);
    (output.status.code(), serde_json::from_str(&out).unwrap_or_default(), text(&output.stderr))
}

const OF_ONE_METER: &[&str] =
    &["--device", "meter-1", "--metric", "energy", "--column", "at=start", "--batch", "100", "--connections", "1"];

/// A server before the server that refuses the second request.
struct Refusing {
    upstream: String,
    client: reqwest::Client,
    requests: AtomicU32,
}

async fn forward(State(state): State<Arc<Refusing>>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
    if state.requests.fetch_add(1, Ordering::Relaxed) == 1 {
        return (StatusCode::FORBIDDEN, Bytes::from_static(b"{}"));
    }
    let mut request = state.client.post(format!("{}{uri}", state.upstream)).body(body);
    for name in ["authorization", "content-type"] {
        request = request.header(name, headers[name].clone());
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap())
}

async fn refusing(app: &TestApp) -> (String, Arc<Refusing>) {
    let requests = AtomicU32::new(0);
    let state = Arc::new(Refusing { upstream: app.base.clone(), client: app.client.clone(), requests });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/readings", post(forward)).with_state(state.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, state)
}

pub async fn an_interrupted_import_goes_on_and_names_the_bad_row(app: TestApp) {
    let key = one_meter(&app).await;
    let directory = tempfile::tempdir().unwrap();
    let (file, rejects) = (directory.path().join("load.csv.gz"), directory.path().join("rejects.csv"));
    std::fs::write(&file, gzip(&load_profile())).unwrap();
    let (url, server) = refusing(&app).await;
    let options = [OF_ONE_METER, &["--rejects", rejects.to_str().unwrap()]].concat();

    let (status, _, said) = import(&url, &key, &file, &options).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("403"), "{said}");
    assert!(directory.path().join("load.csv.gz.meterbase-import").exists());

    let (status, result, said) = import(&url, &key, &file, &options).await;
    assert_eq!(status, Some(1), "a row was refused: {said}");
    assert!(said.contains("going on after line 101"), "{said}");
    // The header is line 1.
    assert!(said.contains("load.csv.gz:122: rejected invalid_value"), "{said}");
    let expected = json!([{"file": file, "received": 250, "stored": 249, "duplicates": 0, "conflicts": 0,
        "quarantined": 0, "rejected": 1}]);
    assert_eq!(result, expected);
    // Two in the first run, of which one refused; the other two parts in the second.
    assert_eq!(server.requests.load(Ordering::Relaxed), 4);
    let rejects = std::fs::read_to_string(&rejects).unwrap();
    let rejects: Vec<_> = rejects.lines().collect();
    assert_eq!(rejects[0], "file,line,status,code,detail");
    assert!(rejects.len() == 2 && rejects[1].contains(",122,rejected,invalid_value,"), "{rejects:?}");
    assert!(!directory.path().join("load.csv.gz.meterbase-import").exists());

    let mut db = app.db().await;
    let stored: (i64, String) =
        sqlx::query_as("SELECT count(*), sum(value)::text FROM reading").fetch_one(&mut db).await.unwrap();
    // 249 times 0.029: rounded half to even at three decimals.
    assert_eq!(stored, (249, "7221".to_owned()));
}

pub async fn importing_again_finds_duplicates_and_a_clean_file_is_a_success(app: TestApp) {
    let key = one_meter(&app).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("load.csv.zst");
    let clean = load_profile().replace("none", "1.5");
    std::fs::write(&file, zstd::encode_all(clean.as_bytes(), 1).unwrap()).unwrap();
    let (status, result, said) = import(&app.base, &key, &file, OF_ONE_METER).await;
    assert_eq!((status, &result[0]["stored"]), (Some(0), &json!(250)), "{said}");
    let (status, result, said) = import(&app.base, &key, &file, OF_ONE_METER).await;
    assert_eq!((status, &result[0]["duplicates"]), (Some(0), &json!(250)), "{said}");
}

pub async fn a_file_that_the_options_do_not_fit_is_wrong_usage(app: TestApp) {
    let key = one_meter(&app).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("load.csv");
    std::fs::write(&file, load_profile()).unwrap();
    let (status, _, said) = import(&app.base, &key, &file, &["--device", "meter-1", "--metric", "energy"]).await;
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("\"start\" is not known"), "{said}");
    let (status, _, said) = import(&app.base, &key, &directory.path().join("none.csv"), &[]).await;
    assert_eq!(status, Some(1), "{said}");
}
