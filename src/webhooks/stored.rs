//! Webhooks as the database keeps them, and as the API shows them: without their secrets.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::core::entity::Ref;
use crate::http::access::Tenant;
use crate::http::problem::{Code, Problem, Result};
use crate::registry::audit;
use crate::webhooks::secret::Secret;

/// Most webhooks of a provider.
pub const MOST_WEBHOOKS: i64 = 50;

/// First key of the advisory locks under which a provider's webhooks, the second, are made: "whks" in ASCII.
const LOCK: i32 = 0x7768_6b73;

/// A webhook without its secret.
#[derive(Debug, Clone, sqlx::FromRow, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct StoredWebhook {
    #[serde(skip)]
    pub webhook_id: i32,
    /// UUIDv7 given by the server.
    pub id: Uuid,
    /// Key chosen by the provider.
    #[schema(example = "pager")]
    pub key: String,
    #[schema(example = "https://example.com/hooks/meterbase")]
    pub url: String,
    /// Types of the events that it is told.
    #[schema(example = json!(["alert.firing", "alert.resolved"]))]
    pub events: Vec<String>,
    /// Whether it is told anything.
    pub enabled: bool,
    /// How it is: `ok`; `failing` where five attempts or more failed since the last that did not; `disabled`.
    #[schema(example = "ok")]
    pub state: String,
    /// How many attempts failed since the last that did not.
    #[schema(example = 0)]
    pub failures: i32,
    /// When the first of them failed; null where there is none.
    #[schema(required, example = json!(null))]
    pub failing_since: Option<DateTime<Utc>>,
    /// When it last took an event; null for never.
    #[schema(required)]
    pub last_success_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// When somebody last changed it.
    pub updated_at: DateTime<Utc>,
    /// When it got its present secret; null for the one it was made with.
    #[schema(required, example = json!(null))]
    pub rotated_at: Option<DateTime<Utc>>,
    /// Until when the secret before signs too; null where there was none.
    #[schema(required, example = json!(null))]
    pub previous_until: Option<DateTime<Utc>>,
}

/// What somebody says of a webhook.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub url: &'a str,
    /// In the order of their names, each once.
    pub events: Vec<&'static str>,
    pub enabled: bool,
}

pub async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<StoredWebhook> {
    look_up(db, tenant, name).await?.ok_or_else(|| Problem::no_such("webhook", name, None))
}

async fn look_up(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> sqlx::Result<Option<StoredWebhook>> {
    tenant
        .query_as(include_str!("../../sql/webhooks/list.sql"))
        .bind(name.key())
        .bind(name.id())
        .bind(None::<&str>)
        .bind(1_i64)
        .fetch_optional(db)
        .await
}

/// Webhooks by key, behind one; at most so many.
pub async fn list(
    db: &mut PgConnection,
    tenant: &Tenant,
    behind: Option<&str>,
    most: i64,
) -> sqlx::Result<Vec<StoredWebhook>> {
    tenant
        .query_as(include_str!("../../sql/webhooks/list.sql"))
        .bind(None::<&str>)
        .bind(None::<Uuid>)
        .bind(behind)
        .bind(most)
        .fetch_all(db)
        .await
}

/// Makes a webhook, or changes the one that is there; gives how it was and is, and the secret of a new one.
pub async fn put(
    db: &mut PgConnection,
    tenant: &Tenant,
    name: &Ref,
    wanted: &Wanted<'_>,
) -> Result<(Option<StoredWebhook>, StoredWebhook, Option<Secret>)> {
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(LOCK).bind(tenant.provider_id());
    lock.execute(&mut *db).await?;
    let before = look_up(db, tenant, name).await?;
    let secret = Secret::random().map_err(Problem::internal)?;
    let change = match (&before, name.key()) {
        (None, None) => return Err(Problem::no_such("webhook", name, None)),
        (Some(_), _) => tenant.query_as(include_str!("../../sql/webhooks/change.sql")).bind(name.key()).bind(name.id()),
        (None, key) => {
            let create = tenant.query_as(include_str!("../../sql/webhooks/create.sql"));
            create.bind(key).bind(Uuid::now_v7()).bind(secret.bytes()).bind(MOST_WEBHOOKS)
        }
    };
    let change = change.bind(wanted.url).bind(&wanted.events).bind(wanted.enabled);
    let _changed: Option<(i32,)> = change.fetch_optional(&mut *db).await?;
    let after = look_up(db, tenant, name).await?.ok_or_else(|| {
        Problem::new(Code::TooManyWebhooks, format!("the provider has {MOST_WEBHOOKS} webhooks; delete one before"))
    })?;
    let secret = before.is_none().then_some(secret);
    Ok((before, after, secret))
}

/// A webhook as the audit keeps it: how it fares is no change of it.
pub fn audited(webhook: &StoredWebhook) -> sqlx::Result<serde_json::Value> {
    let mut shown = audit::shown(webhook)?;
    if let Some(fields) = shown.as_object_mut() {
        for fares in ["state", "failures", "failing_since", "last_success_at"] {
            fields.remove(fares);
        }
    }
    Ok(shown)
}
