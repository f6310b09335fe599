//! How much work something was.

use std::time::Instant;

use serde::Serialize;
use sqlx::PgConnection;

/// Rows that were read of readings, rollups and temporary tables, and time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Work {
    pub rows_read: i64,
    pub seconds: f64,
}

/// The work of `body`, which does all of it on this connection, while nobody else works on the database.
pub async fn of<T>(
    db: &mut PgConnection,
    body: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
) -> sqlx::Result<Work> {
    let before = rows_read(db).await?;
    let started = Instant::now();
    body(db).await?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Work { rows_read: rows_read(db).await? - before, seconds })
}

/// A connection tells the statistics what it read when it is idle, and of its own accord only now and then.
async fn rows_read(db: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(&mut *db).await?;
    sqlx::query_scalar(include_str!("../../../../sql/bench/rows_read.sql")).fetch_one(db).await
}
