//! What is new of providers, and parts of them, that somebody listens to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;

use crate::database::Edition;
use crate::forget::Kept;
use crate::http::access::Tenant;
use crate::ingest::Counts;
use crate::keys::Subtree;
use crate::rollup;
use crate::watch::{Look, Senders, Watch};

/// Most listeners of a provider on a server.
pub const OF_ONE: usize = 64;

/// How long what comes in of a part is counted for its listeners after a server said that there are any; they say so again
/// when half of it is over.
const COUNTED: Duration = Duration::from_secs(120);

/// Parts that nobody listens to any more go soon: whatever stores readings looks through those that are there.
pub const PARTS: Kept = Kept {
    what: "parts of providers that nobody listens to",
    delete: include_str!("../../sql/events/forget_listened.sql"),
    age: Duration::ZERO,
    most: None,
    look: Duration::from_secs(60),
};

/// What came in of parts is kept until every server has told it.
pub const MINUTES: Kept = Kept {
    what: "minutes of what listeners were told",
    delete: include_str!("../../sql/events/forget_minutes.sql"),
    age: Duration::from_secs(15 * 60),
    most: None,
    look: Duration::from_secs(60),
};

/// Where listeners ask.
#[derive(Debug)]
pub struct EventWatch {
    watch: Watch<Seen, Option<News>>,
    listeners: Arc<Mutex<HashMap<i32, usize>>>,
}

/// What a listener sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    provider_id: i32,
    /// The customer that it sees alone, with all below it; none for the whole provider.
    customer_id: Option<i32>,
}

/// How far a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// Number of its last event.
    pub last_event: i64,
    /// What came in of what is seen since somebody listens.
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
    counted: HashMap<Seen, Counted>,
}

type ByMinute = HashMap<DateTime<Utc>, Counts>;

/// What came in.
struct Counted {
    /// By minute, as it was last seen.
    minutes: ByMinute,
    /// All together since it was first.
    readings: Counts,
}

#[derive(sqlx::FromRow)]
struct Row {
    provider_id: i32,
    customer_id: Option<i32>,
    last_event: i64,
    minute: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    readings: Counts,
}

impl EventWatch {
    /// Looks on connections of `pool`, one at a time.
    pub fn start(pool: PgPool, edition: Edition) -> Self {
        let watch = Watch::start(Newest { pool, edition, counted: HashMap::new() });
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

    /// The news of what is seen; none where the server ends. What comes in of it is told from the first news on that are
    /// news to the receiver, whichever server stores it.
    pub async fn news(&self, seen: Seen) -> Option<watch::Receiver<Option<News>>> {
        self.watch.news(seen).await
    }
}

impl Seen {
    pub fn by(tenant: &Tenant) -> Self {
        let customer_id = tenant.subtree().map(|Subtree { root, .. }| *root);
        Self { provider_id: tenant.provider_id(), customer_id }
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

impl Newest {
    /// Has every server count what comes in of parts.
    async fn listen(db: &mut PgConnection, parts: &[(i32, i32)]) -> sqlx::Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        sqlx::query(include_str!("../../sql/events/listen.sql"))
            .bind(parts.iter().map(|(provider_id, _)| *provider_id).collect::<Vec<_>>())
            .bind(parts.iter().map(|(_, customer_id)| *customer_id).collect::<Vec<_>>())
            .bind(COUNTED.as_secs_f64())
            .execute(db)
            .await
            .map(drop)
    }
}

impl Look<Seen, Option<News>> for Newest {
    const FAILED: &'static str = "who listens to events could not be told of news";

    async fn look(&mut self, told: &Senders<Seen, Option<News>>) -> sqlx::Result<()> {
        self.counted.retain(|seen, _| told.contains_key(seen));
        if told.is_empty() {
            return Ok(());
        }
        let mut db = self.pool.acquire().await?;
        let parts = told.keys().filter_map(|seen| Some((seen.provider_id, seen.customer_id?)));
        // First: whoever is told the news may rely on it that all that comes from then on is counted.
        Self::listen(&mut db, &parts.collect::<Vec<_>>()).await?;
        let (horizon, _) = rollup::horizon(&mut db, self.edition).await?;
        let fresh_through = rollup::fresh_through(&mut db, horizon).await?;
        let rows: Vec<Row> = sqlx::query_as(include_str!("../../sql/events/news.sql"))
            .bind(told.keys().map(|seen| seen.provider_id).collect::<Vec<_>>())
            .bind(told.keys().map(|seen| seen.customer_id).collect::<Vec<_>>())
            .fetch_all(&mut *db)
            .await?;
        let mut found: HashMap<Seen, (i64, ByMinute)> = HashMap::new();
        for row in rows {
            let seen = Seen { provider_id: row.provider_id, customer_id: row.customer_id };
            let (_, minutes) = found.entry(seen).or_insert_with(|| (row.last_event, ByMinute::new()));
            minutes.extend(row.minute.map(|minute| (minute, row.readings)));
        }
        for (seen, (last_event, minutes)) in found {
            if let Some(news) = told.get(&seen) {
                let counted = self.counted.entry(seen).or_insert_with(|| Counted::first(minutes.clone()));
                counted.follow(minutes);
                news.send_replace(Some(News { last_event, readings: counted.readings, fresh_through }));
            }
        }
        Ok(())
    }
}

impl Counted {
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
        let mut counted = Counted::first(minutes(&[(1, 100), (2, 10)]));
        assert_eq!(counted.readings, Counts::default());
        counted.follow(minutes(&[(1, 100), (2, 15)]));
        assert_eq!(counted.readings.received, 5);
        counted.follow(minutes(&[(2, 16), (3, 2)]));
        assert_eq!((counted.readings.received, counted.readings.stored), (8, 8));
    }
}
