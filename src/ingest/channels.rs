//! Channels of a batch: those that are missing are made, and each knows its earliest reading.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::ingest::resolve::Row;

/// A channel as readings name it: device, metric, dimensions.
type Name<'a> = (i32, i32, &'a BTreeMap<String, String>);

/// What is known of a channel of the batch.
struct Channel {
    /// None until it is found.
    channel_id: Option<i32>,
    /// Its earliest reading as the database has it.
    first_ts: Option<DateTime<Utc>>,
    /// The earliest one in the batch.
    first_sent: DateTime<Utc>,
}

/// Channels with the instant at which they begin.
pub type Beginnings = Vec<(i32, DateTime<Utc>)>;

/// Gives each row its channel; returns those that begin earlier with this batch than was known.
pub async fn find(db: &mut PgConnection, provider_id: i32, rows: &mut [Row<'_>]) -> sqlx::Result<Beginnings> {
    let mut channels: HashMap<Name<'_>, Channel> = HashMap::new();
    for row in &*rows {
        let unknown = Channel { channel_id: None, first_ts: None, first_sent: row.raw.at };
        let channel = channels.entry(row.channel()).or_insert(unknown);
        channel.first_sent = channel.first_sent.min(row.raw.at);
    }
    look_up(db, &mut channels).await?;
    let mut made = HashSet::new();
    if channels.values().any(|channel| channel.channel_id.is_none()) {
        made = create(db, provider_id, &channels).await?;
        // In a statement of its own, which sees those that another batch has made meanwhile.
        look_up(db, &mut channels).await?;
    }
    for row in rows {
        let channel = channels.get(&row.channel()).and_then(|channel| channel.channel_id);
        row.channel_id = channel.ok_or(sqlx::Error::RowNotFound)?;
        row.new_channel = made.contains(&row.channel_id);
    }
    let earlier = channels.values().filter(|channel| channel.first_ts.is_none_or(|first| channel.first_sent < first));
    Ok(earlier.filter_map(|channel| Some((channel.channel_id?, channel.first_sent))).collect())
}

/// Dates channels back to earlier readings. It locks them, so it comes after the locks on registers and touches, of
/// registers, only those: two batches can then not wait for each other in a circle.
pub async fn begin_earlier(db: &mut PgConnection, channels: &Beginnings) -> sqlx::Result<()> {
    if channels.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/ingest/begin_earlier.sql"))
        .bind(channels.iter().map(|(channel, _)| *channel).collect::<Vec<_>>())
        .bind(channels.iter().map(|(_, first)| *first).collect::<Vec<_>>())
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

impl<'a> Row<'a> {
    fn channel(&self) -> Name<'a> {
        (self.device_id, self.metric.metric_id, &self.raw.dimensions)
    }
}

fn missing<'a>(channels: &HashMap<Name<'a>, Channel>) -> Vec<(Name<'a>, DateTime<Utc>)> {
    let missing = channels.iter().filter(|(_, channel)| channel.channel_id.is_none());
    missing.map(|(name, channel)| (*name, channel.first_sent)).collect()
}

async fn look_up(db: &mut PgConnection, channels: &mut HashMap<Name<'_>, Channel>) -> sqlx::Result<()> {
    let names = missing(channels);
    let found: Vec<(i64, i32, Option<DateTime<Utc>>)> = sqlx::query_as(include_str!("../../sql/ingest/channels.sql"))
        .bind(names.iter().map(|((device, _, _), _)| *device).collect::<Vec<_>>())
        .bind(names.iter().map(|((_, metric, _), _)| *metric).collect::<Vec<_>>())
        .bind(names.iter().map(|((_, _, dimensions), _)| Json(*dimensions)).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    for (place, channel_id, first_ts) in found {
        let (name, first_sent) = names[place as usize - 1];
        channels.insert(name, Channel { channel_id: Some(channel_id), first_ts, first_sent });
    }
    Ok(())
}

async fn create(
    db: &mut PgConnection,
    provider_id: i32,
    channels: &HashMap<Name<'_>, Channel>,
) -> sqlx::Result<HashSet<i32>> {
    let names = missing(channels);
    let made: Vec<i32> = sqlx::query_scalar(include_str!("../../sql/ingest/create_channels.sql"))
        .bind(provider_id)
        .bind(names.iter().map(|((device, _, _), _)| *device).collect::<Vec<_>>())
        .bind(names.iter().map(|((_, metric, _), _)| *metric).collect::<Vec<_>>())
        .bind(names.iter().map(|((_, _, dimensions), _)| Json(*dimensions)).collect::<Vec<_>>())
        .bind(names.iter().map(|(_, first)| *first).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    Ok(made.into_iter().collect())
}
