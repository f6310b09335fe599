//! Each alert fires while a real Prometheus scrapes a server that something is wrong with, and ends when it is right again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{TimeDelta, Utc};
use meterbase::keys::Scope;
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::{ConnectOptions, PgConnection};
use tokio::task::JoinHandle;

use super::prometheus::{Prometheus, free_address};
use super::{is_installed, let_in};
use crate::binary::{Patience, Serving, meterbase};
use crate::fixtures::{device, north, send_csv};
use crate::harness::TestApp;
use crate::torture::room::Room;

pub async fn each_alert_fires_and_ends(app: TestApp) {
    if !is_installed("prometheus") {
        return;
    }
    let key = north(&app).await;
    let mut db = app.db().await;
    device(&mut db, "north", "m2", &[("acme", "(,)")]).await;
    send_csv(&app, &key, &csv("m2", 3)).await;
    app.settle().await;
    verified(&mut db, 0, 0).await;
    let room = Room::open();
    let addresses = [free_address(), free_address()];
    let server = serve(&app, &addresses, room.as_ref());
    send_csv(&app, &key, &csv("m2", 0)).await;
    let mut prometheus = Prometheus::start(&addresses[1]);
    let devices = Devices::send(&app, &server.url, &key);

    // The figures of the database, and its disk.
    prometheus.is_quiet().await;
    let mut alerts = vec!["MeterbaseFiguresWrong", "MeterbaseNotVerified", "MeterbaseRollupLag"];
    alerts.extend(["MeterbaseDevicesSilent", "MeterbaseQuarantineNearlyFull"]);
    match &room {
        Some(room) => {
            room.fill();
            alerts.extend(["MeterbaseDiskFillsUp", "MeterbaseDiskFull"]);
        }
        None => println!("NOT tested: alerts of a full disk (this user may not mount a small one)"),
    }
    verified(&mut db, 3, 4).await;
    device(&mut db, "north", "m3", &[("acme", "(,)")]).await;
    send_csv(&app, &key, &csv("m3", 3)).await;
    let many: String = (0..9).map(|hour| format!("m9,energy,2026-03-01T0{hour}:00:00Z,1\n")).collect();
    send_csv(&app, &key, &format!("device,metric,at,value\n{many}")).await;
    app.settle().await;
    sqlx::query("SELECT pg_advisory_lock(x'726f6c6c757073'::bigint)").execute(&mut db).await.expect("the lock");
    let mut patience = Patience::for_("a change to follow");
    let ago = "UPDATE reading_change SET changed_at = changed_at - interval '1 hour'";
    while sqlx::query(ago).execute(&mut db).await.expect("an update").rows_affected() == 0 {
        patience.poll().await;
    }
    prometheus.fires(&alerts).await;

    sqlx::query("SELECT pg_advisory_unlock(x'726f6c6c757073'::bigint)").execute(&mut db).await.expect("the lock");
    if let Some(room) = &room {
        room.clear();
    }
    verified(&mut db, 0, 0).await;
    send_csv(&app, &key, &csv("m3", 0)).await;
    let provider = app.key("north", Scope::Provider).await;
    app.delete(&provider, "/v1/quarantine?device=m9").await.expect_status(200);
    prometheus.is_quiet().await;

    // The database.
    drop(db);
    let_in(&app, false).await;
    prometheus
        .fires(&["MeterbaseDatabaseDown", "MeterbaseErrors", "MeterbaseNothingStored", "MeterbaseTaskFails"])
        .await;
    let_in(&app, true).await;
    prometheus.is_quiet().await;

    // The server.
    devices.stop().await;
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
    prometheus.fires(&["MeterbaseServerDown"]).await;
    let server = serve(&app, &addresses, room.as_ref());
    let devices = Devices::send(&app, &server.url, &key);
    prometheus.is_quiet().await;
    devices.stop().await;
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}

/// A server with metrics of its own, as those of a process are: what other servers of the tests do is not in them.
fn serve(app: &TestApp, [api, metrics]: &[String; 2], room: Option<&Room>) -> Serving {
    let mut command = meterbase();
    command.args(["serve", "--listen", api, "--listen-metrics", metrics, "--database-url"]);
    command.arg(app.options.to_url_lossy().as_str());
    command.args([
        "--metrics-every",
        "50ms",
        "--refresh-interval",
        "100ms",
        "--verify-every",
        "0s",
        "--drain-timeout",
        "1s",
    ]);
    command.args(["--query-connections", "4", "--ingest-connections", "2", "--quarantine-readings", "10"]);
    if let Some(room) = room {
        command.arg("--database-disk").arg(room.seen());
    }
    Serving::start(command)
}

/// A reading of so many days ago.
fn csv(device: &str, days: i64) -> String {
    let at = (Utc::now() - TimeDelta::days(days)).format("%Y-%m-%dT00:00:00Z");
    format!("device,metric,at,value\n{device},energy,{at},1\n")
}

/// Notes a verification that ended so many days ago.
async fn verified(db: &mut PgConnection, differences: i64, days: i32) {
    let note = "INSERT INTO verification (finished_at, scope, differences)
                VALUES (now() - make_interval(days => $2), 'on schedule: by hand', $1)";
    sqlx::query(note).bind(differences).bind(days).execute(db).await.expect("a row");
}

/// Readings of one device, one after the other, whatever becomes of them.
struct Devices {
    stop: Arc<AtomicBool>,
    sending: JoinHandle<()>,
}

impl Devices {
    fn send(app: &TestApp, url: &str, key: &str) -> Self {
        let (client, url, key) = (app.client.clone(), format!("{url}/v1/readings"), key.to_owned());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let sending = tokio::spawn(async move {
            let mut pace = tokio::time::interval(std::time::Duration::from_millis(100));
            while !stopped.load(Ordering::Relaxed) {
                pace.tick().await;
                let reading = json!({"device": "m1", "metric": "energy", "at": Utc::now(), "value": 1});
                let _whatever = client.post(&url).bearer_auth(&key).json(&json!([reading])).send().await;
            }
        });
        Self { stop, sending }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.sending.await.expect("an end");
    }
}
