//! Which windows of a continuous aggregate to refresh. Pure.

use chrono::{DateTime, Utc};

use super::definition::Period;

/// A half-open range of whole buckets; without a start it begins with the first there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Option<DateTime<Utc>>,
    pub to: DateTime<Utc>,
}

/// How far an aggregate is materialised.
#[derive(Debug, Clone, Copy)]
pub struct Materialized {
    /// End of what is; none before its first refresh.
    pub watermark: Option<DateTime<Utc>>,
    /// End of what is or may be being materialised from its source, by any aggregate.
    pub threshold: Option<DateTime<Utc>>,
    /// End of what policies materialise by now: a bucket is left open for its own length, for readings that come late.
    pub due: DateTime<Utc>,
}

impl Materialized {
    /// Whether some of what is due has not been materialised. Where there was nothing to materialise, the threshold tells
    /// that it was tried, if this is the only aggregate over its source.
    pub fn is_behind(&self) -> bool {
        self.watermark.max(self.threshold).is_none_or(|tried| tried < self.due)
    }

    /// Before which instant changes are refreshed; what lies at it or above is computed when it is asked for.
    pub fn end(&self) -> DateTime<Utc> {
        [self.watermark, self.threshold, Some(self.due)].into_iter().flatten().max().unwrap_or(self.due)
    }

    pub fn is_materialized_to(&self, instant: DateTime<Utc>) -> bool {
        self.watermark.is_some_and(|watermark| watermark >= instant)
    }
}

/// The windows that hold every changed bucket that needs a refresh, oldest first. `hours` is sorted.
pub fn windows(hours: &[DateTime<Utc>], period: Period, materialized: &Materialized) -> Vec<Window> {
    let (watermark, end) = (materialized.watermark, materialized.end());
    let mut buckets: Vec<_> = hours.iter().map(|hour| period.floor(*hour)).filter(|bucket| *bucket < end).collect();
    buckets.dedup();
    let split = buckets.partition_point(|bucket| watermark.is_some_and(|watermark| *bucket < watermark));
    let (below, above) = buckets.split_at(split);
    let mut windows = adjacent(below, period);
    // Above the watermark, each begins where the one before it ended: nothing may be passed over.
    let mut from = watermark;
    for group in near(above, period) {
        windows.push(Window { from, to: group.to });
        from = Some(group.to);
    }
    windows
}

/// Adjacent buckets together, up to the number refreshed in one go.
fn adjacent(buckets: &[DateTime<Utc>], period: Period) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for bucket in buckets {
        let to = period.after(*bucket);
        match windows.last_mut() {
            Some(Window { from: Some(from), to: last }) if *last == *bucket && period.after_many(*from) > *bucket => {
                *last = to;
            }
            _ => windows.push(Window { from: Some(*bucket), to }),
        }
    }
    windows
}

/// Buckets that lie within the time of as many as are refreshed in one go together, whatever lies between them.
fn near(buckets: &[DateTime<Utc>], period: Period) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for bucket in buckets {
        let to = period.after(*bucket);
        match windows.last_mut() {
            Some(Window { from: Some(from), to: last }) if period.after_many(*from) > *bucket => *last = to,
            _ => windows.push(Window { from: Some(*bucket), to }),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use chrono::{Days, TimeDelta};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn materialized(watermark: Option<&str>, threshold: Option<&str>, due: &str) -> Materialized {
        Materialized { watermark: watermark.map(at), threshold: threshold.map(at), due: at(due) }
    }

    #[test]
    fn late_hours_are_refreshed_alone_and_open_ones_not_at_all() {
        let found = materialized(Some("2026-03-10T12:00:00Z"), Some("2026-03-10T12:00:00Z"), "2026-03-10T12:00:00Z");
        let hours = ["2026-01-31T23:00:00Z", "2026-02-01T00:00:00Z", "2026-02-01T02:00:00Z", "2026-03-10T12:00:00Z"];
        let found = windows(&hours.map(at), Period::Hour, &found);
        let expected = [
            Window { from: Some(at("2026-01-31T23:00:00Z")), to: at("2026-02-01T01:00:00Z") },
            Window { from: Some(at("2026-02-01T02:00:00Z")), to: at("2026-02-01T03:00:00Z") },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn above_the_watermark_no_gap_is_left() {
        let found = materialized(Some("2023-01-05T00:00:00Z"), None, "2026-03-10T00:00:00Z");
        let hours = ["2024-02-01T07:00:00Z", "2024-02-20T00:00:00Z", "2026-03-08T12:00:00Z"];
        let found = windows(&hours.map(at), Period::Day, &found);
        let expected = [
            Window { from: Some(at("2023-01-05T00:00:00Z")), to: at("2024-02-21T00:00:00Z") },
            Window { from: Some(at("2024-02-21T00:00:00Z")), to: at("2026-03-09T00:00:00Z") },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_may_be_being_materialised_is_refreshed() {
        let found = materialized(Some("2026-01-01T00:00:00Z"), Some("2026-03-01T00:00:00Z"), "2026-02-01T00:00:00Z");
        let found = windows(&[at("2026-02-14T07:00:00Z")], Period::Month, &found);
        assert_eq!(found, [Window { from: Some(at("2026-01-01T00:00:00Z")), to: at("2026-03-01T00:00:00Z") }]);
    }

    fn period() -> impl Strategy<Value = Period> {
        prop_oneof![Just(Period::Hour), Just(Period::Day), Just(Period::Month)]
    }

    proptest! {
        #[test]
        fn every_changed_bucket_is_in_exactly_one_window_or_open(
            period in period(),
            mut offsets in proptest::collection::vec(0_i64..5_000, 0..60),
            watermark in proptest::option::of(0_i64..5_000),
            threshold in proptest::option::of(0_i64..5_000),
            due in 0_i64..5_000,
        ) {
            let start = at("2026-01-01T00:00:00Z");
            let instant = |hours: i64| period.floor(start + TimeDelta::hours(hours));
            offsets.sort_unstable();
            let hours: Vec<_> = offsets.iter().map(|hours| start + TimeDelta::hours(*hours)).collect();
            let (watermark, threshold, due) = (watermark.map(instant), threshold.map(instant), instant(due));
            let windows = windows(&hours, period, &Materialized { watermark, threshold, due });
            let open = [watermark, threshold, Some(due)].into_iter().flatten().max().expect("due at least");
            for hour in hours {
                let bucket = period.floor(hour);
                let holding = windows.iter().filter(|w| w.from.is_none_or(|from| from <= bucket) && bucket < w.to);
                prop_assert_eq!(holding.count(), usize::from(bucket < open));
            }
            // Whatever ends above the watermark begins at it, or where the one before ended.
            let mut reached = watermark;
            for window in windows {
                if watermark.is_none_or(|watermark| window.to > watermark) {
                    prop_assert_eq!(window.from, reached);
                    reached = Some(window.to);
                }
                prop_assert!(window.to <= open);
                prop_assert!(window.from.is_none_or(|from| from < window.to && from >= start - Days::new(31)));
            }
        }
    }
}
