//! Continuous aggregates followed row by row: what came in is added to what is materialised, and where anything else
//! happened to a few channels, their rows are replaced.
//!
//! A refresh deletes and makes all rows of a bucket, however little of it changed: an hour of all channels because of one,
//! and a month of all customers because of that hour. Here the rows of what changed alone are written, level by level, as
//! the refresher of the Apache edition does. TimescaleDB materialises into a hypertable whose name its catalog gives. What
//! is written there is what a refresh would make of it, so that this is no more than a refresh of a few rows, and
//! TimescaleDB's own state stays as it is: whoever refreshes later gets the same rows.
//!
//! The transaction locks what all aggregates have materialised against writing, before it looks at anything. Refreshes
//! of every release take a lock there that conflicts, before or with the first row they delete, and take the snapshots
//! they compute from after that. So each of them is over and seen when the lock is there, or sees all that is done here.
//! Readers wait for nothing.
//!
//! Somebody may refresh what is still to be added. A trigger notes which hours that were ([`HOURS`]), in the transaction of
//! the refresh; what of them is in the log when this comes next is recomputed instead, and only what comes after that is
//! added again. What lies above is then recomputed whether or not a row changes: one level may have been refreshed and not
//! the next. For the same reason the log names a channel only where its readings leave no owner and no billing day: what
//! is stored of it would not tell whose they were. Where they do, or are deleted, the log names the hour alone, and it is
//! refreshed.
//!
//! A snapshot does not follow a chunk that goes to the columnstore. Chunks are locked against that before there is one, and
//! nothing is added where one has gone.

use chrono::{DateTime, Days, Months, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::apache::{self, Day, bounded, make_for_rollups, make_temporary_tables};
use super::definition::{ROLLUPS, Rollup};
use super::{Stores, retention};

/// Most channels of an hour that an UPDATE's changes are noted one by one of.
pub const MOST_OF_A_STATEMENT: i32 = 100;

/// Most channels of an hour that are recomputed one by one. Each costs a search in every index from readings to months, and
/// a refresh reads each channel's rows once, in order: beyond some thousand channels it is the quicker one.
pub const MOST_OF_AN_HOUR: i64 = 1_000;

/// The setting that tells the trigger on `channel_hourly` which hours are refreshed: a range of instants, of which all are
/// meant where nothing is said.
pub const HOURS: &str = "meterbase.refreshed_hours";

/// Each row that came in is looked up where it belongs.
const LOOK_UP: &str = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
const JOIN: &str = "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

/// Where a month of readings and aggregates is stored.
#[derive(Debug)]
pub struct Place {
    stores: Stores,
    chunks: Vec<Chunk>,
}

#[derive(Debug, sqlx::FromRow)]
struct Chunk {
    name: String,
    of_rollup: bool,
    /// To the columnstore.
    converted: bool,
    until: DateTime<Utc>,
}

impl Place {
    /// None where rows cannot be written by whoever is not a refresh.
    pub async fn find(db: &mut PgConnection, month: DateTime<Utc>) -> sqlx::Result<Option<Self>> {
        if sqlx::query_scalar(include_str!("../../sql/rollups/rows/merges.sql")).fetch_one(&mut *db).await? {
            return Ok(None);
        }
        let stores = Stores::read(db).await?;
        let chunks = sqlx::query_as(include_str!("../../sql/rollups/rows/chunks.sql"))
            .bind(month)
            .bind(month + Months::new(1))
            .fetch_all(db)
            .await?;
        Ok(ROLLUPS.iter().all(|rollup| stores.of(&rollup.name).is_some()).then_some(Self { stores, chunks }))
    }

    /// From when on nothing has gone to the columnstore of what rows are added to; none where nothing has.
    pub fn added_from(&self) -> Option<DateTime<Utc>> {
        self.chunks.iter().filter(|chunk| chunk.of_rollup && chunk.converted).map(|chunk| chunk.until).max()
    }

    /// The hypertable of a rollup.
    fn table<'a>(&'a self, rollup: &'a str) -> &'a str {
        self.stores.of(rollup).map_or(rollup, |store| store.name.as_str())
    }

    /// Locks against refreshes, and against conversions.
    fn locks(&self) -> String {
        let tables: Vec<_> = ROLLUPS.iter().map(|rollup| self.table(&rollup.name)).collect();
        let lock = |tables: &[&str], mode| format!("LOCK TABLE ONLY {} IN {mode} MODE;", tables.join(", ONLY "));
        let (of_rollups, of_readings): (Vec<_>, Vec<_>) = self.chunks.iter().partition(|chunk| chunk.of_rollup);
        let chunks = [(of_rollups, "ROW EXCLUSIVE"), (of_readings, "ACCESS SHARE")];
        let chunks = chunks
            .into_iter()
            .filter(|(chunks, _)| !chunks.is_empty())
            .map(|(chunks, mode)| lock(&chunks.iter().map(|chunk| chunk.name.as_str()).collect::<Vec<_>>(), mode));
        std::iter::once(lock(&tables, "EXCLUSIVE")).chain(chunks).collect()
    }
}

/// Follows the changes of some of `hours`, which are of one month. Tells how many rows changed.
pub async fn follow(
    db: &mut PgConnection,
    month: DateTime<Utc>,
    hours: &[DateTime<Utc>],
    place: &Place,
) -> sqlx::Result<u64> {
    make_tables(db).await?;
    let mut transaction = db.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    // None of this takes the snapshot.
    let settings = format!("{}{}; SET LOCAL {HOURS} = 'empty'", place.locks(), apache::SETTINGS);
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *transaction).await?;
    sqlx::query(AssertSqlSafe(distrust())).bind(hours).bind(place.added_from()).execute(&mut *transaction).await?;
    let next_month = month + Months::new(1);
    let take = apache::take(include_str!("../../sql/rollups/rows/take.sql"));
    let days: Vec<Day> = sqlx::query_as(AssertSqlSafe(take))
        .bind(month)
        .bind(next_month)
        .bind(apache::BATCH)
        .bind(hours)
        .fetch_all(&mut *transaction)
        .await?;
    let mut changed = add(&mut transaction, place, month).await?;
    for rollup in ROLLUPS.iter().filter(|_| !days.is_empty()) {
        changed += replace(&mut transaction, &Statements { rollup, place }, month, &days).await?;
    }
    transaction.commit().await?;
    Ok(changed)
}

/// The statement after which nothing is added that somebody has refreshed, or that would go to the columnstore.
fn distrust() -> String {
    let doubted = "(EXISTS (SELECT FROM refreshed AS r WHERE r.hours @> c.hour) OR c.hour = ANY ($1) AND c.hour < $2)";
    let distrust = include_str!("../../sql/rollups/distrust.sql").replace("{refreshed}", doubted);
    format!("WITH refreshed AS (DELETE FROM rollup_refresh RETURNING hours)\n{distrust}")
}

/// Adds to the aggregates what came in. Tells how many rows changed.
async fn add(db: &mut PgConnection, place: &Place, month: DateTime<Utc>) -> sqlx::Result<u64> {
    let mut came = Vec::new();
    for rollup in ROLLUPS.iter() {
        let columns = rollup.columns().join(", ");
        let new = format!("INSERT INTO new_{} ({columns})\n{}", rollup.name, apache::select_new(rollup));
        let new = sqlx::raw_sql(AssertSqlSafe(new)).execute(&mut *db).await?.rows_affected();
        came.extend((new > 0).then_some((rollup, new)));
    }
    sqlx::raw_sql(LOOK_UP).execute(&mut *db).await?;
    for (rollup, new) in &came {
        let sql = Statements { rollup, place };
        let set = bounded(sql.set(), month, month + Months::new(1)).execute(&mut *db).await?.rows_affected();
        if set < *new {
            bounded(sql.begin(), month, month + Months::new(1)).execute(&mut *db).await?;
        }
    }
    sqlx::raw_sql(JOIN).execute(db).await?;
    Ok(came.into_iter().map(|(_, new)| new).sum())
}

/// Makes a rollup right where it was touched in the month, and notes what lies above. Tells how many rows changed.
async fn replace(db: &mut PgConnection, sql: &Statements<'_>, month: DateTime<Utc>, days: &[Day]) -> sqlx::Result<u64> {
    let rollup = sql.rollup;
    let since = retention::recomputed_from(db, &rollup.source).await?;
    let bounds = |from: DateTime<Utc>, to: DateTime<Utc>| {
        let from = since.map_or(from, |since| since.max(from));
        (from < to).then_some((from, to))
    };
    let Some((from, to)) = bounds(month, month + Months::new(1)) else { return Ok(0) };
    let keys: Option<Vec<i32>> =
        sqlx::query_scalar(AssertSqlSafe(sql.keys())).bind(from).bind(to).persistent(false).fetch_one(&mut *db).await?;
    let Some(keys) = keys else { return Ok(0) };
    // Of readings, which are many, only the chunks of the days that were touched are looked at.
    let ranges: Vec<_> = match rollup.source.as_str() {
        "reading" => days.iter().filter_map(|Day { day, .. }| bounds(*day, *day + Days::new(1))).collect(),
        _ => vec![(from, to)],
    };
    for (from, to) in ranges {
        bounded(sql.fresh(), from, to).bind(&keys).execute(&mut *db).await?;
        bounded(sql.stored(), from, to).bind(&keys).execute(&mut *db).await?;
    }
    for above in ROLLUPS.iter().filter(|above| above.source == rollup.name) {
        sqlx::raw_sql(AssertSqlSafe(sql.above(above))).execute(&mut *db).await?;
    }
    let (gone, put): (i64, i64) = sqlx::query_as(AssertSqlSafe(sql.differ())).fetch_one(&mut *db).await?;
    if gone > 0 {
        bounded(sql.gone(), from, to).bind(&keys).execute(&mut *db).await?;
    }
    if put > 0 {
        sqlx::raw_sql(AssertSqlSafe(sql.put())).execute(&mut *db).await?;
    }
    Ok(gone.max(put).unsigned_abs())
}

/// The tables of this transaction's steps; they last as long as the connection.
async fn make_tables(db: &mut PgConnection) -> sqlx::Result<()> {
    make_temporary_tables(db).await?;
    let sql = |rollup: &Rollup| include_str!("../../sql/rollups/rows/tables.sql").replace("{name}", &rollup.name);
    make_for_rollups(db, "stored", sql).await
}

struct Statements<'a> {
    rollup: &'a Rollup,
    place: &'a Place,
}

impl Statements<'_> {
    fn keys(&self) -> String {
        self.filled(include_str!("../../sql/rollups/rows/keys.sql"))
    }

    /// What should be there, from what the source has materialised.
    fn fresh(&self) -> String {
        let rollup = self.rollup;
        let time = if rollup.source == "reading" { "ts" } else { "bucket" };
        let source = self.place.table(&rollup.source);
        let bounds = format!(
            "s.{time} >= $1 AND s.{time} < $2 AND t.bucket >= $1 AND t.bucket < $2 AND s.{} = ANY ($3)",
            self.key()
        );
        let select = rollup.select_from(source, &rollup.touched_scope(), &bounds);
        format!("INSERT INTO fresh_{} ({})\n{select}", rollup.name, rollup.columns().join(", "))
    }

    fn stored(&self) -> String {
        self.filled(include_str!("../../sql/rollups/rows/stored.sql"))
    }

    fn differ(&self) -> String {
        self.filled(include_str!("../../sql/rollups/rows/differ.sql"))
    }

    fn gone(&self) -> String {
        self.filled(include_str!("../../sql/rollups/rows/gone.sql"))
    }

    fn put(&self) -> String {
        self.filled(include_str!("../../sql/rollups/rows/put.sql"))
    }

    fn above(&self, above: &Rollup) -> String {
        let name = &self.rollup.name;
        let changed = format!("(SELECT * FROM stored_{name} UNION ALL SELECT * FROM fresh_{name})");
        include_str!("../../sql/rollups/rows/above.sql")
            .replace("{above}", &above.name)
            .replace("{select}", &above.above(&changed))
    }

    fn set(&self) -> String {
        self.filled(&include_str!("../../sql/rollups/rows/set.sql").replace("{sums}", &apache::sums("n")))
    }

    fn begin(&self) -> String {
        self.filled(include_str!("../../sql/rollups/rows/begin.sql"))
    }

    fn key(&self) -> &'static str {
        self.rollup.touched_keys()[0]
    }

    fn filled(&self, template: &str) -> String {
        let rollup = self.rollup;
        let columns = rollup.columns();
        let of_r: Vec<_> = columns.iter().map(|column| format!("r.{column}")).collect();
        let identity = rollup.index_columns();
        let same_row: Vec<_> = identity.split(", ").map(|column| format!("r.{column} = n.{column}")).collect();
        template
            .replace("{columns}", &columns.join(", "))
            .replace("{r_columns}", &of_r.join(", "))
            .replace("{same_touched}", &rollup.same_touched("r"))
            .replace("{identity}", &identity)
            .replace("{same_row}", &same_row.join(" AND "))
            .replace("{key}", self.key())
            .replace("{table}", self.place.table(&rollup.name))
            .replace("{name}", &rollup.name)
    }
}
