//! What meters' clocks show: central European time, by the rule of Directive 2000/84/EC. Summer time is from the last Sunday
//! of March to that of October, each at 01:00 UTC. From the rule, not from a database of time zones, which servers have.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// Hours ahead of UTC in winter.
const WINTER: TimeDelta = TimeDelta::hours(1);

pub fn is_summer(at: DateTime<Utc>) -> bool {
    let [forward, back] = changes(at.year()).map(instant);
    (forward..back).contains(&at)
}

/// What a clock shows.
pub fn local(at: DateTime<Utc>) -> NaiveDateTime {
    let summer = if is_summer(at) { TimeDelta::hours(1) } else { TimeDelta::zero() };
    at.naive_utc() + WINTER + summer
}

/// When a day begins. Clocks do not change at midnight.
pub fn midnight(day: NaiveDate) -> DateTime<Utc> {
    let in_winter = day.and_time(chrono::NaiveTime::MIN).and_utc() - WINTER;
    if is_summer(in_winter - TimeDelta::hours(1)) { in_winter - TimeDelta::hours(1) } else { in_winter }
}

/// The last two days on which clocks were changed, such that another day is over too by an instant; the earlier one first.
pub fn last_changes(by: DateTime<Utc>) -> [NaiveDate; 2] {
    let days = [by.year() - 2, by.year() - 1, by.year()].into_iter().flat_map(changes);
    let past: Vec<_> = days.filter(|day| midnight(*day + TimeDelta::days(2)) <= by).collect();
    [past[past.len() - 2], past[past.len() - 1]]
}

/// The days of a year on which clocks are put forward and back.
fn changes(year: i32) -> [NaiveDate; 2] {
    [3, 10].map(|month| {
        // Both months have 31 days, in any year that chrono has.
        let last = NaiveDate::from_ymd_opt(year, month, 31).unwrap_or(NaiveDate::MIN);
        last - TimeDelta::days(last.weekday().num_days_from_sunday().into())
    })
}

fn instant(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(1)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn clocks_change_on_the_last_sundays_of_march_and_october() {
        assert_eq!(changes(2026), [day("2026-03-29"), day("2026-10-25")]);
        assert_eq!(changes(2024), [day("2024-03-31"), day("2024-10-27")]);
        let shown = |text: &str| local(text.parse().unwrap()).to_string();
        assert_eq!(shown("2026-10-25T00:59:59Z"), "2026-10-25 02:59:59");
        assert_eq!(shown("2026-10-25T01:00:00Z"), "2026-10-25 02:00:00");
        assert_eq!(shown("2026-03-29T01:00:00Z"), "2026-03-29 03:00:00");
    }

    #[test]
    fn the_last_changes_are_those_whose_next_day_is_over() {
        let last = |text: &str| last_changes(text.parse().unwrap()).map(|day| day.to_string());
        assert_eq!(last("2026-11-22T00:00:00Z"), ["2026-03-29", "2026-10-25"]);
        assert_eq!(last("2026-10-26T22:59:59Z"), ["2025-10-26", "2026-03-29"]);
        assert_eq!(last("2026-10-26T23:00:00Z"), ["2026-03-29", "2026-10-25"]);
        assert_eq!(last("2026-01-01T00:00:00Z"), ["2025-03-30", "2025-10-26"]);
    }

    proptest! {
        // The rule has held since 1996.
        #[test]
        fn the_rule_says_what_the_database_of_time_zones_says(seconds in 852_076_800_i64..2_082_758_400) {
            let at = DateTime::from_timestamp(seconds, 0).unwrap();
            let amsterdam = at.with_timezone(&Tz::Europe__Amsterdam);
            prop_assert_eq!(local(at), amsterdam.naive_local());
            let begin = midnight(local(at).date());
            prop_assert_eq!(local(begin), amsterdam.date_naive().and_time(chrono::NaiveTime::MIN));
        }
    }
}
