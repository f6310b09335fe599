//! Late readings: the rollups follow them where they lie, and read little besides.

use std::collections::{BTreeMap, BTreeSet};

use meterbase::database::Edition;
use meterbase::rollup::definition::ROLLUPS;
use serde_json::Value;
use sqlx::{ConnectOptions, PgConnection};

use super::plans::{chunks, two_years};
use super::{insert, naive};
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
    let before = rows_read(&mut db).await;
    meterbase::rollup::refresh(&mut db, app.edition).await.expect("a refresh");
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
fn bench(app: &TestApp, days: &str) -> Value {
    let fleet = ["--devices", "200", "--customers", "10", "--groups", "30", "--late", "1000"];
    let output = meterbase()
        .args(["bench", "late", "--json", "-", "--days", days, "--database-url", app.options.to_url_lossy().as_str()])
        .args(fleet)
        .output()
        .expect("the binary");
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_str(&text(&output.stdout)).expect("JSON")
}

pub async fn what_late_readings_cost_is_in_proportion(app: TestApp) {
    // The Community edition refreshes the hours that they lie in, of all channels; the Apache edition these channels, and
    // their owners from all that these have.
    let days = if app.edition == Edition::Apache { "30" } else { "1" };
    let told = bench(&app, days);
    assert_eq!((&told["readings"], &told["late_readings"]), (&144_000.into(), &1000.into()));
    let rows = |of: &str| told[of]["rows_read"].as_i64().expect("a number");
    // Each reading is read at least once to rebuild. The fewer devices, the larger a part of them one customer's are.
    assert!(rows("rebuild") >= 144_000 && rows("late") >= 1000, "{told:#}");
    assert!(rows("late") * 5 < rows("rebuild"), "{told:#}");
    let mut db = app.db().await;
    naive::check(&mut db, "after late readings and a rebuild").await;
    let readings: i64 = sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&mut db).await.unwrap();
    assert_eq!(readings, 144_000 + 1000);
}
