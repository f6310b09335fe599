//! Billing days are computed by PostgreSQL and by Meterbase, each with its own copy of the time zone database. Where
//! the copies differ, figures would.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use sqlx::PgConnection;

use crate::doctor::Finding;

/// A zone in use, with PostgreSQL's offsets from UTC in seconds at the instants that were asked for.
#[derive(sqlx::FromRow)]
struct Zone {
    name: String,
    /// Seconds since 1970 of each sample: the start of each month from 1970 to 2040.
    instants: Vec<i64>,
    offsets: Vec<i32>,
}

/// Compares the offsets of all zones in use.
pub async fn agreement(db: &mut PgConnection) -> sqlx::Result<Finding> {
    let zones: Vec<Zone> = sqlx::query_as(include_str!("../../sql/doctor/time_zones.sql")).fetch_all(db).await?;
    let differences: Vec<_> = zones.iter().filter_map(difference).collect();
    Ok(if differences.is_empty() {
        Finding::ok("time zones", format!("PostgreSQL and Meterbase agree on the {} in use", zones.len()))
    } else {
        let mend = format!(
            "update the time zone data of PostgreSQL's machine (package tzdata) or Meterbase, which has release {}",
            chrono_tz::IANA_TZDB_VERSION
        );
        Finding::problem("time zones", differences.join("; "), mend)
    })
}

/// The first instant at which the two disagree about a zone.
fn difference(zone: &Zone) -> Option<String> {
    let name = &zone.name;
    let Ok(tz) = name.parse::<Tz>() else { return Some(format!("Meterbase does not know {name}")) };
    zone.instants.iter().zip(&zone.offsets).find_map(|(instant, theirs)| {
        let at = DateTime::from_timestamp(*instant, 0)?;
        let ours = tz.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
        (ours != *theirs)
            .then(|| format!("{name} from {}: PostgreSQL {theirs} s, Meterbase {ours} s", at.format("%Y-%m")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, offset: i32) -> Zone {
        // 2026-07-01T00:00:00Z
        Zone { name: name.to_owned(), instants: vec![1_782_864_000], offsets: vec![offset] }
    }

    #[test]
    fn offsets_are_compared() {
        assert_eq!(difference(&zone("Europe/Paris", 7200)), None);
        assert_eq!(difference(&zone("Asia/Kathmandu", 20_700)), None);
        let found = difference(&zone("Europe/Paris", 3600)).unwrap();
        assert_eq!(found, "Europe/Paris from 2026-07: PostgreSQL 3600 s, Meterbase 7200 s");
        assert!(difference(&zone("Mars/Base", 0)).is_some());
    }
}
