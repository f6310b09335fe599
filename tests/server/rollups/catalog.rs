//! What the database holds, and making it anew.

use meterbase::database::Edition;
use meterbase::migrate;
use meterbase::rollup::{self, columnstore, definition::ROLLUPS};
use sqlx::PgConnection;

use super::columnstore::compress;
use super::{fleet, insert_everywhere, naive, refreshing};
use crate::harness::TestApp;

async fn names(db: &mut PgConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(db).await.expect("names")
}

const AGGREGATES: &str =
    "SELECT view_name::text FROM timescaledb_information.continuous_aggregates WHERE materialized_only ORDER BY 1";
const REFRESHING_JOBS: &str = "SELECT application_name::text FROM timescaledb_information.jobs
    WHERE proc_name = 'policy_refresh_continuous_aggregate' AND scheduled";
const HYPERTABLES: &str = "SELECT hypertable_name::text FROM timescaledb_information.hypertables WHERE hypertable_schema = 'public' ORDER BY 1";

pub async fn rollups_are_what_the_edition_offers(app: TestApp) {
    let mut db = app.db().await;
    let mut expected: Vec<_> = ROLLUPS.iter().map(|rollup| rollup.name.clone()).collect();
    expected.sort();
    assert_eq!(expected.len(), 12);
    if app.edition == Edition::Community {
        assert_eq!(names(&mut db, AGGREGATES).await, expected);
        assert_eq!(names(&mut db, REFRESHING_JOBS).await, Vec::<String>::new());
        assert_eq!(names(&mut db, HYPERTABLES).await, ["reading"]);
    } else {
        expected.push("reading".to_owned());
        assert_eq!(names(&mut db, HYPERTABLES).await, expected);
    }
}

pub async fn applying_again_changes_nothing(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 20).await;
    app.settle().await;
    const STATE: &str = "SELECT oid::text || relname || relfilenode FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1";
    let before = names(&mut db, STATE).await;
    migrate::run(&mut db, app.edition).await.expect("the schema again");
    assert_eq!(names(&mut db, STATE).await, before);
    let pending: i64 = sqlx::query_scalar("SELECT count(*) FROM reading_change").fetch_one(&mut db).await.unwrap();
    assert_eq!(pending, 0);
}

pub async fn a_changed_definition_is_made_anew_from_the_readings(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 50).await;
    app.settle().await;
    sqlx::query("UPDATE rollup_generation SET fingerprint = 'of another version'").execute(&mut db).await.unwrap();
    migrate::run(&mut db, app.edition).await.expect("the schema");
    app.settle().await;
    assert!(naive::check(&mut db, "after being made anew").await > 0);
    let generations: i64 =
        sqlx::query_scalar("SELECT count(*) FROM rollup_generation").fetch_one(&mut db).await.unwrap();
    assert_eq!(generations, 2);
}

pub async fn changed_triggers_are_replaced_also_where_readings_are_gone(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 50).await;
    app.settle().await;
    sqlx::query("SELECT drop_chunks('reading', interval '30 days')").execute(&mut db).await.unwrap();
    app.settle().await;
    let figures = "SELECT r::text FROM channel_daily AS r WHERE bucket < now() - interval '40 days' ORDER BY 1";
    let before = names(&mut db, figures).await;
    sqlx::raw_sql("DROP TRIGGER reading_inserted ON reading; UPDATE rollup_generation SET fingerprint_around = NULL")
        .execute(&mut db)
        .await
        .unwrap();
    migrate::run(&mut db, app.edition).await.expect("the schema");
    let now = chrono::Utc::now();
    super::insert(&mut db, 20, now - chrono::TimeDelta::days(2), now).await;
    app.settle().await;
    assert_eq!(names(&mut db, figures).await, before);
    let of_readings = names(&mut db, "SELECT count(*)::text FROM reading").await;
    let followed = "SELECT sum(count)::text FROM provider_hourly
                    WHERE bucket >= (SELECT since FROM kept_from WHERE relation = 'reading')";
    assert_eq!(names(&mut db, followed).await, of_readings);
    assert_eq!(names(&mut db, "SELECT count(*)::text FROM rollup_generation").await, ["1"]);
}

pub async fn a_database_can_change_its_edition(app: TestApp) {
    if app.edition == Edition::Apache {
        // Continuous aggregates cannot be made here; the Community run goes both ways.
        return;
    }
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 50).await;
    app.settle().await;
    let refused = rollup::apply(&mut db, Edition::Apache).await.expect_err("a refusal").to_string();
    assert!(refused.contains("--columnstore-after never"), "{refused}");
    compress(&app, &mut db).await;
    columnstore::apply(&mut db, None).await.expect("no policies");
    // What the refusal says.
    let (_, decompress) = refused.split_once("run ").expect("a statement");
    let (decompress, _) = decompress.split_once(", and").expect("its end");
    sqlx::raw_sql(sqlx::AssertSqlSafe(decompress)).execute(&mut db).await.expect("no compressed readings");
    columnstore::apply(&mut db, None).await.expect("no columnstore");
    for edition in [Edition::Apache, Edition::Community] {
        rollup::apply(&mut db, edition).await.expect("the rollups of the other edition");
        insert_everywhere(&mut db, 10).await;
        rollup::refresh(&mut db, edition).await.expect("a refresh");
        assert!(naive::check(&mut db, &format!("on {edition}")).await > 0);
    }
    assert_eq!(names(&mut db, HYPERTABLES).await, ["reading"]);
}

pub async fn dropping_old_readings_keeps_their_figures(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 50).await;
    app.settle().await;
    const FIGURES: &str =
        "SELECT r::text FROM channel_hourly r UNION ALL SELECT r::text FROM provider_monthly r ORDER BY 1";
    let before = names(&mut db, FIGURES).await;
    sqlx::query("SELECT drop_chunks('reading', timestamptz '2025-06-01')").execute(&mut db).await.expect("a drop");
    app.settle().await;
    refreshing::refresh_all(&app).await;
    assert_eq!(names(&mut db, FIGURES).await, before);

    // Made anew, they would be lost: refused, and nothing is changed.
    sqlx::query("UPDATE rollup_generation SET fingerprint = 'of another version'").execute(&mut db).await.unwrap();
    let refused = migrate::run(&mut db, app.edition).await.expect_err("a refusal").to_string();
    assert!(refused.contains("older figures would be lost"), "{refused}");
    assert_eq!(names(&mut db, FIGURES).await, before);
}

pub async fn a_month_of_one_device_is_read_from_few_chunks(app: TestApp) {
    let mut db = fleet(&app).await;
    for month in 1..=12 {
        let from = format!("2024-{month:02}-01T00:00:00Z").parse().unwrap();
        super::insert(&mut db, 40, from, from + chrono::Months::new(1)).await;
    }
    app.settle().await;
    for (table, key, of_a_year) in [("channel_daily", "channel_id", 12), ("provider_daily", "provider_id", 4)] {
        let chunks = format!(
            "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name IN
                ('{table}', (SELECT materialization_hypertable_name FROM timescaledb_information.continuous_aggregates WHERE view_name = '{table}'))"
        );
        let chunks: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(chunks)).fetch_one(&mut db).await.unwrap();
        assert!(chunks >= of_a_year, "{chunks}");
        let explain = format!(
            "EXPLAIN SELECT sum(increment_sum) FROM {table} WHERE {key} = 1
             AND bucket >= '2024-06-01T00:00:00Z' AND bucket < '2024-07-01T00:00:00Z'"
        );
        let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).fetch_all(&mut db).await.unwrap();
        let scanned = plan.iter().filter(|line| line.contains(" on _hyper_") && !line.contains("Bitmap Index")).count();
        assert!((1..=2).contains(&scanned), "{scanned} of {chunks} chunks\n{}", plan.join("\n"));
    }
}
