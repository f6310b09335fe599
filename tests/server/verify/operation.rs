//! Rollups while they are worked at.

use std::process::Stdio;

use meterbase::rollup::rebuild::Rebuild;
use meterbase::verify::difference::Difference;
use meterbase::verify::{self, Ask, Listener};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sqlx::PgConnection;

use super::{change_one, command, tables};
use crate::binary::{Patience, Serving, text};
use crate::harness::TestApp;
use crate::rollups::{fleet, insert, naive};

async fn filled(app: &TestApp) -> PgConnection {
    let mut db = fleet(app).await;
    insert(&mut db, 100, "2025-04-28T00:00:00Z".parse().unwrap(), "2025-05-04T00:00:00Z".parse().unwrap()).await;
    app.settle().await;
    db
}

/// Runs a command that waits for `lock`, which is held, and interrupts it there.
async fn interrupted(app: &TestApp, db: &mut PgConnection, arguments: &[&str]) -> (Option<i32>, String) {
    let child = command(app, arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary");
    let mut patience = Patience::for_("a command that waits");
    loop {
        let waits: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'meterbase' AND wait_event_type = 'Lock')",
        )
        .fetch_one(&mut *db)
        .await
        .expect("the activity");
        if waits {
            break;
        }
        patience.poll().await;
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("a running command");
    let output = child.wait_with_output().expect("its end");
    (output.status.code(), text(&output.stderr))
}

pub async fn a_rebuild_that_is_broken_off_goes_on(app: TestApp) {
    let mut db = filled(&app).await;
    let (from, to) = ("2025-04-29T00:00:00Z".parse().unwrap(), "2025-05-03T00:00:00Z".parse().unwrap());
    let mut rebuild = Rebuild::begin(&mut db, from, to).await.expect("a rebuild");
    assert!(rebuild.part(&mut db, app.edition).await.expect("a part"));
    for (_, place, _) in tables(&app, &mut db).await {
        let damage = format!("UPDATE {place} SET count = count + 1 WHERE bucket >= '2025-05-01'");
        sqlx::query(sqlx::AssertSqlSafe(damage)).execute(&mut db).await.expect("damage");
    }

    // It waits for whoever refreshes, and can be interrupted there.
    let mut holder = app.db().await;
    sqlx::query("SELECT pg_advisory_lock(x'726f6c6c757073'::bigint)").execute(&mut holder).await.expect("the lock");
    let (code, said) = interrupted(&app, &mut db, &["rollups", "rebuild"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("going on with the rebuild of 2025-04-29 to 2025-05-03"), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut holder).await.expect("no lock");

    let output = command(&app, &["rollups", "rebuild"]).output().expect("the binary");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(Rebuild::unfinished(&mut db).await.expect("rebuilds").is_empty());
    // The day after the range is still damaged; the month that holds it is right.
    let output = command(&app, &["rollups", "rebuild", "--from", "2025-05-03", "--to", "2025-05-04"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    naive::check(&mut db, "after the rebuilds").await;
}

pub async fn an_interrupted_verification_says_where_to_go_on(app: TestApp) {
    let mut db = filled(&app).await;
    let mut holder = app.db().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE device IN ACCESS EXCLUSIVE MODE").execute(&mut holder).await.expect("a lock");
    let (code, said) = interrupted(&app, &mut db, &["verify", "--from", "2025-04-30"]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("interrupted; go on with --from 2025-04-30"), "{said}");
}

/// Counts only.
struct Silent;

impl Listener for Silent {
    fn difference(&mut self, _: &Difference) {}
    fn begins(&mut self, _: chrono::DateTime<chrono::Utc>, _: usize, _: usize) {}
}

pub async fn changes_that_are_still_to_be_followed_are_no_differences(app: TestApp) {
    let mut db = filled(&app).await;
    let sql = "UPDATE reading SET value = value + 1 WHERE (channel_id, ts, event_key)
               = (SELECT channel_id, ts, event_key FROM reading ORDER BY ts LIMIT 1)";
    change_one(&mut db, sql.to_owned()).await;
    let ask = Ask { only: Some(verify::difference::Check::Rollups), ..Ask::default() };
    let summary = verify::run(&mut db, &ask, &mut Silent).await.expect("a run");
    assert_eq!(summary.differences, 0);
    // The hour, the day and the month of the channel, its customer and its provider, and the group if it is in one.
    assert!([9, 12].contains(&summary.left_out), "{summary:?}");
    app.settle().await;
    let summary = verify::run(&mut db, &ask, &mut Silent).await.expect("a run");
    assert_eq!((summary.differences, summary.left_out), (0, 0));
}

fn status(app: &TestApp) -> Value {
    let output = command(app, &["rollups", "status", "--json"]).output().expect("the binary");
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub async fn status_tells_what_there_is_and_refresh_follows_it(app: TestApp) {
    let mut db = filled(&app).await;
    let edition = app.edition.to_string().to_lowercase();
    let found = status(&app);
    assert_eq!(found["edition"], edition);
    assert_eq!(found["pending"]["changes"], 0);
    assert_eq!((&found["refresher"], &found["last_verification"]), (&Value::Null, &Value::Null));
    let relations = found["relations"].as_array().expect("relations");
    assert_eq!(relations.len(), 13);
    let (first, last): (String, String) = sqlx::query_as(
        "SELECT to_char(date_trunc('hour', min(ts), 'UTC'), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                to_char(date_trunc('hour', max(ts), 'UTC'), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM reading",
    )
    .fetch_one(&mut db)
    .await
    .expect("the range");
    let hourly = relations.iter().find(|relation| relation["name"] == "provider_hourly").expect("a rollup");
    assert_eq!((&hourly["oldest"], &hourly["newest"]), (&first.into(), &last.into()));
    assert!(hourly["chunks"].as_u64() >= Some(1) && hourly["bytes"].as_u64() > Some(0), "{hourly}");
    let page = command(&app, &["rollups", "status"]).output().expect("the binary");
    assert!(text(&page.stdout).contains("provider_monthly"), "{}", text(&page.stdout));

    // Readings by hand, and an hour that somebody wants to have followed again.
    insert(&mut db, 30, "2025-05-01T00:00:00Z".parse().unwrap(), "2025-05-02T00:00:00Z".parse().unwrap()).await;
    assert!(status(&app)["pending"]["changes"].as_i64() > Some(0));
    let refresh = |arguments: &[&str]| {
        let output = command(&app, &[&["rollups", "refresh"], arguments].concat()).output().expect("the binary");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert!(refresh(&[]).contains("all changes are in the rollups"));
    naive::check(&mut db, "after a refresh").await;
    let (_, place, _) = tables(&app, &mut db).await.swap_remove(0);
    let damage = format!("UPDATE {place} SET count = count + 1 WHERE bucket >= '2025-05-01' AND bucket < '2025-05-02'");
    sqlx::query(sqlx::AssertSqlSafe(damage)).execute(&mut db).await.expect("damage");
    assert!(refresh(&["--from", "2025-05-01", "--to", "2025-05-02"]).contains("24 hours are queued"));
    naive::check(&mut db, "after hours were followed again").await;
    assert_eq!(status(&app)["pending"]["changes"], 0);

    let checked = super::verify(&app, &["--only", "rollups"]);
    let verified = status(&app)["last_verification"].clone();
    assert_eq!((&verified["differences"], &verified["compared"]), (&0.into(), &checked.summary()["compared"]));
}

pub async fn a_server_verifies_on_schedule_and_exports_what_it_finds(app: TestApp) {
    let mut db = super::readings::filled(&app).await;
    let (_, place, keys) = tables(&app, &mut db).await.swap_remove(3);
    let row = format!("({keys}) = (SELECT {keys} FROM {place} ORDER BY {keys} LIMIT 1)");
    change_one(&mut db, format!("UPDATE {place} SET value_sum = value_sum + 1 WHERE {row}")).await;
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--verify-every",
        "1s",
        "--verify-sample",
        "100%",
        "--metrics-every",
        "1s",
    ];
    let server = Serving::start(command(&app, &arguments));
    let mut patience = Patience::for_("a verification");
    let metrics = loop {
        let text = app.client.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
        if text.contains("meterbase_verify_last_run_timestamp_seconds ") {
            break text;
        }
        patience.poll().await;
    };
    // One hour is not what the readings say; its day is.
    assert!(metrics.contains("\nmeterbase_verify_differences 1\n"), "{metrics}");
    assert!(metrics.contains("\nmeterbase_verify_compared_rows_total "), "{metrics}");
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
    let found: (String, i64) = sqlx::query_as(
        "SELECT left(scope, 34) AS words, differences FROM verification WHERE finished_at IS NOT NULL ORDER BY 1 LIMIT 1",
    )
    .fetch_one(&mut db)
    .await
    .expect("a run");
    assert_eq!(found, ("on schedule: rollups and readings,".to_owned(), 1));
}
