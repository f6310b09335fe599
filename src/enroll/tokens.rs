//! `/v1/enrollment-tokens`: what lets devices register themselves.

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
use crate::core::instant;
use crate::http::access::Writer;
use crate::http::extract::{Body, NoParameters, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, Result};
use crate::keys::ApiKey;
use crate::registry::audit::{self, Action, By};
use crate::registry::ownership::Owner;
use crate::registry::{check_text, devices};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, post)).routes(routes!(get, delete))
}

/// Most devices that may enroll with one token.
pub const MOST_USES: i32 = 100_000;

/// What makes a token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PostEnrollmentToken {
    /// Key or id of the customer whose devices it makes.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme")]
    customer: Ref,
    /// Key or id of the group of that customer that they are in; none when left out.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-roof")]
    group: Option<Ref>,
    /// For people, 1 to 256 characters; none when left out.
    #[schema(example = "Roof, November", min_length = 1, max_length = 256)]
    name: Option<String>,
    /// From when on it is refused, in the future.
    #[schema(value_type = chrono::DateTime<Utc>, example = "2027-01-01T00:00:00Z")]
    expires_at: String,
    /// How many devices may enroll with it; 1 when left out.
    #[schema(example = 50, minimum = 1, maximum = 100_000, default = 1)]
    uses: Option<i32>,
    /// Whether somebody has to approve each device; true when left out.
    #[schema(default = true)]
    approval: Option<bool>,
}

/// A token without its secret.
#[derive(Debug, Clone, sqlx::FromRow, Serialize, ToSchema)]
#[schema(as = EnrollmentToken)]
pub struct StoredToken {
    #[serde(skip)]
    token_id: i32,
    #[serde(skip)]
    provider_id: i32,
    /// UUIDv7 given by the server.
    pub id: Uuid,
    /// Key of the provider it acts in.
    #[schema(example = "northwind")]
    pub provider: String,
    /// Key of the customer whose devices it makes.
    #[schema(example = "acme")]
    pub customer: String,
    /// Key of the group that they are in; null for none.
    #[schema(required, example = "acme-roof")]
    pub group: Option<String>,
    /// Name for people; null when none was given.
    #[schema(required, example = "Roof, November")]
    pub name: Option<String>,
    /// Whether somebody has to approve each device.
    pub approval: bool,
    /// How many devices may enroll with it.
    #[schema(example = 50)]
    pub uses_allowed: i32,
    /// How many did.
    #[schema(example = 17)]
    pub uses: i32,
    pub created_at: DateTime<Utc>,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
    /// Since when it is revoked; null while it is not.
    #[schema(required, example = json!(null))]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A token with its text, which is shown this once: only a hash of it is stored.
#[derive(Debug, Serialize, ToSchema)]
struct RevealedEnrollmentToken {
    /// What devices send to `POST /v1/enroll`. It is good for nothing else.
    #[schema(example = "mb_0123456789abcdef_...")]
    token: String,
    #[serde(flatten)]
    #[schema(inline)]
    stored: StoredToken,
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

/// A token to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    pub owner: Owner,
    pub name: Option<&'a str>,
    pub expires_at: DateTime<Utc>,
    /// From 1 to 100,000.
    pub uses: i32,
    pub approval: bool,
}

/// Makes and stores a token of the provider that `by` names.
pub async fn make_token(db: &mut PgConnection, by: &By, new: &NewToken<'_>) -> sqlx::Result<(ApiKey, StoredToken)> {
    let token = ApiKey::random().map_err(|e| sqlx::Error::Io(e.into()))?;
    let id = Uuid::now_v7();
    let mut transaction = db.begin().await?;
    sqlx::query(include_str!("../../sql/enroll/create_token.sql"))
        .bind(id)
        .bind(by.provider_id)
        .bind(new.owner.customer_id)
        .bind(new.owner.group_id)
        .bind(new.name)
        .bind(token.lookup())
        .bind(token.secret_hash().as_slice())
        .bind(new.approval)
        .bind(new.uses)
        .bind(new.expires_at)
        .execute(&mut *transaction)
        .await?;
    let stored = find_token(&mut transaction, by.provider_id, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let entry = audit::Entry { entity: &id.to_string(), before: None, after: Some(audit::shown(&stored)?) };
    audit::write(&mut transaction, by, Action::EnrollmentTokenCreate, &[entry]).await?;
    transaction.commit().await?;
    Ok((token, stored))
}

/// Tokens behind a number, oldest first: all, or those of one provider; at most so many.
pub async fn list_tokens(
    db: &mut PgConnection,
    provider_id: Option<i32>,
    behind: i32,
    most: Option<i64>,
) -> sqlx::Result<Vec<StoredToken>> {
    let list = sqlx::query_as(include_str!("../../sql/enroll/tokens.sql")).bind(provider_id).bind(None::<Uuid>);
    list.bind(behind).bind(most).fetch_all(db).await
}

/// One token: of any provider, or only of this one.
pub async fn find_token(
    db: &mut PgConnection,
    provider_id: Option<i32>,
    id: Uuid,
) -> sqlx::Result<Option<StoredToken>> {
    let find = sqlx::query_as(include_str!("../../sql/enroll/tokens.sql")).bind(provider_id).bind(id);
    find.bind(0).bind(1_i64).fetch_optional(db).await
}

/// Revokes a token. Devices that enrolled with it stay. Revoking it twice changes nothing.
pub async fn revoke_token(db: &mut PgConnection, by: &By, token: &StoredToken) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    let revoke = sqlx::query(include_str!("../../sql/enroll/revoke_token.sql")).bind(token.token_id);
    if revoke.execute(&mut *transaction).await?.rows_affected() == 1 {
        let after = find_token(&mut transaction, None, token.id).await?.ok_or(sqlx::Error::RowNotFound)?;
        let (before, after) = (Some(audit::shown(token)?), Some(audit::shown(&after)?));
        let by = By { provider_id: Some(token.provider_id), ..*by };
        let entry = audit::Entry { entity: &token.id.to_string(), before, after };
        audit::write(&mut transaction, &by, Action::EnrollmentTokenRevoke, &[entry]).await?;
    }
    transaction.commit().await
}

/// Make an enrollment token
///
/// Its text is in the answer, and nowhere else. With it devices of one customer, or of one of its groups, register themselves
/// by `POST /v1/enroll`: so many, until it ends, and each once.
#[utoipa::path(post, path = "/v1/enrollment-tokens", tag = "Devices", request_body = PostEnrollmentToken,
    responses(
        (status = 201, description = "Made", body = RevealedEnrollmentToken),
        (status = 409, description = "`group_of_another_customer`: the group is not the customer's",
            body = crate::http::problem::ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    Writer(tenant): Writer,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PostEnrollmentToken>,
) -> Result<(StatusCode, Json<RevealedEnrollmentToken>)> {
    body.name.as_deref().map(|name| check_text("/name", name, 1..=256)).transpose()?;
    let expires_at = instant::parse(&body.expires_at).map_err(|why| Problem::field("/expires_at", why.to_string()))?;
    if expires_at <= Utc::now() {
        return Err(Problem::field("/expires_at", "must be in the future"));
    }
    let uses = body.uses.unwrap_or(1);
    if !(1..=MOST_USES).contains(&uses) {
        return Err(Problem::field("/uses", format!("1 to {MOST_USES}")));
    }
    let mut db = app.query.begin().await?;
    let owner = devices::owner(&mut db, &tenant, &body.customer, body.group.as_ref()).await?;
    let approval = body.approval.unwrap_or(true);
    let new = NewToken { owner, name: body.name.as_deref(), expires_at, uses, approval };
    let (token, stored) = make_token(&mut db, &tenant.by, &new).await?;
    db.commit().await?;
    Ok((StatusCode::CREATED, Json(RevealedEnrollmentToken { token: token.reveal(), stored })))
}

/// Enrollment tokens
///
/// Oldest first, revoked, expired and used up ones too, without their secrets.
#[utoipa::path(get, path = "/v1/enrollment-tokens", tag = "Devices", params(ListParameters),
    responses((status = 200, description = "A page of tokens", body = Page<StoredToken>)))]
async fn list(
    State(app): State<App>,
    Writer(tenant): Writer,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let behind = window.behind(|number| number.parse().ok())?.unwrap_or(0);
    let mut db = app.query.acquire().await?;
    let rows = list_tokens(&mut db, Some(tenant.provider_id()), behind, Some(window.rows())).await?;
    Ok(window.page(rows, |token| token.token_id.to_string()).respond(&uri))
}

/// One enrollment token
#[utoipa::path(get, path = "/v1/enrollment-tokens/{id}", tag = "Devices",
    params(("id" = uuid::Uuid, Path, description = "Id of the token")),
    responses((status = 200, description = "The token, without its secret", body = StoredToken)))]
async fn get(
    State(app): State<App>,
    Writer(tenant): Writer,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<StoredToken>> {
    let mut db = app.query.acquire().await?;
    named(&mut db, tenant.provider_id(), &id).await.map(Json)
}

/// Revoke an enrollment token
///
/// It is refused from now on, by every server, also for devices that repeat their enrollment; those that enrolled with it stay,
/// and so do those that wait for approval. Doing it again changes nothing.
#[utoipa::path(delete, path = "/v1/enrollment-tokens/{id}", tag = "Devices",
    params(("id" = uuid::Uuid, Path, description = "Id of the token")),
    responses((status = 204, description = "Revoked")))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let mut db = app.query.begin().await?;
    let token = named(&mut db, tenant.provider_id(), &id).await?;
    revoke_token(&mut db, &tenant.by, &token).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn named(db: &mut PgConnection, provider_id: i32, id: &str) -> Result<StoredToken> {
    let found = match id.parse() {
        Ok(uuid) => find_token(db, Some(provider_id), uuid).await?,
        Err(_) => None,
    };
    found.ok_or_else(|| Problem::no_such("enrollment token", id, None))
}
