//! `/v1/webhooks`: addresses that are told of events.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::TimeDelta;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::entity::Ref;
use crate::core::interval::Interval;
use crate::events::EventType;
use crate::http::access::{Tenant, Writer};
use crate::http::extract::{Body, BodyOrNone, NoParameters, PathRef, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, ProblemBody, Result};
use crate::registry::audit::{self, Action, Entry};
use crate::registry::{check_text, put_status};
use crate::webhooks::post;
use crate::webhooks::secret::Secret;
use crate::webhooks::settings::Reach;
use crate::webhooks::stored::{self, StoredWebhook, Wanted};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, get, delete)).routes(routes!(rotate))
}

/// What is said of a webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutWebhook {
    /// Where events are posted: HTTPS, unless the server was started to allow more.
    #[schema(example = "https://example.com/hooks/meterbase", max_length = 2048)]
    url: String,
    /// Types of the events to be told, one at least.
    #[schema(example = json!(["alert.firing", "alert.resolved"]), min_items = 1)]
    events: Vec<EventType>,
    /// Whether it is told anything; true when left out. What waits for it when it is not is told when it is again, as long as
    /// the event is kept.
    #[schema(default = true)]
    enabled: Option<bool>,
}

/// A webhook, with its secret where that is new: it is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevealedWebhook {
    /// What the signatures are made with; null where it is not new.
    #[schema(required, example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: Option<String>,
    #[serde(flatten)]
    #[schema(inline)]
    stored: StoredWebhook,
}

/// How a webhook gets another secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRotation {
    /// For how long the secret before signs too: a number of seconds, or a text such as `15m` or `7d`; 1 second to 31 days. A
    /// day when left out.
    #[schema(value_type = Option<String>, example = "1d")]
    overlap: Option<Interval>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Make or change a webhook
///
/// From then on each event of its types is posted to the address, as `{"id", "type", "timestamp", "provider", "customer",
/// "subject", "data"}`, signed as Standard Webhooks says: `webhook-signature` has `v1,` and the Base64 of
/// HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`, with the bytes that the secret has in Base64 after `whsec_`.
///
/// An answer of 200 to 299 within 10 seconds takes the event. Otherwise it is posted again, after 5 seconds at first and later
/// after up to two hours, for a day; then it is given up (`dead`), and can be sent again. `webhook-id` is the same in each
/// attempt: an event can come twice, where an answer was lost, and then has the same. Redirects are not followed, and
/// addresses of private networks are not spoken to unless the server was started to allow that. The secret of a new webhook is
/// in the answer, and nowhere else.
#[utoipa::path(put, path = "/v1/webhooks/{key}", tag = "Events", request_body = PutWebhook,
    params(("key" = String, Path, description = "Key or id of the webhook", example = "pager")),
    responses(
        (status = 200, description = "Changed, or as it was", body = RevealedWebhook),
        (status = 201, description = "Created", body = RevealedWebhook),
        (status = 409, description = "`too_many_webhooks`: the provider has as many as it may",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutWebhook>,
) -> Result<(StatusCode, Json<RevealedWebhook>)> {
    check_url(&body.url, &app.webhook_reach)?;
    let mut events: Vec<_> = body.events.iter().map(|event| event.as_str()).collect();
    events.sort_unstable();
    events.dedup();
    if events.is_empty() {
        return Err(Problem::field("/events", "name one type of events at least"));
    }
    let wanted = Wanted { url: &body.url, events, enabled: body.enabled.unwrap_or(true) };
    let mut db = app.query.begin().await?;
    let (before, stored, secret) = stored::put(&mut db, &tenant, &path.0, &wanted).await?;
    let action = if before.is_some() { Action::WebhookUpdate } else { Action::WebhookCreate };
    record(&mut db, &tenant, action, before.as_ref(), Some(&stored)).await?;
    db.commit().await?;
    let secret = secret.as_ref().map(Secret::reveal);
    Ok((put_status(before.is_none()), Json(RevealedWebhook { secret, stored })))
}

/// An address to which something could be posted. What a name leads to is looked at each time.
fn check_url(text: &str, reach: &Reach) -> Result<()> {
    const FIELD: &str = "/url";
    check_text(FIELD, text, 1..=2048)?;
    let url = Url::parse(text).map_err(|why| Problem::field(FIELD, why.to_string()))?;
    let is_plain = match url.scheme() {
        "https" => false,
        "http" if reach.is_extended() => true,
        "http" => return Err(Problem::field(FIELD, "must be https: what is posted must not be read on its way")),
        _ => return Err(Problem::field(FIELD, "must be https")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::field(FIELD, "has a user or password; signatures show who posts"));
    }
    match post::literal(&url) {
        Some(address) if !reach.permits(address, is_plain) => Err(Problem::field(FIELD, post::refused(is_plain))),
        _ => Ok(()),
    }
}

/// Webhooks, by key
#[utoipa::path(get, path = "/v1/webhooks", tag = "Events", params(ListParameters),
    responses((status = 200, description = "A page of webhooks, without their secrets", body = Page<StoredWebhook>)))]
async fn list(
    State(app): State<App>,
    Writer(tenant): Writer,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let mut db = app.query.acquire().await?;
    let rows = stored::list(&mut db, &tenant, window.after.as_deref(), window.rows()).await?;
    Ok(window.page(rows, |webhook| webhook.key.clone()).respond(&uri))
}

/// One webhook
#[utoipa::path(get, path = "/v1/webhooks/{key}", tag = "Events",
    params(("key" = String, Path, description = "Key or id of the webhook", example = "pager")),
    responses((status = 200, description = "The webhook, without its secret", body = StoredWebhook)))]
async fn get(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<StoredWebhook>> {
    stored::find(&mut *app.query.acquire().await?, &tenant, &path.0).await.map(Json)
}

/// Delete a webhook
///
/// It is told nothing any more, not even what waits for it, and what it was told can no longer be seen.
#[utoipa::path(delete, path = "/v1/webhooks/{key}", tag = "Events",
    params(("key" = String, Path, description = "Key or id of the webhook", example = "pager")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let mut db = app.query.begin().await?;
    let before = locked(&mut db, &tenant, &path.0).await?;
    sqlx::query(include_str!("../../sql/webhooks/delete.sql")).bind(before.webhook_id).execute(&mut *db).await?;
    record(&mut db, &tenant, Action::WebhookDelete, Some(&before), None).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook another secret
///
/// The new one is in the answer, and nowhere else. Until `previous_until` both sign what is posted, each with a signature of its
/// own in `webhook-signature`; one before that does not any more. The body may be empty.
#[utoipa::path(post, path = "/v1/webhooks/{key}/secret", tag = "Events", request_body = Option<SecretRotation>,
    params(("key" = String, Path, description = "Key or id of the webhook", example = "pager")),
    responses((status = 200, description = "Rotated", body = RevealedWebhook)))]
async fn rotate(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    BodyOrNone(body): BodyOrNone<SecretRotation>,
) -> Result<Json<RevealedWebhook>> {
    let overlap = body.overlap.map_or(OVERLAP, |overlap| TimeDelta::seconds(overlap.seconds().into()));
    let secret = Secret::random().map_err(Problem::internal)?;
    let mut db = app.query.begin().await?;
    let before = locked(&mut db, &tenant, &path.0).await?;
    sqlx::query(include_str!("../../sql/webhooks/rotate.sql"))
        .bind(before.webhook_id)
        .bind(secret.bytes())
        .bind(overlap.as_seconds_f64())
        .execute(&mut *db)
        .await?;
    let stored = stored::find(&mut db, &tenant, &path.0).await?;
    record(&mut db, &tenant, Action::WebhookRotate, Some(&before), Some(&stored)).await?;
    db.commit().await?;
    Ok(Json(RevealedWebhook { secret: Some(secret.reveal()), stored }))
}

/// For how long the secret before signs too, unless said otherwise.
const OVERLAP: TimeDelta = TimeDelta::days(1);

/// A webhook that nobody else changes until the transaction ends.
pub async fn locked(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<StoredWebhook> {
    let lock = tenant.query_as::<(i32,)>(include_str!("../../sql/webhooks/lock.sql"));
    let _locked = lock.bind(name.key()).bind(name.id()).fetch_optional(&mut *db).await?;
    stored::find(db, tenant, name).await
}

/// Writes what became of a webhook into the audit; nothing where it is as it was.
async fn record(
    db: &mut PgConnection,
    tenant: &Tenant,
    action: Action,
    before: Option<&StoredWebhook>,
    after: Option<&StoredWebhook>,
) -> sqlx::Result<()> {
    let Some(key) = after.or(before).map(|webhook| webhook.key.as_str()) else { return Ok(()) };
    let (before, after) = (before.map(stored::audited).transpose()?, after.map(stored::audited).transpose()?);
    if before == after {
        return Ok(());
    }
    audit::write(db, &tenant.by, action, &[Entry { entity: key, before, after }]).await
}
