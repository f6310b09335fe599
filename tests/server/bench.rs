//! `meterbase bench ingest` with the real binary: its figures, and that it loses nothing and leaves nothing behind.

use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sqlx::{ConnectOptions, PgConnection};

use crate::binary::{Patience, meterbase, text};
use crate::harness::TestApp;

/// A run on the test's cluster, with further arguments.
fn bench(app: &TestApp, arguments: &[&str]) -> std::process::Command {
    let mut command = meterbase();
    command.args(["bench", "ingest", "--scale", "1", "--json", "-"]).args(arguments);
    command.args(["--database-url", app.options.to_url_lossy().as_str()]);
    command
}

/// What the readings of some rounds come to, numbered from 0: those sent, those that are distinct, the sum of their values
/// in thousandths. Each of a round's devices has the value 1000 + (7 x device + 13 x round) mod 9000; with trouble, those
/// whose number and round add up to a multiple of 20 come 360 rounds late, and those that add up to 1 more than a multiple
/// of 100 come again 8 rounds later.
fn naive(rounds: i64, devices: i64, trouble: bool) -> (i64, i64, i64) {
    let (mut sent, mut distinct, mut sum) = (0, 0, 0);
    for (round, device) in (0..rounds).flat_map(|round| (0..devices).map(move |device| (round, device))) {
        let late = trouble && (device + round) % 20 == 0;
        if !late {
            (sent, distinct, sum) = (sent + 1, distinct + 1, sum + 1000 + (7 * device + 13 * round) % 9000);
        }
        let before = round - 360;
        if trouble && (device + before).rem_euclid(20) == 0 {
            (sent, distinct) = (sent + 1, distinct + 1);
            sum += 1000 + (7 * device + 13 * before).rem_euclid(9000);
        }
        if trouble && round >= 8 && (device + round - 8) % 100 == 1 {
            sent += 1;
        }
    }
    (sent, distinct, sum)
}

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap_or_else(|| panic!("{of} is no number"))
}

/// The parts of a workload's report that every one has, and that its ratios are those of its rates.
fn check(told: &Value, name: &str, has_influxdb: bool) {
    assert_eq!(told["workload"], name);
    let (server, ratios) = (&told["server"], &told["ratios"]);
    let rate = number(&server["readings_per_second"]);
    assert!(rate > 0.0 && number(&server["server_memory_mib"]) > 0.0, "{server:#}");
    assert!(number(&server["server_peak_memory_mib"]) >= number(&server["server_memory_mib"]), "{server:#}");
    assert!(server["postgres_cores"].is_number() && server["generator_cores"].is_number(), "{server:#}");
    assert!(number(&server["cpu_us_per_reading"]) > 0.0 && server["other_cores"].is_number(), "{server:#}");
    let latency = &told["latency"];
    assert!(
        number(&latency["p50_ms"]) > 0.0 && number(&latency["p99_ms"]) >= number(&latency["p50_ms"]),
        "{latency:#}"
    );
    let is = |ratio: &Value, other: f64| assert!((number(ratio) - rate / other).abs() < 1e-9, "{told:#}");
    let copy = &told["copy"];
    let plain: Vec<_> = copy["plain"].as_array().unwrap().iter().map(|c| number(&c["rows_per_second"])).collect();
    assert_eq!(plain.len(), 2);
    is(&ratios["to_copy_limit"], plain[0].max(plain[1]));
    is(&ratios["to_copy_with_triggers"], number(&copy["with_triggers"]["rows_per_second"]));
    let single = told["one_transaction_per_request"].as_array().unwrap();
    let fastest = single.iter().map(|single| number(&single["readings_per_second"])).fold(0.0, f64::max);
    is(&ratios["to_one_transaction_per_request"], fastest);
    assert_eq!((told["influxdb"].is_object(), ratios["to_influxdb"].is_number()), (has_influxdb, has_influxdb));
}

pub async fn every_workload_is_stored_whole_and_compared(app: TestApp) {
    let mut command = bench(&app, &["--seconds", "1"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
    let scratch = database(&run);
    let output = run.wait_with_output().expect("its end");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told: Value = serde_json::from_str(&text(&output.stdout)).expect("JSON");
    assert_eq!((&told["machine"]["edition"], &told["seconds"]), (&app.edition.to_string().into(), &1.into()));
    assert_eq!((&told["settings"]["synchronous_commit"], &told["format"]), (&"on".into(), &"csv".into()));
    let path = std::env::var_os("PATH").expect("a path");
    let has_influxdb = std::env::split_paths(&path).any(|directory| directory.join("influxd").is_file());
    let workloads = told["workloads"].as_array().expect("workloads");
    assert_eq!(workloads.len(), 4);
    for (told, (name, devices)) in workloads.iter().zip([("a", 50), ("b", 50), ("c", 5_000), ("d", 50)]) {
        check(told, name, has_influxdb);
        let acknowledged = &told["acknowledged"];
        let [sent, distinct, sum] = ["sent", "distinct", "sum"].map(|of| acknowledged[of].as_i64().expect("a number"));
        // The last round may have been begun only: its readings come one after the other.
        let rounds = distinct / devices;
        assert!(rounds >= 1, "{told:#}");
        if distinct % devices == 0 {
            assert_eq!((sent, distinct, sum), naive(rounds, devices, name == "d"), "workload {name}");
        } else {
            assert!(["b", "c"].contains(&name) && sent == distinct, "{told:#}");
            let begun = (0..distinct % devices).map(|device| 1000 + (7 * device + 13 * rounds) % 9000).sum::<i64>();
            assert_eq!(sum, naive(rounds, devices, false).2 + begun, "workload {name}");
        }
    }
    assert!(!is_there(&mut app.db().await, &scratch).await);
}

async fn is_there(db: &mut PgConnection, database: &str) -> bool {
    let there = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)").bind(database);
    there.fetch_one(db).await.expect("databases")
}

/// A run of some seconds.
fn begun(app: &TestApp) -> Child {
    let mut command = bench(app, &["--workload", "a", "--seconds", "5", "--against", "none"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary")
}

/// The name of its database.
fn database(run: &Child) -> String {
    format!("meterbase_bench_{}", run.id())
}

/// That database, once there are readings in it.
async fn filling(app: &TestApp, run: &Child) -> PgConnection {
    let options = app.options.clone().database(&database(run));
    let mut patience = Patience::for_("a reading");
    loop {
        patience.poll().await;
        // The database, or its table, may not be there yet.
        let Ok(mut db) = options.connect().await else { continue };
        if let Ok(true) = sqlx::query_scalar("SELECT EXISTS (SELECT FROM reading)").fetch_one(&mut db).await {
            return db;
        }
    }
}

pub async fn a_measurement_that_loses_a_reading_fails(app: TestApp) {
    let run = begun(&app);
    let mut db = filling(&app, &run).await;
    const ONE: &str = "DELETE FROM reading WHERE (channel_id, ts) = (SELECT channel_id, ts FROM reading LIMIT 1)";
    assert_eq!(sqlx::query(ONE).execute(&mut db).await.expect("a reading lost").rows_affected(), 1);
    drop(db);
    let output = run.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("READINGS ARE LOST"), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
}

pub async fn a_measurement_that_is_broken_off_leaves_nothing_behind(app: TestApp) {
    let run = begun(&app);
    let name = database(&run);
    drop(filling(&app, &run).await);
    kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGINT).expect("a run under way");
    let output = run.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("interrupted"), "{}", text(&output.stderr));
    let mut db = app.db().await;
    assert!(!is_there(&mut db, &name).await);
    // Its server has gone too: it would hold connections, or complain to them.
    let connected = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = $1").bind(&name);
    assert_eq!(connected.fetch_one(&mut db).await.ok(), Some(0_i64));
}

/// Processes that another one started.
fn children(of: u32) -> Vec<u32> {
    let of_thread = |thread: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(thread.expect("a thread").path().join("children")).expect("its children")
    };
    let threads = std::fs::read_dir(format!("/proc/{of}/task")).expect("its threads");
    let told: Vec<String> = threads.map(of_thread).collect();
    told.iter().flat_map(|told| told.split_whitespace()).map(|pid| pid.parse().expect("a process id")).collect()
}

/// Whether a process has gone, or is dead and only waits for somebody to ask how it ended.
fn has_ended(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

pub async fn what_a_killed_measurement_leaves_behind_is_cleared_by_the_next(app: TestApp) {
    let mut killed = begun(&app);
    let name = database(&killed);
    drop(filling(&app, &killed).await);
    let servers = children(killed.id());
    assert_eq!(servers.len(), 1);
    killed.kill().expect("a run under way");
    killed.wait().expect("its end");
    let mut patience = Patience::for_("the end of the server");
    while !has_ended(servers[0]) {
        patience.poll().await;
    }
    let mut db = app.db().await;
    const HELD: &str = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid::bigint = $1)";
    let pid = i64::from(killed.id());
    while sqlx::query_scalar(HELD).bind(pid).fetch_one(&mut db).await.expect("locks") {
        patience.poll().await;
    }
    // Unless another test's run was so quick.
    let left = is_there(&mut db, &name).await;
    let next = begun(&app);
    drop(filling(&app, &next).await);
    assert!(!is_there(&mut db, &name).await);
    kill(Pid::from_raw(next.id().cast_signed()), Signal::SIGINT).expect("a run under way");
    let output = next.wait_with_output().expect("its end");
    let said = text(&output.stderr);
    assert!(!left || said.contains(&format!("dropping {name}")), "{said}");
}
