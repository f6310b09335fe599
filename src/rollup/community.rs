//! The refresher of the Community edition: refreshes the buckets of continuous aggregates that changes lie in.
//!
//! Policies materialise a bucket some time after it has ended ([`advance`] does that for the one aggregate over
//! readings, and for others whose policies do not run); until then the aggregate computes it from its source when asked.
//! What is left to do here is data that comes late, into buckets that are materialised already, which no policy would
//! look at for hours, or never. For each aggregate, in the order of their levels, every bucket with a pending change is
//! refreshed unless it lies at or above both
//!
//! - the aggregate's watermark, above which it computes from its source what it is asked, and
//! - the invalidation threshold of its source. Every refresh, a policy's too, moves the threshold above all that it is
//!   going to materialise and commits that, and only then takes the snapshot it materialises from. So where the
//!   committed threshold, read after the change was, lies at or below the changed bucket, any refresh that will ever
//!   materialise this bucket will see the change. (The watermark alone would not do: it moves when a refresh commits,
//!   after its snapshot was taken.)
//!
//! Buckets that policies are due to have materialised are refreshed in any case: a backfill does not wait for them.
//!
//! Refreshes are forced. TimescaleDB's own log of invalidations does not know all there is to know: an aggregate that
//! was materialised from the not yet materialised part of its source is not told when readings there change, and a
//! transaction that commits while the threshold moves may miss that it did.
//!
//! A refresh above the watermark starts at the watermark, for the watermark moves to its end, and what lay between
//! would be neither materialised nor computed when asked.
//!
//! A policy looks back a few buckets. As long as a refresher runs, aggregates are never further behind than that; after
//! a standstill [`close_gaps`] makes what a policy may have passed over.
//!
//! Nothing is refreshed from what is no longer kept: that would erase the figures made from it.
//!
//! `refresh_continuous_aggregate` runs transactions of its own. The changes are deleted after all refreshes they need
//! have committed; broken off before that, they are followed again.

use std::time::Duration;

use chrono::{DateTime, Days, Months, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::definition::{Period, ROLLUPS, Rollup};
use super::window::{Materialized, Window, windows};
use super::{few, retention};

/// Most hours with changes that are followed at once.
const BATCH: i64 = 10_000;

/// How often a refresh is tried that another one is in the way of, and the first wait; each is twice the one before.
const TRIES: u32 = 8;
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How this TimescaleDB's `refresh_continuous_aggregate` is called.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Before 2.26 a forced refresh goes one bucket beyond its window.
    one_too_many: bool,
    /// Since 2.21 there are options, and since 2.25 a refresh goes in batches, newest first, unless they say otherwise.
    options: bool,
}

/// Follows pending changes of the oldest hours. Tells how many rows changed and windows were refreshed; none when nothing
/// was pending.
pub async fn batch(db: &mut PgConnection) -> sqlx::Result<Option<u64>> {
    let pending: Vec<Pending> = sqlx::query_as(include_str!("../../sql/rollups/pending_hours.sql"))
        .bind(BATCH)
        .bind(few::MOST_OF_AN_HOUR)
        .fetch_all(&mut *db)
        .await?;
    let Some(snapshot) = pending.first().map(|pending| pending.snapshot.clone()) else { return Ok(None) };
    let [readings, ..] = ROLLUPS.as_slice() else { return Ok(None) };
    let watermark = materialized(db, readings).await?.watermark;
    let (few, others): (Vec<_>, Vec<_>) =
        pending.iter().partition(|p| p.few && watermark.is_some_and(|watermark| p.hour < watermark));
    let mut changed = 0;
    let mut by_time: Vec<_> = others.into_iter().map(|pending| pending.hour).collect();
    // Those of other months are for the next time.
    if let Some(month) = few.first().map(|pending| Period::Month.floor(pending.hour)) {
        let few = few.iter().map(|pending| pending.hour).filter(|hour| Period::Month.floor(*hour) == month);
        let few: Vec<_> = few.collect();
        let (rows, followed) = match few::follow(db, &few).await {
            Err(error) if in_the_way(&error) => (0, Vec::new()),
            done => done?,
        };
        changed += rows;
        by_time.extend(few.into_iter().filter(|hour| !followed.contains(hour)));
        by_time.sort_unstable();
    }
    if !by_time.is_empty() {
        changed += refresh_hours(db, &by_time).await?;
        let forget = sqlx::query(include_str!("../../sql/rollups/forget_hours.sql"));
        forget.bind(&by_time).bind(snapshot).execute(db).await?;
    }
    Ok(Some(changed))
}

/// An hour with pending changes.
#[derive(sqlx::FromRow)]
struct Pending {
    hour: DateTime<Utc>,
    /// Whether they are of few channels, and known which.
    few: bool,
    /// The snapshot that saw them, of all hours.
    snapshot: String,
}

/// Refreshes every bucket that `hours`, which are sorted, lie in and that needs it; tells how many windows that were.
async fn refresh_hours(db: &mut PgConnection, hours: &[DateTime<Utc>]) -> sqlx::Result<u64> {
    let dialect = dialect(db).await?;
    let mut refreshed = 0;
    for rollup in ROLLUPS.iter() {
        if rollup.source != "reading" {
            refreshed += keep_ahead(db, dialect).await?;
        }
        let materialized = materialized(db, rollup).await?;
        for window in windows(hours, rollup.period, &materialized) {
            refresh(db, rollup, &window, dialect, true).await?;
            refreshed += 1;
        }
    }
    Ok(refreshed)
}

/// Materialises the aggregates over readings up to the newest change that is due. A refresh of one above them computes
/// from readings whatever lies above their watermark, which takes many times as long: a backfill that comes in while
/// its beginning is refreshed would make all refreshes above slow.
async fn keep_ahead(db: &mut PgConnection, dialect: Dialect) -> sqlx::Result<u64> {
    let mut refreshed = 0;
    for rollup in over_readings() {
        let materialized = materialized(db, rollup).await?;
        let newest: Option<DateTime<Utc>> =
            sqlx::query_scalar("SELECT max(hour) FROM reading_change WHERE hour >= $1 AND hour < $2")
                .bind(materialized.watermark.unwrap_or(DateTime::UNIX_EPOCH))
                .bind(materialized.due)
                .fetch_one(&mut *db)
                .await?;
        for window in windows(newest.as_slice(), rollup.period, &materialized) {
            refresh(db, rollup, &window, dialect, true).await?;
            refreshed += 1;
        }
    }
    Ok(refreshed)
}

/// Materialises what has become due: of the aggregates over readings, so that refreshes above them are quick; of `all`
/// where their policies did not, well before those would no longer look back so far.
pub async fn advance(db: &mut PgConnection, all: bool) -> sqlx::Result<()> {
    for rollup in ROLLUPS.iter().filter(|rollup| all || rollup.source == "reading") {
        let found = materialized(db, rollup).await?;
        let behind = match rollup.source.as_str() {
            "reading" => found.is_behind(),
            _ => !found.is_materialized_to(patience(rollup.period, found.due)),
        };
        if behind {
            let window = Window { from: found.watermark, to: found.due };
            let dialect = dialect(db).await?;
            refresh(db, rollup, &window, dialect, false).await?;
        }
    }
    Ok(())
}

/// How far an aggregate is materialised at least while its policy runs.
fn patience(period: Period, due: DateTime<Utc>) -> DateTime<Utc> {
    match period {
        Period::Hour => due - Days::new(1),
        Period::Day => due - Days::new(3),
        Period::Month => due - Months::new(1),
    }
}

/// How far a policy looks back, and a bucket more.
pub fn reach(period: Period, at: DateTime<Utc>) -> DateTime<Utc> {
    match period {
        Period::Hour => at - Days::new(4),
        Period::Day => at - Days::new(8),
        Period::Month => at - Months::new(5),
    }
}

/// Whether [`advance`] has something to do: the aggregates over readings are the first to tell.
pub async fn behind(db: &mut PgConnection) -> sqlx::Result<bool> {
    for rollup in over_readings() {
        let found = materialized(db, rollup).await?;
        if found.is_behind() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes what lies below the watermarks since a little before `away`, when a refresher was last done: policies that ran
/// since then may have moved the watermarks over buckets that they did not look at.
pub async fn close_gaps(db: &mut PgConnection, away: DateTime<Utc>) -> sqlx::Result<()> {
    let dialect = dialect(db).await?;
    for rollup in ROLLUPS.iter() {
        let found = materialized(db, rollup).await?;
        let from = rollup.period.floor(reach(rollup.period, away));
        if let Some(to) = found.watermark.filter(|watermark| *watermark > from) {
            tracing::info!(rollup = rollup.name, %from, %to, "refreshing what was materialised during a standstill");
            refresh(db, rollup, &Window { from: Some(from), to }, dialect, true).await?;
        }
    }
    Ok(())
}

/// Materialises everything before `until`, which is long due.
pub async fn materialize_to(db: &mut PgConnection, rollup: &Rollup, until: DateTime<Utc>) -> sqlx::Result<()> {
    let found = materialized(db, rollup).await?;
    if !found.is_materialized_to(until) {
        let dialect = dialect(db).await?;
        refresh(db, rollup, &Window { from: found.watermark, to: found.due }, dialect, false).await?;
    }
    Ok(())
}

fn over_readings() -> impl Iterator<Item = &'static Rollup> {
    ROLLUPS.iter().filter(|rollup| rollup.source == "reading")
}

pub async fn dialect(db: &mut PgConnection) -> sqlx::Result<Dialect> {
    let version: String =
        sqlx::query_scalar("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetch_one(db).await?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    Ok(Dialect { one_too_many: version < (2, 26), options: version >= (2, 21) })
}

pub async fn materialized(db: &mut PgConnection, rollup: &Rollup) -> sqlx::Result<Materialized> {
    let (watermark, threshold, due): (Option<i64>, Option<i64>, DateTime<Utc>) =
        sqlx::query_as(include_str!("../../sql/rollups/materialized.sql"))
            .bind(&rollup.name)
            .bind(rollup.period.width())
            .fetch_one(db)
            .await?;
    // Before the first refresh both are further back than any time of chrono, or of a reading.
    let instant = |micros: Option<i64>| {
        micros.and_then(DateTime::from_timestamp_micros).filter(|instant| instant.timestamp() > BEFORE_ALL)
    };
    // Other aggregates over the same source move it by smaller buckets. Whoever materialises a bucket has moved it to its
    // end at least: a bucket that it lies in is nobody's yet.
    let threshold = instant(threshold).map(|threshold| rollup.period.floor(threshold));
    Ok(Materialized { watermark: instant(watermark), threshold, due })
}

/// 4000 BC, as seconds since 1970: TimescaleDB's least times are older, readings are not.
const BEFORE_ALL: i64 = -188_000_000_000;

/// Refreshes a window; waits while another refresh, such as a policy's, is in the way.
///
/// The planner does not know how much is in a window that is newer than its statistics, and takes it for next to nothing.
/// Readings are joined to their channels by a hash, not one by one. An aggregate above another has what that one has not
/// materialised made from readings, though its window has nothing of that: TimescaleDB looks the watermark up for each reading
/// that is scanned for it, which is ten times the work of scanning it, and once where an index is searched.
pub async fn refresh(
    db: &mut PgConnection,
    rollup: &Rollup,
    window: &Window,
    dialect: Dialect,
    force: bool,
) -> sqlx::Result<()> {
    let Some(window) = kept(window, retention::recomputed_from(db, &rollup.source).await?) else { return Ok(()) };
    let sql = call(rollup, &window, dialect, force);
    let avoided = if rollup.source == "reading" { "enable_nestloop" } else { "enable_seqscan" };
    sqlx::raw_sql(AssertSqlSafe(format!("SET {avoided} = off"))).execute(&mut *db).await?;
    run(db, rollup, &sql).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("RESET {avoided}"))).execute(db).await.map(drop)
}

async fn run(db: &mut PgConnection, rollup: &Rollup, sql: &str) -> sqlx::Result<()> {
    let mut wait = FIRST_WAIT;
    for _ in 1..TRIES {
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *db).await {
            Err(error) if in_the_way(&error) => {
                tracing::debug!(%error, rollup = rollup.name, "another refresh is in the way");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            done => return done.map(drop),
        }
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await.map(drop)
}

/// The part of a window that can be made from what is kept.
fn kept(window: &Window, since: Option<DateTime<Utc>>) -> Option<Window> {
    let from = window.from.max(since);
    from.is_none_or(|from| from < window.to).then_some(Window { from, to: window.to })
}

/// Whether another transaction is the reason, so that trying again can help.
fn in_the_way(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    // lock_not_available (which another refresh of the same buckets is since 2.26), object_in_use, deadlock_detected,
    // serialization_failure; where both moved the invalidation threshold there is no code of its own.
    matches!(error.code().as_deref(), Some("55P03" | "55006" | "40P01" | "40001"))
        || ["unable to lock invalidation threshold", "concurrently updated", "concurrently deleted"]
            .iter()
            .any(|text| error.message().contains(text))
}

fn call(rollup: &Rollup, window: &Window, dialect: Dialect, force: bool) -> String {
    let Window { from, to } = if force && dialect.one_too_many { one_less(window, rollup.period) } else { *window };
    let from = from.map_or("NULL".to_owned(), |from| format!("'{}'", from.to_rfc3339()));
    let options = if dialect.options { r#", options => '{"buckets_per_batch": 0}'"# } else { "" };
    format!(
        "CALL refresh_continuous_aggregate('{}', {from}::timestamptz, '{}'::timestamptz, force => {force}{options})",
        rollup.name,
        to.to_rfc3339()
    )
}

/// The window to name so that `window` is refreshed when one bucket more than named is. It must not go beyond
/// `window`: what lies there may be open, and would have to be refreshed with every reading from then on.
fn one_less(window: &Window, period: Period) -> Window {
    let to = period.before(window.to);
    let from = window.from.map(|from| if from < to { from } else { period.before(from) });
    Window { from, to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn what_is_no_longer_kept_is_not_refreshed() {
        let window = |from: Option<&str>, to: &str| Window { from: from.map(at), to: at(to) };
        let since = Some(at("2026-02-01T00:00:00Z"));
        let whole = window(Some("2026-01-01T00:00:00Z"), "2026-04-01T00:00:00Z");
        assert_eq!(kept(&whole, None), Some(whole));
        assert_eq!(kept(&whole, since), Some(window(Some("2026-02-01T00:00:00Z"), "2026-04-01T00:00:00Z")));
        let open = window(None, "2026-02-01T01:00:00Z");
        assert_eq!(kept(&open, None), Some(open));
        assert_eq!(kept(&open, since), Some(window(Some("2026-02-01T00:00:00Z"), "2026-02-01T01:00:00Z")));
        assert_eq!(kept(&window(None, "2026-02-01T00:00:00Z"), since), None);
    }

    #[test]
    fn a_window_that_would_go_too_far_is_named_shorter() {
        let long = Window { from: Some(at("2026-01-01T00:00:00Z")), to: at("2026-04-01T00:00:00Z") };
        let named = one_less(&long, Period::Month);
        assert_eq!(named, Window { from: long.from, to: at("2026-03-01T00:00:00Z") });

        let single = Window { from: Some(at("2026-03-01T00:00:00Z")), to: at("2026-04-01T00:00:00Z") };
        let named = one_less(&single, Period::Month);
        assert_eq!(named, Window { from: Some(at("2026-02-01T00:00:00Z")), to: at("2026-03-01T00:00:00Z") });
    }
}
