//! Stretches of billing days into which the views of days and months are cut.
//!
//! A chunk of a rollup holds a range of UTC buckets, and nothing tells the planner that the billing days in it lie near
//! them. So a view is a union of one branch for each stretch, which says both: its days, and the buckets that can hold
//! them. Where a predicate contradicts a branch's days, the planner leaves the branch out with all its chunks.

use chrono::NaiveDate;

use crate::rollup::definition::Period;

/// Billing days from `first` on, before `end`; open where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    first: Option<NaiveDate>,
    end: Option<NaiveDate>,
}

/// Years that are cut into quarters: this one, the next and so many before.
const QUARTERS_BEFORE: i32 = 2;

/// Years that are told apart at all.
const YEARS_BEFORE: i32 = 10;

/// The spans of a rollup of this period, as seen in a year. They hold every day once.
pub fn spans(period: Period, year: i32) -> Vec<Span> {
    let edges: Vec<_> = match period {
        Period::Hour => Vec::new(),
        Period::Day => {
            let years = (year - YEARS_BEFORE..year - QUARTERS_BEFORE).map(|year| (year, 1));
            let quarters =
                (year - QUARTERS_BEFORE..=year + 1).flat_map(|year| [1, 4, 7, 10].map(|month| (year, month)));
            years.chain(quarters).chain([(year + 2, 1)]).collect()
        }
        Period::Month => (year - YEARS_BEFORE..=year + 2).map(|year| (year, 1)).collect(),
    };
    let edges: Vec<_> = edges.into_iter().filter_map(|(year, month)| NaiveDate::from_ymd_opt(year, month, 1)).collect();
    let firsts = [None].into_iter().chain(edges.iter().copied().map(Some));
    let ends = edges.iter().copied().map(Some).chain([None]);
    firsts.zip(ends).map(|(first, end)| Span { first, end }).collect()
}

impl Span {
    /// Conditions on the rows `r` of a rollup of this period whose billing column is named.
    pub fn conditions(&self, period: Period, billing: &str) -> String {
        let midnight = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc();
        let instant = |at: chrono::DateTime<chrono::Utc>| at.format("timestamptz '%Y-%m-%d 00:00:00Z'").to_string();
        // A billing day lies in the UTC days from the one before it to the one after it, a month accordingly.
        let first = self.first.map(|first| {
            let bucket = instant(period.before(midnight(first)));
            format!("\n  AND r.{billing} >= date '{first}' AND r.bucket >= {bucket}")
        });
        let end = self.end.map(|end| {
            let bucket = instant(period.after(midnight(end)));
            format!("\n  AND r.{billing} < date '{end}' AND r.bucket < {bucket}")
        });
        [first, end].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_each_other() {
        for (period, number) in [(Period::Hour, 1), (Period::Day, 26), (Period::Month, 14)] {
            let spans = spans(period, 2026);
            assert_eq!(spans.len(), number);
            assert_eq!((spans[0].first, spans[number - 1].end), (None, None));
            assert!(spans.windows(2).all(|two| two[0].end == two[1].first && two[0].end.is_some()));
        }
    }

    #[test]
    fn a_span_says_which_buckets_can_hold_its_days() {
        let day = |text: &str| text.parse().ok();
        let span = Span { first: day("2026-04-01"), end: day("2026-07-01") };
        let days = "\n  AND r.billing_day >= date '2026-04-01' AND r.bucket >= timestamptz '2026-03-31 00:00:00Z'\
            \n  AND r.billing_day < date '2026-07-01' AND r.bucket < timestamptz '2026-07-02 00:00:00Z'";
        assert_eq!(span.conditions(Period::Day, "billing_day"), days);
        let span = Span { first: None, end: day("2026-01-01") };
        let months = "\n  AND r.billing_month < date '2026-01-01' AND r.bucket < timestamptz '2026-02-01 00:00:00Z'";
        assert_eq!(span.conditions(Period::Month, "billing_month"), months);
    }
}
