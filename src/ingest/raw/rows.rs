//! Raw readings from the database, a part at a time.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::core::cursor::BadCursor;
use crate::core::decimal::Scaled;
use crate::http::access::Tenant;

/// Which readings: the channels, and a half-open range; where the caller left it open it ends where readings end.
pub struct Selection {
    channels: HashMap<i32, Channel>,
    channel_ids: Vec<i32>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// Of which customers; none for all.
    seen: Option<Vec<i32>>,
}

#[derive(sqlx::FromRow)]
struct Channel {
    channel_id: i32,
    /// The metric's key.
    metric: String,
    scale: i16,
    dimensions: Json<BTreeMap<String, String>>,
}

/// Where a part of the list starts: behind the reading with these three, which are also its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    at: DateTime<Utc>,
    channel_id: i32,
    event_key: i64,
}

/// How far the first statement for a part of the list looks.
const FIRST_WINDOW: TimeDelta = TimeDelta::days(32);

#[derive(Debug, sqlx::FromRow)]
pub struct Row {
    ts: DateTime<Utc>,
    channel_id: i32,
    event_key: i64,
    event_id: Option<String>,
    value: i64,
    increment: i64,
    recorded_at: DateTime<Utc>,
}

/// A reading as it is stored.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "RawReading")]
pub struct RawItem {
    pub at: DateTime<Utc>,
    #[schema(value_type = String, example = "1204.330")]
    pub value: Scaled,
    /// What it adds to usage: the value itself for a delta, the difference to the reading before for a register.
    #[schema(value_type = String, example = "0.580")]
    pub increment: Scaled,
    pub recorded_at: DateTime<Utc>,
    /// The event id, if it was sent with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Key of the metric.
    #[schema(example = "energy")]
    pub metric: String,
    /// The dimensions, if it was sent with any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub dimensions: BTreeMap<String, String>,
}

impl Selection {
    /// The readings of a device, of one of its metrics or of all, in a range, as far as the caller sees their owner.
    pub async fn of(
        db: &mut PgConnection,
        tenant: &Tenant,
        (device_id, metric_id): (i32, Option<i32>),
        (from, to): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    ) -> sqlx::Result<Self> {
        let channels: Vec<Channel> = sqlx::query_as(include_str!("../../../sql/ingest/raw/channels.sql"))
            .bind(device_id)
            .bind(metric_id)
            .bind(tenant.seen())
            .fetch_all(&mut *db)
            .await?;
        let channel_ids = channels.iter().map(|channel| channel.channel_id).collect();
        let channels = channels.into_iter().map(|channel| (channel.channel_id, channel)).collect();
        let (from, to) = match from.zip(to) {
            Some(range) => range,
            None => {
                let span: (Option<DateTime<Utc>>, Option<DateTime<Utc>>) =
                    sqlx::query_as(include_str!("../../../sql/ingest/raw/chunk_span.sql")).fetch_one(db).await?;
                // Without chunks there are no readings, and any empty range will do.
                let (first, end) = span.0.zip(span.1).unwrap_or_default();
                (from.unwrap_or(first), to.unwrap_or(end))
            }
        };
        let seen = tenant.seen().map(<[i32]>::to_vec);
        Ok(Self { channels, channel_ids, from, to, seen })
    }

    /// Before the first reading.
    pub fn start(&self) -> Position {
        Position { at: self.from, channel_id: 0, event_key: 0 }
    }

    /// The first rows behind a position. They are looked for in windows that double: a statement over all chunks there
    /// are would take longer to plan than to run.
    pub async fn rows(&self, db: &mut PgConnection, behind: Position, limit: i64) -> sqlx::Result<Vec<Row>> {
        let (mut rows, mut behind, mut window) = (Vec::new(), behind.max(self.start()), FIRST_WINDOW);
        while behind.at < self.to && (rows.len() as i64) < limit {
            let end = behind.at.checked_add_signed(window).map_or(self.to, |end| end.min(self.to));
            let part = self.rows_before(db, behind, end, limit - rows.len() as i64).await?;
            rows.extend(part);
            behind = Position { at: end, channel_id: 0, event_key: 0 };
            window = window * 2;
        }
        Ok(rows)
    }

    async fn rows_before(
        &self,
        db: &mut PgConnection,
        behind: Position,
        end: DateTime<Utc>,
        limit: i64,
    ) -> sqlx::Result<Vec<Row>> {
        sqlx::query_as(include_str!("../../../sql/ingest/raw/readings.sql"))
            .bind(&self.channel_ids)
            .bind(behind.at)
            .bind(behind.channel_id)
            .bind(behind.event_key)
            .bind(end)
            .bind(limit)
            .bind(&self.seen)
            .fetch_all(db)
            .await
    }

    /// A row as the caller sees it.
    pub fn item(&self, row: &Row) -> sqlx::Result<RawItem> {
        let channel = self.channels.get(&row.channel_id).ok_or(sqlx::Error::RowNotFound)?;
        let scale = u8::try_from(channel.scale).map_err(|e| sqlx::Error::Decode(e.into()))?;
        Ok(RawItem {
            at: row.ts,
            value: Scaled::new(row.value, scale),
            increment: Scaled::new(row.increment, scale),
            recorded_at: row.recorded_at,
            id: row.event_id.clone(),
            metric: channel.metric.clone(),
            dimensions: channel.dimensions.0.clone(),
        })
    }

    /// The names of all dimensions, each once, in order.
    pub fn dimensions(&self) -> Vec<String> {
        let names = self.channels.values().flat_map(|channel| channel.dimensions.keys().cloned());
        names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }
}

impl Row {
    pub fn position(&self) -> Position {
        Position { at: self.ts, channel_id: self.channel_id, event_key: self.event_key }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.at.timestamp_micros(), self.channel_id, self.event_key)
    }
}

impl FromStr for Position {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let mut parts = text.split('/');
        let mut next = || parts.next().and_then(|part| part.parse::<i64>().ok()).ok_or(BadCursor);
        let (micros, channel, event_key) = (next()?, next()?, next()?);
        let at = DateTime::from_timestamp_micros(micros).ok_or(BadCursor)?;
        let channel_id = i32::try_from(channel).map_err(|_| BadCursor)?;
        Ok(Self { at, channel_id, event_key })
    }
}
