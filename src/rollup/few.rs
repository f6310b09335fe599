//! Changes of few channels, on the Community edition: exactly their rows are replaced in what is materialised.
//!
//! A refresh is by time: it recomputes a bucket for all channels. Below the watermark of an aggregate, what is
//! materialised is plain rows of a hypertable, though; those that changed channels touch are recomputed and replaced
//! here, level by level, in one transaction that also takes the changes from the log. TimescaleDB's own log of
//! invalidations stays as it is: whoever refreshes later gets the same rows.
//!
//! The transaction locks what all aggregates have materialised against writing, before it looks at anything. Refreshes
//! of every release take a lock there that conflicts, before or with the first row they delete, and take the snapshots
//! they compute from after that; they move the watermark in the same transaction. So each of them is over and seen when
//! the lock is there, or sees all that is done here. Readers wait for nothing.
//!
//! What lies above is recomputed whether or not a row changes: somebody may have refreshed one level and not the next. For
//! the same reason the log names a channel only where its readings leave no owner and no billing day: what is stored of it
//! would not tell whose they were. Where they do, or are deleted, the log names the hour alone, and it is refreshed.
//!
//! An hour can be followed like this where each aggregate has materialised its bucket, and its source all of that, or where
//! the bucket is not due yet and computed when it is asked for. What is due must be materialised by a refresh: else a
//! policy, which looks back a little only, would move the watermark over it. An aggregate that has had nothing for long,
//! such as those of groups where there are none, is passed by as long as nothing of it is touched.

use std::collections::HashMap;

use chrono::{DateTime, Days, Months, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::apache::{bounded, make_for_rollups, make_temporary_tables};
use super::definition::{Period, ROLLUPS, Rollup};
use super::window::Materialized;
use super::{Stores, community, retention};

/// Most channels of an hour that a statement's changes are noted one by one of: live readings, which come above the
/// watermarks, and backfills cost the log a row for an hour.
pub const MOST_OF_A_STATEMENT: i32 = 100;

/// Most channels of an hour that are followed one by one. Each costs a search in every index from readings to months, and
/// a refresh reads each channel's rows once, in order: beyond some thousand channels it is the quicker one.
pub const MOST_OF_AN_HOUR: i64 = 1_000;

/// Most (channel, hour)s that are followed at once.
const BATCH: i64 = 50_000;

/// What an aggregate has materialised.
struct Place {
    table: String,
    materialized: Materialized,
    /// From when on it may be recomputed from its source.
    since: Option<DateTime<Utc>>,
}

/// By the name of the aggregate.
type Places = HashMap<String, Place>;

/// Follows the changes of single channels in some of `hours`, which are of one month and materialised. Tells how many
/// rows changed and which of the hours can be followed, whether or not all of their changes were this time.
pub async fn follow(db: &mut PgConnection, hours: &[DateTime<Utc>]) -> sqlx::Result<(u64, Vec<DateTime<Utc>>)> {
    make_tables(db).await?;
    let mut transaction = db.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    // What changed is joined to its source before anything else is: nothing is known of how many rows a step has.
    sqlx::query("SET LOCAL join_collapse_limit = 1").execute(&mut *transaction).await?;
    let tables = tables(&mut transaction).await?;
    if tables.len() < ROLLUPS.len() {
        return Ok((0, Vec::new()));
    }
    let lock = format!("LOCK TABLE ONLY {} IN EXCLUSIVE MODE", tables.join(", ONLY "));
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *transaction).await?;
    let places = places(&mut transaction, tables).await?;
    let hours: Vec<_> = hours.iter().copied().filter(|hour| can_be_replaced(*hour, &places)).collect();
    let Some(month) = hours.first().map(|hour| Period::Month.floor(*hour)) else { return Ok((0, hours)) };
    let days: Vec<DateTime<Utc>> = sqlx::query_scalar(include_str!("../../sql/rollups/few/take.sql"))
        .bind(&hours)
        .bind(BATCH)
        .fetch_all(&mut *transaction)
        .await?;
    let mut changed = 0;
    for rollup in ROLLUPS.iter() {
        if is_due(&mut transaction, rollup, &places[&rollup.name].materialized).await? {
            return Ok((0, Vec::new()));
        }
        changed += replace(&mut transaction, rollup, &places, month, &days).await?;
    }
    transaction.commit().await?;
    Ok((changed, hours))
}

/// Whether an hour can be followed by replacing rows, as far as can be told from what is materialised.
fn can_be_replaced(hour: DateTime<Utc>, places: &Places) -> bool {
    ROLLUPS.iter().all(|rollup| {
        let source = ROLLUPS.iter().find(|source| source.name == rollup.source);
        let source = source.zip(places.get(&rollup.source));
        let bucket = rollup.period.floor(hour);
        let whole = source.is_none_or(|(_, place)| place.materialized.is_materialized_to(rollup.period.after(bucket)));
        match places.get(&rollup.name).map(|place| state(rollup, hour, &place.materialized)) {
            Some(State::Stored) => whole,
            Some(State::Open) => true,
            Some(State::Dormant) => {
                whole || source.is_some_and(|(s, place)| state(s, hour, &place.materialized) == State::Dormant)
            }
            Some(State::Due) | None => false,
        }
    })
}

/// How an aggregate has the bucket of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Stored,
    /// To be materialised by a refresh.
    Due,
    /// As `Due`, and it has had nothing for longer than any policy looks back.
    Dormant,
    /// Computed when it is asked for.
    Open,
}

fn state(rollup: &Rollup, hour: DateTime<Utc>, materialized: &Materialized) -> State {
    let bucket = rollup.period.floor(hour);
    let reach = community::reach(rollup.period, materialized.due);
    match materialized.watermark {
        Some(watermark) if bucket < watermark => State::Stored,
        _ if bucket >= materialized.end() => State::Open,
        Some(watermark) if watermark >= reach => State::Due,
        _ => State::Dormant,
    }
}

/// Where the aggregates have what is materialised, in the order of [`ROLLUPS`]; without those that cannot be written to.
async fn tables(db: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    if sqlx::query_scalar(include_str!("../../sql/rollups/few/merges.sql")).fetch_one(&mut *db).await? {
        return Ok(Vec::new());
    }
    let stores = Stores::read(db).await?;
    Ok(ROLLUPS.iter().filter_map(|rollup| stores.of(&rollup.name)).map(|store| store.name.clone()).collect())
}

async fn places(db: &mut PgConnection, tables: Vec<String>) -> sqlx::Result<Places> {
    let mut places = Places::new();
    for (rollup, table) in ROLLUPS.iter().zip(tables) {
        let materialized = community::materialized(db, rollup).await?;
        let since = retention::recomputed_from(db, &rollup.source).await?;
        places.insert(rollup.name.clone(), Place { table, materialized, since });
    }
    Ok(places)
}

/// Whether something of a rollup was touched that must be materialised by a refresh.
async fn is_due(db: &mut PgConnection, rollup: &Rollup, materialized: &Materialized) -> sqlx::Result<bool> {
    let sql = include_str!("../../sql/rollups/few/due.sql").replace("{name}", &rollup.name);
    let due = sqlx::query_scalar(AssertSqlSafe(sql)).bind(materialized.watermark).bind(materialized.end());
    due.persistent(false).fetch_one(db).await
}

/// Makes a rollup right where it was touched in the month, and notes what lies above. Tells how many rows changed.
async fn replace(
    db: &mut PgConnection,
    rollup: &Rollup,
    places: &Places,
    month: DateTime<Utc>,
    days: &[DateTime<Utc>],
) -> sqlx::Result<u64> {
    let place = &places[&rollup.name];
    let bounds = |from: DateTime<Utc>, to: DateTime<Utc>| {
        let (from, to) = (
            place.since.map_or(from, |since| since.max(from)),
            place.materialized.watermark.map_or(from, |w| w.min(to)),
        );
        (from < to).then_some((from, to))
    };
    let Some((from, to)) = bounds(month, month + Months::new(1)) else { return Ok(0) };
    let sql = Statements { rollup, places };
    let keys: Option<Vec<i32>> =
        sqlx::query_scalar(AssertSqlSafe(sql.keys())).bind(from).bind(to).persistent(false).fetch_one(&mut *db).await?;
    let Some(keys) = keys else { return Ok(0) };
    // Of readings, which are many, only the chunks of the days that were touched are looked at.
    let ranges: Vec<_> = match rollup.source.as_str() {
        "reading" => days.iter().filter_map(|day| bounds(*day, *day + Days::new(1))).collect(),
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
    let sql = |rollup: &Rollup| include_str!("../../sql/rollups/few/tables.sql").replace("{name}", &rollup.name);
    make_for_rollups(db, "stored", sql).await
}

struct Statements<'a> {
    rollup: &'a Rollup,
    places: &'a Places,
}

impl Statements<'_> {
    fn keys(&self) -> String {
        self.filled(include_str!("../../sql/rollups/few/keys.sql"))
    }

    /// What should be there, from what the source has materialised.
    fn fresh(&self) -> String {
        let rollup = self.rollup;
        let time = if rollup.source == "reading" { "ts" } else { "bucket" };
        let source = self.places.get(&rollup.source).map_or(rollup.source.as_str(), |place| place.table.as_str());
        let bounds = format!(
            "s.{time} >= $1 AND s.{time} < $2 AND t.bucket >= $1 AND t.bucket < $2 AND s.{} = ANY ($3)",
            self.key()
        );
        let select = rollup.select_from(source, &rollup.touched_scope(), &bounds);
        format!("INSERT INTO fresh_{} ({})\n{select}", rollup.name, rollup.columns().join(", "))
    }

    fn stored(&self) -> String {
        self.filled(include_str!("../../sql/rollups/few/stored.sql"))
    }

    fn differ(&self) -> String {
        self.filled(include_str!("../../sql/rollups/few/differ.sql"))
    }

    fn gone(&self) -> String {
        self.filled(include_str!("../../sql/rollups/few/gone.sql"))
    }

    fn put(&self) -> String {
        self.filled(include_str!("../../sql/rollups/few/put.sql"))
    }

    fn above(&self, above: &Rollup) -> String {
        let name = &self.rollup.name;
        let changed = format!("(SELECT * FROM stored_{name} UNION ALL SELECT * FROM fresh_{name})");
        include_str!("../../sql/rollups/few/above.sql")
            .replace("{above}", &above.name)
            .replace("{select}", &above.above(&changed))
    }

    fn key(&self) -> &'static str {
        self.rollup.touched_keys()[0]
    }

    fn filled(&self, template: &str) -> String {
        let rollup = self.rollup;
        let columns = rollup.columns();
        let of_r: Vec<_> = columns.iter().map(|column| format!("r.{column}")).collect();
        let identity = rollup.index_columns();
        let same_row: Vec<_> = identity.split(", ").map(|column| format!("r.{column} = s.{column}")).collect();
        template
            .replace("{columns}", &columns.join(", "))
            .replace("{r_columns}", &of_r.join(", "))
            .replace("{same_touched}", &rollup.same_touched("r"))
            .replace("{same_row}", &same_row.join(" AND "))
            .replace("{key}", self.key())
            .replace("{table}", &self.places[&rollup.name].table)
            .replace("{name}", &rollup.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    /// All hours, days and months are materialised up to these instants, on 10 May 2026 at 10:30.
    fn materialized(hours: &str, days: &str, months: &str) -> Places {
        let place = |rollup: &Rollup| {
            let (to, due) = match rollup.period {
                Period::Hour => (hours, "2026-05-10T09:00:00Z"),
                Period::Day => (days, "2026-05-09T00:00:00Z"),
                Period::Month => (months, "2026-04-01T00:00:00Z"),
            };
            let materialized = Materialized { watermark: Some(at(to)), threshold: None, due: at(due) };
            Place { table: rollup.name.clone(), materialized, since: None }
        };
        ROLLUPS.iter().map(|rollup| (rollup.name.clone(), place(rollup))).collect()
    }

    /// As usual, but for these rollups.
    fn but(changed: &[(&str, Option<&str>)]) -> Places {
        let mut places = materialized("2026-05-10T09:00:00Z", "2026-05-09T00:00:00Z", "2026-04-01T00:00:00Z");
        for (name, watermark) in changed {
            places.get_mut(*name).expect("a rollup").materialized.watermark = watermark.map(at);
        }
        places
    }

    #[test]
    fn what_is_materialised_from_what_is_not_cannot_be_made_from_rows() {
        let hour = at("2026-05-10T07:00:00Z");
        assert!(can_be_replaced(hour, &but(&[])));
        assert!(can_be_replaced(at("2026-05-10T09:00:00Z"), &but(&[])), "computed when asked");
        let day = materialized("2026-05-10T09:00:00Z", "2026-05-11T00:00:00Z", "2026-04-01T00:00:00Z");
        assert!(!can_be_replaced(hour, &day), "the day was made from hours that are not all there");
        let month = materialized("2026-06-01T00:00:00Z", "2026-05-31T00:00:00Z", "2026-06-01T00:00:00Z");
        assert!(!can_be_replaced(hour, &month), "the month was made from a day that is not there");
        let owner = but(&[("channel_hourly", Some("2026-05-10T07:00:00Z"))]);
        assert!(!can_be_replaced(hour, &owner), "owners were made from an hour that is not there");
    }

    #[test]
    fn what_is_due_is_refreshed_and_what_was_never_there_is_passed_by() {
        let hour = at("2026-05-10T07:00:00Z");
        assert!(!can_be_replaced(hour, &but(&[("group_hourly", Some("2026-05-10T07:00:00Z"))])));
        assert!(can_be_replaced(hour, &but(&[("group_hourly", None)])));
        let never = but(&[("group_hourly", None), ("group_daily", None), ("group_monthly", None)]);
        assert!(can_be_replaced(at("2026-03-10T07:00:00Z"), &never));
        let lagging = but(&[("customer_daily", Some("2026-05-05T00:00:00Z"))]);
        assert!(!can_be_replaced(at("2026-05-05T07:00:00Z"), &lagging));
        assert!(can_be_replaced(at("2026-05-04T07:00:00Z"), &lagging));
    }
}
