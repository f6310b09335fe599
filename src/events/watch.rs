//! What is new of providers that somebody listens to. Each server looks once a second, with one statement for all of them,
//! however many listen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::database::Edition;
use crate::rollup;

/// How often it is looked for news.
const LOOK: Duration = Duration::from_secs(1);

/// Most requests that wait to be told where to listen.
const MOST: usize = 1_000;

/// Most listeners of a provider on a server.
pub const OF_ONE: usize = 64;

/// Where listeners ask. What answers them ends with it.
#[derive(Debug)]
pub struct EventWatch {
    ask: mpsc::Sender<Question>,
    listeners: Arc<Mutex<HashMap<i32, usize>>>,
}

/// How far a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// Number of its last event.
    pub last_event: i64,
    /// What came in since somebody listens.
    pub readings: Readings,
    /// Every reading recorded before this is in the figures.
    pub fresh_through: DateTime<Utc>,
}

/// Numbers of readings by their verdicts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Readings {
    pub received: i64,
    pub stored: i64,
    pub duplicates: i64,
    pub conflicts: i64,
    pub quarantined: i64,
    pub rejected: i64,
}

/// One of the listeners of a provider, for as long as it is kept.
#[derive(Debug)]
pub struct Listening {
    provider_id: i32,
    listeners: Arc<Mutex<HashMap<i32, usize>>>,
}

#[derive(Debug)]
struct Question {
    provider_id: i32,
    answer: oneshot::Sender<watch::Receiver<Option<News>>>,
}

/// What is known of a provider.
#[derive(Debug)]
struct Known {
    news: watch::Sender<Option<News>>,
    /// What came in by day, as it was last seen, and all together since it was first.
    days: HashMap<NaiveDate, Readings>,
    readings: Readings,
}

#[derive(sqlx::FromRow)]
struct Row {
    provider_id: i32,
    last_event: i64,
    day: Option<NaiveDate>,
    #[sqlx(flatten)]
    readings: Readings,
}

impl EventWatch {
    /// Looks on connections of `pool`, one at a time.
    pub fn start(pool: PgPool, edition: Edition) -> Self {
        let (ask, asked) = mpsc::channel(MOST);
        tokio::spawn(run(pool, edition, asked));
        Self { ask, listeners: Arc::default() }
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
        let (answer, news) = oneshot::channel();
        self.ask.send(Question { provider_id, answer }).await.ok()?;
        news.await.ok()
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

impl Readings {
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

async fn run(pool: PgPool, edition: Edition, mut asked: mpsc::Receiver<Question>) {
    let (mut known, mut next) = (HashMap::<i32, Known>::new(), Instant::now());
    loop {
        let question = if known.is_empty() {
            asked.recv().await.map(Some)
        } else {
            tokio::select! {
                question = asked.recv() => question.map(Some),
                () = sleep_until(next) => Some(None),
            }
        };
        match question {
            Some(Some(Question { provider_id, answer })) => {
                let known = known.entry(provider_id).or_insert_with(Known::nothing);
                // Who does not listen any more was broken off.
                let _ = answer.send(known.news.subscribe());
            }
            Some(None) => {
                known.retain(|_, known| !known.news.is_closed());
                if let Err(error) = look(&pool, edition, &mut known).await {
                    tracing::warn!(%error, "who listens to events could not be told of news");
                }
                next = Instant::now() + LOOK;
            }
            None => return,
        }
    }
}

async fn look(pool: &PgPool, edition: Edition, known: &mut HashMap<i32, Known>) -> sqlx::Result<()> {
    if known.is_empty() {
        return Ok(());
    }
    let providers: Vec<i32> = known.keys().copied().collect();
    let mut db = pool.acquire().await?;
    let (horizon, _) = rollup::horizon(&mut db, edition).await?;
    let fresh_through = rollup::fresh_through(&mut db, horizon).await?;
    let rows: Vec<Row> =
        sqlx::query_as(include_str!("../../sql/events/news.sql")).bind(providers).fetch_all(&mut *db).await?;
    let mut last = HashMap::new();
    let mut days: HashMap<i32, HashMap<NaiveDate, Readings>> = HashMap::new();
    for row in rows {
        last.insert(row.provider_id, row.last_event);
        let of_provider = days.entry(row.provider_id).or_default();
        of_provider.extend(row.day.map(|day| (day, row.readings)));
    }
    for (provider_id, days) in days {
        if let (Some(known), Some(last_event)) = (known.get_mut(&provider_id), last.get(&provider_id)) {
            known.follow(days);
            let news = News { last_event: *last_event, readings: known.readings, fresh_through };
            known.news.send_replace(Some(news));
        }
    }
    Ok(())
}

impl Known {
    fn nothing() -> Self {
        Self { news: watch::Sender::new(None), days: HashMap::new(), readings: Readings::default() }
    }

    /// Adds what came in since it was last seen. What was there at first is no news; a day that begins has nothing yet.
    fn follow(&mut self, days: HashMap<NaiveDate, Readings>) {
        if self.news.borrow().is_some() {
            for (day, readings) in &days {
                let before = self.days.get(day).copied().unwrap_or_default();
                self.readings.add(&readings.since(&before));
            }
        }
        self.days = days;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: &[(u32, i64)]) -> HashMap<NaiveDate, Readings> {
        let day = |number| NaiveDate::from_ymd_opt(2026, 3, number).unwrap();
        let readings = |received| Readings { received, stored: received, ..Readings::default() };
        days.iter().map(|(number, received)| (day(*number), readings(*received))).collect()
    }

    #[test]
    fn what_came_in_adds_up_over_midnight() {
        let mut known = Known::nothing();
        known.follow(days(&[(1, 100), (2, 10)]));
        assert_eq!(known.readings, Readings::default());
        let news = News { last_event: 0, readings: known.readings, fresh_through: Utc::now() };
        known.news.send_replace(Some(news));
        known.follow(days(&[(1, 100), (2, 15)]));
        assert_eq!(known.readings.received, 5);
        known.follow(days(&[(2, 16), (3, 2)]));
        assert_eq!((known.readings.received, known.readings.stored), (8, 8));
    }
}
