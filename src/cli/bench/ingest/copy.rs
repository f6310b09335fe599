//! What the database can do: the same rows, sorted as the server sorts them, in transactions twice as large as its largest,
//! by binary COPY into a hypertable with the columns, indexes and chunks of `reading`, without triggers, while nothing else
//! runs. Over one connection that is the limit of who loads sorted rows; over as many as the server stores on, that of the
//! machine.
//!
//! The rows are made ready before the clock starts. Beside these limits, what their parts take: the same without an index,
//! and into `reading` itself, with its triggers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use futures::TryStreamExt;
use serde::Serialize;
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use tokio::task::JoinSet;

use crate::cli::Failure;
use crate::cli::bench::ingest::process::Postmaster;
use crate::cli::bench::ingest::scratch::Scratch;
use crate::cli::bench::ingest::usage::{Meter, Usage};
use crate::cli::progress::{Progress, Unit};
use crate::database::Edition;

/// How fast rows were copied.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Copied {
    pub connections: u32,
    pub rows: u64,
    pub seconds: f64,
    pub rows_per_second: f64,
    #[serde(flatten)]
    pub usage: Usage,
}

/// All that was copied.
#[derive(Debug, Clone, Serialize)]
pub struct Copy {
    /// Without triggers, over one connection.
    pub limit: Copied,
    /// Over as many as the server stores on.
    pub parallel_limit: Copied,
    /// Over the faster number of connections, without an index.
    pub without_index: Copied,
    /// Over that number of connections, into `reading` itself.
    pub with_triggers: Copied,
    /// Part of the time with triggers that they take.
    pub share_of_triggers: f64,
}

/// Most rows that are copied: of the earliest instants.
const MOST_ROWS: i64 = 3_000_000;

/// Rows of a transaction: twice as many as the server stores in one, for the limit is what would be best.
const PART: i64 = 20_000;

/// Connections that the server stores on, unless told otherwise.
pub const CONNECTIONS: u32 = 4;

/// Rows of one transaction each, in the format of COPY.
type Parts = Vec<(Bytes, u64)>;

/// Measures with the rows that a server has stored in the scratch database, which is emptied. No server may run.
pub async fn measure(scratch: &Scratch, edition: Edition, length: Duration) -> Result<Copy, Failure> {
    scratch.rest(edition).await?;
    let mut db = scratch.connect().await?;
    let parts = parts(&mut db).await?;
    scratch.empty().await?;
    const PLAIN: &str = include_str!("../../../../sql/bench/plain.sql");
    let mut plain = async |connections| {
        sqlx::raw_sql(PLAIN).execute(&mut db).await?;
        copy(scratch, "bench_plain", &parts, connections, length).await
    };
    let (limit, parallel_limit) = (plain(1).await?, plain(CONNECTIONS).await?);
    let fastest = limit.faster(parallel_limit);
    sqlx::raw_sql(PLAIN).execute(&mut db).await?;
    sqlx::raw_sql(include_str!("../../../../sql/bench/without_index.sql")).execute(&mut db).await?;
    let without_index = copy(scratch, "bench_plain", &parts, fastest.connections, length).await?;
    sqlx::raw_sql("DROP TABLE bench_plain").execute(&mut db).await?;
    let with_triggers = copy(scratch, "reading", &parts, fastest.connections, length).await?;
    scratch.empty().await?;
    Ok(Copy {
        limit,
        parallel_limit,
        without_index,
        with_triggers,
        share_of_triggers: 1.0 - with_triggers.rows_per_second / fastest.rows_per_second,
    })
}

impl Copied {
    pub fn faster(self, other: Self) -> Self {
        if other.rows_per_second > self.rows_per_second { other } else { self }
    }
}

/// The stored rows, in the order of their instants, cut into transactions and sorted in each.
async fn parts(db: &mut PgConnection) -> Result<Parts, Failure> {
    sqlx::raw_sql("DROP TABLE IF EXISTS bench_row").execute(&mut *db).await?;
    let made = include_str!("../../../../sql/bench/rows.sql");
    let made = AssertSqlSafe(made.replace("{size}", &PART.to_string()).replace("{most}", &MOST_ROWS.to_string()));
    sqlx::raw_sql(made).execute(&mut *db).await?;
    let counts: Vec<(i64, i64)> =
        sqlx::query_as("SELECT part, count(*) FROM bench_row GROUP BY part ORDER BY part").fetch_all(&mut *db).await?;
    let mut parts = Vec::new();
    let progress = Progress::new("reading the rows back, transactions", counts.len() as u64, Unit::Number);
    for (part, count) in counts {
        progress.at(part.cast_unsigned());
        let sql = include_str!("../../../../sql/bench/part.sql").replace("{part}", &part.to_string());
        let bytes: Vec<Bytes> = db.copy_out_raw(&sql).await?.try_collect().await?;
        parts.push((Bytes::from(bytes.concat()), count.cast_unsigned()));
    }
    sqlx::raw_sql("DROP TABLE bench_row").execute(db).await?;
    Ok(parts)
}

/// Copies as many parts as there is time for, each in a transaction of its own.
async fn copy(
    scratch: &Scratch,
    table: &'static str,
    parts: &Parts,
    connections: u32,
    length: Duration,
) -> Result<Copied, Failure> {
    scratch.checkpoint().await?;
    let rest: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(parts.iter().cloned().collect()));
    let pool = pool(scratch, connections).await?;
    let progress = Progress::new("COPY, transactions", parts.len() as u64, Unit::Number);
    let meter = Meter::start(None, Postmaster::of(&mut scratch.connect().await?).await?);
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (pool, rest) = (pool.clone(), rest.clone());
        tasks.spawn(async move {
            let mut copied = 0;
            while started.elapsed() < length {
                let Some((part, rows)) = rest.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { break };
                append(&pool, table, part).await?;
                copied += rows;
            }
            Ok::<u64, sqlx::Error>(copied)
        });
    }
    let mut rows = 0;
    while let Some(copied) = tasks.join_next().await {
        rows += copied??;
        progress.at((parts.len() - rest.lock().unwrap_or_else(PoisonError::into_inner).len()) as u64);
    }
    let seconds = started.elapsed().as_secs_f64();
    // Before the connections end: what they took would be told by nobody.
    let usage = meter.stop(rows);
    pool.close().await;
    let mut db = scratch.connect().await?;
    let stored: i64 =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(&mut db).await?;
    if stored.cast_unsigned() != rows {
        return Err(Failure::Failed(format!("{rows} rows were copied, and {table} has {stored}")));
    }
    Ok(Copied { connections, rows, seconds, rows_per_second: rows as f64 / seconds, usage })
}

/// Connected already.
async fn pool(scratch: &Scratch, connections: u32) -> sqlx::Result<PgPool> {
    let options = sqlx::postgres::PgPoolOptions::new().min_connections(connections).max_connections(connections);
    options.connect_with(scratch.options.clone()).await
}

/// One transaction.
async fn append(pool: &PgPool, table: &str, part: Bytes) -> sqlx::Result<()> {
    let sql = include_str!("../../../../sql/ingest/copy.sql").replace("{into}", table).replace("{ids}", "");
    let mut copy = pool.copy_in_raw(&sql).await?;
    copy.send(part.as_ref()).await?;
    copy.finish().await.map(drop)
}
