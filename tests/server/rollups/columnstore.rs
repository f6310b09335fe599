//! Readings and rollups in the columnstore, on the Community edition; elsewhere the same without it.

use meterbase::database::Edition;
use meterbase::keys::Scope;
use meterbase::rollup::{columnstore, definition::ROLLUPS};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{fleet, insert_everywhere, naive, refreshing::refresh_all, run};
use crate::harness::TestApp;

/// Converts all chunks there are, where the edition can.
pub async fn compress(app: &TestApp, db: &mut PgConnection) {
    if app.edition == Edition::Apache {
        return;
    }
    let tables = std::iter::once("reading").chain(ROLLUPS.iter().map(|rollup| rollup.name.as_str()));
    for table in tables {
        let sql = format!("SELECT count(compress_chunk(c, true)) FROM show_chunks('{table}') AS c");
        let chunks: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *db).await.expect("compressed chunks");
        assert!(chunks > 0, "{table}");
    }
}

pub async fn compressed_readings_change_like_others_and_their_figures_follow(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 100).await;
    app.settle().await;
    compress(&app, &mut db).await;

    insert_everywhere(&mut db, 40).await;
    app.settle().await;
    naive::check(&mut db, "after late readings").await;

    compress(&app, &mut db).await;
    let again = "INSERT INTO reading SELECT * FROM reading WHERE channel_id % 3 = 0 ON CONFLICT (channel_id, ts, event_key) DO NOTHING";
    let again = sqlx::raw_sql(again).execute(&mut db).await.expect("repeated readings");
    assert_eq!(again.rows_affected(), 0);
    run(&mut db, "UPDATE reading SET increment = increment / 3 WHERE channel_id % 7 = 1").await;
    run(&mut db, "UPDATE reading SET customer_id = 1, group_id = 0 WHERE channel_id IN (1, 2, 3) AND ts >= '2025-03-29T10:30:00Z'").await;
    // Whole segments, which could go without being decompressed, and parts of segments.
    run(&mut db, "DELETE FROM reading WHERE channel_id IN (5, 6)").await;
    run(&mut db, "DELETE FROM reading WHERE ts >= '2025-10-26T00:00:00Z' AND ts < '2025-10-27T00:30:00Z'").await;
    run(&mut db, "DELETE FROM reading WHERE channel_id % 5 = 2 AND value % 3 = 1").await;
    run(&mut db, "UPDATE reading SET ts = ts + interval '1 minute' WHERE channel_id = 4").await;
    app.settle().await;
    refresh_all(&app).await;
    assert!(naive::check(&mut db, "after changes of every sort").await > 0);

    compress(&app, &mut db).await;
    run(&mut db, "DELETE FROM reading").await;
    app.settle().await;
    assert_eq!(naive::check(&mut db, "after all were deleted").await, 0);
}

pub async fn truncated_readings_leave_no_figures(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 30).await;
    app.settle().await;
    sqlx::raw_sql("TRUNCATE reading").execute(&mut db).await.expect("a truncation");
    app.settle().await;
    assert_eq!(naive::check(&mut db, "after a truncation").await, 0);
    insert_everywhere(&mut db, 10).await;
    app.settle().await;
    assert!(naive::check(&mut db, "with new readings").await > 0);
}

pub async fn the_columnstore_s_time_can_be_changed(app: TestApp) {
    let mut db = fleet(&app).await;
    if app.edition == Edition::Apache {
        return;
    }
    const AFTER: &str = "SELECT (config ->> 'compress_after')::interval::text FROM timescaledb_information.jobs
        WHERE proc_name = 'policy_compression' AND hypertable_name = 'reading'";
    let made: String =
        sqlx::query_scalar("SELECT max(made_at)::text FROM rollup_generation").fetch_one(&mut db).await.unwrap();
    for (days, expected) in [(Some(90), Some("90 days")), (None, None), (Some(8), Some("8 days"))] {
        columnstore::apply(&mut db, days.map(chrono::TimeDelta::days)).await.expect("a columnstore");
        let after: Option<String> = sqlx::query_scalar(AFTER).fetch_optional(&mut db).await.unwrap();
        assert_eq!(after.as_deref(), expected);
        let policies: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression'",
        )
        .fetch_one(&mut db)
        .await
        .unwrap();
        assert_eq!(policies, if expected.is_some() { 13 } else { 0 });
    }
    // No policy compresses what a refresh policy would look at, if somebody had it run.
    const TOO_EARLY: &str = "
        SELECT r.hypertable_name::text FROM timescaledb_information.jobs AS r
        JOIN timescaledb_information.jobs AS c USING (hypertable_schema, hypertable_name)
        WHERE r.proc_name = 'policy_refresh_continuous_aggregate' AND c.proc_name = 'policy_compression'
          AND (c.config ->> 'compress_after')::interval <= (r.config ->> 'start_offset')::interval";
    let too_early: Vec<String> = sqlx::query_scalar(TOO_EARLY).fetch_all(&mut db).await.unwrap();
    assert_eq!(too_early, Vec::<String>::new());
    let still: String =
        sqlx::query_scalar("SELECT max(made_at)::text FROM rollup_generation").fetch_one(&mut db).await.unwrap();
    assert_eq!(made, still);
}

pub async fn figures_hold_while_chunks_are_converted(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 30).await;
    app.settle().await;
    if app.edition == Edition::Community {
        compress(&app, &mut db).await;
    }
    let (provider, metric): (String, String) =
        sqlx::query_as("SELECT p.key::text, m.key::text FROM provider p JOIN metric m USING (provider_id) LIMIT 1")
            .fetch_one(&mut db)
            .await
            .expect("a metric");
    let key = app.key(&provider, Scope::Provider).await;
    let path = format!("/v1/usage?metric={metric}&bucket=day&from=2025-03-01&to=2025-11-15&stats=count");
    let series = async || app.get(&key, &path).await.expect_status(200).json()["series"].clone();
    let expected = series().await;
    assert!(!expected[0]["points"].as_array().expect("points").is_empty());

    let edition = app.edition;
    let mut other = app.db().await;
    let converting = tokio::spawn(async move {
        if edition == Edition::Community {
            for _ in 0..6 {
                for way in ["decompress_chunk", "compress_chunk"] {
                    let sql = format!("SELECT count({way}(c, true)) FROM show_chunks('provider_daily') AS c");
                    sqlx::query(AssertSqlSafe(sql)).execute(&mut other).await.expect("conversions");
                }
            }
        }
    });
    loop {
        let last = converting.is_finished();
        assert_eq!(series().await, expected);
        if last {
            break;
        }
    }
    converting.await.expect("conversions");
}
