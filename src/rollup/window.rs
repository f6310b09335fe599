//! Which windows of a continuous aggregate to refresh. Pure.

use chrono::{DateTime, Utc};

use super::definition::Period;

/// A half-open range of whole buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
}

/// The windows that hold every changed bucket, oldest first: adjacent ones together, up to the number refreshed in one go.
/// `hours` is sorted.
pub fn windows(hours: &[DateTime<Utc>], period: Period) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    let mut buckets: Vec<_> = hours.iter().map(|hour| period.floor(*hour)).collect();
    buckets.dedup();
    for bucket in &buckets {
        let to = period.after(*bucket);
        match windows.last_mut() {
            Some(Window { from, to: last }) if *last == *bucket && period.after_many(*from) > *bucket => {
                *last = to;
            }
            _ => windows.push(Window { from: *bucket, to }),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn adjacent_hours_are_refreshed_together_and_others_alone() {
        let hours = ["2026-01-31T23:00:00Z", "2026-02-01T00:00:00Z", "2026-02-01T02:00:00Z"].map(at);
        let found = windows(&hours, Period::Hour);
        let expected = [
            Window { from: at("2026-01-31T23:00:00Z"), to: at("2026-02-01T01:00:00Z") },
            Window { from: at("2026-02-01T02:00:00Z"), to: at("2026-02-01T03:00:00Z") },
        ];
        assert_eq!(found, expected);
        let months = windows(&hours, Period::Month);
        assert_eq!(months, [Window { from: at("2026-01-01T00:00:00Z"), to: at("2026-03-01T00:00:00Z") }]);
    }

    fn period() -> impl Strategy<Value = Period> {
        prop_oneof![Just(Period::Hour), Just(Period::Day), Just(Period::Month)]
    }

    proptest! {
        #[test]
        fn every_changed_bucket_is_in_exactly_one_window_and_no_other_is(
            period in period(),
            mut offsets in proptest::collection::vec(0_i64..5_000, 0..60),
        ) {
            offsets.sort_unstable();
            let start = at("2026-01-01T00:00:00Z");
            let hours: Vec<_> = offsets.iter().map(|hours| start + TimeDelta::hours(*hours)).collect();
            let windows = windows(&hours, period);
            for hour in &hours {
                let bucket = period.floor(*hour);
                prop_assert_eq!(windows.iter().filter(|w| w.from <= bucket && bucket < w.to).count(), 1);
            }
            for window in windows {
                let mut bucket = window.from;
                while bucket < window.to {
                    prop_assert!(hours.iter().any(|hour| period.floor(*hour) == bucket));
                    bucket = period.after(bucket);
                }
                prop_assert_eq!(bucket, window.to);
            }
        }
    }
}
