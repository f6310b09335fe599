//! How long readings and rollups are kept, and from when on they are.
//!
//! Every reading that is still accepted must find all that its figures are recomputed from: the readings of its hour,
//! the hours of its day, the days of its month. So readings go first, and a level only up to where the readings have.

mod enforce;
mod kept;
mod notice;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

pub use enforce::enforce;
pub use kept::Kept;
pub(super) use notice::notice;

use super::definition::Period;

/// How long each level is kept; none is for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    pub readings: Option<Duration>,
    pub hourly: Option<Duration>,
    pub daily: Option<Duration>,
    pub monthly: Option<Duration>,
}

/// A day, for the limits.
const DAY: Duration = Duration::from_secs(86_400);

/// The least times: readings that come a few days late are taken, and their months are made from all of their days.
const LEAST_READINGS: Duration = DAY.saturating_mul(7);
const LEAST_DAILY: Duration = DAY.saturating_mul(130);

impl Keep {
    /// What is wrong with these times, naming the options; `late_horizon` is how long readings may come late.
    pub fn fault(&self, late_horizon: Duration) -> Option<String> {
        let levels = [
            ("--keep-readings", self.readings),
            ("--keep-hourly", self.hourly),
            ("--keep-daily", self.daily),
            ("--keep-monthly", self.monthly),
        ];
        let days = |time: Duration| time.as_secs().div_ceil(DAY.as_secs());
        if let Some(readings) = self.readings {
            let least = LEAST_READINGS.max(late_horizon);
            if readings < least {
                let why = "readings that are no longer kept take no late ones beside them (--late-horizon)";
                return Some(format!("--keep-readings must be at least {}d: {why}", days(least)));
            }
        }
        if self.daily.is_some_and(|daily| daily < LEAST_DAILY) {
            return Some(format!("--keep-daily must be at least {}d: months are made from days", days(LEAST_DAILY)));
        }
        levels.windows(2).find_map(|pair| {
            let [(finer, fine), (coarser, coarse)] = pair else { return None };
            let coarse = (*coarse)?;
            match fine {
                None => Some(format!("{coarser} needs {finer}: what is made from something is kept at least as long")),
                Some(fine) if *fine > coarse => {
                    Some(format!("{coarser} must be at least {finer}, {}d: it is made from that", days(*fine)))
                }
                Some(_) => None,
            }
        })
    }

    fn of(&self, period: Period) -> Option<Duration> {
        match period {
            Period::Hour => self.hourly,
            Period::Day => self.daily,
            Period::Month => self.monthly,
        }
    }
}

/// From which instant on `relation` (`reading`, or the name of a rollup) is kept; none where it is for ever.
/// What lies before is gone or about to be: nothing may be recomputed from it.
pub async fn kept_from(db: &mut PgConnection, relation: &str) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(include_str!("../../../sql/retention/kept_from.sql")).bind(relation).fetch_optional(db).await
}

/// From which instant on something may be recomputed from `relation`; none for from the beginning on.
pub(super) async fn recomputed_from(db: &mut PgConnection, relation: &str) -> sqlx::Result<Option<DateTime<Utc>>> {
    Ok(row(db, relation).await?.and_then(|row| row.dropped_before))
}

#[derive(Debug, Clone, Copy, sqlx::FromRow)]
struct Row {
    since: DateTime<Utc>,
    dropped_before: Option<DateTime<Utc>>,
}

async fn row(db: &mut PgConnection, relation: &str) -> sqlx::Result<Option<Row>> {
    sqlx::query_as(include_str!("../../../sql/retention/row.sql")).bind(relation).fetch_optional(db).await
}

/// `keep` before `now`; none where that is before all time.
fn before(now: DateTime<Utc>, keep: Duration) -> Option<DateTime<Utc>> {
    now.checked_sub_signed(TimeDelta::from_std(keep).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(number: u32) -> Option<Duration> {
        Some(DAY * number)
    }

    #[test]
    fn what_is_made_from_something_is_kept_at_least_as_long() {
        let fault = |readings, hourly, daily, monthly| {
            Keep { readings, hourly, daily, monthly }.fault(DAY * 30).unwrap_or_default()
        };
        assert_eq!(fault(None, None, None, None), "");
        assert_eq!(fault(days(40), None, None, None), "");
        assert_eq!(fault(days(40), days(40), days(130), days(4000)), "");
        assert!(fault(days(29), None, None, None).starts_with("--keep-readings must be at least 30d"));
        assert!(fault(None, days(40), None, None).starts_with("--keep-hourly needs --keep-readings"));
        assert!(
            fault(days(40), days(39), None, None).starts_with("--keep-hourly must be at least --keep-readings, 40d")
        );
        assert!(fault(days(40), days(40), days(129), None).starts_with("--keep-daily must be at least 130d"));
        assert!(fault(days(40), days(400), None, days(400)).starts_with("--keep-monthly needs --keep-daily"));
        let short_horizon = Keep { readings: days(6), ..Keep::default() }.fault(DAY);
        assert!(short_horizon.is_some_and(|fault| fault.starts_with("--keep-readings must be at least 7d")));
    }
}
