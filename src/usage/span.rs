//! What the periods of a series cover.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::core::calendar::Calendar;
use crate::core::period::{Anchor, Bucket, Period, Range};

/// A period with its first instant and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub period: Period,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
}

/// The periods of a range that have an instant, in order; no more than `limit`. For owners with several calendars, a
/// period begins with the first of them and ends with the last.
pub fn spans(range: &Range, bucket: Bucket, anchor: Anchor, calendars: &[Arc<Calendar>], limit: usize) -> Vec<Span> {
    let within: Vec<_> = calendars.iter().map(|calendar| range.within(calendar)).collect();
    let span = |period: Period| {
        let instants = within.iter().map(|within| period.instants(anchor, within));
        let (start, end) = instants.filter(|(start, end)| start < end).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        Some(Span { period, start, end })
    };
    range.periods(bucket, anchor, calendars, limit).into_iter().filter_map(span).collect()
}
