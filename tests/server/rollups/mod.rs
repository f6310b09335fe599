//! Rollups: whatever happens to readings, the figures are those of a naive recomputation.

pub mod catalog;
pub mod columnstore;
pub mod freshness;
pub mod kept;
pub mod late;
pub mod naive;
pub mod plans;
pub mod refreshing;
pub mod retention;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::harness::TestApp;

/// Ranges that hold changes of clocks: Paris, St John's and Apia in spring and autumn, and the day that Apia skipped.
const RANGES: [(&str, &str); 4] = [
    ("2025-03-28T00:00:00Z", "2025-04-07T00:00:00Z"),
    ("2025-10-25T00:00:00Z", "2025-11-03T00:00:00Z"),
    ("2011-12-29T00:00:00Z", "2012-01-02T00:00:00Z"),
    ("2025-12-31T00:00:00Z", "2026-01-02T00:00:00Z"),
];

/// Registers the fleet, and makes what is random the same in every run. The connection is to be kept.
pub async fn fleet(app: &TestApp) -> PgConnection {
    let mut db = app.db().await;
    sqlx::raw_sql(include_str!("fleet.sql")).execute(&mut db).await.expect("the fleet");
    sqlx::query("SELECT setseed(0.25)").execute(&mut db).await.expect("a seed");
    db
}

pub async fn insert(db: &mut PgConnection, count: i32, from: DateTime<Utc>, to: DateTime<Utc>) {
    let insert = sqlx::query(include_str!("readings.sql")).bind(count).bind(from).bind(to);
    insert.execute(db).await.expect("readings");
}

/// Readings in all ranges, and around now, where continuous aggregates are not materialised yet.
async fn insert_everywhere(db: &mut PgConnection, count: i32) {
    for (from, to) in RANGES {
        insert(db, count, from.parse().unwrap(), to.parse().unwrap()).await;
    }
    let now = Utc::now();
    insert(db, count, now - TimeDelta::days(40), now + TimeDelta::hours(3)).await;
    insert(db, count, now - TimeDelta::hours(5), now).await;
}

async fn run(db: &mut PgConnection, sql: &'static str) {
    let done = sqlx::raw_sql(sql).execute(db).await.expect(sql);
    assert!(done.rows_affected() > 0, "changed nothing: {sql}");
}
