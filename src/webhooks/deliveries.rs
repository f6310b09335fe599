//! What a webhook was told and is to be told: each attempt can be seen, and each event sent again.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use sqlx::types::Json as Kept;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::events::{EventType, RETRIED_FOR};
use crate::http::access::Writer;
use crate::http::extract::{NoParameters, PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::registry::audit::{self, Action, Entry};
use crate::webhooks::operations::locked;
use crate::webhooks::stored::{self, StoredWebhook};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(resend)).routes(routes!(test))
}

/// An event that a webhook is to be told, or was.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct Delivery {
    #[serde(skip)]
    delivery_id: i64,
    /// What `webhook-id` says in each attempt.
    id: Uuid,
    /// `pending`, `delivered`, or `dead`: given up.
    #[schema(example = "pending")]
    state: String,
    /// Id of the event.
    event: Uuid,
    /// Type of the event.
    #[sqlx(rename = "type")]
    #[serde(rename = "type")]
    #[schema(example = "alert.firing")]
    kind: String,
    /// Key, or else id, of what it happened to.
    #[schema(example = "night-use")]
    subject: String,
    /// When it happened.
    at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    /// When the next attempt is due; null where there is none to be.
    #[schema(required)]
    due_at: Option<DateTime<Utc>>,
    /// When it was delivered or given up; null while it is pending.
    #[schema(required)]
    done_at: Option<DateTime<Utc>>,
    /// How many attempts there were.
    #[schema(example = 1)]
    made: i32,
    /// The latest fifty of them, in their order.
    #[schema(value_type = Vec<Attempt>)]
    attempts: Kept<Vec<Attempt>>,
}

/// One attempt to tell a webhook of an event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub struct Attempt {
    /// From 1.
    #[schema(example = 1)]
    number: i32,
    /// When it began.
    at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    #[schema(example = 35)]
    millis: i32,
    /// Status of the answer; null where there was none.
    #[schema(required, example = 500)]
    status: Option<u16>,
    /// Why it failed; null where it did not.
    #[schema(required, example = "answered 500")]
    error: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Only those that are `pending`, `delivered` or `dead`.
    #[param(value_type = Option<String>, example = "dead")]
    state: Option<DeliveryState>,
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DeliveryState {
    Pending,
    Delivered,
    Dead,
}

impl DeliveryState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// What a webhook was told and is to be told
///
/// Latest first, with each attempt. They go with their events, which are kept for 30 days.
#[utoipa::path(get, path = "/v1/webhooks/{key}/deliveries", tag = "Events",
    params(("key" = String, Path, description = "Key or id of the webhook", example = "pager"), ListParameters),
    responses((status = 200, description = "A page of deliveries", body = Page<Delivery>)))]
async fn list(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let before: Option<i64> = window.behind(|number| number.parse().ok())?;
    let mut db = app.query.acquire().await?;
    let webhook = stored::find(&mut db, &tenant, &path.0).await?;
    let rows: Vec<Delivery> = sqlx::query_as(include_str!("../../sql/webhooks/deliveries.sql"))
        .bind(webhook.webhook_id)
        .bind(None::<Uuid>)
        .bind(query.state.map(DeliveryState::as_str))
        .bind(before)
        .bind(window.rows())
        .fetch_all(&mut *db)
        .await?;
    Ok(window.page(rows, |delivery| delivery.delivery_id.to_string()).respond(&uri))
}

/// Send an event to a webhook again
///
/// At once, and for another day where that fails, also one that was given up; under the same id, so that who took it before can
/// tell.
#[utoipa::path(post, path = "/v1/webhooks/{key}/deliveries/{id}/resend", tag = "Events",
    params(("key" = String, Path, description = "Key or id of the webhook", example = "pager"),
        ("id" = Uuid, Path, description = "Id of the delivery")),
    responses(
        (status = 202, description = "To be sent", body = Delivery),
        (status = 409, description = "`webhook_disabled`: it is told nothing; `conflict`: it is being sent just now",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn resend(
    State(app): State<App>,
    Writer(tenant): Writer,
    Path((key, id)): Path<(String, String)>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<(StatusCode, Json<Delivery>)> {
    let name = key.parse().map_err(|why| Problem::parameter("key", format!("{key:?}: {why}")))?;
    let mut db = app.query.begin().await?;
    let webhook = locked(&mut db, &tenant, &name).await?;
    let no_such = || Problem::no_such("delivery", &id, None);
    let uuid = id.parse().map_err(|_| no_such())?;
    let before = find(&mut db, &webhook, uuid).await?.ok_or_else(no_such)?;
    check_enabled(&webhook)?;
    let resend = sqlx::query(include_str!("../../sql/webhooks/resend.sql"))
        .bind(webhook.webhook_id)
        .bind(uuid)
        .bind(RETRIED_FOR.as_secs_f64());
    if resend.execute(&mut *db).await?.rows_affected() == 0 {
        return Err(Problem::new(Code::Conflict, "a server is sending it just now"));
    }
    let after = find(&mut db, &webhook, uuid).await?.ok_or_else(no_such)?;
    let shown = |delivery: &Delivery| json!({"delivery": delivery.id, "state": delivery.state});
    let entry = Entry { entity: &webhook.key, before: Some(shown(&before)), after: Some(shown(&after)) };
    audit::write(&mut db, &tenant.by, Action::WebhookResend, &[entry]).await?;
    db.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(after)))
}

/// Tell a webhook of a test
///
/// An event of type `webhook.test`, which no other webhook is told; its delivery is seen like any other.
#[utoipa::path(post, path = "/v1/webhooks/{key}/test", tag = "Events",
    params(("key" = String, Path, description = "Key or id of the webhook", example = "pager")),
    responses(
        (status = 202, description = "To be sent", body = Delivery),
        (status = 409, description = "`webhook_disabled`: it is told nothing",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn test(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<(StatusCode, Json<Delivery>)> {
    let mut db = app.query.begin().await?;
    let webhook = locked(&mut db, &tenant, &path.0).await?;
    check_enabled(&webhook)?;
    let id = crate::events::record_test(&mut db, tenant.provider_id(), webhook.webhook_id).await?;
    let delivery = find(&mut db, &webhook, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let after = Some(json!({"delivery": delivery.id, "type": EventType::WebhookTest}));
    let entry = Entry { entity: &webhook.key, before: None, after };
    audit::write(&mut db, &tenant.by, Action::WebhookTest, &[entry]).await?;
    db.commit().await?;
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}

fn check_enabled(webhook: &StoredWebhook) -> Result<()> {
    if webhook.enabled {
        return Ok(());
    }
    Err(Problem::new(Code::WebhookDisabled, "the webhook is not enabled, so it is told nothing"))
}

async fn find(db: &mut PgConnection, webhook: &StoredWebhook, id: Uuid) -> sqlx::Result<Option<Delivery>> {
    sqlx::query_as(include_str!("../../sql/webhooks/deliveries.sql"))
        .bind(webhook.webhook_id)
        .bind(id)
        .bind(None::<&str>)
        .bind(None::<i64>)
        .bind(1_i64)
        .fetch_optional(db)
        .await
}
