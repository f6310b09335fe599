//! What is asked for must be kept: no answer leaves out without a word what was dropped.

use std::sync::Arc;

use chrono::{DateTime, Days, Months, NaiveDate, SecondsFormat, Utc};

use crate::core::calendar::Calendar;
use crate::core::period::{Range, month_of};
use crate::http::problem::{Code, Problem, Result};
use crate::rollup::definition;
use crate::rollup::retention::Kept;
use crate::usage::figures::{Query, Width, midnight};
use crate::usage::scope::Source;

impl Query<'_> {
    /// Refuses a range whose beginning is no longer kept by a rollup that has to answer: that of the source, and with
    /// `devices` that of the channels. The calendars are those of the scope.
    pub fn check_kept(&self, source: &Source, devices: bool, kept: &Kept, calendars: &[Arc<Calendar>]) -> Result<()> {
        let width = self.width(source.anchor);
        let channels = devices.then(|| format!("channel_{}", width.word()));
        let since = channels.into_iter().chain([source.rollup(width)]).filter_map(|rollup| kept.since(&rollup)).max();
        let Some(since) = since else { return Ok(()) };
        if first_bucket(self.range, width, calendars) >= since {
            return Ok(());
        }
        let first = match self.range {
            Range::Hours { .. } => since.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            Range::Days { .. } => first_day(since, width, calendars).to_string(),
        };
        let (word, way_out) = match width {
            Width::Hourly => ("hour", "ask from then on, or for days or months"),
            Width::Daily => ("day", "ask from then on, or for whole calendar months"),
            Width::Monthly => ("month", "ask from then on"),
        };
        let detail = format!("figures by the {word} are kept from {first} on; {way_out}");
        Err(Problem::new(Code::NotKept, format!("from: {detail}")).at("from", "not_kept", detail))
    }
}

impl Width {
    fn period(self) -> definition::Period {
        match self {
            Self::Hourly => definition::Period::Hour,
            Self::Daily => definition::Period::Day,
            Self::Monthly => definition::Period::Month,
        }
    }
}

/// The first bucket that readings of the range can be in.
fn first_bucket(range: &Range, width: Width, calendars: &[Arc<Calendar>]) -> DateTime<Utc> {
    let start = match range {
        Range::Hours { from, .. } => *from,
        Range::Days { from, .. } => {
            calendars.iter().map(|calendar| calendar.start_of(*from)).min().unwrap_or(midnight(*from))
        }
    };
    width.period().floor(start)
}

/// The first day, or first of a month, all of whose buckets begin at `since` or later.
fn first_day(since: DateTime<Utc>, width: Width, calendars: &[Arc<Calendar>]) -> NaiveDate {
    let day = since.date_naive();
    let next = |day: NaiveDate| match width {
        Width::Monthly => day + Months::new(1),
        Width::Hourly | Width::Daily => day + Days::new(1),
    };
    let first = if width == Width::Monthly { month_of(day) } else { day - Days::new(1) };
    let is_kept =
        |day: &NaiveDate| first_bucket(&Range::Days { from: *day, to: next(*day) }, width, calendars) >= since;
    // Local days begin within a day of the UTC day of their date.
    std::iter::successors(Some(first), |day| Some(next(*day))).take(4).find(is_kept).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn calendars<const N: usize>(zones: [Tz; N]) -> [Arc<Calendar>; N] {
        zones.map(|zone| Arc::new(Calendar::new(zone)))
    }

    #[test]
    fn the_first_day_kept_is_whole_in_every_zone() {
        let since: DateTime<Utc> = "2026-10-01T00:00:00Z".parse().expect("a time");
        let first = |width, zones: &[Arc<Calendar>]| first_day(since, width, zones).to_string();
        let (utc, paris, new_york) =
            (calendars([Tz::UTC]), calendars([Tz::Europe__Paris]), calendars([Tz::America__New_York]));
        assert_eq!(first(Width::Daily, &utc), "2026-10-01");
        // The first of October begins in Paris on the thirtieth of September, UTC.
        assert_eq!(first(Width::Daily, &paris), "2026-10-02");
        assert_eq!(first(Width::Daily, &new_york), "2026-10-01");
        assert_eq!(first(Width::Monthly, &utc), "2026-10-01");
        assert_eq!(first(Width::Monthly, &paris), "2026-11-01");
        assert_eq!(first(Width::Monthly, &new_york), "2026-10-01");
        assert_eq!(first(Width::Daily, &calendars([Tz::America__New_York, Tz::Pacific__Apia])), "2026-10-02");
    }
}
