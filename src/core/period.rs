//! Periods: days and months of a billing calendar, UTC hours, and ranges of them.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::core::calendar::{Calendar, Stretch};

/// What one point covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// A UTC hour.
    Hour,
    /// A billing day of the owner.
    Day,
    /// A billing month of the owner.
    Month,
    /// The whole range.
    Total,
}

/// A half-open range, `from` before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Billing days, each owner's own.
    Days { from: NaiveDate, to: NaiveDate },
    /// Whole UTC hours.
    Hours { from: DateTime<Utc>, to: DateTime<Utc> },
}

/// A range in a calendar: from its first instant there to its end.
#[derive(Debug, Clone, Copy)]
pub struct Within<'c> {
    pub calendar: &'c Calendar,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

/// The day of the month on which billing months begin, 1 to 28. A billing month has the name of the calendar month in
/// which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Anchor(u8);

/// The period of a point. Hours are told by their start, days by themselves, months by the first of the calendar month
/// in which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Hour(DateTime<Utc>),
    Day(NaiveDate),
    Month(NaiveDate),
    Total,
}

/// The first instant of a calendar day in a zone. Where clocks skip midnight it is the instant of the skip; where they
/// skip the whole day (Apia, 2011-12-30), the day starts and ends at the same instant.
pub fn day_start(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    if let Some(at) = zone.from_local_datetime(&midnight).earliest() {
        return at.to_utc();
    }
    // In a gap: search the second at which local time passes midnight. No zone is further than 26 hours off.
    let (mut before, mut after) =
        (midnight.and_utc() - TimeDelta::hours(26), midnight.and_utc() + TimeDelta::hours(26));
    while after - before > TimeDelta::seconds(1) {
        let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
        if middle.with_timezone(&zone).naive_local() < midnight { before = middle } else { after = middle }
    }
    after
}

/// The first day of a day's calendar month.
pub fn month_of(day: NaiveDate) -> NaiveDate {
    day - TimeDelta::days(i64::from(day.day0()))
}

/// Calendars that differ within a range, each once.
pub fn distinct(calendars: impl IntoIterator<Item = Arc<Calendar>>, range: &Range) -> Vec<Arc<Calendar>> {
    let mut known = HashSet::new();
    calendars
        .into_iter()
        .filter(|calendar| known.insert((range.stretches(calendar), range.instants(calendar))))
        .collect()
}

impl Anchor {
    /// Billing months are calendar months.
    pub const FIRST: Self = Self(1);

    /// None for a day that not every month has.
    pub fn new(day: i64) -> Option<Self> {
        u8::try_from(day).ok().filter(|day| (1..=28).contains(day)).map(Self)
    }

    /// How many days later than its calendar month a billing month begins.
    pub fn days_later(self) -> u8 {
        self.0 - 1
    }

    /// The calendar month whose name a day's billing month has.
    fn month_of(self, day: NaiveDate) -> NaiveDate {
        month_of(day - self.shift())
    }

    /// The first day of the billing month with a calendar month's name.
    fn first_day(self, month: NaiveDate) -> NaiveDate {
        month + self.shift()
    }

    fn shift(self) -> Days {
        Days::new(self.days_later().into())
    }
}

impl Range {
    /// Whether both ends are firsts of months, so that monthly figures add up to it.
    pub fn is_whole_months(&self) -> bool {
        matches!(self, Self::Days { from, to } if from.day() == 1 && to.day() == 1)
    }

    /// First instant and end of the range in a calendar.
    pub fn instants(&self, calendar: &Calendar) -> (DateTime<Utc>, DateTime<Utc>) {
        match self {
            Self::Days { from, to } => (calendar.start_of(*from), calendar.start_of(*to)),
            Self::Hours { from, to } => (*from, *to),
        }
    }

    /// The range as a calendar has it, for periods of it.
    pub fn within<'c>(&self, calendar: &'c Calendar) -> Within<'c> {
        let (from, to) = self.instants(calendar);
        Within { calendar, from, to }
    }

    /// What of a calendar lies in the range.
    pub fn stretches(&self, calendar: &Calendar) -> Vec<Stretch> {
        match self {
            Self::Days { from, to } => calendar.days(*from, *to),
            Self::Hours { from, to } => calendar.instants(*from, *to),
        }
    }

    /// All periods of the range, in order; no more than `limit`. The calendars are the owners'.
    pub fn periods(&self, bucket: Bucket, anchor: Anchor, calendars: &[Arc<Calendar>], limit: usize) -> Vec<Period> {
        match (bucket, self) {
            (Bucket::Total, _) => vec![Period::Total],
            (Bucket::Hour, _) => {
                let ends = calendars.iter().map(|calendar| self.instants(calendar));
                let ends = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
                let (from, to) = ends.unwrap_or_else(|| self.instants(&Calendar::new(Tz::UTC)));
                steps(hour_of(from), |hour| *hour < to, |hour| hour + TimeDelta::hours(1), limit)
                    .map(Period::Hour)
                    .collect()
            }
            (Bucket::Day, Self::Days { from, to }) => {
                steps(*from, |day| day < to, |day| day + Days::new(1), limit).map(Period::Day).collect()
            }
            (Bucket::Month, Self::Days { from, to }) => {
                let more = |month: &NaiveDate| anchor.first_day(*month) < *to;
                steps(anchor.month_of(*from), more, |month| month + Months::new(1), limit).map(Period::Month).collect()
            }
            (Bucket::Day | Bucket::Month, Self::Hours { .. }) => unreachable!("days and months are asked in days"),
        }
    }
}

impl Period {
    /// First instant and end of what the period covers of a range.
    pub fn instants(&self, anchor: Anchor, within: &Within<'_>) -> (DateTime<Utc>, DateTime<Utc>) {
        let Within { calendar, from, to } = *within;
        let days = |first, next| (calendar.start_of(first), calendar.start_of(next));
        let (start, end) = match self {
            Self::Hour(hour) => (*hour, *hour + TimeDelta::hours(1)),
            Self::Day(day) => days(*day, *day + Days::new(1)),
            Self::Month(month) => days(anchor.first_day(*month), anchor.first_day(*month + Months::new(1))),
            Self::Total => (from, to),
        };
        (start.max(from), end.min(to))
    }
}

/// The UTC hour of an instant.
pub fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at - TimeDelta::seconds(at.timestamp().rem_euclid(3600))
        - TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos()))
}

fn steps<T: Copy>(first: T, more: impl Fn(&T) -> bool, next: impl Fn(T) -> T, limit: usize) -> impl Iterator<Item = T> {
    std::iter::successors(Some(first), move |step| Some(next(*step))).take_while(more).take(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn days_start_where_the_zone_says() {
        let cases = [
            ("2026-10-25", Tz::Europe__Paris, "2026-10-24T22:00:00Z"),
            ("2026-10-26", Tz::Europe__Paris, "2026-10-25T23:00:00Z"),
            ("2026-11-01", Tz::Asia__Kathmandu, "2026-10-31T18:15:00Z"),
            ("2026-11-01", Tz::America__St_Johns, "2026-11-01T02:30:00Z"),
            // Midnight is skipped: clocks went from 24:00 to 01:00.
            ("2018-11-04", Tz::America__Sao_Paulo, "2018-11-04T03:00:00Z"),
            // The day is skipped.
            ("2011-12-30", Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
            ("2011-12-31", Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
            // Midnight comes twice: clocks went from 01:00 to 00:00.
            ("2012-11-04", Tz::America__Havana, "2012-11-04T04:00:00Z"),
        ];
        for (date, zone, start) in cases {
            assert_eq!(day_start(day(date), zone), utc(start), "{date} {zone}");
        }
    }

    fn calendars(zone: Tz) -> Vec<Arc<Calendar>> {
        vec![Arc::new(Calendar::new(zone))]
    }

    #[test]
    fn a_range_has_the_periods_that_it_touches() {
        let periods = |range: Range, bucket, anchor| range.periods(bucket, Anchor(anchor), &[], 1000);
        let range = Range::Days { from: day("2026-01-30"), to: day("2026-03-02") };
        assert_eq!(periods(range, Bucket::Day, 1).len(), 31);
        let months = |names: &[&str]| names.iter().map(|name| Period::Month(day(name))).collect::<Vec<_>>();
        assert_eq!(periods(range, Bucket::Month, 1), months(&["2026-01-01", "2026-02-01", "2026-03-01"]));
        // Up to 1 March, the month that begins on 2 February goes on.
        assert_eq!(periods(range, Bucket::Month, 2), months(&["2026-01-01", "2026-02-01"]));
        assert_eq!(periods(range, Bucket::Month, 28), months(&["2026-01-01", "2026-02-01"]));
        let range = Range::Days { from: day("2026-01-04"), to: day("2026-01-06") };
        assert_eq!(periods(range, Bucket::Month, 5), months(&["2025-12-01", "2026-01-01"]));
        let long_day = Range::Days { from: day("2026-10-25"), to: day("2026-10-26") };
        for (zone, hours) in [(Tz::Europe__Paris, 25), (Tz::Asia__Kathmandu, 25), (Tz::UTC, 24)] {
            assert_eq!(long_day.periods(Bucket::Hour, Anchor::FIRST, &calendars(zone), 1000).len(), hours);
        }
    }

    #[test]
    fn a_month_is_cut_to_the_range() {
        let range = Range::Days { from: day("2026-11-15"), to: day("2027-01-01") };
        let instants =
            |month, anchor| Period::Month(day(month)).instants(Anchor(anchor), &range.within(&Calendar::new(Tz::UTC)));
        assert_eq!(instants("2026-11-01", 1), (utc("2026-11-15T00:00:00Z"), utc("2026-12-01T00:00:00Z")));
        assert_eq!(instants("2026-11-01", 5), (utc("2026-11-15T00:00:00Z"), utc("2026-12-05T00:00:00Z")));
        assert_eq!(instants("2026-12-01", 28), (utc("2026-12-28T00:00:00Z"), utc("2027-01-01T00:00:00Z")));
    }

    #[test]
    fn calendars_differ_only_where_they_are_asked() {
        let paris = Calendar::new(Tz::Europe__Paris);
        let moved = Calendar::new(Tz::Asia__Tokyo).then(day("2026-05-01"), Tz::Europe__Paris);
        let number = |from, to| {
            let range = Range::Days { from: day(from), to: day(to) };
            distinct([&paris, &moved, &paris].map(|calendar| Arc::new(calendar.clone())), &range).len()
        };
        assert_eq!(number("2026-05-02", "2027-01-01"), 1);
        // 1 May begins in Tokyo for one of them, and so ends the day before.
        assert_eq!(number("2026-05-01", "2026-05-02"), 2);
        assert_eq!(number("2026-04-01", "2026-05-01"), 2);
    }

    proptest! {
        // A day's start is on that day (or after a day that does not exist), and the instant before is not.
        #[test]
        fn a_day_starts_after_the_day_before(days in 0_u64..25_000, zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec())) {
            let date = day("1970-01-01") + Days::new(days);
            let start = day_start(date, zone);
            prop_assert!(start.with_timezone(&zone).date_naive() >= date);
            prop_assert!((start - TimeDelta::seconds(1)).with_timezone(&zone).date_naive() < date);
        }

        // A day is in the billing month that begins no later than it, and ends after it.
        #[test]
        fn a_billing_month_holds_its_days(days in 0_u64..25_000, anchor in 1_u8..=28) {
            let (date, anchor) = (day("1970-02-01") + Days::new(days), Anchor(anchor));
            let month = anchor.month_of(date);
            prop_assert!(anchor.first_day(month) <= date && date < anchor.first_day(month + Months::new(1)));
            prop_assert_eq!(anchor.first_day(month).day(), u32::from(anchor.0));
        }

        #[test]
        fn an_hour_starts_on_the_hour(seconds in -1_000_000_000_i64..5_000_000_000, nanos in 0_u32..1_000_000_000) {
            let at = DateTime::from_timestamp(seconds, nanos).unwrap();
            let hour = hour_of(at);
            prop_assert!(hour <= at && at - hour < TimeDelta::hours(1) && hour.timestamp() % 3600 == 0);
        }
    }
}
