//! `meterbase bench` with the real binary: its figures, and that it loses nothing and leaves nothing behind.

use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sqlx::{ConnectOptions, PgConnection};

use crate::binary::{Patience, meterbase, text};
use crate::harness::TestApp;

/// A run on the test's cluster, with further arguments.
fn bench(app: &TestApp, arguments: &[&str]) -> std::process::Command {
    measurement(app, "ingest", &[&["--scale", "1"], arguments].concat())
}

fn measurement(app: &TestApp, of: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = meterbase();
    command.args(["bench", of, "--json", "-"]).args(arguments);
    command.args(["--database-url", app.options.to_url_lossy().as_str()]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end: its report.
fn report(mut command: std::process::Command) -> Value {
    let output = command.output().expect("the binary");
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_str(&text(&output.stdout)).expect("JSON")
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
    assert_eq!((&copy["limit"]["connections"], &copy["parallel_limit"]["connections"]), (&1.into(), &4.into()));
    is(&ratios["to_copy_limit"], number(&copy["limit"]["rows_per_second"]));
    is(&ratios["to_parallel_copy_limit"], number(&copy["parallel_limit"]["rows_per_second"]));
    is(&ratios["to_copy_with_triggers"], number(&copy["with_triggers"]["rows_per_second"]));
    let single = told["one_transaction_per_request"].as_array().unwrap();
    let fastest = single.iter().map(|single| number(&single["readings_per_second"])).fold(0.0, f64::max);
    is(&ratios["to_one_transaction_per_request"], fastest);
    assert_eq!((told["influxdb"].is_object(), ratios["to_influxdb"].is_number()), (has_influxdb, has_influxdb));
}

pub async fn every_workload_is_stored_whole_and_compared(app: TestApp) {
    let mut command = bench(&app, &["--seconds", "1"]);
    let run = command.spawn().expect("the binary");
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
    command.spawn().expect("the binary")
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

pub async fn figures_that_are_measured_are_those_that_were_sent(app: TestApp) {
    let arguments = ["--devices", "100", "--every", "1", "--batch", "20", "--seconds", "3", "--questions", "10"];
    let told = report(measurement(&app, "freshness", &arguments));
    // Three rounds, and a probe a second of 0.001 each.
    let (sent, distinct, sum) = naive(3, 100, false);
    let acknowledged = serde_json::json!({"sent": sent + 3, "distinct": distinct + 3, "sum": sum + 3});
    assert_eq!((&told["acknowledged"], &told["errors"]), (&acknowledged, &serde_json::json!({})));
    assert_eq!((&told["posts"]["rounds"], &told["probes"]["rounds"]), (&15.into(), &3.into()));
    // Three turns of ten questions, two of which are the same.
    let by_question = told["by_question"].as_object().expect("questions");
    let rounds: Vec<_> = by_question.values().map(|times| number(&times["rounds"]) as u32).collect();
    assert_eq!((rounds.len(), rounds.iter().sum::<u32>(), rounds.iter().max()), (9, 30, Some(&6)), "{told:#}");
    for times in ["posts", "probes", "behind", "questions"].map(|of| &told[of]) {
        let [p50, p99, max] = ["p50_ms", "p99_ms", "max_ms"].map(|of| number(&times[of]));
        assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{told:#}");
    }
    let cores = told["cores"].as_object().expect("cores");
    assert!(cores.values().all(|cores| number(cores) >= 0.0) && number(&cores["server"]) > 0.0, "{told:#}");
    // In three seconds the rollups may take less than the 10 ms in which the system counts.
    let all: f64 =
        ["server", "storing", "answering", "rollups", "other_postgres"].map(|of| number(&cores[of])).iter().sum();
    let share = number(&told["share_of_rollups"]);
    assert!(share < 1.0 && (share * all - number(&cores["rollups"])).abs() < 1e-9, "{told:#}");
    let [end, peak] = ["memory_at_end_mib", "peak_memory_mib"].map(|of| number(&told[of]));
    assert!(0.0 < end && end <= peak && told["intervals"].as_array().is_some_and(|all| !all.is_empty()), "{told:#}");
}

pub async fn figures_that_are_not_what_was_acknowledged_fail_the_measurement(app: TestApp) {
    let arguments = ["--devices", "100", "--every", "1", "--seconds", "5"];
    let run = measurement(&app, "freshness", &arguments).spawn().expect("the binary");
    let mut db = filling(&app, &run).await;
    // Not of the last device, whose probes are looked for one by one.
    const ONE: &str = "DELETE FROM reading WHERE (channel_id, ts) = (SELECT channel_id, ts FROM reading
                       JOIN channel USING (channel_id) JOIN device USING (device_id) WHERE device.key = 'd-0' LIMIT 1)";
    let mut patience = Patience::for_("a reading of the first device");
    while sqlx::query(ONE).execute(&mut db).await.expect("a reading lost").rows_affected() == 0 {
        patience.poll().await;
    }
    drop(db);
    let output = run.wait_with_output().expect("its end");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    assert!(text(&output.stderr).contains("THE ROLLUPS ARE WRONG"), "{}", text(&output.stderr));
}

pub async fn a_flood_and_who_is_beside_it_are_stored_whole(app: TestApp) {
    let told = report(measurement(&app, "fairness", &["--seconds", "1", "--connections", "2", "--batch", "100"]));
    let (quiet, flood) = (&told["quiet"], &told["flood"]);
    assert_eq!((&quiet["alone"]["rounds"], &quiet["beside"]["rounds"]), (&10.into(), &10.into()));
    let [alone, beside] = ["alone", "beside"].map(|of| number(&quiet[of]["p99_ms"]));
    assert!((number(&quiet["ratio"]) - beside / alone).abs() < 1e-9 && alone > 0.0, "{told:#}");
    // So few readings never wait for each other: nothing of it is refused, and every request is the next round.
    let requests = flood["requests"].as_i64().expect("requests");
    assert_eq!((&flood["too_many"], &flood["overloaded"], requests > 0), (&0.into(), &0.into(), true));
    let (_, distinct, sum) = naive(requests, 100, false);
    assert_eq!((&flood["stored"]["distinct"], &flood["stored"]["sum"]), (&distinct.into(), &sum.into()));
    // Sixty requests of ten readings: forty to warm up, and twice ten.
    let (_, of_quiet, quiet_sum) = naive(6, 100, false);
    let acknowledged = &told["acknowledged"];
    assert_eq!(
        (&acknowledged["distinct"], &acknowledged["sum"]),
        (&(distinct + of_quiet).into(), &(sum + quiet_sum).into())
    );
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
