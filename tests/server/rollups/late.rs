//! Late readings: the rollups follow them where they lie, and read little besides.

use std::collections::{BTreeMap, BTreeSet};

use meterbase::database::Edition;
use meterbase::rollup::{self, definition::ROLLUPS};
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use tokio_util::sync::CancellationToken;

use super::columnstore::compress;
use super::plans::{chunks, two_years};
use super::{fleet, insert, insert_everywhere, naive, run};
use crate::binary::{meterbase, text};
use crate::harness::TestApp;

/// Rows that were ever read of each chunk of readings and rollups, by whichever scan.
const ROWS_READ: &str = "
    SELECT t.relname::text,
           (t.seq_tup_read + coalesce((SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid), 0))::bigint
    FROM pg_stat_user_tables t
    WHERE t.relname LIKE '\\_hyper\\_%'";

async fn rows_read(db: &mut PgConnection) -> BTreeMap<String, i64> {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(&mut *db).await.expect("a flush");
    let rows: Vec<(String, i64)> = sqlx::query_as(ROWS_READ).fetch_all(db).await.expect("statistics");
    rows.into_iter().collect()
}

pub async fn late_readings_are_followed_in_the_chunks_of_their_time_alone(app: TestApp) {
    let mut db = two_years(&app).await;
    insert(&mut db, 30, "2024-06-10T00:00:00Z".parse().unwrap(), "2024-06-12T00:00:00Z".parse().unwrap()).await;
    // What else happened has an hour read again.
    run(
        &mut db,
        "UPDATE reading SET value = value / 2 WHERE ts >= '2024-06-10' AND ts < '2024-06-12' AND event_key % 2 = 0",
    )
    .await;
    let before = rows_read(&mut db).await;
    rollup::refresh(&mut db, app.edition).await.expect("a refresh");
    let read: BTreeSet<_> = rows_read(&mut db)
        .await
        .into_iter()
        .filter(|(chunk, rows)| *rows > before.get(chunk).copied().unwrap_or(0))
        .map(|(chunk, _)| chunk)
        .collect();
    let readings = chunks(&mut db, "reading", "2024-06-10", "2024-06-12").await;
    assert!(read.is_superset(&readings), "{read:?} {readings:?}");
    // The Community edition may refresh the hour before and after, too.
    let mut allowed = chunks(&mut db, "reading", "2024-06-09", "2024-06-13").await;
    // Of the rollups of that edition all that can be said is that they are right: TimescaleDB looks for the days of a
    // month among all days, and planning looks at the ends of every chunk's indexes.
    let rollups = ROLLUPS.iter().filter(|_| app.edition == Edition::Apache);
    for rollup in rollups {
        // A month is made from all of its days.
        let of = chunks(&mut db, &rollup.name, "2024-06-01", "2024-07-01").await;
        assert!(chunks(&mut db, &rollup.name, "-infinity", "infinity").await.len() > of.len());
        assert!(!read.is_disjoint(&of), "{} was not read", rollup.name);
        allowed.extend(of);
    }
    let all = chunks(&mut db, "reading", "-infinity", "infinity").await;
    let watched = |chunk: &&String| app.edition == Edition::Apache || all.contains(*chunk);
    let others: Vec<_> = read.difference(&allowed).filter(watched).collect();
    assert!(others.is_empty(), "not of its time: {others:?}");
    naive::check(&mut db, "after late readings").await;
}

/// A run of `meterbase bench late` with a few devices on the test's database.
fn bench(app: &TestApp) -> Value {
    let fleet = ["--devices", "200", "--customers", "10", "--groups", "30", "--late", "1000", "--days", "30"];
    let output = meterbase()
        .args(["bench", "late", "--json", "-", "--database-url", app.options.to_url_lossy().as_str()])
        .args(fleet)
        .output()
        .expect("the binary");
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_str(&text(&output.stdout)).expect("JSON")
}

pub async fn what_late_readings_cost_is_in_proportion(app: TestApp) {
    let told = bench(&app);
    assert_eq!((&told["readings"], &told["late_readings"]), (&144_000.into(), &1000.into()));
    let rows = |of: &str| told[of]["rows_read"].as_i64().expect("a number");
    // Each reading is read at least once to rebuild. The fewer devices, the larger a part of them one customer's are,
    // whose figures are made from all that it has: here a tenth.
    assert!(rows("rebuild") >= 144_000 && rows("late") >= 1000, "{told:#}");
    assert!(rows("late") * 8 < rows("rebuild"), "{told:#}");
    let mut db = app.db().await;
    naive::check(&mut db, "after late readings and a rebuild").await;
    let readings: i64 = sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&mut db).await.unwrap();
    assert_eq!(readings, 144_000 + 1000);
}

/// Readings of one device in 2025 that come late, again and again.
async fn send_late(app: &TestApp, channel: i32) {
    let mut db = app.db().await;
    for day in 0..12 {
        sqlx::query(
            "INSERT INTO reading (ts, value, increment, channel_id, customer_id, group_id, billing_day)
             SELECT ts, 3, 3, $1, 1, 0, ts::date
             FROM generate_series('2025-03-29T00:07:30Z'::timestamptz + $2 * interval '67 seconds', '2025-04-03T00:00:00Z', interval '5 hours') AS ts",
        )
        .bind(channel)
        .bind(day)
        .execute(&mut db)
        .await
        .expect("late readings");
        rollup::refresh(&mut db, app.edition).await.expect("a refresh");
    }
}

/// What a person or a policy refreshes of the same time, over and over.
async fn refresh_by_hand(app: &TestApp, rollup: &str, stop: &CancellationToken) {
    let mut db = app.db().await;
    let call = format!("CALL refresh_continuous_aggregate('{rollup}', '2025-03-01', '2025-05-01', force => true)");
    while app.edition == Edition::Community && !stop.is_cancelled() {
        sqlx::raw_sql(AssertSqlSafe(call.as_str())).execute(&mut db).await.expect("a refresh");
    }
}

pub async fn late_readings_and_whole_refreshes_do_not_undo_each_other(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 100).await;
    app.settle().await;
    for (channels, converted) in [([7, 8], false), ([9, 10], true)] {
        if converted {
            compress(&app, &mut db).await;
        }
        let stop = CancellationToken::new();
        let refreshes = ["channel_hourly", "customer_hourly", "channel_daily", "channel_monthly"];
        let refreshes = refreshes.map(|rollup| refresh_by_hand(&app, rollup, &stop));
        let late = async {
            futures::future::join_all(channels.map(|channel| send_late(&app, channel))).await;
            stop.cancel();
        };
        futures::join!(late, futures::future::join_all(refreshes));
        assert!(naive::check(&mut db, "after late readings beside refreshes").await > 0);
    }
}

pub async fn what_somebody_refreshed_of_some_levels_is_followed_in_all(app: TestApp) {
    let mut db = fleet(&app).await;
    insert_everywhere(&mut db, 100).await;
    app.settle().await;
    let changes = [
        "INSERT INTO reading (ts, value, increment, channel_id, customer_id, group_id, billing_day)
         VALUES ('2025-03-30T10:07:30Z', 5, 5, 7, 1, 0, '2025-03-30'), ('2025-10-26T10:07:30Z', 5, 5, 7, 1, 0, '2025-10-26')",
        "UPDATE reading SET customer_id = 2 WHERE channel_id = 7 AND ts >= '2025-03-29T00:00:00Z' AND ts < '2025-04-02T00:00:00Z'",
        "UPDATE reading SET value = value + 3 WHERE channel_id = 8 AND ts >= '2025-03-29T00:00:00Z' AND ts < '2025-04-02T00:00:00Z'",
        "UPDATE reading SET ts = ts + interval '1 hour 1 second' WHERE channel_id = 9 AND ts >= '2025-03-29T00:00:00Z' AND ts < '2025-04-02T00:00:00Z'",
    ];
    for change in changes {
        run(&mut db, change).await;
        for rollup in ["channel_hourly", "customer_hourly"] {
            let call =
                format!("CALL refresh_continuous_aggregate('{rollup}', '2025-03-01', '2025-11-01', force => true)");
            if app.edition == Edition::Community {
                sqlx::raw_sql(AssertSqlSafe(call)).execute(&mut db).await.expect("a refresh");
            }
        }
        app.settle().await;
        naive::check(&mut db, change).await;
    }
}
