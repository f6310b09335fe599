//! Telling webhooks of events. Every server does: it takes deliveries that are due, for a time within which it has made its
//! attempt; were it killed, others take them after that. So an event is told again and again until somebody knows that it was
//! taken, under one id by which whoever is told can see that.
//!
//! A webhook that does not answer holds up nobody else: of each only a few deliveries are under way, and those that fail have
//! room of their own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgPool;
use tokio::task::{Id, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::events::Told;
use crate::webhooks::post::{ATTEMPT_TIME, Message, Outcome, Poster};
use crate::webhooks::secret::{self, Secret};
use crate::webhooks::settings::{Clock, Settings};

/// Attempts of a server at once to webhooks that do not fail; as many to those that do.
pub const ATTEMPTS: usize = 64;

/// Of those, to one webhook that does not fail, and to one that does.
const OF_ONE: [i64; 2] = [4, 1];

/// For how long a server takes a delivery: an attempt with time to write down what came of it.
const CLAIMED: Duration = Duration::from_secs(60);

/// Attempts of a delivery that are kept to be seen.
const KEPT_ATTEMPTS: i32 = 50;

/// How often it is looked for what is due.
const LOOK: Duration = Duration::from_secs(1);

/// Longest wait between looks while the database cannot be reached.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The wait after the first attempt; it doubles with each, up to the longest.
const FIRST_WAIT: f64 = 5.0;
const LONGEST_WAIT: f64 = 2.0 * 3600.0;

/// How long attempts under way get when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct Courier {
    pool: PgPool,
    poster: Poster,
    clock: Clock,
}

/// A delivery that was taken.
#[derive(Debug, sqlx::FromRow)]
struct Claimed {
    delivery_id: i64,
    claim: Uuid,
    message_id: Uuid,
    attempts: i32,
    webhook_id: i32,
    url: String,
    secret: Secret,
    previous_secret: Option<Secret>,
    time: DateTime<Utc>,
    #[sqlx(flatten)]
    told: Told,
}

/// Attempts that are being made.
#[derive(Debug, Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    made: HashMap<Id, Attempt>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    webhook_id: i32,
    claim: Uuid,
    /// Whether it is to a webhook that fails.
    fails: bool,
}

impl Courier {
    pub fn new(pool: PgPool, settings: &Settings) -> Self {
        Self { pool, poster: Poster::new(&settings.reach, settings.patience), clock: settings.clock.clone() }
    }

    /// Tells what is due until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let courier = Arc::new(self);
        let (mut under_way, mut pause) = (UnderWay::default(), LOOK);
        while !stop.is_cancelled() {
            match courier.take(&mut under_way).await {
                Ok(()) => pause = LOOK,
                Err(error) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tracing::warn!(%error, again_in = ?pause, "webhooks could not be told of events");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                // Where one is done there is room for another.
                () = under_way.one_done(), if !under_way.made.is_empty() => {}
                () = sleep(pause) => {}
            }
        }
        courier.leave(under_way).await;
    }

    /// Begins the attempts that are due and for which there is room.
    async fn take(self: &Arc<Self>, under_way: &mut UnderWay) -> sqlx::Result<()> {
        for fails in [false, true] {
            let (room, busy) = under_way.room(fails);
            if room == 0 {
                continue;
            }
            let claimed: Vec<Claimed> = sqlx::query_as(include_str!("../../sql/webhooks/claim.sql"))
                .bind(fails)
                .bind(room as i64)
                .bind(OF_ONE[usize::from(fails)])
                .bind(busy.keys().copied().collect::<Vec<_>>())
                .bind(busy.values().copied().collect::<Vec<_>>())
                .bind(CLAIMED.as_secs_f64())
                .bind(self.clock.ahead())
                .fetch_all(&self.pool)
                .await?;
            for delivery in claimed {
                let attempt = Attempt { webhook_id: delivery.webhook_id, claim: delivery.claim, fails };
                let courier = self.clone();
                let task = under_way.tasks.spawn(async move { courier.attempt(delivery).await });
                under_way.made.insert(task.id(), attempt);
            }
        }
        Ok(())
    }

    /// Makes an attempt, and writes down what came of it.
    async fn attempt(&self, delivery: Claimed) {
        let message = delivery.message();
        let outcome = self.poster.post(&message).await;
        let wait = wait(delivery.attempts, random());
        // Should the database be away: it may be back before others take the delivery.
        let mut left = CLAIMED.saturating_sub(ATTEMPT_TIME).as_secs() / LOOK.as_secs();
        loop {
            match self.finish(&delivery, &outcome, wait).await {
                Ok(state) => return count(&outcome, state.as_deref()),
                Err(error) if left == 0 => {
                    return tracing::warn!(%error, "what came of a delivery was not written down");
                }
                Err(_) => left -= 1,
            }
            sleep(LOOK).await;
        }
    }

    /// The state in which the delivery is now; none where it was taken by another server, or is gone.
    async fn finish(&self, delivery: &Claimed, outcome: &Outcome, wait: f64) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar(include_str!("../../sql/webhooks/finish.sql"))
            .bind(delivery.delivery_id)
            .bind(delivery.claim)
            .bind(delivery.time)
            .bind(i32::try_from(outcome.took.as_millis()).unwrap_or(i32::MAX))
            .bind(outcome.status.map(u16::cast_signed))
            .bind(&outcome.error)
            .bind(wait)
            .bind(KEPT_ATTEMPTS)
            .bind(self.clock.ahead())
            .fetch_optional(&self.pool)
            .await
    }

    /// Waits a little for what is under way; what is not done then others make anew.
    async fn leave(&self, mut under_way: UnderWay) {
        let all_done = async {
            while !under_way.made.is_empty() {
                under_way.one_done().await;
            }
        };
        if timeout(LAST_WORDS, all_done).await.is_ok() {
            return;
        }
        under_way.tasks.shutdown().await;
        let claims: Vec<Uuid> = under_way.made.values().map(|attempt| attempt.claim).collect();
        let leave = sqlx::query(include_str!("../../sql/webhooks/leave.sql")).bind(claims).bind(self.clock.ahead());
        if let Err(error) = leave.execute(&self.pool).await {
            tracing::warn!(%error, "attempts that were broken off are made anew by other servers, in a minute");
        }
    }
}

impl UnderWay {
    /// Ready when an attempt is done, and any others that are by then.
    async fn one_done(&mut self) {
        let mut done = self.tasks.join_next_with_id().await;
        while let Some(ended) = done {
            let id = ended.map_or_else(|failed| failed.id(), |(id, ())| id);
            self.made.remove(&id);
            done = self.tasks.try_join_next_with_id();
        }
    }

    /// For how many attempts there is room, and how many are made to each webhook.
    fn room(&self, fails: bool) -> (usize, HashMap<i32, i64>) {
        let alike = self.made.values().filter(|attempt| attempt.fails == fails).count();
        let mut busy = HashMap::new();
        for attempt in self.made.values() {
            *busy.entry(attempt.webhook_id).or_default() += 1;
        }
        (ATTEMPTS.saturating_sub(alike), busy)
    }
}

impl Claimed {
    fn message(&self) -> Message {
        let body = body(&self.told);
        let (id, timestamp) = (self.message_id.to_string(), self.time.timestamp());
        let secrets: Vec<&Secret> = [Some(&self.secret), self.previous_secret.as_ref()].into_iter().flatten().collect();
        let signatures = secret::signatures(&secrets, &id, timestamp, &body);
        Message { url: self.url.clone(), id, timestamp, signatures, body }
    }
}

/// What is signed and sent. Its fields are in the order of their names, as those of any `Value`, not in that of `Told`.
fn body(told: &Told) -> String {
    json!(told).to_string()
}

/// Seconds until the next attempt after so many: between half and all of a time that doubles, by chance, so that what failed
/// together is not tried again together.
fn wait(attempts: i32, chance: f64) -> f64 {
    let longest = (FIRST_WAIT * 2_f64.powi(attempts.clamp(0, 20))).min(LONGEST_WAIT);
    longest * (0.5 + chance / 2.0)
}

/// From 0 to 1.
fn random() -> f64 {
    let mut bytes = [0; 4];
    // Where the system has no random numbers, any will do.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

fn count(outcome: &Outcome, state: Option<&str>) {
    let outcome = match (state, &outcome.error) {
        (Some("dead"), _) => "given_up",
        (_, Some(_)) => "failed",
        (_, None) => "delivered",
    };
    metrics::counter!("meterbase_webhook_attempts_total", "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_fields_in_the_order_of_their_names() {
        let told = Told {
            id: Uuid::nil(),
            kind: "alert.firing".to_owned(),
            timestamp: DateTime::UNIX_EPOCH,
            provider: "north".to_owned(),
            customer: None,
            subject: "acme-day".to_owned(),
            data: json!({"step": 80, "name": "Acme"}),
        };
        let expected = concat!(
            r#"{"customer":null,"data":{"name":"Acme","step":80},"id":"00000000-0000-0000-0000-000000000000","#,
            r#""provider":"north","subject":"acme-day","timestamp":"1970-01-01T00:00:00Z","type":"alert.firing"}"#
        );
        assert_eq!(body(&told), expected);
    }

    #[test]
    fn waits_double_up_to_the_longest_and_differ_by_chance() {
        assert_eq!([0, 1, 2, 10].map(|attempts| wait(attempts, 1.0)), [5.0, 10.0, 20.0, 5120.0]);
        assert_eq!([11, 20, i32::MAX].map(|attempts| wait(attempts, 1.0)), [LONGEST_WAIT; 3]);
        assert_eq!([0.0, 0.5].map(|chance| wait(0, chance)), [2.5, 3.75]);
        // A day has room for some twenty attempts.
        let attempts = (0..).scan(0.0, |at, n| {
            *at += wait(n, 0.5);
            Some(*at)
        });
        let in_a_day = attempts.take_while(|at| *at < 86_400.0).count();
        assert!((20..30).contains(&in_a_day), "{in_a_day}");
    }
}
