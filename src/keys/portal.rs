//! `POST /v1/portal-tokens`: what a browser may hold to read one customer's figures for a while.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::entity::Ref;
use crate::core::interval::Interval;
use crate::http::access::Lender;
use crate::http::extract::{Body, NoParameters, Query};
use crate::http::problem::{Problem, Result};
use crate::keys::ApiKey;
use crate::registry::audit::{self, Action};
use crate::registry::customers;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
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

/// A token, which is shown this once: only a hash of it is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// To be sent as `Authorization: Bearer <token>`.
    #[schema(example = "mb_0123456789abcdef_...")]
    token: String,
    /// UUIDv7 given by the server.
    id: Uuid,
    /// Key of the customer.
    #[schema(example = "acme-north")]
    customer: String,
    expires_at: DateTime<Utc>,
}

/// Make a token for a portal
///
/// It reads one customer with all below it, as a `read` key for that customer does, and nothing else, for a short time: so a
/// browser may hold it. A portal's server makes it with a key of its own, which no browser sees: any but an `ingest` key; one
/// that is for a customer makes tokens for that customer and those below it. It ends with the key that made it.
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
    let expires_at: DateTime<Utc> = sqlx::query_scalar(include_str!("../../sql/keys/create_token.sql"))
        .bind(id)
        .bind(tenant.by.key_id)
        .bind(tenant.provider_id())
        .bind(customer.customer_id)
        .bind(&token.lookup)
        .bind(token.secret_hash().as_slice())
        .bind(f64::from(seconds))
        .fetch_one(&mut *db)
        .await?;
    sqlx::query(include_str!("../../sql/keys/forget_tokens.sql")).execute(&mut *db).await?;
    let after = json!({"customer": customer.key, "expires_at": expires_at});
    let entry = audit::Entry { entity: &id.to_string(), before: None, after: Some(after) };
    audit::write(&mut db, &tenant.by, Action::PortalTokenCreate, &[entry]).await?;
    db.commit().await?;
    Ok((StatusCode::CREATED, Json(Token { token: token.reveal(), id, customer: customer.key, expires_at })))
}
