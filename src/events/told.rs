//! What is told of an event.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// Something that happened, as listeners and webhooks are told it.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub struct Told {
    /// UUIDv7 given by the server.
    pub id: Uuid,
    /// What kind of thing happened.
    #[sqlx(rename = "type")]
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    #[sqlx(rename = "at")]
    pub timestamp: DateTime<Utc>,
    /// Key of the provider.
    pub provider: String,
    /// Key of the customer that it concerns; null for the provider as a whole.
    pub customer: Option<String>,
    /// Key, or else id, of what it happened to.
    pub subject: String,
    /// What else there is to tell.
    pub data: Value,
}
