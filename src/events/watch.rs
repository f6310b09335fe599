//! What is new of providers that somebody listens to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::watch;

use crate::database::Edition;
use crate::ingest::Counts;
use crate::rollup;
use crate::watch::{Look, Senders, Watch};

/// Most listeners of a provider on a server.
pub const OF_ONE: usize = 64;

/// Where listeners ask.
#[derive(Debug)]
pub struct EventWatch {
    watch: Watch<Option<News>>,
    listeners: Arc<Mutex<HashMap<i32, usize>>>,
}

/// How far a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// Number of its last event.
    pub last_event: i64,
    /// What came in since somebody listens.
    pub readings: Counts,
    /// Every reading recorded before this is in the figures.
    pub fresh_through: DateTime<Utc>,
}

/// One of the listeners of a provider, for as long as it is kept.
#[derive(Debug)]
pub struct Listening {
    provider_id: i32,
    listeners: Arc<Mutex<HashMap<i32, usize>>>,
}

/// What looks for news.
struct Newest {
    pool: PgPool,
    edition: Edition,
    seen: HashMap<i32, Seen>,
}

type ByMinute = HashMap<DateTime<Utc>, Counts>;

/// What came in of a provider.
struct Seen {
    /// By minute, as it was last seen.
    minutes: ByMinute,
    /// All together since it was first.
    readings: Counts,
}

#[derive(sqlx::FromRow)]
struct Row {
    provider_id: i32,
    last_event: i64,
    minute: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    readings: Counts,
}

impl EventWatch {
    /// Looks on connections of `pool`, one at a time.
    pub fn start(pool: PgPool, edition: Edition) -> Self {
        let watch = Watch::start(Newest { pool, edition, seen: HashMap::new() });
        Self { watch, listeners: Arc::default() }
    }

    /// One more listener of a provider; none where it has as many as it may.
    pub fn listen(&self, provider_id: i32) -> Option<Listening> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let number = listeners.entry(provider_id).or_default();
        if *number == OF_ONE {
            return None;
        }
        *number += 1;
        Some(Listening { provider_id, listeners: self.listeners.clone() })
    }

    /// The news of a provider; none where the server ends.
    pub async fn news(&self, provider_id: i32) -> Option<watch::Receiver<Option<News>>> {
        self.watch.news(provider_id).await
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = listeners.get_mut(&self.provider_id) {
            *number -= 1;
            if *number == 0 {
                listeners.remove(&self.provider_id);
            }
        }
    }
}

impl Counts {
    /// What came since there were so many.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            received: self.received - before.received,
            stored: self.stored - before.stored,
            duplicates: self.duplicates - before.duplicates,
            conflicts: self.conflicts - before.conflicts,
            quarantined: self.quarantined - before.quarantined,
            rejected: self.rejected - before.rejected,
        }
    }

    fn add(&mut self, more: &Self) {
        self.received += more.received;
        self.stored += more.stored;
        self.duplicates += more.duplicates;
        self.conflicts += more.conflicts;
        self.quarantined += more.quarantined;
        self.rejected += more.rejected;
    }
}

impl Look<Option<News>> for Newest {
    const FAILED: &'static str = "who listens to events could not be told of news";

    async fn look(&mut self, told: &Senders<Option<News>>) -> sqlx::Result<()> {
        self.seen.retain(|provider_id, _| told.contains_key(provider_id));
        if told.is_empty() {
            return Ok(());
        }
        let providers: Vec<i32> = told.keys().copied().collect();
        let mut db = self.pool.acquire().await?;
        let (horizon, _) = rollup::horizon(&mut db, self.edition).await?;
        let fresh_through = rollup::fresh_through(&mut db, horizon).await?;
        let rows: Vec<Row> =
            sqlx::query_as(include_str!("../../sql/events/news.sql")).bind(providers).fetch_all(&mut *db).await?;
        let mut found: HashMap<i32, (i64, ByMinute)> = HashMap::new();
        for row in rows {
            let (_, minutes) = found.entry(row.provider_id).or_insert_with(|| (row.last_event, ByMinute::new()));
            minutes.extend(row.minute.map(|minute| (minute, row.readings)));
        }
        for (provider_id, (last_event, minutes)) in found {
            if let Some(news) = told.get(&provider_id) {
                let seen = self.seen.entry(provider_id).or_insert_with(|| Seen::first(minutes.clone()));
                seen.follow(minutes);
                news.send_replace(Some(News { last_event, readings: seen.readings, fresh_through }));
            }
        }
        Ok(())
    }
}

impl Seen {
    /// What was there at first is no news.
    fn first(minutes: ByMinute) -> Self {
        Self { minutes, readings: Counts::default() }
    }

    /// Adds what came in since it was last seen; a minute that begins has nothing yet.
    fn follow(&mut self, minutes: ByMinute) {
        for (minute, readings) in &minutes {
            let before = self.minutes.get(minute).copied().unwrap_or_default();
            self.readings.add(&readings.since(&before));
        }
        self.minutes = minutes;
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn minutes(minutes: &[(i64, i64)]) -> ByMinute {
        let minute = |number: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(number);
        let readings = |received| Counts { received, stored: received, ..Counts::default() };
        minutes.iter().map(|(number, received)| (minute(*number), readings(*received))).collect()
    }

    #[test]
    fn what_came_in_adds_up_from_minute_to_minute() {
        let mut seen = Seen::first(minutes(&[(1, 100), (2, 10)]));
        assert_eq!(seen.readings, Counts::default());
        seen.follow(minutes(&[(1, 100), (2, 15)]));
        assert_eq!(seen.readings.received, 5);
        seen.follow(minutes(&[(2, 16), (3, 2)]));
        assert_eq!((seen.readings.received, seen.readings.stored), (8, 8));
    }
}
