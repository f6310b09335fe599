//! Channels of a batch: those that are missing are made.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::ingest::resolve::Row;

/// A channel as readings name it: device, metric, dimensions.
type Name<'a> = (i32, i32, &'a BTreeMap<String, String>);

/// Gives each row its channel.
pub async fn find(db: &mut PgConnection, provider_id: i32, rows: &mut [Row<'_>]) -> sqlx::Result<()> {
    let mut channels: HashMap<Name<'_>, Option<i32>> = rows.iter().map(|row| (row.channel(), None)).collect();
    look_up(db, &mut channels).await?;
    let mut made = HashSet::new();
    if channels.values().any(Option::is_none) {
        made = create(db, provider_id, &missing(&channels)).await?;
        // In a statement of its own, which sees those that another batch has made meanwhile.
        look_up(db, &mut channels).await?;
    }
    for row in rows {
        row.channel_id = channels.get(&row.channel()).copied().flatten().ok_or(sqlx::Error::RowNotFound)?;
        row.new_channel = made.contains(&row.channel_id);
    }
    Ok(())
}

impl<'a> Row<'a> {
    fn channel(&self) -> Name<'a> {
        (self.device_id, self.metric.metric_id, &self.raw.dimensions)
    }
}

fn missing<'a>(channels: &HashMap<Name<'a>, Option<i32>>) -> Vec<Name<'a>> {
    channels.iter().filter(|(_, channel)| channel.is_none()).map(|(name, _)| *name).collect()
}

async fn look_up(db: &mut PgConnection, channels: &mut HashMap<Name<'_>, Option<i32>>) -> sqlx::Result<()> {
    let names = missing(channels);
    let found: Vec<(i64, i32)> = sqlx::query_as(include_str!("../../sql/ingest/channels.sql"))
        .bind(names.iter().map(|(device, _, _)| *device).collect::<Vec<_>>())
        .bind(names.iter().map(|(_, metric, _)| *metric).collect::<Vec<_>>())
        .bind(names.iter().map(|(_, _, dimensions)| Json(*dimensions)).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    channels.extend(found.into_iter().map(|(place, channel)| (names[place as usize - 1], Some(channel))));
    Ok(())
}

async fn create(db: &mut PgConnection, provider_id: i32, names: &[Name<'_>]) -> sqlx::Result<HashSet<i32>> {
    let made: Vec<i32> = sqlx::query_scalar(include_str!("../../sql/ingest/create_channels.sql"))
        .bind(provider_id)
        .bind(names.iter().map(|(device, _, _)| *device).collect::<Vec<_>>())
        .bind(names.iter().map(|(_, metric, _)| *metric).collect::<Vec<_>>())
        .bind(names.iter().map(|(_, _, dimensions)| Json(*dimensions)).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    Ok(made.into_iter().collect())
}
