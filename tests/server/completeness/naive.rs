//! Readings expected, counted one by one.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

/// A device's stay: customer, its zone, group, from, to.
pub type Stay = (&'static str, Tz, Option<&'static str>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// A stream of readings that began.
pub struct Channel<'a> {
    pub device: &'static str,
    pub stays: &'a [Stay],
    pub first: DateTime<Utc>,
    pub interval: TimeDelta,
}

/// An instant at which a reading was expected, with all that it counts under.
pub struct Instant {
    pub device: &'static str,
    pub customer: &'static str,
    pub group: Option<&'static str>,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
}

impl Instant {
    pub fn period(&self, bucket: &str) -> String {
        match bucket {
            "hour" => self.at.format("%Y-%m-%dT%H:00:00Z").to_string(),
            "day" => self.day.to_string(),
            "month" => format!("{}-{:02}", self.day.year(), self.day.month()),
            _ => String::new(),
        }
    }
}

/// Every instant of every channel's grid before `until`.
pub fn instants(channels: &[Channel<'_>], until: DateTime<Utc>) -> Vec<Instant> {
    let mut instants = Vec::new();
    for channel in channels {
        let mut at = channel.first;
        while at < until {
            let here = |(.., from, to): &&Stay| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to);
            if let Some((customer, zone, group, ..)) = channel.stays.iter().find(here) {
                let day = at.with_timezone(zone).date_naive();
                instants.push(Instant { device: channel.device, customer, group: *group, at, day });
            }
            at += channel.interval;
        }
    }
    instants
}

/// Label -> period -> number.
pub fn count(
    instants: &[Instant],
    label: impl Fn(&Instant) -> Option<String>,
    period: impl Fn(&Instant) -> Option<String>,
) -> BTreeMap<String, BTreeMap<String, i64>> {
    let mut counts: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    for instant in instants {
        if let Some((label, period)) = label(instant).zip(period(instant)) {
            *counts.entry(label).or_default().entry(period).or_default() += 1;
        }
    }
    counts
}
