//! `/v1/portal-tokens`: what a browser may hold to read one customer's figures for a while.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::entity::Ref;
use crate::core::interval::Interval;
use crate::http::access::{Lender, Tenant};
use crate::http::extract::{Body, NoParameters, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, Result};
use crate::keys::ApiKey;
use crate::registry::audit::{self, Action, By};
use crate::registry::customers;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, post)).routes(routes!(delete))
}

/// How long a token is good, in seconds: at least, unless said otherwise, at most.
const LIFETIME: [u32; 3] = [60, 3600, 86_400];

/// What makes a token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostToken {
    /// Key or id of the customer that it reads, with all below it.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-north")]
    customer: Ref,
    /// How long it is good: a number of seconds, or a text such as `15m`; 1 minute to 1 day. An hour when left out.
    #[schema(value_type = Option<String>, example = "15m")]
    expires_in: Option<Interval>,
}

/// A token with its text, which is shown this once: only a hash of it is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// To be sent as `Authorization: Bearer <token>`.
    #[schema(example = "mb_0123456789abcdef_...")]
    token: String,
    #[serde(flatten)]
    #[schema(inline)]
    stored: StoredPortalToken,
}

/// A token of a portal without its secret.
#[derive(Debug, Clone, sqlx::FromRow, Serialize, ToSchema)]
#[schema(as = PortalToken)]
pub struct StoredPortalToken {
    #[serde(skip)]
    token_id: i64,
    #[serde(skip)]
    provider_id: i32,
    /// UUIDv7 given by the server.
    pub id: Uuid,
    /// Key of the provider.
    #[schema(example = "northwind")]
    pub provider: String,
    /// Key of the customer that it reads.
    #[schema(example = "acme-north")]
    pub customer: String,
    /// Id of the API key that made it.
    pub key_id: Uuid,
    pub created_at: DateTime<Utc>,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
    /// Since when it is revoked; null while it is not.
    #[schema(required, example = json!(null))]
    pub revoked_at: Option<DateTime<Utc>>,
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

/// Tokens behind a number, oldest first: all, or those of one provider; at most so many.
pub async fn list_portal_tokens(
    db: &mut PgConnection,
    provider_id: Option<i32>,
    behind: i64,
    most: Option<i64>,
) -> sqlx::Result<Vec<StoredPortalToken>> {
    let list = sqlx::query_as(include_str!("../../sql/keys/tokens.sql")).bind(provider_id).bind(None::<Vec<i32>>);
    list.bind(None::<i32>).bind(None::<Uuid>).bind(behind).bind(most).fetch_all(db).await
}

/// One token, of any provider.
pub async fn find_portal_token(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<StoredPortalToken>> {
    let find = sqlx::query_as(include_str!("../../sql/keys/tokens.sql")).bind(None::<i32>).bind(None::<Vec<i32>>);
    find.bind(None::<i32>).bind(id).bind(0_i64).bind(1_i64).fetch_optional(db).await
}

/// Revokes a token. Revoking it twice changes nothing.
pub async fn revoke_portal_token(db: &mut PgConnection, by: &By, token: &StoredPortalToken) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    let revoke = sqlx::query(include_str!("../../sql/keys/revoke_token.sql")).bind(token.token_id);
    if revoke.execute(&mut *transaction).await?.rows_affected() == 1 {
        let after = find_portal_token(&mut transaction, token.id).await?.ok_or(sqlx::Error::RowNotFound)?;
        let (before, after) = (Some(audit::shown(token)?), Some(audit::shown(&after)?));
        let by = By { provider_id: Some(token.provider_id), ..*by };
        let entry = audit::Entry { entity: &token.id.to_string(), before, after };
        audit::write(&mut transaction, &by, Action::PortalTokenRevoke, &[entry]).await?;
    }
    transaction.commit().await
}

/// Make a token for a portal
///
/// It reads one customer with all below it, as a `read` key for that customer does, and nothing else, for a short time: so a
/// browser may hold it. A portal's server makes it with a key of its own, which no browser sees: any but an `ingest` key; one
/// that is for a customer makes tokens for that customer and those below it. It ends with the key that made it, or
/// when it is revoked.
#[utoipa::path(post, path = "/v1/portal-tokens", tag = "Keys", request_body = PostToken,
    responses((status = 201, description = "Made", body = Token)))]
async fn post(
    State(app): State<App>,
    Lender(tenant): Lender,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PostToken>,
) -> Result<(StatusCode, Json<Token>)> {
    let [least, usual, most] = LIFETIME;
    let seconds = body.expires_in.map_or(usual, Interval::seconds);
    if !(least..=most).contains(&seconds) {
        return Err(Problem::field("/expires_in", "1 minute to 1 day"));
    }
    let token = ApiKey::random().map_err(Problem::internal)?;
    let id = Uuid::now_v7();
    let mut db = app.query.begin().await?;
    let customer = customers::named(&mut db, &tenant, &body.customer, "/customer").await?;
    sqlx::query(include_str!("../../sql/keys/create_token.sql"))
        .bind(id)
        .bind(tenant.by.key_id)
        .bind(tenant.provider_id())
        .bind(customer.customer_id)
        .bind(&token.lookup)
        .bind(token.secret_hash().as_slice())
        .bind(f64::from(seconds))
        .execute(&mut *db)
        .await?;
    sqlx::query(include_str!("../../sql/keys/forget_tokens.sql")).execute(&mut *db).await?;
    let stored = find_portal_token(&mut db, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let entry = audit::Entry { entity: &id.to_string(), before: None, after: Some(audit::shown(&stored)?) };
    audit::write(&mut db, &tenant.by, Action::PortalTokenCreate, &[entry]).await?;
    db.commit().await?;
    Ok((StatusCode::CREATED, Json(Token { token: token.reveal(), stored })))
}

/// Tokens of portals
///
/// Oldest first, without their secrets; those that have ended are forgotten a day later or more. An admin or provider key sees
/// all of the provider, another key those that it made.
#[utoipa::path(get, path = "/v1/portal-tokens", tag = "Keys", params(ListParameters),
    responses((status = 200, description = "A page of tokens", body = Page<StoredPortalToken>)))]
async fn list(
    State(app): State<App>,
    Lender(tenant): Lender,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let behind = window.behind(|number| number.parse().ok())?.unwrap_or(0);
    let mut db = app.query.acquire().await?;
    let rows = seen(&mut db, &tenant, None, behind, window.rows()).await?;
    Ok(window.page(rows, |token| token.token_id.to_string()).respond(&uri))
}

/// Revoke a token of a portal
///
/// It is refused from now on, by every server; others of the same key stay. Doing it again changes nothing.
#[utoipa::path(delete, path = "/v1/portal-tokens/{id}", tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the token")),
    responses((status = 204, description = "Revoked")))]
async fn delete(
    State(app): State<App>,
    Lender(tenant): Lender,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let no_such = || Problem::no_such("portal token", &id, None);
    let uuid = id.parse().map_err(|_| no_such())?;
    let mut db = app.query.begin().await?;
    let token = seen(&mut db, &tenant, Some(uuid), 0, 1).await?.pop().ok_or_else(no_such)?;
    revoke_portal_token(&mut db, &tenant.by, &token).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The tokens that a caller may keep.
async fn seen(
    db: &mut PgConnection,
    tenant: &Tenant,
    id: Option<Uuid>,
    behind: i64,
    most: i64,
) -> sqlx::Result<Vec<StoredPortalToken>> {
    let tokens = tenant.seen_as(include_str!("../../sql/keys/tokens.sql")).bind(tenant.by.key_id);
    tokens.bind(id).bind(behind).bind(most).fetch_all(db).await
}
