//! Channels of a batch: those that are missing are made, and each knows its earliest reading.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::ingest::directory::{Channel, Name, Remembered};
use crate::ingest::resolve::Row;

/// Channels that nothing is remembered of, each with its earliest reading among the rows.
type Wanted<'a> = HashMap<Name<'a>, DateTime<Utc>>;

/// Channels with the instant at which they begin.
pub type Beginnings = HashMap<i32, DateTime<Utc>>;

/// Gives each row of a provider its channel; notes in `earlier` those that begin earlier with these rows than was known.
pub async fn find(
    db: &mut PgConnection,
    provider_id: i32,
    known: &Remembered,
    rows: &mut [Row<'_>],
    earlier: &mut Beginnings,
) -> sqlx::Result<()> {
    let mut wanted = Wanted::new();
    for row in &mut *rows {
        match known.channel(row.channel()) {
            Some(channel) => row.belongs_to(channel, false, earlier),
            None => {
                let first = wanted.entry(row.channel()).or_insert(row.raw.at);
                *first = row.raw.at.min(*first);
            }
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let mut found = look_up(db, &wanted).await?;
    let mut made = HashSet::new();
    if found.len() < wanted.len() {
        let missing: Wanted<'_> =
            wanted.iter().filter(|(name, _)| !found.contains_key(*name)).map(|(n, t)| (*n, *t)).collect();
        made = create(db, provider_id, &missing).await?;
        // In a statement of its own, which sees those that another batch has made meanwhile.
        found.extend(look_up(db, &missing).await?);
    }
    for row in rows.iter_mut().filter(|row| row.channel_id == 0) {
        let channel = *found.get(&row.channel()).ok_or(sqlx::Error::RowNotFound)?;
        row.belongs_to(channel, made.contains(&channel.channel_id), earlier);
    }
    Ok(())
}

impl<'a> Row<'a> {
    pub fn channel(&self) -> Name<'a> {
        (self.device_id, self.metric.metric_id, &self.raw.dimensions)
    }

    fn belongs_to(&mut self, channel: Channel, is_new: bool, earlier: &mut Beginnings) {
        self.channel_id = channel.channel_id;
        self.new_channel = is_new;
        // Of a channel that this server has stored nothing of, nothing speaks against it.
        self.fresh = channel.last_ts.is_none_or(|last| last < self.raw.at);
        if channel.first_ts.is_none_or(|first| self.raw.at < first) {
            let first = earlier.entry(channel.channel_id).or_insert(self.raw.at);
            *first = self.raw.at.min(*first);
        }
    }
}

/// Dates channels back to earlier readings. It locks them, so it comes after the locks on registers and touches, of
/// registers, only those: two batches can then not wait for each other in a circle.
pub async fn begin_earlier(db: &mut PgConnection, channels: &Beginnings) -> sqlx::Result<()> {
    if channels.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/ingest/begin_earlier.sql"))
        .bind(channels.keys().copied().collect::<Vec<_>>())
        .bind(channels.values().copied().collect::<Vec<_>>())
        .execute(db)
        .await
        .map(drop)
}

/// The channel of this name, made if it is not there; it begins with its first reading.
pub async fn find_or_create(db: &mut PgConnection, provider_id: i32, name: Name<'_>) -> sqlx::Result<i32> {
    let (device_id, metric_id, dimensions) = name;
    sqlx::query_scalar(include_str!("../../sql/ingest/find_or_create_channel.sql"))
        .bind(provider_id)
        .bind(device_id)
        .bind(metric_id)
        .bind(Json(dimensions))
        .fetch_one(db)
        .await
}

async fn look_up<'a>(db: &mut PgConnection, wanted: &Wanted<'a>) -> sqlx::Result<HashMap<Name<'a>, Channel>> {
    let names: Vec<Name<'a>> = wanted.keys().copied().collect();
    let found: Vec<(i64, i32, Option<DateTime<Utc>>)> = sqlx::query_as(include_str!("../../sql/ingest/channels.sql"))
        .bind(names.iter().map(|(device, _, _)| *device).collect::<Vec<_>>())
        .bind(names.iter().map(|(_, metric, _)| *metric).collect::<Vec<_>>())
        .bind(names.iter().map(|(_, _, dimensions)| Json(*dimensions)).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    let channel = |(place, channel_id, first_ts): (i64, _, _)| {
        (names[place as usize - 1], Channel { channel_id, first_ts, last_ts: None })
    };
    Ok(found.into_iter().map(channel).collect())
}

async fn create(db: &mut PgConnection, provider_id: i32, missing: &Wanted<'_>) -> sqlx::Result<HashSet<i32>> {
    let made: Vec<i32> = sqlx::query_scalar(include_str!("../../sql/ingest/create_channels.sql"))
        .bind(provider_id)
        .bind(missing.keys().map(|(device, _, _)| *device).collect::<Vec<_>>())
        .bind(missing.keys().map(|(_, metric, _)| *metric).collect::<Vec<_>>())
        .bind(missing.keys().map(|(_, _, dimensions)| Json(*dimensions)).collect::<Vec<_>>())
        .bind(missing.values().copied().collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    Ok(made.into_iter().collect())
}
