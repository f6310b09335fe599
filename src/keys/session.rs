//! `/v1/session`: a browser signs in with a key or a token of a portal, and has a cookie for it from then on.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::http::access::Visitor;
use crate::http::cookie;
use crate::http::extract::{NoParameters, Query, StrangersBody};
use crate::http::problem::{Code, Problem, Result};
use crate::keys::{ApiKey, Credential, Holder, Scope};
use crate::registry::audit::{self, Action, By};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get, post, delete))
}

/// How long a session lasts, unless its key or token ends before.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Most sessions of a key or token: the oldest makes room for another.
const MOST: i64 = 100;

/// Who signs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PostSession {
    /// A key, or a token of a portal.
    #[schema(example = "mb_0123456789abcdef_...")]
    key: String,
}

/// Who is signed in.
#[derive(Debug, sqlx::FromRow, Serialize, ToSchema)]
struct Session {
    scope: Scope,
    /// Key of the provider it acts in; null for admin.
    #[schema(required, example = "northwind")]
    provider: Option<String>,
    /// Time zone of that provider; null for admin.
    #[schema(required, example = "Europe/Paris")]
    time_zone: Option<String>,
    /// Key of the customer for which alone, with all below it, it is good; null for no such limit.
    #[schema(required, example = json!(null))]
    customer: Option<String>,
    /// Name of the key; null for none, and for a token.
    #[schema(required, example = "operations")]
    name: Option<String>,
    /// Whether it is a token of a portal.
    #[schema(example = false)]
    portal: bool,
    /// When it ends; null for never.
    #[schema(required)]
    until: Option<DateTime<Utc>>,
}

/// Who is signed in?
///
/// Also of a key or token in the `Authorization` header. Nobody is where the session has ended or none was begun.
#[utoipa::path(get, path = "/v1/session", tag = "Keys", security(()),
    responses(
        (status = 200, description = "Somebody is", body = Session),
        (status = 204, description = "Nobody is"),
        (status = 401, description = "No good key in the header", body = crate::http::problem::ProblemBody, content_type = "application/problem+json")))]
async fn get(
    State(app): State<App>,
    visitor: Visitor,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response> {
    let Some((shown, _)) = visitor.shown.zip(visitor.holder) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let session = describe(&mut *app.query.acquire().await?, &shown).await?;
    Ok(session.map_or_else(|| StatusCode::NO_CONTENT.into_response(), |session| Json(session).into_response()))
}

/// Sign a browser in
///
/// With a key, or a token of a portal, in the body or, instead of a body, in the `Authorization` header. The answer's cookie
/// stands for it from then on, for 12 hours at most; the key itself need not be kept. It ends at once when the key or token
/// does, or gets another secret. A request that changes something and has the cookie must have the header
/// `X-Meterbase-Request: 1` too. `ingest` keys, which read nothing, are refused.
#[utoipa::path(post, path = "/v1/session", tag = "Keys", request_body = Option<PostSession>, security(()),
    responses(
        (status = 201, description = "Signed in", body = Session,
            headers(("Set-Cookie" = String, description = "The session, which scripts cannot read"))),
        (status = 401, description = "No good key or token", body = crate::http::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key reads nothing, or the request may come from another site", body = crate::http::problem::ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    visitor: Visitor,
    Query(NoParameters {}): Query<NoParameters>,
    request: Request,
) -> Result<Response> {
    let (shown, holder) = signing_in(&app, &visitor, request).await?;
    if holder.scope == Scope::Ingest {
        return Err(Problem::new(Code::Forbidden, "an ingest key reads nothing, so there is nothing to show"));
    }
    let by = By { key_id: Some(holder.key_id), provider_id: holder.provider_id, ..visitor.by };
    let made = ApiKey::random().map_err(Problem::internal)?;
    let mut db = app.query.begin().await?;
    if let Some(before) = &visitor.session {
        end(&mut db, &visitor.by, before).await?;
    }
    let id = create(&mut db, &made, &shown).await?.ok_or_else(unknown)?;
    let session = describe(&mut db, &Credential::Session(made.clone())).await?.ok_or_else(unknown)?;
    let after = json!({"portal": session.portal, "until": session.until});
    let entry = audit::Entry { entity: &id.to_string(), before: None, after: Some(after) };
    audit::write(&mut db, &by, Action::SessionCreate, &[entry]).await?;
    db.commit().await?;
    let cookie = cookie::keep(&made, visitor.is_secure, LIFETIME)?;
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Json(session)).into_response())
}

/// Sign the browser out
///
/// Its session ends on every server. It is harmless where nobody is signed in.
#[utoipa::path(delete, path = "/v1/session", tag = "Keys", security(()),
    responses(
        (status = 204, description = "Signed out",
            headers(("Set-Cookie" = String, description = "Makes the browser forget the session"))),
        (status = 401, description = "No good key in the header", body = crate::http::problem::ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The request may come from another site", body = crate::http::problem::ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    visitor: Visitor,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response> {
    if let Some(session) = &visitor.session {
        let mut db = app.query.begin().await?;
        end(&mut db, &visitor.by, session).await?;
        db.commit().await?;
    }
    let forgotten = HeaderMap::from_iter(cookie::forget()?.map(|line| (header::SET_COOKIE, line)));
    Ok((StatusCode::NO_CONTENT, forgotten).into_response())
}

/// The key or token in the header, or else in the body, and who holds it.
async fn signing_in(app: &App, visitor: &Visitor, request: Request) -> Result<(ApiKey, Holder)> {
    if let (Some(Credential::Key(key)), Some(holder)) = (&visitor.shown, &visitor.holder) {
        return Ok((key.clone(), holder.clone()));
    }
    let StrangersBody(body) = StrangersBody::<PostSession>::from_request(request, &()).await?;
    let key: ApiKey = body.key.trim().parse().map_err(|_| unknown())?;
    let holder = app.callers.holder(Credential::Key(key.clone()), None).await?.ok_or_else(unknown)?;
    Ok((key, holder))
}

fn unknown() -> Problem {
    Problem::new(Code::Unauthorized, "unknown, expired or revoked key")
}

/// Stores a session of a key or token; none when that is gone meanwhile.
async fn create(db: &mut PgConnection, session: &ApiKey, shown: &ApiKey) -> sqlx::Result<Option<Uuid>> {
    let id = Uuid::now_v7();
    let stored = sqlx::query(include_str!("../../sql/keys/create_session.sql"))
        .bind(id)
        .bind(session.lookup())
        .bind(session.secret_hash().as_slice())
        .bind(shown.lookup())
        .bind(shown.secret_hash().as_slice())
        .bind(LIFETIME.as_secs_f64())
        .execute(&mut *db)
        .await?;
    let forget = include_str!("../../sql/keys/forget_sessions.sql");
    sqlx::query(forget).bind(session.lookup()).bind(MOST).execute(db).await?;
    Ok((stored.rows_affected() == 1).then_some(id))
}

/// Ends a session, if there is one. One that had ended already is nobody's, and not in the audit.
async fn end(db: &mut PgConnection, by: &By, session: &ApiKey) -> sqlx::Result<()> {
    let ended: Option<Uuid> = sqlx::query_scalar(include_str!("../../sql/keys/end_session.sql"))
        .bind(session.lookup())
        .bind(session.secret_hash().as_slice())
        .fetch_optional(&mut *db)
        .await?;
    let (Some(id), Some(_)) = (ended, by.key_id) else { return Ok(()) };
    let entry = audit::Entry { entity: &id.to_string(), before: None, after: None };
    audit::write(db, by, Action::SessionEnd, &[entry]).await
}

async fn describe(db: &mut PgConnection, shown: &Credential) -> sqlx::Result<Option<Session>> {
    sqlx::query_as(include_str!("../../sql/keys/session.sql"))
        .bind(shown.key().map(ApiKey::lookup))
        .bind(shown.session().map(ApiKey::lookup))
        .fetch_optional(db)
        .await
}
