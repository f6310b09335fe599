//! `/metrics` itself.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use meterbase::database::Database;
use meterbase::keys::Scope;
use meterbase::limits::Limits;
use meterbase::observe::list::{FAMILIES, Family, Kind};
use meterbase::server::{ServeConfig, Server};
use nix::sys::statvfs::statvfs;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{config, is_installed, let_in, metrics, sample, serve, value};
use crate::binary::{Patience, text};
use crate::fixtures::{device, north, send_csv, send_json};
use crate::harness::TestApp;

/// What callers make up, and no label may have.
const MADE_UP: [&str; 4] = ["made-up-path", "made-up-device", "MADEUP", "made_up_parameter"];

pub async fn every_metric_is_described_and_labelled_as_listed(app: TestApp) {
    let key = north(&app).await;
    let directory = tempfile::tempdir().expect("a directory");
    let server = serve(&app, &ServeConfig { database_disk: Some(directory.path().to_owned()), ..config() }).await;
    let ask = async |method: &[u8], path: &str| {
        let method = reqwest::Method::from_bytes(method).expect("a method");
        let request = app.client.request(method, format!("{}{path}", server.url())).bearer_auth(&app.admin);
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(ask(b"GET", "/made-up-path").await, 404);
    assert_eq!(ask(b"GET", "/v1/devices/made-up-device?provider=north").await, 404);
    assert_eq!(ask(b"MADEUP", "/v1/devices").await, 405);
    assert_eq!(ask(b"GET", "/v1/devices?made_up_parameter=1").await, 400);
    let readings = json!([
        {"device": "m1", "metric": "energy", "at": "2026-03-01T00:00:00Z", "value": 1},
        {"device": "made-up-device", "metric": "energy", "at": "2026-03-01T00:00:00Z", "value": 1}]);
    let posted = app.client.post(format!("{}/v1/readings", server.url())).bearer_auth(&key).json(&readings);
    assert_eq!(posted.send().await.expect("an answer").status(), 200);

    let mut patience = Patience::for_("all that is always told");
    // Other rarities come about in tests of their own, in the same process or not at all.
    let seldom = [
        "meterbase_usage_retries_total",
        "meterbase_dropped_chunks_total",
        "meterbase_quarantine_replayed_readings_total",
        "meterbase_quarantine_expired_readings_total",
        "meterbase_verify_differences",
        "meterbase_verify_last_run_timestamp_seconds",
        "meterbase_verify_compared_rows_total",
        "meterbase_limit_refusals_total",
        "meterbase_alerts",
        "meterbase_firing_alerts",
        "meterbase_alert_evaluation_duration_seconds",
        "meterbase_alert_transitions_total",
        "meterbase_webhook_attempts_total",
    ];
    let page = loop {
        let page = metrics(&app, &server).await;
        let missing = |family: &&Family| !page.contains(&format!("# TYPE {} ", family.name));
        let missing = FAMILIES.iter().filter(missing).map(|family| family.name);
        if missing.filter(|name| !seldom.contains(name)).count() == 0 {
            break page;
        }
        patience.poll().await;
    };
    check(&page);
    if is_installed("promtool") {
        lint(&page);
    }
    server.stop().await.expect("a stop");
}

/// Every line is of a metric of the list, described as there, with its labels and no others.
fn check(page: &str) {
    let mut described = BTreeSet::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            let family = Family::of(name).unwrap_or_else(|| panic!("{name} is not in the list"));
            let expected = if what == "HELP" { family.what } else { family.kind.name() };
            assert_eq!(rest, expected, "{line}");
            assert!(described.insert((what.to_owned(), name)), "{name} is described twice");
            continue;
        }
        let (series, mut labels) = sample(line);
        let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| series.strip_suffix(part));
        let of_histogram = parts.filter(|name| Family::of(name).is_some_and(|family| family.kind == Kind::Histogram));
        let name = of_histogram.unwrap_or(series);
        let family = Family::of(name).unwrap_or_else(|| panic!("{name} is not in the list"));
        for what in ["HELP", "TYPE"] {
            assert!(described.contains(&(what.to_owned(), name)), "{name} has no {what} before it");
        }
        assert_eq!(labels.remove("le").is_some(), series.ends_with("_bucket"), "{line}");
        let labels: BTreeSet<_> = labels.into_keys().collect();
        assert_eq!(labels, family.labels.iter().copied().collect(), "{line}");
        assert!(!MADE_UP.iter().any(|text| line.contains(text)), "{line}");
    }
}

/// Prometheus' own rules: names, units, help.
fn lint(page: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().expect("promtool");
    promtool.stdin.take().expect("piped").write_all(page.as_bytes()).expect("it reads");
    let output = promtool.wait_with_output().expect("its end");
    let said = [text(&output.stdout), text(&output.stderr)].join("\n");
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

pub async fn metrics_have_a_listener_of_their_own(app: TestApp) {
    let server = serve(&app, &config()).await;
    let status = async |url: String| app.client.get(url).send().await.expect("an answer").status().as_u16();
    assert!(metrics(&app, &server).await.contains("\nmeterbase_build_info{"));
    assert_eq!(status(format!("{}/metrics", server.url())).await, 404);
    assert_eq!(status(format!("{}/healthz", server.url())).await, 200);
    let apart = server.metrics_url().to_owned();
    for path in ["/healthz", "/v1/devices", "/docs", "/"] {
        assert_eq!(status(apart.replace("/metrics", path)).await, 404, "{path}");
    }
    // A few connections, and no more; who asks on the API's is not hindered by them.
    let address = apart.trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
    let mut many = Vec::new();
    for _ in 0..17 {
        many.push(TcpStream::connect(&address).await.expect("a connection"));
    }
    // Which one is too many depends on when the connections of the requests before ended.
    let refused = many.iter_mut().map(|one| {
        Box::pin(async {
            let mut refused = String::new();
            one.read_to_string(&mut refused).await.expect("an answer");
            refused
        })
    });
    let refused = futures::future::select_all(refused).await.0;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert_eq!(status(format!("{}/healthz", server.url())).await, 200);
    drop(many);
    server.stop().await.expect("a stop");
    assert!(TcpStream::connect(&address).await.is_err(), "the door is closed");

    let config = ServeConfig { listen_metrics: Some("nowhere".to_owned()), ..config() };
    let database = Database::at(app.options.clone());
    let refused = Server::start(&config, &database).await.expect_err("no address");
    assert!(refused.to_string().starts_with("--listen-metrics nowhere: "), "{refused}");
}

pub async fn the_database_s_figures_are_those_of_its_tables(app: TestApp) {
    let key = north(&app).await;
    app.provider("south", "UTC").await;
    let mut db = app.db().await;
    for name in ["quiet", "silent", "gone", "new"] {
        let until = if name == "gone" { "(,2026-01-01)" } else { "(,)" };
        device(&mut db, "north", name, &[("acme", until)]).await;
    }
    let day = |days: i64| (Utc::now() - TimeDelta::days(days)).format("%Y-%m-%dT00:00:00Z");
    let csv = format!(
        "device,metric,at,value\nm1,energy,{},1\nm1,energy,{},1\nquiet,energy,{},1\nsilent,energy,{},1\nx,energy,{4},1\ny,energy,{4},1\n",
        day(0),
        day(3),
        day(1),
        day(2),
        day(3),
    );
    send_csv(&app, &key, &csv).await;
    let south = app.key("south", Scope::Ingest).await;
    send_json(&app, &south, &json!([{"device": "x", "metric": "e", "at": "2026-03-01T00:00:00Z", "value": 1}])).await;
    app.settle().await;
    let directory = tempfile::tempdir().expect("a directory");
    let limits = Limits { quarantine_readings: 7, ..Limits::default() };
    let disk = Some(directory.path().to_owned());
    let server = serve(&app, &ServeConfig { database_disk: disk, limits, ..config() }).await;
    let mut patience = Patience::for_("what is asked for seldom");
    let page = loop {
        let page = metrics(&app, &server).await;
        if value(&page, "meterbase_registered_devices").is_some() {
            break page;
        }
        patience.poll().await;
    };
    let figure = |name: &str| value(&page, &format!("meterbase_{name}"));
    let devices = ["registered", "active", "silent"].map(|which| figure(&format!("{which}_devices")));
    assert_eq!(devices, [Some(4.0), Some(2.0), Some(1.0)], "{page}");
    assert_eq!([figure("quarantine_readings"), figure("quarantine_fullest_readings")], [Some(3.0), Some(2.0)]);
    assert!(page.contains("\nmeterbase_limit_items{limit=\"quarantine_readings\"} 7\n"), "{page}");
    assert_eq!([figure("database_up"), figure("rollup_lag_seconds")], [Some(1.0), Some(0.0)]);
    assert_eq!(figure("verify_differences"), None, "nothing was verified on schedule");
    let size: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut db).await.unwrap();
    let told = figure("database_size_bytes").expect("a size");
    assert!((told / size as f64 - 1.0).abs() < 0.2, "{told} {size}");
    let found = statvfs(directory.path()).expect("a disk");
    assert_eq!(figure("database_disk_size_bytes"), Some((found.blocks() * found.fragment_size()) as f64));
    assert!(figure("database_disk_free_bytes").expect("free space") > 0.0);

    let mut patience = Patience::for_("a lag");
    sqlx::query("SELECT pg_advisory_lock(x'726f6c6c757073'::bigint)").execute(&mut db).await.expect("the lock");
    send_csv(&app, &key, &format!("device,metric,at,value\nnew,energy,{},1\n", day(0))).await;
    sqlx::query("UPDATE reading_change SET changed_at = changed_at - interval '1 hour'")
        .execute(&mut db)
        .await
        .unwrap();
    let is_late = |lag: f64| (3600.0..3600.0 + 90.0).contains(&lag);
    while !value(&metrics(&app, &server).await, "meterbase_rollup_lag_seconds").is_some_and(is_late) {
        patience.poll().await;
    }
    server.stop().await.expect("a stop");
}

pub async fn what_only_the_database_knows_is_not_told_while_it_is_away(app: TestApp) {
    let server = serve(&app, &config()).await;
    let up = async || value(&metrics(&app, &server).await, "meterbase_database_up");
    let mut patience = Patience::for_("a first answer");
    while up().await != Some(1.0) {
        patience.poll().await;
    }
    let_in(&app, false).await;
    let mut patience = Patience::for_("the loss of the database");
    while up().await != Some(0.0) {
        patience.poll().await;
    }
    let page = metrics(&app, &server).await;
    for name in ["rollup_lag_seconds", "quarantine_readings", "registered_devices", "database_size_bytes"] {
        assert_eq!(value(&page, &format!("meterbase_{name}")), None, "{name}");
    }
    // What the server knows itself is told all the same.
    assert!(page.contains("\nmeterbase_limit_bytes{") && page.contains("\nprocess_resident_memory_bytes "), "{page}");
    assert!(page.contains("\nmeterbase_task_runs_total{task=\"metrics\",outcome=\"failed\"} "), "{page}");
    let_in(&app, true).await;
    let mut patience = Patience::for_("the database again");
    while value(&metrics(&app, &server).await, "meterbase_registered_devices").is_none() {
        patience.poll().await;
    }
    assert_eq!(up().await, Some(1.0));
    tokio::time::timeout(Duration::from_secs(60), server.stop()).await.expect("an end").expect("a stop");
}
