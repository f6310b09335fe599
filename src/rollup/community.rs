//! The refresher of the Community edition.
//!
//! Continuous aggregates hold what is materialised of them and nothing else (`materialized_only`), and nobody but this
//! refreshes them: no policy does. What is not materialised would be made from readings for each question, and of the last
//! hours of a large fleet that takes seconds. So what comes in is added to what is materialised ([`rows`]), as on the
//! Apache edition, and TimescaleDB's refreshes are left with what they are good at: making whole hours anew.
//!
//! For each aggregate, in the order of their levels, every bucket is refreshed that such an hour lies in. Refreshes are
//! forced: TimescaleDB's own log of invalidations does not know all there is to know. A transaction that commits while the
//! threshold moves up to which it notes anything may miss that it did.
//!
//! Nothing is refreshed from what is no longer kept: that would erase the figures made from it.
//!
//! `refresh_continuous_aggregate` runs transactions of its own. The changes are deleted after all refreshes they need
//! have committed; broken off before that, they are followed again. What came in meanwhile is recomputed, not added, for
//! the refreshes may have seen it.

use std::time::Duration;

use chrono::{DateTime, Months, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::definition::{Period, ROLLUPS, Rollup};
use super::rows::{self, Place};
use super::window::{Window, windows};
use super::{apache, retention};

/// How often is tried what another refresh is in the way of, and the first wait; each is twice the one before.
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

/// Follows pending changes of the month of the newest, or of the oldest. Tells how many rows changed and windows were
/// refreshed; none when nothing was pending.
pub async fn batch(db: &mut PgConnection, newest: bool) -> sqlx::Result<Option<u64>> {
    let Some(month) = apache::next_month(db, newest).await? else { return Ok(None) };
    let place = Place::find(db, month).await?;
    let pending: Vec<Pending> = sqlx::query_as(include_str!("../../sql/rollups/pending_hours.sql"))
        .bind(month)
        .bind(month + Months::new(1))
        .bind(place.as_ref().and_then(Place::added_from))
        .bind(rows::MOST_OF_AN_HOUR)
        .fetch_all(&mut *db)
        .await?;
    let Some(snapshot) = pending.first().map(|pending| pending.snapshot.clone()) else { return Ok(None) };
    let (by_rows, whole): (Vec<_>, Vec<_>) = pending.iter().partition(|hour| hour.by_rows && place.is_some());
    let hours = |of: Vec<&Pending>| -> Vec<_> { of.into_iter().map(|pending| pending.hour).collect() };
    let (by_rows, whole) = (hours(by_rows), hours(whole));
    let mut changed = 0;
    if let Some(place) = place.filter(|_| !by_rows.is_empty()) {
        let mut tries = Tries::default();
        changed += loop {
            let done = rows::follow(db, month, &by_rows, &place).await;
            if !tries.again(&done).await {
                break done?;
            }
        };
        apache::analyze_new_chunks(db, changed).await?;
    }
    if !whole.is_empty() {
        changed += refresh_hours(db, &whole).await?;
        let forget = sqlx::query(include_str!("../../sql/rollups/forget_hours.sql"));
        forget.bind(&whole).bind(snapshot).execute(db).await?;
    }
    Ok(Some(changed))
}

/// An hour with pending changes.
#[derive(sqlx::FromRow)]
struct Pending {
    hour: DateTime<Utc>,
    /// Whether they can be followed row by row.
    by_rows: bool,
    /// The snapshot that saw them, of all hours.
    snapshot: String,
}

/// Refreshes every bucket that `hours`, which are sorted, lie in; tells how many windows that were.
async fn refresh_hours(db: &mut PgConnection, hours: &[DateTime<Utc>]) -> sqlx::Result<u64> {
    let dialect = dialect(db).await?;
    let mut refreshed = 0;
    for rollup in ROLLUPS.iter() {
        for window in windows(hours, rollup.period) {
            refresh(db, rollup, &window, dialect).await?;
            refreshed += 1;
        }
    }
    Ok(refreshed)
}

pub async fn dialect(db: &mut PgConnection) -> sqlx::Result<Dialect> {
    let version: String =
        sqlx::query_scalar("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetch_one(db).await?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    Ok(Dialect { one_too_many: version < (2, 26), options: version >= (2, 21) })
}

/// Refreshes a window; waits while another refresh is in the way.
///
/// The planner does not know how much is in a window that is newer than its statistics, and takes it for next to nothing:
/// readings are joined to their channels by a hash, not one by one.
pub async fn refresh(db: &mut PgConnection, rollup: &Rollup, window: &Window, dialect: Dialect) -> sqlx::Result<()> {
    let Some(window) = kept(window, retention::recomputed_from(db, &rollup.source).await?) else { return Ok(()) };
    let settings = format!("SET enable_nestloop = off; SET {} = '{}'", rows::HOURS, refreshed(&window, rollup.period));
    sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *db).await?;
    let sql = call(rollup, &window, dialect);
    let mut tries = Tries::default();
    let done = loop {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.as_str())).execute(&mut *db).await;
        if !tries.again(&done).await {
            break done;
        }
    };
    let reset = format!("RESET enable_nestloop; RESET {}", rows::HOURS);
    done.and(sqlx::raw_sql(AssertSqlSafe(reset)).execute(db).await).map(drop)
}

/// The tries that something has which another transaction can be in the way of.
#[derive(Default)]
struct Tries(u32);

impl Tries {
    /// Whether to try once more, after a wait.
    async fn again<T>(&mut self, done: &sqlx::Result<T>) -> bool {
        let Some(error) = done.as_ref().err().filter(|error| in_the_way(error)) else { return false };
        tracing::debug!(%error, "another refresh is in the way");
        let wait = FIRST_WAIT * (1 << self.0);
        self.0 += 1;
        if self.0 < TRIES {
            tokio::time::sleep(wait).await;
        }
        self.0 < TRIES
    }
}

/// The part of a window that can be made from what is kept.
fn kept(window: &Window, since: Option<DateTime<Utc>>) -> Option<Window> {
    let from = since.map_or(window.from, |since| since.max(window.from));
    (from < window.to).then_some(Window { from, to: window.to })
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

/// What a refresh of a window makes at most, as a range of PostgreSQL: the buckets beside it, too.
fn refreshed(window: &Window, period: Period) -> String {
    format!("[{},{})", period.before(window.from).to_rfc3339(), period.after(window.to).to_rfc3339())
}

fn call(rollup: &Rollup, window: &Window, dialect: Dialect) -> String {
    let Window { from, to } = if dialect.one_too_many { one_less(window, rollup.period) } else { *window };
    let options = if dialect.options { r#", options => '{"buckets_per_batch": 0}'"# } else { "" };
    format!(
        "CALL refresh_continuous_aggregate('{}', '{}'::timestamptz, '{}'::timestamptz, force => true{options})",
        rollup.name,
        from.to_rfc3339(),
        to.to_rfc3339()
    )
}

/// The window to name so that `window` is refreshed when one bucket more than named is. It must not go beyond
/// `window`: what lies there may be much, and still growing.
fn one_less(window: &Window, period: Period) -> Window {
    let to = period.before(window.to);
    let from = if window.from < to { window.from } else { period.before(window.from) };
    Window { from, to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn window(from: &str, to: &str) -> Window {
        Window { from: at(from), to: at(to) }
    }

    #[test]
    fn what_is_no_longer_kept_is_not_refreshed() {
        let since = Some(at("2026-02-01T00:00:00Z"));
        let whole = window("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");
        assert_eq!(kept(&whole, None), Some(whole));
        assert_eq!(kept(&whole, since), Some(window("2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z")));
        assert_eq!(kept(&window("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), since), None);
    }

    #[test]
    fn a_window_that_would_go_too_far_is_named_shorter() {
        let long = window("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");
        assert_eq!(one_less(&long, Period::Month), window("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"));
        let single = window("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z");
        assert_eq!(one_less(&single, Period::Month), window("2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"));
    }

    #[test]
    fn a_refresh_says_all_that_it_may_make() {
        let month = window("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z");
        let expected = "[2026-02-01T00:00:00+00:00,2026-05-01T00:00:00+00:00)";
        assert_eq!(refreshed(&month, Period::Month), expected);
    }
}
