//! The refresher of the Apache edition: recomputes exactly what changed.
//!
//! A batch is one transaction. It first takes the pending changes of some hours out of the log, then makes their (channel,
//! hour)s right, then whatever lies above those, level by level. It runs REPEATABLE READ: all of it sees what was committed
//! at one instant. A reading that was committed after that has an entry of its own in the log, which is followed later. If
//! the transaction fails, the log is as before.
//!
//! An entry says what has become of readings of an hour in a transaction. Where those of a channel have only come in, it
//! says what they add up to, and that is added to the channel's figures, and to all that is made from these: days and
//! months, and the owner's figures. No reading is read: live and late ones cost the same however many of their hour came
//! before. Where anything else happened to the channel's hour, or it is not said what came in, the hour is recomputed.
//! This is exact, since figures hold the readings of those transactions whose entries have been taken and no others: an
//! hour is recomputed from what the same instant shows as the log, of which all entries of that hour are taken. Who
//! recomputes without taking them (`rebuild`) has them followed by recomputing.
//!
//! What is recomputed above comes after what is added there, from hours that hold it.

use std::sync::LazyLock;

use chrono::{DateTime, Days, Months, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::definition::{ROLLUPS, Rollup};
use super::figures::{FIGURES, figure_columns};

/// Most (channel, hour)s that one batch recomputes: some seconds of work.
pub(super) const BATCH: i64 = 50_000;

/// What changed is looked up in its source before anything else is joined: nothing is known of how many rows a step has.
/// What is made of it is sorted, or grouped, in memory.
pub(super) const SETTINGS: &str = "SET LOCAL join_collapse_limit = 1; SET LOCAL work_mem = '64MB'";

/// What recomputes each rollup, in the order of [`ROLLUPS`].
static RECOMPUTE: LazyLock<Vec<String>> = LazyLock::new(|| ROLLUPS.iter().map(recompute).collect());

/// What takes changes out of the log.
static TAKE: LazyLock<String> = LazyLock::new(|| take(""));

/// What adds to all of [`ROLLUPS`] what came in; planned for how much that is.
static APPEND: LazyLock<String> = LazyLock::new(append);

/// Follows one batch of pending changes: of the month of the newest, or of the oldest. Tells how many rows of rollups
/// changed; none when nothing was pending.
pub async fn batch(db: &mut PgConnection, newest: bool) -> sqlx::Result<Option<u64>> {
    make_temporary_tables(db).await?;
    let mut transaction = db.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    sqlx::raw_sql(SETTINGS).execute(&mut *transaction).await?;
    let Some(month) = next_month(&mut transaction, newest).await? else { return Ok(None) };
    let next_month = month + Months::new(1);
    let days: Vec<Day> = sqlx::query_as(AssertSqlSafe(TAKE.as_str()))
        .bind(month)
        .bind(next_month)
        .bind(BATCH)
        .fetch_all(&mut *transaction)
        .await?;
    let append = sqlx::query(AssertSqlSafe(APPEND.as_str())).persistent(false);
    let mut changed = count(append.fetch_one(&mut *transaction).await?)?;
    let (hourly, above) = RECOMPUTE.split_first().expect("the first rollup is made from readings");
    for Day { day, whole_hours } in &days {
        let (day, next_day) = (*day, *day + Days::new(1));
        if *whole_hours {
            bounded(include_str!("../../sql/rollups/expand_hours.sql").to_owned(), day, next_day)
                .execute(&mut *transaction)
                .await?;
        }
        changed += count(bounded(hourly.clone(), day, next_day).fetch_one(&mut *transaction).await?)?;
    }
    for sql in above.iter().filter(|_| !days.is_empty()) {
        changed += count(bounded(sql.clone(), month, next_month).fetch_one(&mut *transaction).await?)?;
    }
    transaction.commit().await?;
    analyze_new_chunks(db, changed).await?;
    Ok(Some(changed))
}

/// The month of the newest pending change, or of the oldest; none when nothing is pending.
pub(super) async fn next_month(db: &mut PgConnection, newest: bool) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(include_str!("../../sql/rollups/next_month.sql")).bind(newest).fetch_one(db).await
}

/// The statement that takes changes out of the log, `only` some of them.
pub(super) fn take(only: &str) -> String {
    let figures = include_str!("../../sql/rollups/figures_of_rollups.sql").trim_end();
    include_str!("../../sql/rollups/take_changes.sql").replace("{figures}", figures).replace("{only}", only.trim_end())
}

/// Changed rows of a batch from which on chunks may have grown that nothing is known of.
const MANY: u64 = 1_000;

/// Gathers statistics of chunks that have none, once in the life of a chunk. Autovacuum does that minutes later; until
/// then the planner may take any index for as good as another, and a backfill takes many times as long.
pub(super) async fn analyze_new_chunks(db: &mut PgConnection, changed: u64) -> sqlx::Result<()> {
    if changed <= MANY {
        return Ok(());
    }
    let chunks: Vec<String> =
        sqlx::query_scalar(include_str!("../../sql/rollups/new_chunks.sql")).fetch_all(&mut *db).await?;
    for chunk in chunks {
        sqlx::raw_sql(AssertSqlSafe(format!("ANALYZE {chunk}"))).execute(&mut *db).await?;
    }
    Ok(())
}

/// How many rows a statement says that it changed.
fn count(row: PgRow) -> sqlx::Result<u64> {
    row.try_get(0).map(i64::unsigned_abs)
}

/// A UTC day with something to be recomputed.
#[derive(sqlx::FromRow)]
pub(super) struct Day {
    pub day: DateTime<Utc>,
    /// Whether an hour of it is to be recomputed for all channels.
    whole_hours: bool,
}

/// A statement that is planned for its very bounds, so that it only looks at the chunks between them.
pub(super) fn bounded(
    sql: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(AssertSqlSafe(sql)).bind(from).bind(to).persistent(false)
}

/// The tables that tell each step what came in, and what the one before it touched; they last as long as the connection.
pub(super) async fn make_temporary_tables(db: &mut PgConnection) -> sqlx::Result<()> {
    make_for_rollups(db, "added", table_of_additions).await?;
    make_for_rollups(db, "touched", |rollup| {
        let keys = rollup.touched_keys();
        let columns: Vec<_> = keys.iter().map(|key| format!("{key} integer")).collect();
        include_str!("../../sql/rollups/touched.sql")
            .replace("{name}", &rollup.name)
            .replace("{columns}", &columns.join(",\n    "))
            .replace("{keys}", &keys.join(", "))
    })
    .await
}

/// Makes tables for each rollup with statements of `sql`, all or none, unless the connection has them: one of each is
/// called `kind` and the rollup's name.
pub(super) async fn make_for_rollups(
    db: &mut PgConnection,
    kind: &str,
    sql: impl Fn(&Rollup) -> String,
) -> sqlx::Result<()> {
    let there = format!("SELECT to_regclass('pg_temp.{kind}_{}') IS NOT NULL", ROLLUPS[0].name);
    if sqlx::query_scalar(AssertSqlSafe(there)).fetch_one(&mut *db).await? {
        return Ok(());
    }
    let mut transaction = db.begin().await?;
    for rollup in ROLLUPS.iter() {
        sqlx::raw_sql(AssertSqlSafe(sql(rollup))).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Makes the table that holds what came in, for the first of [`ROLLUPS`]; what it adds to the others is made from that.
fn table_of_additions(rollup: &Rollup) -> String {
    match rollup.source.as_str() {
        "reading" => {
            let table = include_str!("../../sql/rollups/added.sql");
            table.replace("{name}", &rollup.name).replace("{figures}", &figure_columns())
        }
        _ => String::new(),
    }
}

/// The statement that adds to the rollups what came in.
fn append() -> String {
    let (first, above) = ROLLUPS.split_first().expect("the first rollup is made from readings");
    let new = above.iter().map(|rollup| format!(",\nnew_{} AS MATERIALIZED (\n{})", rollup.name, select_new(rollup)));
    let add = ROLLUPS.iter().map(|rollup| {
        let add = include_str!("../../sql/rollups/add.sql")
            .replace("{sums}", &sums("excluded"))
            .replace("{columns}", &rollup.columns().join(", "))
            .replace("{identity}", &rollup.index_columns())
            .replace("{name}", &rollup.name);
        format!(",\n{}", add.trim_end())
    });
    let changed: Vec<_> = ROLLUPS.iter().map(|rollup| format!("(SELECT count(*) FROM {}_put)", rollup.name)).collect();
    include_str!("../../sql/rollups/append.sql")
        .replace("{select}", &select_new(first))
        .replace("{name}", &first.name)
        .replace("{added}", &new.chain(add).collect::<String>())
        .replace("{changed}", &changed.join(" + "))
}

/// What came in, as it is added to a rollup.
pub(super) fn select_new(rollup: &Rollup) -> String {
    match rollup.source.as_str() {
        "reading" => format!(
            "    SELECT {} FROM added_{} JOIN (SELECT channel_id, device_id, metric_id FROM channel) AS c USING (channel_id)",
            rollup.columns().join(", "),
            rollup.name
        ),
        source => rollup.select_from(&format!("new_{source}"), "", ""),
    }
}

/// The sums of what a row has and what is new.
pub(super) fn sums(new: &str) -> String {
    include_str!("../../sql/rollups/sums.sql").trim_end().replace("{new}", new)
}

/// What a rollup should be in [$1, $2) in the buckets that were touched.
fn select_touched(rollup: &Rollup) -> String {
    match rollup.source.as_str() {
        "reading" => include_str!("../../sql/rollups/hours_of_readings.sql").replace("{name}", &rollup.name),
        _ => of_rollup(rollup),
    }
}

/// What its source makes of a rollup in the buckets that were touched. Each bucket is looked up by itself (LATERAL and
/// OFFSET, which no plan gets around): a source has many times as many rows as change at a time, and the more, the longer
/// its chunk has been filling.
fn of_rollup(rollup: &Rollup) -> String {
    let condition = if rollup.condition.is_empty() { String::new() } else { format!(" AND {}", rollup.condition) };
    let source = format!(
        "(SELECT * FROM touched_{name} WHERE bucket >= $1 AND bucket < $2) AS t
CROSS JOIN LATERAL (
    SELECT s.* FROM {source} AS s
    WHERE s.bucket >= $1 AND s.bucket < $2 AND s.bucket >= t.bucket
      AND s.bucket < t.bucket + interval '{width}'{same}{condition}
    OFFSET 0)",
        name = rollup.name,
        source = rollup.source,
        width = rollup.period.width(),
        same = rollup.same_touched("s"),
    );
    rollup.select_from(&source, "", "")
}

/// The statement that makes a rollup right where it was touched, and notes what lies above.
fn recompute(rollup: &Rollup) -> String {
    let keys: Vec<_> = rollup.keys.iter().map(|key| key.column).collect();
    let figures: Vec<_> = FIGURES.iter().map(|(column, ..)| *column).collect();
    let of = |table: &str, columns: &[&str]| -> String {
        columns.iter().map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
    };
    let above = ROLLUPS.iter().filter(|above| above.source == rollup.name).map(|above| {
        let name = &above.name;
        format!(
            ",\nto_{name} AS (\n    INSERT INTO touched_{name}\n    {}\n    ON CONFLICT DO NOTHING)",
            above.above("changed")
        )
    });
    include_str!("../../sql/rollups/recompute.sql")
        .replace("{select}", select_touched(rollup).trim_end())
        .replace("{same_touched}", &rollup.same_touched("r"))
        .replace("{touched_keys}", &rollup.touched_keys().join(", "))
        .replace("{r_keys}", &of("r", &keys))
        .replace("{r_figures}", &of("r", &figures))
        .replace("{excluded}", &of("excluded", &figures))
        .replace("{identity}", &rollup.index_columns())
        .replace("{keys}", &keys.join(", "))
        .replace("{figures}", &figures.join(", "))
        .replace("{billing}", rollup.billing())
        .replace("{name}", &rollup.name)
        .replace("{above}", &above.collect::<String>())
}
