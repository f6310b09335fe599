//! Writing events.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

macro_rules! types {
    ($($variant:ident = $word:literal;)*) => {
        /// What kind of thing happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum EventType { $(#[serde(rename = $word)] $variant),* }

        impl EventType {
            /// All types.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As the database and callers name it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        // By hand: what derives it sees the variants' names alone where a macro makes them.
        impl PartialSchema for EventType {
            fn schema() -> RefOr<Schema> {
                let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),*]));
                words.description(Some("What kind of thing happened.")).into()
            }
        }

        impl ToSchema for EventType {}
    };
}

types! {
    AlertFiring = "alert.firing";
    AlertResolved = "alert.resolved";
    WebhookTest = "webhook.test";
}

/// Most bytes of what else is to be told, as JSON.
pub const MAX_DATA: usize = 64 * 1024;

/// How long the delivery of an event is tried again.
pub const RETRIED_FOR: Duration = Duration::from_secs(24 * 3600);

/// First key of the advisory locks under which events of a provider, the second, are numbered: "evnt" in ASCII.
const LOCK: i32 = 0x6576_6e74;

/// An event to be written.
#[derive(Debug)]
pub struct NewEvent<'a> {
    pub provider_id: i32,
    /// The customer that it concerns: who sees only a part of the provider is told where this is in it. None for the provider
    /// as a whole.
    pub customer_id: Option<i32>,
    pub kind: EventType,
    /// Key, or else id, of what it happened to; up to 256 characters.
    pub subject: &'a str,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What else is to be told: a JSON object of up to [`MAX_DATA`] bytes, as webhooks and dashboards get it.
    pub data: Value,
}

/// Writes events; they happened if the caller's transaction commits. Until it ends, others wait who write events of the same
/// providers, so that what follows a provider's events by their numbers misses none: to be called last in a transaction.
pub async fn record(transaction: &mut PgConnection, events: &[NewEvent<'_>]) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let providers: Vec<i32> = events.iter().map(|event| event.provider_id).collect();
    lock(transaction, &providers).await?;
    sqlx::query(include_str!("../../sql/events/record.sql"))
        .bind(events.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
        .bind(providers)
        .bind(events.iter().map(|event| event.customer_id).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.subject).collect::<Vec<_>>())
        .bind(events.iter().map(|event| event.at).collect::<Vec<_>>())
        .bind(events.iter().map(|event| &event.data).collect::<Vec<_>>())
        .bind(RETRIED_FOR.as_secs_f64())
        .execute(transaction)
        .await
        .map(drop)
}

/// Writes an event of type `webhook.test` that one webhook alone is told; gives the id of its delivery.
pub async fn record_test(transaction: &mut PgConnection, provider_id: i32, webhook_id: i32) -> sqlx::Result<Uuid> {
    lock(transaction, &[provider_id]).await?;
    sqlx::query_scalar(include_str!("../../sql/events/test.sql"))
        .bind(Uuid::now_v7())
        .bind(webhook_id)
        .bind(EventType::WebhookTest.as_str())
        .bind(json!({"message": "This is a test."}))
        .bind(RETRIED_FOR.as_secs_f64())
        .fetch_one(transaction)
        .await
}

/// Nobody else numbers events of these providers until the transaction ends.
async fn lock(transaction: &mut PgConnection, providers: &[i32]) -> sqlx::Result<()> {
    let lock = sqlx::query(include_str!("../../sql/events/lock.sql")).bind(LOCK).bind(providers);
    lock.execute(transaction).await.map(drop)
}
