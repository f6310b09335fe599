//! What is no longer kept: figures stay as they were, whatever is refreshed, and what is kept can still change.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use meterbase::database::Edition;
use meterbase::keys::Scope;
use meterbase::rollup::{self, definition::ROLLUPS, retention::Keep};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{columnstore::compress, fleet, insert, naive, refreshing::refresh_all};
use crate::binary::text;
use crate::fixtures::{self, Metric};
use crate::harness::TestApp;
use crate::verify::{command, verify};

pub const DAY: Duration = Duration::from_secs(86_400);
const FORTY_DAYS: Keep = Keep { readings: Some(DAY.saturating_mul(40)), hourly: None, daily: None, monthly: None };

/// Three years of readings, followed and compressed, and a copy of them all in the table `everything`.
async fn history(app: &TestApp) -> PgConnection {
    let mut db = fleet(app).await;
    let now = Utc::now();
    insert(&mut db, 300, now - TimeDelta::days(1000), now).await;
    insert(&mut db, 300, now - TimeDelta::days(100), now).await;
    app.settle().await;
    compress(app, &mut db).await;
    sqlx::raw_sql("CREATE TABLE everything AS TABLE reading").execute(&mut db).await.expect("a copy");
    db
}

pub async fn retain(app: &TestApp, keep: &Keep) {
    let mut db = app.db().await;
    rollup::retain(&mut db, app.edition, keep).await.expect("retention");
    db.close().await.expect("a close");
}

/// Every row of every rollup, as text.
async fn figures(db: &mut PgConnection) -> Vec<String> {
    let all: Vec<_> = ROLLUPS.iter().map(|r| format!("SELECT '{0} ' || r::text FROM {0} AS r", r.name)).collect();
    let sql = format!("{} ORDER BY 1", all.join(" UNION ALL "));
    sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_all(db).await.expect("the figures")
}

/// Every refresh there is: Meterbase's own, and whole ones by hand.
async fn force_every_refresh(app: &TestApp, db: &mut PgConnection) {
    app.settle().await;
    refresh_all(app).await;
    if app.edition == Edition::Community {
        for force in [false, true] {
            for rollup in ROLLUPS.iter() {
                let call =
                    format!("CALL refresh_continuous_aggregate('{}', NULL, NULL, force => {force})", rollup.name);
                sqlx::raw_sql(AssertSqlSafe(call)).execute(&mut *db).await.expect("a refresh");
            }
        }
    }
    app.settle().await;
}

/// Late readings in the days that begin at `from`, which are kept.
async fn late_readings(app: &TestApp, db: &mut PgConnection, from: DateTime<Utc>) {
    insert(db, 60, from, from + TimeDelta::days(3)).await;
    insert(db, 60, from, Utc::now()).await;
    sqlx::raw_sql(
        "INSERT INTO everything SELECT r.* FROM reading AS r
         WHERE NOT EXISTS (SELECT FROM everything AS e WHERE (e.channel_id, e.ts, e.event_key) = (r.channel_id, r.ts, r.event_key))",
    )
    .execute(db)
    .await
    .expect("a copy");
    app.settle().await;
}

async fn kept_from(db: &mut PgConnection, relation: &str) -> DateTime<Utc> {
    rollup::retention::kept_from(db, relation).await.expect("an answer").expect("something dropped")
}

async fn oldest_chunk(db: &mut PgConnection) -> DateTime<Utc> {
    sqlx::query_scalar("SELECT min(range_start) FROM timescaledb_information.chunks WHERE hypertable_name = 'reading'")
        .fetch_one(db)
        .await
        .expect("the oldest chunk")
}

pub async fn dropping_readings_older_than_forty_days_changes_no_figure(app: TestApp) {
    let mut db = history(&app).await;
    let before = figures(&mut db).await;
    retain(&app, &Keep { readings: Some(DAY * 60), ..Keep::default() }).await;
    retain(&app, &FORTY_DAYS).await;

    let since = kept_from(&mut db, "reading").await;
    let age = Utc::now() - since;
    assert!(age >= TimeDelta::days(40) && age < TimeDelta::days(41), "{since}");
    assert!(oldest_chunk(&mut db).await >= since);
    force_every_refresh(&app, &mut db).await;
    assert_eq!(figures(&mut db).await, before);

    late_readings(&app, &mut db, since).await;
    naive::check_of(&mut db, "everything", "with late readings in what is kept").await;
    force_every_refresh(&app, &mut db).await;
    naive::check_of(&mut db, "everything", "after every refresh").await;
}

pub async fn chunks_dropped_by_hand_change_no_figure(app: TestApp) {
    let mut db = history(&app).await;
    let before = figures(&mut db).await;
    sqlx::query("SELECT drop_chunks('reading', interval '40 days')").execute(&mut db).await.expect("a drop");
    if app.edition == Edition::Community {
        let blind = "CALL refresh_continuous_aggregate('channel_hourly', NULL, NULL, force => true)";
        let refused = sqlx::raw_sql(blind).execute(&mut db).await.expect_err("a refusal").to_string();
        assert!(refused.contains("dropped by hand"), "{refused}");
    }
    // A reading of an hour whose others are gone comes before a server takes notice.
    let gone = Utc::now() - TimeDelta::days(60);
    insert(&mut db, 1, gone, gone + TimeDelta::hours(1)).await;
    sqlx::query("SELECT drop_chunks('reading', interval '40 days')").execute(&mut db).await.expect("a drop");
    force_every_refresh(&app, &mut db).await;
    assert_eq!(figures(&mut db).await, before);

    let since = kept_from(&mut db, "reading").await;
    assert_eq!(since, oldest_chunk(&mut db).await);
    late_readings(&app, &mut db, since).await;
    naive::check_of(&mut db, "everything", "with late readings in what is kept").await;
}

pub async fn what_is_no_longer_kept_cannot_change(app: TestApp) {
    let key = fixtures::north(&app).await;
    let now = Utc::now();
    let reading = |days: i64, value: &str| json!({"device": "m1", "metric": "energy", "at": (now - TimeDelta::days(days)).to_rfc3339(), "value": value});
    let sent = fixtures::send_json(&app, &key, &json!([reading(60, "1"), reading(50, "2"), reading(10, "3")])).await;
    assert_eq!(fixtures::counts(&sent), [3, 3, 0, 0, 0, 0]);
    app.settle().await;
    retain(&app, &FORTY_DAYS).await;
    let mut db = app.db().await;
    let before = figures(&mut db).await;

    let sent = fixtures::send_json(&app, &key, &json!([reading(60, "1"), reading(45, "9"), reading(9, "4")])).await;
    let rejected = "rejected beyond_retention";
    assert_eq!(fixtures::verdicts(&sent), [rejected, rejected, "stored"]);
    let unknown =
        json!([{"device": "m9", "metric": "energy", "at": (now - TimeDelta::days(60)).to_rfc3339(), "value": 1}]);
    assert_eq!(fixtures::verdicts(&fixtures::send_json(&app, &key, &unknown).await), [rejected]);

    // By hand too: into the past, and all at once.
    for sql in [
        "INSERT INTO reading SELECT ts - interval '50 days', now(), 1, 1, 0, channel_id, customer_id, 0, billing_day, NULL FROM reading",
        "TRUNCATE reading",
    ] {
        let refused = sqlx::raw_sql(sql).execute(&mut db).await.expect_err(sql).to_string();
        assert!(refused.contains("no longer kept"), "{refused}");
    }
    app.settle().await;
    sqlx::raw_sql("DELETE FROM reading WHERE value = 4000").execute(&mut db).await.expect("a deletion");
    app.settle().await;
    assert_eq!(figures(&mut db).await, before);
}

pub async fn figures_that_cannot_follow_keep_their_owner_and_day(app: TestApp) {
    let (ingest, now) = (fixtures::north(&app).await, Utc::now());
    let key = app.key("north", Scope::Provider).await;
    let mut db = app.db().await;
    fixtures::customer(&mut db, "north", "other", "UTC").await;
    for device in ["m2", "m3"] {
        fixtures::device(&mut db, "north", device, &[("acme", "(,)")]).await;
    }
    let reading = |device: &str, days: i64| json!({"device": device, "metric": "energy", "at": (now - TimeDelta::days(days)).to_rfc3339(), "value": "1"});
    fixtures::send_json(&app, &ingest, &json!([reading("m1", 60), reading("m1", 10), reading("m2", 30)])).await;
    app.settle().await;
    retain(&app, &FORTY_DAYS).await;
    let before = figures(&mut db).await;

    let move_to_other = async |device: &str, days: i64| {
        let at = (now - TimeDelta::days(days)).to_rfc3339();
        app.post(&key, &format!("/v1/devices/{device}/moves"), json!({"customer": "other", "at": at})).await
    };
    assert_eq!(move_to_other("m1", 50).await.expect_status(409).problem(), "readings_dropped");
    let zone = |days: i64| json!({"time_zone": "Asia/Tokyo", "from": (now - TimeDelta::days(days)).date_naive()});
    let refused = app.post(&key, "/v1/customers/acme/time-zone", zone(50)).await.expect_status(409);
    assert_eq!(refused.problem(), "readings_dropped");
    app.settle().await;
    assert_eq!(figures(&mut db).await, before);
    // No reading of it is left, but figures are.
    sqlx::raw_sql("DELETE FROM reading").execute(&mut db).await.expect("a deletion");
    let acme = json!({"name": "Acme", "time_zone": "Asia/Tokyo"});
    let refused = app.put(&key, "/v1/customers/acme", acme).await.expect_status(409);
    assert_eq!(refused.problem(), "time_zone_in_use");

    // What has no figures from before can have been anywhere; and what is kept can move.
    for (device, days) in [("m2", 50), ("m3", 50), ("m1", 30)] {
        move_to_other(device, days).await.expect_status(200);
    }
    app.post(&key, "/v1/customers/acme/time-zone", zone(30)).await.expect_status(200);
}

pub async fn retention_broken_off_anywhere_is_taken_up_again(app: TestApp) {
    let mut db = history(&app).await;
    let before = figures(&mut db).await;
    let mut killed = 0;
    for attempt in 0..12_u64 {
        let mut victim = app.db().await;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut victim).await.expect("a pid");
        let edition = app.edition;
        let retention = tokio::spawn(async move { rollup::retain(&mut victim, edition, &FORTY_DAYS).await });
        let (mut seen, mut statements) = (String::new(), 0);
        while statements <= 4 + attempt * 3 && !retention.is_finished() {
            let query: Option<String> = sqlx::query_scalar("SELECT md5(query) FROM pg_stat_activity WHERE pid = $1")
                .bind(pid)
                .fetch_optional(&mut db)
                .await
                .expect("its activity");
            let query = query.unwrap_or_default();
            if query != seen {
                (seen, statements) = (query, statements + 1);
            }
        }
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut db).await.expect("a kill");
        killed += u32::from(retention.await.expect("the task").is_err());
        app.settle().await;
        assert_eq!(figures(&mut db).await, before, "after {statements} statements");
    }
    assert!(killed > 0, "retention was never hit");
    retain(&app, &FORTY_DAYS).await;
    let since = kept_from(&mut db, "reading").await;
    assert!(oldest_chunk(&mut db).await >= since);
    force_every_refresh(&app, &mut db).await;
    assert_eq!(figures(&mut db).await, before);
    late_readings(&app, &mut db, since).await;
    naive::check_of(&mut db, "everything", "after retention was killed").await;
}

pub async fn each_level_is_kept_for_its_own_time(app: TestApp) {
    let mut db = history(&app).await;
    let keep =
        Keep { readings: Some(DAY * 40), hourly: Some(DAY * 60), daily: Some(DAY * 200), monthly: Some(DAY * 500) };
    for round in ["once", "again"] {
        retain(&app, &keep).await;
        let rows = naive::check_of(&mut db, "everything", round).await;
        assert!(rows > 0);
        force_every_refresh(&app, &mut db).await;
        assert_eq!(naive::check_of(&mut db, "everything", round).await, rows);
    }
    let now = Utc::now();
    let readings = kept_from(&mut db, "reading").await;
    // Days are kept whole, of days whole months; and chunks that hold some of what is kept.
    for (level, days, whole) in [("hourly", 60, 1), ("daily", 200, 31), ("monthly", 500, 31)] {
        for subject in ["channel", "customer", "group", "provider"] {
            let chunk = match (level, subject) {
                ("hourly", _) => 7,
                ("daily", "channel") => 30,
                ("daily", _) => 90,
                _ => 365,
            };
            let since = kept_from(&mut db, &format!("{subject}_{level}")).await;
            assert!(since <= readings, "{subject}_{level} from {since}");
            let age = now - since;
            assert!(age >= TimeDelta::days(days) && age < TimeDelta::days(days + whole), "{subject}_{level}: {since}");
            let sql = format!("SELECT min(bucket) FROM {subject}_{level}");
            let oldest = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false);
            let oldest: DateTime<Utc> = oldest.fetch_one(&mut db).await.expect("rows");
            assert!(oldest > since - TimeDelta::days(chunk), "{subject}_{level} still has {oldest}");
        }
    }
    // The oldest reading that is taken is in its hour, its day and its month, beside all that they had.
    late_readings(&app, &mut db, readings).await;
    naive::check_of(&mut db, "everything", "with late readings in what is kept").await;
}

pub async fn verify_and_rebuild_leave_what_was_dropped_alone(app: TestApp) {
    let mut db = fleet(&app).await;
    let now = Utc::now();
    insert(&mut db, 80, now - TimeDelta::days(75), now).await;
    app.settle().await;
    sqlx::raw_sql("CREATE TABLE everything AS TABLE reading").execute(&mut db).await.expect("a copy");
    retain(&app, &Keep { readings: Some(DAY * 10), hourly: Some(DAY * 20), daily: Some(DAY * 30), monthly: None })
        .await;
    naive::check_of(&mut db, "everything", "after the drop").await;
    let compared = verify(&app, &["--only", "rollups"]).expect_clean();
    let before = figures(&mut db).await;
    for arguments in [["rollups", "rebuild"], ["rollups", "refresh"]] {
        let said = command(&app, &arguments).output().expect("the binary");
        assert!(said.status.success(), "{}", text(&said.stderr));
        assert_eq!(figures(&mut db).await, before, "{arguments:?}");
    }
    assert_eq!(verify(&app, &["--only", "rollups"]).expect_clean(), compared);
}

pub async fn a_register_goes_on_from_the_last_reading_that_was_dropped(app: TestApp) {
    let key = fixtures::north(&app).await;
    let mut db = app.db().await;
    fixtures::metric(&mut db, "north", "total", Metric { kind: "register", scale: 0, ..Metric::default() }).await;
    let now = Utc::now();
    let reading = |days: i64, value: &str| json!({"device": "m1", "metric": "total", "at": (now - TimeDelta::days(days)).to_rfc3339(), "value": value});
    let sent = [reading(80, "100"), reading(50, "130"), reading(20, "200")];
    fixtures::send_json(&app, &key, &json!(sent)).await;
    app.settle().await;
    retain(&app, &FORTY_DAYS).await;
    assert_eq!(increments(&mut db).await, ["200 70"]);
    // Between the one that was dropped and the one that is kept, and after that.
    let late = fixtures::send_json(&app, &key, &json!([reading(30, "150"), reading(5, "210")])).await;
    assert_eq!(fixtures::verdicts(&late), ["stored", "stored"]);
    assert_eq!(increments(&mut db).await, ["150 20", "200 50", "210 10"]);
    app.settle().await;
    assert_eq!(verify(&app, &["--only", "increments"]).expect_clean(), 3, "the first one counts from what was dropped");
    let used: String = sqlx::query_scalar("SELECT sum(increment_sum)::text FROM provider_monthly")
        .fetch_one(&mut db)
        .await
        .expect("a sum");
    assert_eq!(used, "110");
    // A meter that was silent for longer than readings are kept.
    retain(&app, &Keep { readings: Some(DAY * 2), ..Keep::default() }).await;
    assert_eq!(increments(&mut db).await, Vec::<String>::new());
    fixtures::send_json(&app, &key, &json!([reading(0, "260")])).await;
    assert_eq!(increments(&mut db).await, ["260 50"]);
}

/// Value and increment of each reading that there is, in their order.
async fn increments(db: &mut PgConnection) -> Vec<String> {
    let sql = "SELECT value || ' ' || increment FROM reading ORDER BY ts";
    sqlx::query_scalar(sql).persistent(false).fetch_all(db).await.expect("the readings")
}
