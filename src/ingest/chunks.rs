//! The chunks that live readings go to: rows are copied straight into them.
//!
//! A COPY into `reading` finds the chunk of each row, and writes rows one by one, for there are triggers to be told of
//! them. Straight into a chunk it takes half the time. What the triggers would have noted is noted in one go by
//! `readings_copied`, which also looks whether it was right to copy there: a chunk that has been converted or dropped
//! since it was remembered makes the flush fail, and it is done again through `reading`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::ingest::resolve::Row;

/// Most chunks that are remembered; one more, and all are forgotten.
const MOST: usize = 1_000;

/// What is remembered of the chunks of `reading`, by their start.
#[derive(Default)]
pub struct Chunks(Mutex<BTreeMap<DateTime<Utc>, Chunk>>);

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Chunk {
    /// With its schema, quoted.
    pub name: String,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Chunks {
    /// The chunk that readings of an instant are copied into; none where they have to go through `reading`.
    pub async fn find(&self, db: &mut PgConnection, at: DateTime<Utc>) -> sqlx::Result<Option<Chunk>> {
        let known = self.known().range(..=at).next_back().map(|(_, chunk)| chunk.clone());
        if let Some(known) = known.filter(|chunk| chunk.holds(at)) {
            return Ok(Some(known));
        }
        let found: Option<Chunk> =
            sqlx::query_as(include_str!("../../sql/ingest/chunk.sql")).bind(at).fetch_optional(db).await?;
        if let Some(found) = &found {
            let mut known = self.known();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(found.since, found.clone());
        }
        Ok(found)
    }

    /// They are no longer as they were.
    pub fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<DateTime<Utc>, Chunk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chunk {
    pub fn holds(&self, at: DateTime<Utc>) -> bool {
        self.since <= at && at < self.until
    }
}

/// Most channels in a row of the log: the refresher follows rows whole.
const MOST_CHANNELS: usize = 10_000;

/// What the log of changes says of rows: of each hour the first instant and the last, and where its channels end among all,
/// each with its number of readings.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub hours: Vec<DateTime<Utc>>,
    pub since: Vec<DateTime<Utc>>,
    pub until: Vec<DateTime<Utc>>,
    pub ends: Vec<i32>,
    pub channels: Vec<i32>,
    pub readings: Vec<i32>,
}

/// An hour of [`Changes`].
struct Hour {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    channels: Vec<i32>,
    readings: Vec<i32>,
}

impl Changes {
    /// Of rows that are sorted by channel.
    pub fn of(rows: &[&Row<'_>]) -> Self {
        Self::of_readings(rows.iter().map(|row| (row.channel_id, row.raw.at)))
    }

    fn of_readings(readings: impl Iterator<Item = (i32, DateTime<Utc>)>) -> Self {
        let mut hours: BTreeMap<DateTime<Utc>, Hour> = BTreeMap::new();
        for (channel_id, at) in readings {
            // No instant of a reading is near the ends of what chrono knows.
            let hour = at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at);
            let new = || Hour { since: at, until: at, channels: Vec::new(), readings: Vec::new() };
            let hour = hours.entry(hour).or_insert_with(new);
            (hour.since, hour.until) = (at.min(hour.since), at.max(hour.until));
            match hour.readings.last_mut() {
                Some(readings) if hour.channels.last() == Some(&channel_id) => *readings += 1,
                _ => {
                    hour.channels.push(channel_id);
                    hour.readings.push(1);
                }
            }
        }
        let mut changes = Self::default();
        for (start, hour) in hours {
            changes.readings.extend(hour.readings);
            for part in hour.channels.chunks(MOST_CHANNELS) {
                changes.channels.extend_from_slice(part);
                changes.hours.push(start);
                changes.since.push(hour.since);
                changes.until.push(hour.until);
                // A flush has far fewer readings.
                changes.ends.push(changes.channels.len() as i32);
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn each_hour_has_its_channels_once_with_their_readings_and_its_first_and_last_instant() {
        let readings = [
            (3, "2026-05-10T07:20:00Z"),
            (3, "2026-05-10T07:40:00Z"),
            (3, "2026-05-10T08:00:00Z"),
            (5, "2026-05-10T07:10:00Z"),
            (9, "2026-05-10T08:30:00Z"),
            (9, "1969-12-31T23:59:59.5Z"),
        ];
        let changes = Changes::of_readings(readings.into_iter().map(|(channel, ts)| (channel, at(ts))));
        let expected = Changes {
            hours: vec![at("1969-12-31T23:00:00Z"), at("2026-05-10T07:00:00Z"), at("2026-05-10T08:00:00Z")],
            since: vec![at("1969-12-31T23:59:59.5Z"), at("2026-05-10T07:10:00Z"), at("2026-05-10T08:00:00Z")],
            until: vec![at("1969-12-31T23:59:59.5Z"), at("2026-05-10T07:40:00Z"), at("2026-05-10T08:30:00Z")],
            ends: vec![1, 3, 5],
            channels: vec![9, 3, 5, 3, 9],
            readings: vec![1, 2, 1, 1, 1],
        };
        assert_eq!(changes, expected);
    }

    #[test]
    fn many_channels_of_an_hour_are_several_rows() {
        let first = at("2026-05-10T07:20:00Z");
        let changes = Changes::of_readings((1..=25_000).map(|channel| (channel, first)));
        assert_eq!(changes.ends, [10_000, 20_000, 25_000]);
        assert_eq!(changes.hours, [at("2026-05-10T07:00:00Z"); 3]);
        assert_eq!(changes.channels.len(), 25_000);
        assert_eq!(changes.readings, [1; 25_000]);
    }
}
