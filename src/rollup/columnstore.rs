//! The columnstore of the Community edition: chunks of readings and rollups are converted to it some time after their
//! end, and can still be changed there.
//!
//! A chunk of a rollup is converted only when hardly anything is added to it any more: it is not added to, but recomputed
//! then, for which the refresher's connections may decompress as much as they need.

use chrono::TimeDelta;
use sqlx::postgres::types::PgInterval;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::definition::{Period, ROLLUPS, Rollup};
use crate::database::SCHEMA_LOCK;

/// The least time after which anything is converted.
pub const LEAST_AFTER: TimeDelta = TimeDelta::days(7);

/// After how long it is done where nothing else is said.
pub const DEFAULT_AFTER: TimeDelta = TimeDelta::days(40);

/// The statement of [`conversions`].
pub const CONVERSIONS: &str = include_str!("../../sql/columnstore/conversions.sql");

/// What is converted, how, and after how long.
struct Table {
    name: String,
    kind: &'static str,
    segment_by: String,
    order_by: String,
    after: Option<TimeDelta>,
}

#[derive(sqlx::FromRow)]
struct State {
    enabled: bool,
    used: bool,
    as_wanted: bool,
}

/// Converts chunks `after` so long from now on, or none any more; what is converted stays so. Changes nothing that is
/// as it should be. The rollups are those of the Community edition.
pub async fn apply(db: &mut PgConnection, after: Option<TimeDelta>) -> sqlx::Result<()> {
    let tables = std::iter::once(readings(after)).chain(ROLLUPS.iter().map(|rollup| of_rollup(rollup, after)));
    for table in tables {
        let mut transaction = db.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SCHEMA_LOCK).execute(&mut *transaction).await?;
        apply_to(&mut transaction, &table).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// What is another one whenever a chunk has been converted, either way. A snapshot does not follow that: it is not told of
/// the rows that a chunk has where they were moved to, and those where they were are gone. So figures that were read in
/// a snapshot hold if this is the same before it and behind it.
pub async fn conversions(db: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::query_scalar(CONVERSIONS).fetch_one(db).await
}

fn readings(after: Option<TimeDelta>) -> Table {
    Table {
        name: "reading".to_owned(),
        kind: "TABLE",
        segment_by: "channel_id".to_owned(),
        order_by: "ts, event_key".to_owned(),
        after,
    }
}

/// A channel, or one metric of an owner, is a segment.
fn of_rollup(rollup: &Rollup, after: Option<TimeDelta>) -> Table {
    let keys: Vec<_> = rollup.keys.iter().map(|key| key.column).collect();
    let (segment, rest) = keys.split_at(if rollup.subject == "channel" { 1 } else { 2 });
    let order: Vec<_> = ["bucket"].into_iter().chain(rest.iter().copied()).chain([rollup.billing()]).collect();
    Table {
        name: rollup.name.clone(),
        kind: "MATERIALIZED VIEW",
        segment_by: segment.join(", "),
        order_by: order.join(", "),
        after: after.map(|after| after.max(quiet(rollup.period))),
    }
}

/// A time after which few readings come that a bucket is made from.
fn quiet(period: Period) -> TimeDelta {
    match period {
        Period::Hour => TimeDelta::days(4),
        Period::Day => TimeDelta::days(8),
        Period::Month => TimeDelta::days(130),
    }
}

async fn apply_to(db: &mut PgConnection, table: &Table) -> sqlx::Result<()> {
    let after = table.after.map(interval);
    let state: State = sqlx::query_as(include_str!("../../sql/columnstore/state.sql"))
        .bind(&table.name)
        .bind(after)
        .fetch_one(&mut *db)
        .await?;
    let Table { name, kind, segment_by, order_by, .. } = table;
    if after.is_some() && !state.enabled {
        let options = format!(
            "timescaledb.compress, timescaledb.compress_segmentby = '{segment_by}', timescaledb.compress_orderby = '{order_by}'"
        );
        run(db, format!("ALTER {kind} {name} SET ({options})")).await?;
    }
    if !state.as_wanted {
        run(db, format!("SELECT remove_compression_policy('{name}', if_exists => true)")).await?;
        if after.is_some() {
            sqlx::query("SELECT add_compression_policy($1::regclass, $2::interval)")
                .bind(name)
                .bind(after)
                .execute(&mut *db)
                .await?;
            tracing::info!(table = name, after = %table.after.unwrap_or_default(), "chunks go to the columnstore");
        }
    }
    if after.is_none() && state.enabled && !state.used {
        run(db, format!("ALTER {kind} {name} SET (timescaledb.compress = false)")).await?;
    }
    Ok(())
}

fn interval(time: TimeDelta) -> PgInterval {
    let days = i32::try_from(time.num_days()).unwrap_or(i32::MAX);
    let rest = time - TimeDelta::days(days.into());
    PgInterval { months: 0, days, microseconds: rest.num_microseconds().unwrap_or(0) }
}

async fn run(db: &mut PgConnection, sql: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await.map(drop)
}
