//! What the log of changes says of readings that are copied past its triggers: the same as these would.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, NaiveDate, TimeDelta, Utc};

use crate::ingest::known::Owner;
use crate::ingest::resolve::Row;

#[cfg(test)]
mod tests;

/// Most elements in a row of the log: the refresher follows rows whole.
const MOST: usize = 10_000;

/// Rows of the log, each of an hour: where its channels end among all.
#[derive(Debug, PartialEq, Eq)]
pub struct Changes {
    pub hours: Vec<DateTime<Utc>>,
    pub ends: Vec<i32>,
    pub channels: Vec<i32>,
    /// None where one is out of range: then the hours are recomputed.
    pub sums: Option<Sums>,
}

/// What the readings of each channel and owner add up to. The billing days are those of the rows of the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub billing_days: Vec<NaiveDate>,
    pub customers: Vec<i32>,
    pub groups: Vec<i32>,
    pub increments: Vec<i64>,
    pub values: Vec<i64>,
    pub first_times: Vec<DateTime<Utc>>,
    /// None where each is of one reading: then this follows from the rest.
    pub several: Option<Several>,
}

/// Of several readings at an instant the lowest is the first, and the highest the last.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Several {
    pub counts: Vec<i32>,
    pub lowest: Vec<i64>,
    pub highest: Vec<i64>,
    pub first_values: Vec<i64>,
    pub last_times: Vec<DateTime<Utc>>,
    pub last_values: Vec<i64>,
}

/// Readings of a channel and an owner in an hour and billing day.
#[derive(Debug, Clone, Copy)]
struct Added {
    channel_id: i32,
    customer_id: i32,
    group_id: i32,
    count: i32,
    increments: i128,
    values: i128,
    lowest: i64,
    highest: i64,
    first: (DateTime<Utc>, i64),
    last: (DateTime<Utc>, i64),
}

impl Changes {
    /// Of rows that are sorted by channel.
    pub fn of(rows: &[&Row<'_>]) -> Self {
        Self::of_added(rows.iter().map(|row| (row.raw.at, row.billing_day, Added::of(row))))
    }

    fn of_added(added: impl Iterator<Item = (DateTime<Utc>, NaiveDate, Added)>) -> Self {
        let mut entries: BTreeMap<_, Vec<Added>> = BTreeMap::new();
        for (at, billing_day, added) in added {
            // No instant of a reading is near the ends of what chrono knows.
            let hour = at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at);
            let entry = entries.entry((hour, billing_day)).or_default();
            match entry.last_mut() {
                Some(last) if last.channel_id == added.channel_id && last.has_owner_of(&added) => last.add(&added),
                _ => entry.push(added),
            }
        }
        let parts: Vec<_> =
            entries.iter().flat_map(|(key, added)| added.chunks(MOST).map(move |part| (key, part))).collect();
        // A flush has far fewer readings than there are numbers.
        let end = |end: &mut usize, part: &&[Added]| {
            *end += part.len();
            Some(*end as i32)
        };
        let ends = parts.iter().map(|(_, part)| part).scan(0, end).collect();
        let added: Vec<_> = parts.iter().flat_map(|(_, part)| *part).copied().collect();
        let billing_days = parts.iter().map(|((_, billing_day), _)| *billing_day).collect();
        Self {
            hours: parts.iter().map(|((hour, _), _)| *hour).collect(),
            ends,
            channels: added.iter().map(|added| added.channel_id).collect(),
            sums: Sums::of(billing_days, &added),
        }
    }
}

impl Sums {
    /// None where one is out of range.
    fn of(billing_days: Vec<NaiveDate>, added: &[Added]) -> Option<Self> {
        let in_range = |sum: fn(&Added) -> i128| -> Option<Vec<i64>> {
            added.iter().map(|added| i64::try_from(sum(added)).ok()).collect()
        };
        Some(Self {
            billing_days,
            customers: added.iter().map(|added| added.customer_id).collect(),
            groups: added.iter().map(|added| added.group_id).collect(),
            increments: in_range(|added| added.increments)?,
            values: in_range(|added| added.values)?,
            first_times: added.iter().map(|added| added.first.0).collect(),
            several: added.iter().any(|added| added.count > 1).then(|| Several::of(added)),
        })
    }
}

impl Several {
    fn of(added: &[Added]) -> Self {
        Self {
            counts: added.iter().map(|added| added.count).collect(),
            lowest: added.iter().map(|added| added.lowest).collect(),
            highest: added.iter().map(|added| added.highest).collect(),
            first_values: added.iter().map(|added| added.first.1).collect(),
            last_times: added.iter().map(|added| added.last.0).collect(),
            last_values: added.iter().map(|added| added.last.1).collect(),
        }
    }
}

impl Added {
    fn of(row: &Row<'_>) -> Self {
        Self::one(row.channel_id, row.owner, row.raw.at, row.value, row.increment)
    }

    fn one(channel_id: i32, owner: Owner, at: DateTime<Utc>, value: i64, increment: i64) -> Self {
        Self {
            channel_id,
            customer_id: owner.customer_id,
            group_id: owner.group_id,
            count: 1,
            increments: increment.into(),
            values: value.into(),
            lowest: value,
            highest: value,
            first: (at, value),
            last: (at, value),
        }
    }

    fn has_owner_of(&self, other: &Self) -> bool {
        (self.customer_id, self.group_id) == (other.customer_id, other.group_id)
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.increments += other.increments;
        self.values += other.values;
        self.lowest = self.lowest.min(other.lowest);
        self.highest = self.highest.max(other.highest);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}
