//! Periods: calendar days and months in a billing time zone, UTC hours, and ranges of them.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// What one point covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// A UTC hour.
    Hour,
    /// A calendar day of the owner.
    Day,
    /// A calendar month of the owner.
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

/// The period of a point. Hours are told by their start, days and months by their first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// The first day of a day's month.
pub fn month_of(day: NaiveDate) -> NaiveDate {
    day - TimeDelta::days(i64::from(day.day0()))
}

impl Range {
    /// Whether both ends are firsts of months, so that monthly figures add up to it.
    pub fn is_whole_months(&self) -> bool {
        matches!(self, Self::Days { from, to } if from.day() == 1 && to.day() == 1)
    }

    /// First instant and end of the range in a zone.
    pub fn instants(&self, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
        match self {
            Self::Days { from, to } => (day_start(*from, zone), day_start(*to, zone)),
            Self::Hours { from, to } => (*from, *to),
        }
    }

    /// All periods of the range, in order; no more than `limit`. `zones` are the owners'.
    pub fn periods(&self, bucket: Bucket, zones: &[Tz], limit: usize) -> Vec<Period> {
        match (bucket, self) {
            (Bucket::Total, _) => vec![Period::Total],
            (Bucket::Hour, _) => {
                let ends = zones.iter().map(|zone| self.instants(*zone));
                let (from, to) = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or(self.instants(Tz::UTC));
                steps(hour_of(from), |hour| *hour < to, |hour| hour + TimeDelta::hours(1), limit)
                    .map(Period::Hour)
                    .collect()
            }
            (Bucket::Day, Self::Days { from, to }) => {
                steps(*from, |day| day < to, |day| day + Days::new(1), limit).map(Period::Day).collect()
            }
            (Bucket::Month, Self::Days { from, to }) => {
                steps(month_of(*from), |day| day < to, |day| day + Months::new(1), limit).map(Period::Month).collect()
            }
            (Bucket::Day | Bucket::Month, Self::Hours { .. }) => unreachable!("days and months are asked in days"),
        }
    }
}

impl Period {
    /// What the period covers of the range, in a zone.
    pub fn instants(&self, range: &Range, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
        let (from, to) = range.instants(zone);
        let (start, end) = match self {
            Self::Hour(hour) => (*hour, *hour + TimeDelta::hours(1)),
            Self::Day(day) => (day_start(*day, zone), day_start(*day + Days::new(1), zone)),
            Self::Month(day) => (day_start(*day, zone), day_start(*day + Months::new(1), zone)),
            Self::Total => (from, to),
        };
        (start.max(from), end.min(to))
    }
}

/// The UTC hour of an instant.
fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
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

    #[test]
    fn a_range_has_the_periods_that_it_touches() {
        let range = Range::Days { from: day("2026-01-30"), to: day("2026-03-02") };
        assert_eq!(range.periods(Bucket::Day, &[], 1000).len(), 31);
        let months: Vec<_> = ["2026-01-01", "2026-02-01", "2026-03-01"].map(|d| Period::Month(day(d))).to_vec();
        assert_eq!(range.periods(Bucket::Month, &[], 1000), months);
        let long_day = Range::Days { from: day("2026-10-25"), to: day("2026-10-26") };
        assert_eq!(long_day.periods(Bucket::Hour, &[Tz::Europe__Paris], 1000).len(), 25);
        assert_eq!(long_day.periods(Bucket::Hour, &[Tz::Asia__Kathmandu], 1000).len(), 25);
        assert_eq!(long_day.periods(Bucket::Hour, &[Tz::UTC], 1000).len(), 24);
    }

    #[test]
    fn a_month_is_cut_to_the_range() {
        let range = Range::Days { from: day("2026-11-15"), to: day("2026-12-01") };
        let (start, end) = Period::Month(day("2026-11-01")).instants(&range, Tz::UTC);
        assert_eq!((start, end), (utc("2026-11-15T00:00:00Z"), utc("2026-12-01T00:00:00Z")));
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

        #[test]
        fn an_hour_starts_on_the_hour(seconds in -1_000_000_000_i64..5_000_000_000, nanos in 0_u32..1_000_000_000) {
            let at = DateTime::from_timestamp(seconds, nanos).unwrap();
            let hour = hour_of(at);
            prop_assert!(hour <= at && at - hour < TimeDelta::hours(1) && hour.timestamp() % 3600 == 0);
        }
    }
}
