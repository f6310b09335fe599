//! `/v1/keys`: API keys made, listed, changed, rotated, revoked.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use chrono::{TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::entity::Ref;
use crate::core::instant;
use crate::core::interval::Interval;
use crate::http::access::{Steward, Tenant};
use crate::http::extract::{Body, BodyOrNone, NoParameters, Query};
use crate::http::page::{Page, Window};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::keys::{self, CertificateName, Change, KeyPart, KeyRate, NewKey, Scope, StoredKey};
use crate::registry::{check_text, lookup};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, post)).routes(routes!(get, put, delete)).routes(routes!(rotate))
}

/// What makes a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostKey {
    /// `admin`: everything; `provider`: everything in one provider; `read`: its registry and figures; `ingest`: posting its
    /// readings.
    scope: Scope,
    /// Key or id of a customer: a `read` key sees it and what is below it alone, an `ingest` key posts for it and what is
    /// below it alone.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = json!(null))]
    customer: Option<Ref>,
    /// Key or id of a group: an `ingest` key posts what devices read while they are in it.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = json!(null))]
    group: Option<Ref>,
    /// Key or id of a device: an `ingest` key posts for it alone.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "meter-0001")]
    device: Option<Ref>,
    /// SHA-256 of a certificate, 64 hexadecimal digits with or without colons: callers who connect with it hold this `ingest`
    /// key, which has no text.
    #[schema(example = json!(null))]
    certificate_fingerprint: Option<String>,
    /// The same for all certificates of this subject, as RFC 4514 writes it, so that a certificate can be renewed; only an
    /// admin key says so, for subjects are not one provider's.
    #[schema(example = json!(null))]
    certificate_subject: Option<String>,
    /// For people, 1 to 256 characters; none when left out.
    #[schema(example = "gateway-7", min_length = 1, max_length = 256)]
    name: Option<String>,
    /// From when on it is refused, in the future; never when left out.
    #[schema(value_type = Option<chrono::DateTime<Utc>>, example = "2027-01-01T00:00:00Z")]
    expires_at: Option<String>,
    /// Readings a second that it may send to each server, 0 for any number; when left out, what the server says of all keys.
    #[schema(example = 500, minimum = 0)]
    rate: Option<i32>,
    /// Readings that it may send at once, where it has a rate; those of ten seconds when left out.
    #[schema(example = 5000, minimum = 1)]
    burst: Option<i32>,
}

/// What can be changed of a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutKey {
    /// For people, 1 to 256 characters; none when left out.
    #[schema(example = "gateway-7", min_length = 1, max_length = 256)]
    name: Option<String>,
    /// From when on it is refused, in the future; never when left out.
    #[schema(value_type = Option<chrono::DateTime<Utc>>, example = "2027-01-01T00:00:00Z")]
    expires_at: Option<String>,
    /// Readings a second that it may send to each server, 0 for any number; when left out, what the server says of all keys.
    #[schema(example = 500, minimum = 0)]
    rate: Option<i32>,
    /// Readings that it may send at once, where it has a rate; those of ten seconds when left out.
    #[schema(example = 5000, minimum = 1)]
    burst: Option<i32>,
}

/// How a key gets another secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// For how long the secret before is good too: a number of seconds, or a text such as `15m` or `7d`; 1 second to 31 days.
    /// A day when left out.
    #[schema(value_type = Option<String>, example = "1d")]
    overlap: Option<Interval>,
}

/// A key with its text, which is shown this once: only a hash of it is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevealedKey {
    /// To be sent as `Authorization: Bearer <key>`; null for a key that a certificate stands for.
    #[schema(required, example = "mb_0123456789abcdef_...")]
    key: Option<String>,
    #[serde(flatten)]
    #[schema(inline)]
    stored: StoredKey,
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

/// Make a key
///
/// Its text is in the answer, and nowhere else. A provider's key makes keys of its own provider, of any scope but `admin`. A
/// key can be for a part of the provider: of a `read` key all else does not exist (404), and what an `ingest` key posts for
/// other devices has the verdict of unknown devices and is not stored for them.
///
/// A certificate can stand for the text of an `ingest` key: who connects with it, over TLS and without `Authorization`, holds the
/// key. The server takes the certificates of the authority that it was told of (`--tls-client-ca`), while they are good.
#[utoipa::path(post, path = "/v1/keys", tag = "Keys", request_body = PostKey,
    responses(
        (status = 201, description = "Made", body = RevealedKey),
        (status = 409, description = "`certificate_taken`: another key that is not revoked names this certificate",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    steward: Steward,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PostKey>,
) -> Result<(StatusCode, Json<RevealedKey>)> {
    let settings = settings(body.name.as_deref(), body.expires_at.as_deref(), body.rate, body.burst)?;
    let certificate = certificate(&steward, &body)?;
    let mut db = app.query.begin().await?;
    let part = match (body.scope, &steward.tenant) {
        (Scope::Admin, _) if !steward.is_admin => {
            return Err(Problem::new(Code::Forbidden, "only an admin key makes admin keys"));
        }
        (Scope::Admin, Some(_)) => {
            return Err(Problem::parameter("provider", "an admin key acts in every provider: leave it out"));
        }
        (Scope::Admin, None) => part(&mut db, None, &body).await?,
        (_, Some(tenant)) => part(&mut db, Some(tenant), &body).await?,
        (_, None) => {
            return Err(Problem::parameter("provider", "name the provider that the key is for: ?provider=<key>"));
        }
    };
    let Change { name, expires_at, rate } = settings;
    let provider_id = steward.by.provider_id;
    let new = NewKey { scope: body.scope, provider_id, part, certificate, name, expires_at, rate };
    let (key, stored) = keys::make(&mut db, &steward.by, &new).await.map_err(taken)?;
    db.commit().await?;
    let key = (!stored.is_certificate()).then(|| key.reveal());
    Ok((StatusCode::CREATED, Json(RevealedKey { key, stored })))
}

/// Which certificate stands for the key.
fn certificate(steward: &Steward, body: &PostKey) -> Result<Option<CertificateName>> {
    let (pointer, name) = match (&body.certificate_fingerprint, &body.certificate_subject) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Problem::field("/certificate_subject", "it has a certificate already, by its fingerprint"));
        }
        (Some(text), None) => ("/certificate_fingerprint", CertificateName::fingerprint(text)),
        (None, Some(_)) if !steward.is_admin => {
            return Err(Problem::new(Code::Forbidden, "only an admin key gives keys to subjects of certificates"));
        }
        (None, Some(text)) => ("/certificate_subject", CertificateName::subject(text)),
    };
    if body.scope != Scope::Ingest {
        return Err(Problem::field(pointer, format!("a key of scope {} has a text", body.scope)));
    }
    name.map(Some).map_err(|why| Problem::field(pointer, why.to_string()))
}

fn taken(error: sqlx::Error) -> Problem {
    if keys::is_certificate_taken(&error) {
        let detail = "a key that is not revoked names this certificate already; revoke that one before";
        return Problem::new(Code::CertificateTaken, detail);
    }
    error.into()
}

/// For which part of the provider the key is to be.
async fn part(db: &mut PgConnection, tenant: Option<&Tenant>, body: &PostKey) -> Result<KeyPart> {
    let given = [("/customer", &body.customer), ("/group", &body.group), ("/device", &body.device)];
    let mut given = given.into_iter().filter_map(|(pointer, name)| Some((pointer, name.as_ref()?)));
    let Some((pointer, name)) = given.next() else { return Ok(KeyPart::All) };
    let has_parts = match body.scope {
        Scope::Ingest => true,
        Scope::Read => pointer == "/customer",
        Scope::Admin | Scope::Provider => false,
    };
    let tenant = tenant.filter(|_| has_parts).ok_or_else(|| {
        Problem::field(pointer, format!("a key of scope {} is not for {} alone", body.scope, &pointer[1..]))
    })?;
    if let Some((second, _)) = given.next() {
        return Err(Problem::field(second, format!("it is for one {} already", &pointer[1..])));
    }
    Ok(match pointer {
        "/customer" => KeyPart::Customer(lookup::customer(db, tenant, name, pointer).await?),
        "/group" => KeyPart::Group(lookup::group(db, tenant, name, pointer).await?.group_id),
        _ => KeyPart::Device(lookup::device(db, tenant, name, pointer).await?),
    })
}

/// Checks what a body says of a key.
fn settings<'a>(
    name: Option<&'a str>,
    expires_at: Option<&str>,
    rate: Option<i32>,
    burst: Option<i32>,
) -> Result<Change<'a>> {
    name.map(|name| check_text("/name", name, 1..=256)).transpose()?;
    let expires_at = expires_at.map(instant::parse).transpose();
    let expires_at = expires_at.map_err(|why| Problem::field("/expires_at", why.to_string()))?;
    if expires_at.is_some_and(|at| at <= Utc::now()) {
        return Err(Problem::field("/expires_at", "must be in the future"));
    }
    match (rate, burst) {
        (Some(..0), _) => Err(Problem::field("/rate", "0 or more")),
        (None, Some(_)) => Err(Problem::field("/burst", "only where there is a rate")),
        (_, Some(..1)) => Err(Problem::field("/burst", "1 or more")),
        _ => Ok(Change { name, expires_at, rate: KeyRate { rate, burst } }),
    }
}

/// Keys
///
/// Oldest first, revoked and expired ones too, without their secrets. An admin key that names no provider sees all.
#[utoipa::path(get, path = "/v1/keys", tag = "Keys", params(ListParameters),
    responses((status = 200, description = "A page of keys", body = Page<StoredKey>)))]
async fn list(
    State(app): State<App>,
    steward: Steward,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let behind = window.behind(|number| number.parse().ok())?.unwrap_or(0);
    let mut db = app.query.acquire().await?;
    let rows = keys::list(&mut db, steward.by.provider_id, behind, Some(window.rows())).await?;
    Ok(window.page(rows, |key| key.key_id.to_string()).respond(&uri))
}

/// One key
#[utoipa::path(get, path = "/v1/keys/{id}", tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the key")),
    responses((status = 200, description = "The key, without its secret", body = StoredKey)))]
async fn get(
    State(app): State<App>,
    steward: Steward,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<StoredKey>> {
    let mut db = app.query.acquire().await?;
    let key = match id.parse() {
        Ok(uuid) => keys::find(&mut db, steward.by.provider_id, uuid).await?,
        Err(_) => None,
    };
    key.map(Json).ok_or_else(|| no_such(&id))
}

/// Change a key
///
/// What is left out takes its default: no name, no end, the server's rate. It holds from the next request on.
#[utoipa::path(put, path = "/v1/keys/{id}", tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the key")),
    request_body = PutKey,
    responses(
        (status = 200, description = "Changed", body = StoredKey),
        (status = 409, description = "`key_ended`: the key is revoked",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    steward: Steward,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PutKey>,
) -> Result<Json<StoredKey>> {
    let to = settings(body.name.as_deref(), body.expires_at.as_deref(), body.rate, body.burst)?;
    let mut db = app.query.begin().await?;
    let key = locked(&mut db, &steward, &id).await?;
    if key.revoked_at.is_some() {
        return Err(Problem::new(Code::KeyEnded, "the key is revoked"));
    }
    let key = keys::change(&mut db, &steward.by, &key, &to).await?;
    db.commit().await?;
    Ok(Json(key))
}

/// Revoke a key
///
/// It is refused from now on, by every server, and so are the tokens that were made with it. Doing it again changes nothing.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the key")),
    responses((status = 204, description = "Revoked")))]
async fn delete(
    State(app): State<App>,
    steward: Steward,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<StatusCode> {
    let mut db = app.query.begin().await?;
    let key = locked(&mut db, &steward, &id).await?;
    keys::revoke(&mut db, &steward.by, &key).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a key another secret
///
/// The new text is in the answer, and nowhere else; id, scope and all else stay. The secret before is good too until
/// `previous_until`, so that nobody who holds it is locked out meanwhile; one before that is not any more. The body may be
/// empty.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the key")),
    request_body = Option<Rotation>,
    responses(
        (status = 200, description = "Rotated", body = RevealedKey),
        (status = 409, description = "`key_ended`: the key is revoked or has expired; `key_without_text`: a certificate stands for it",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn rotate(
    State(app): State<App>,
    steward: Steward,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
    BodyOrNone(body): BodyOrNone<Rotation>,
) -> Result<Json<RevealedKey>> {
    let overlap = body.overlap.map_or(OVERLAP, |overlap| TimeDelta::seconds(overlap.seconds().into()));
    let mut db = app.query.begin().await?;
    let key = locked(&mut db, &steward, &id).await?;
    if key.is_certificate() {
        let detail = "a certificate stands for this key; make a key for the next certificate, then revoke this one";
        return Err(Problem::new(Code::KeyWithoutText, detail));
    }
    let rotated = keys::rotate(&mut db, &steward.by, &key, overlap).await?;
    let (key, stored) = rotated.ok_or_else(|| Problem::new(Code::KeyEnded, "the key is revoked or has expired"))?;
    db.commit().await?;
    Ok(Json(RevealedKey { key: Some(key.reveal()), stored }))
}

/// For how long the secret before is good too, unless said otherwise.
pub const OVERLAP: TimeDelta = TimeDelta::days(1);

/// The key that a path names.
async fn locked(db: &mut PgConnection, steward: &Steward, id: &str) -> Result<StoredKey> {
    let uuid = id.parse().map_err(|_| no_such(id))?;
    keys::lock(db, steward.by.provider_id, uuid).await?.ok_or_else(|| no_such(id))
}

fn no_such(id: &str) -> Problem {
    Problem::no_such("key", id, None)
}
