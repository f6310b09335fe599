//! Recomputing everything of some days, whether its source changed or not: for figures that were damaged.
//!
//! A part is worked at under the refresher's lock; between two parts servers follow changes. How far it came is in the
//! table `rollup_rebuild`, on the Apache edition written in the transaction of each day, so a rebuild that is broken off
//! goes on where it was. Changes of readings stay in the log and are followed as ever.

use std::sync::LazyLock;

use chrono::{DateTime, Days, Months, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::definition::{Period, ROLLUPS, Rollup};
use super::window::windows;
use super::{community, leader, retention};
use crate::database::Edition;

/// A rebuild and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Rebuild {
    #[serde(skip)]
    id: i64,
    /// Start of the first UTC day.
    pub from: DateTime<Utc>,
    /// End of the last one.
    pub to: DateTime<Utc>,
    /// Up to where it is done.
    pub done_to: DateTime<Utc>,
    /// Rows of rollups that changed; on the Community edition windows that were refreshed.
    pub changed: i64,
}

/// The statements for each rollup, in the order of [`ROLLUPS`].
static STATEMENTS: LazyLock<Vec<Statements>> = LazyLock::new(|| ROLLUPS.iter().map(Statements::of).collect());

struct Statements {
    table: String,
    fresh: String,
    gone: String,
    put: String,
}

impl Rebuild {
    /// Those that were broken off, or that are under way.
    pub async fn unfinished(db: &mut PgConnection) -> sqlx::Result<Vec<Self>> {
        sqlx::query_as(include_str!("../../sql/rollups/rebuilds.sql")).fetch_all(db).await
    }

    /// Begins one of whole UTC days.
    pub async fn begin(db: &mut PgConnection, from: DateTime<Utc>, to: DateTime<Utc>) -> sqlx::Result<Self> {
        let begin = sqlx::query_as(include_str!("../../sql/rollups/begin_rebuild.sql"));
        begin.bind(from).bind(to).fetch_one(db).await
    }

    /// Rebuilds the next part, under the refresher's lock; tells whether there was one. Not in a transaction.
    pub async fn part(&mut self, db: &mut PgConnection, edition: Edition) -> sqlx::Result<bool> {
        if self.done_to >= self.to {
            return Ok(false);
        }
        leader::lock(db).await?;
        let done = match edition {
            Edition::Apache => self.rebuild_day(db).await,
            Edition::Community => self.refresh_month(db).await,
        };
        leader::unlock(db).await?;
        let (done_to, changed) = done?;
        self.done_to = done_to;
        self.changed += changed;
        Ok(true)
    }

    /// A day, and with the last one of a month the month.
    async fn rebuild_day(&self, db: &mut PgConnection) -> sqlx::Result<(DateTime<Utc>, i64)> {
        let (day, next) = (self.done_to, (self.done_to + Days::new(1)).min(self.to));
        for statements in STATEMENTS.iter() {
            sqlx::raw_sql(AssertSqlSafe(statements.table.as_str())).execute(&mut *db).await?;
        }
        let mut transaction = db.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        let distrust =
            include_str!("../../sql/rollups/distrust.sql").replace("{refreshed}", "c.hour >= $1 AND c.hour < $2");
        sqlx::query(AssertSqlSafe(distrust)).bind(day).bind(next).execute(&mut *transaction).await?;
        // Nothing is known of what was just recomputed, and a nested loop over two days of rows would take hours.
        sqlx::query("SET LOCAL enable_nestloop = off").execute(&mut *transaction).await?;
        let closing = next == self.to || Period::Month.floor(next) == next;
        let mut changed = 0;
        for (rollup, statements) in ROLLUPS.iter().zip(STATEMENTS.iter()) {
            let (from, to) = match rollup.period {
                Period::Hour | Period::Day => (day, next),
                // Or a month would lack what an unfinished rebuild has counted in its days.
                Period::Month if closing || changed > 0 => {
                    let month = Period::Month.floor(day);
                    (month, month + Months::new(1))
                }
                Period::Month => continue,
            };
            let from = from.max(recomputable_from(&mut transaction, rollup).await?);
            if from < to {
                changed += statements.run(&mut transaction, from, to).await?;
            }
        }
        self.advance(&mut transaction, next, changed.cast_signed()).await?;
        transaction.commit().await?;
        Ok((next, changed.cast_signed()))
    }

    /// A month, or what is left of it in the range.
    async fn refresh_month(&self, db: &mut PgConnection) -> sqlx::Result<(DateTime<Utc>, i64)> {
        let (start, end) = (self.done_to, (Period::Month.floor(self.done_to) + Months::new(1)).min(self.to));
        let dialect = community::dialect(db).await?;
        let mut refreshed = 0;
        for rollup in ROLLUPS.iter() {
            let kept = recomputable_from(db, rollup).await?;
            let hours = std::iter::successors(Some(start), |hour| Some(*hour + TimeDelta::hours(1)));
            let hours: Vec<_> =
                hours.take_while(|hour| *hour < end).filter(|hour| rollup.period.floor(*hour) >= kept).collect();
            for window in windows(&hours, rollup.period) {
                community::refresh(db, rollup, &window, dialect).await?;
                refreshed += 1;
            }
        }
        self.advance(db, end, refreshed).await?;
        Ok((end, refreshed))
    }

    async fn advance(&self, db: &mut PgConnection, to: DateTime<Utc>, changed: i64) -> sqlx::Result<()> {
        let advance = sqlx::query(include_str!("../../sql/rollups/advance_rebuild.sql"));
        advance.bind(self.id).bind(to).bind(changed).execute(db).await.map(drop)
    }
}

/// The UTC days that there are readings or figures in; none when there is nothing.
pub async fn bounds(db: &mut PgConnection) -> sqlx::Result<Option<(DateTime<Utc>, DateTime<Utc>)>> {
    let fine = ROLLUPS.iter().filter(|rollup| rollup.period != Period::Month).map(|rollup| rollup.name.as_str());
    let (from, to): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) =
        sqlx::query_as(include_str!("../../sql/rollups/bounds.sql"))
            .bind(fine.chain(["reading"]).collect::<Vec<_>>())
            .fetch_one(db)
            .await?;
    Ok(from.zip(to))
}

/// Queues the hours between two instants that readings are kept of, as if all of these had changed; tells how many.
pub async fn queue(db: &mut PgConnection, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) -> sqlx::Result<u64> {
    let kept = retention::kept_from(db, "reading").await?;
    let queue = sqlx::query(include_str!("../../sql/rollups/queue_range.sql")).bind(from).bind(to).bind(kept);
    queue.execute(db).await.map(|done| done.rows_affected())
}

/// The first bucket of a rollup that is kept and whose source is kept whole.
async fn recomputable_from(db: &mut PgConnection, rollup: &Rollup) -> sqlx::Result<DateTime<Utc>> {
    let kept = retention::kept_from(db, &rollup.name).await?.max(retention::kept_from(db, &rollup.source).await?);
    Ok(kept.map_or(DateTime::<Utc>::MIN_UTC, |since| {
        let bucket = rollup.period.floor(since);
        if bucket == since { bucket } else { rollup.period.after(bucket) }
    }))
}

impl Statements {
    fn of(rollup: &Rollup) -> Self {
        let time = if rollup.source == "reading" { "ts" } else { "bucket" };
        let columns = rollup.columns();
        let same: Vec<_> = columns.iter().map(|column| format!("f.{column} = r.{column}")).collect();
        let (columns, same) = (columns.join(", "), same.join(" AND "));
        let filled =
            |sql: &str| sql.replace("{name}", &rollup.name).replace("{columns}", &columns).replace("{same}", &same);
        let select = rollup.select("", &format!("s.{time} >= $1 AND s.{time} < $2"));
        Self {
            table: filled(include_str!("../../sql/rollups/rebuilt.sql")),
            fresh: format!("INSERT INTO rebuilt_{} ({columns})\n{select}", rollup.name),
            gone: filled(include_str!("../../sql/rollups/rebuild_gone.sql")),
            put: filled(include_str!("../../sql/rollups/rebuild_put.sql")),
        }
    }

    /// Makes a rollup right between two instants; tells how many rows were not.
    async fn run(&self, db: &mut PgConnection, from: DateTime<Utc>, to: DateTime<Utc>) -> sqlx::Result<u64> {
        let mut rows = [0; 3];
        for (rows, sql) in rows.iter_mut().zip([&self.fresh, &self.gone, &self.put]) {
            let query = sqlx::query(AssertSqlSafe(sql.as_str())).bind(from).bind(to).persistent(false);
            *rows = query.execute(&mut *db).await?.rows_affected();
        }
        let [_, gone, put] = rows;
        Ok(gone.max(put))
    }
}
