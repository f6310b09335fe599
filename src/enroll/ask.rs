//! `/v1/enroll`: a device registers itself, and hears how far that is.

use std::net::IpAddr;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::entity::Key;
use crate::enroll::certificate::{self, Asked};
use crate::enroll::stored::{self, State as Is};
use crate::http::access::{Sender, Stranger, Tenant};
use crate::http::extract::{NoParameters, Query, StrangersBody};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::keys::{self, ApiKey};
use crate::limits::Limit;
use crate::registry::audit::{Action, By};
use crate::registry::device_set::Product;
use crate::registry::devices::check_product;
use crate::registry::lock_stamping;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post, get))
}

/// How long a device should wait before it asks again whether it is approved, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("60");

/// For how long the key before is good too, of a device without a secret that asks for another one.
const OVERLAP: TimeDelta = TimeDelta::days(1);

/// What a device says of itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PostEnrollment {
    /// The enrollment token.
    #[schema(example = "mb_0123456789abcdef_...")]
    token: String,
    /// Its serial number, 1 to 128 of `A-Z a-z 0-9 . _ : ~ -`: it becomes the device's key.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "MB050-000001")]
    serial: Key,
    /// What product it is, as its maker calls it, 1 to 128 characters.
    #[schema(example = "MB-050", min_length = 1, max_length = 128)]
    model: Option<String>,
    /// Version of its firmware, 1 to 128 characters.
    #[schema(example = "5.0.2", min_length = 1, max_length = 128)]
    firmware: Option<String>,
    /// 32 bytes that the device drew at random and keeps, as 64 hexadecimal digits in lower case: with them it can repeat this
    /// as often as it likes, and nobody else can.
    #[schema(
        example = "5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c",
        min_length = 64,
        max_length = 64,
        pattern = "^[0-9a-f]{64}$"
    )]
    secret: Option<String>,
    /// Certificate signing request in PEM form (PKCS #10), of a device that has a key pair: it gets a certificate in place of an
    /// API key, and proves itself with that key pair in place of a `secret`.
    #[schema(example = json!(null), max_length = 8192)]
    csr: Option<String>,
}

/// How far the enrollment of a device is.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
#[schema(as = EnrollmentStanding)]
struct Standing {
    /// `pending` until somebody approves it.
    state: Is,
    /// Key of the device.
    #[schema(example = "MB050-000001")]
    device: String,
    /// Key of the profile that holds for it; null while it waits for approval, and where there is none.
    #[schema(required, example = "smart-meter")]
    profile: Option<String>,
}

/// What a device gets.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EnrolledDevice)]
struct Enrolled {
    #[serde(flatten)]
    #[schema(inline)]
    standing: Standing,
    /// The device's API key, to be sent as `Authorization: Bearer <key>`; null for one that has used its key and enrolled without
    /// a secret, and where there is a certificate.
    #[schema(required, example = "mb_0123456789abcdef_...")]
    key: Option<String>,
    /// The device's certificate in PEM form, where it sent `csr`: whoever connects with it holds the device's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n")]
    certificate: Option<String>,
}

/// A token, and what is enrolled under the serial number.
#[derive(sqlx::FromRow)]
struct Found {
    token_id: i32,
    provider_id: i32,
    secret_hash: Vec<u8>,
    customer_id: i32,
    group_id: Option<i32>,
    approval: bool,
    used_up: bool,
    /// Of the enrollment; none where there is none.
    id: Option<Uuid>,
    /// Whether it came with this token and was not refused.
    may_repeat: bool,
    proves: Option<bool>,
    model: Option<String>,
    firmware: Option<String>,
    key_id: Option<i32>,
    key_uuid: Option<Uuid>,
    lookup: Option<String>,
    key_hash: Option<Vec<u8>>,
    previous_hash: Option<Vec<u8>>,
    key_good: bool,
    key_used: bool,
}

/// Enroll a device
///
/// A device that has an enrollment token registers itself, and gets its identity, which is its serial number, and an API key of
/// its own. Where somebody has to approve it, the answer is 202: its key is good for posting already, and what it posts waits
/// in quarantine (`device_unapproved`) and counts once it is approved; `GET /v1/enroll`, or the same request again, tells when.
///
/// To repeat the request is harmless while the token is good: it makes no second device, and uses the token once. So that the
/// device has a key though an answer was lost, and nobody who knows token and serial number can get one, the device should
/// draw a `secret`, keep it, and send it each time. Its key is made of that, the token's secret and a number of the server's; so
/// whoever repeats with the same secret gets the same key, and without it nothing. A device that cannot keep a secret may
/// leave it out: it then gets another key at each repetition until it has used one (the one before is good for a day), and none
/// after that; until then whoever knows token and serial number could get its key too.
///
/// A device with a secret that has another firmware than before, or another model, says so by repeating: it is noted, and the
/// profile that recognises it holds from then on. Without a secret they are those of the first time.
///
/// A device that has a key pair sends `csr` and no secret, to a server that has an authority for it. Of the request only the key
/// is taken (P-256, P-384, Ed25519, or RSA of 2048 bits or more). The device then has a certificate in place of a text, which it
/// shows when it connects over TLS, also while it waits for approval. Repeated with the same key pair, the answer is the
/// certificate that it has, or another when less than a third of its time is left; with another key pair it is refused.
/// `POST /v1/device/certificate` gives the next one without a token. All of them end with the device's API key.
///
/// A registered device of the token's customer and group, whose key or serial number this is, may enroll as that, once, and
/// waits for approval whatever the token says. All else is refused in one way, which does not tell why: any other registered
/// device, an unknown, expired, revoked or used up token, a wrong secret. Serial numbers are those of one provider: a device of
/// another provider makes no difference.
#[utoipa::path(post, path = "/v1/enroll", tag = "Devices", request_body = PostEnrollment, security(()),
    responses(
        (status = 200, description = "As before", body = Enrolled),
        (status = 201, description = "Enrolled", body = Enrolled),
        (status = 202, description = "It waits for approval", body = Enrolled,
            headers(("Retry-After" = u32, description = "Seconds after which to ask again"))),
        (status = 403, description = "`enrollment_refused`",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`no_issuing_authority`: this server gives no certificates",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_tries`: too many from this address were refused; try again after `Retry-After`",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    Stranger { address }: Stranger,
    Query(NoParameters {}): Query<NoParameters>,
    StrangersBody(body): StrangersBody<PostEnrollment>,
) -> Result<Response> {
    body.check()?;
    if !app.guards.tries.take(address, Instant::now()) {
        Limit::RefusedEnrollments.refused();
        return Err(Problem::new(Code::TooManyTries, "too many enrollments from this address were refused"));
    }
    let answer = enroll(&app, address, &body).await;
    if !matches!(&answer, Err(problem) if problem.code == Code::EnrollmentRefused) {
        app.guards.tries.give_back(address);
    }
    answer
}

/// How far its enrollment is
///
/// For a device that enrolled, with the key that it got. 202 while it waits for approval.
#[utoipa::path(get, path = "/v1/enroll", tag = "Devices",
    responses(
        (status = 200, description = "It is approved", body = Standing),
        (status = 202, description = "It waits for approval", body = Standing,
            headers(("Retry-After" = u32, description = "Seconds after which to ask again")))))]
async fn get(
    State(app): State<App>,
    Sender(tenant): Sender,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Response> {
    let mut db = app.query.acquire().await?;
    let (_, standing) = enrolled(&mut db, &tenant).await?;
    Ok(tell(StatusCode::OK, standing.state, Json(standing)))
}

/// The API key of a device that enrolled and calls now, and the device's key.
pub async fn enrolled_as(db: &mut PgConnection, tenant: &Tenant) -> Result<(i32, String)> {
    let (key_id, standing) = enrolled(db, tenant).await?;
    Ok((key_id, standing.device))
}

async fn enrolled(db: &mut PgConnection, tenant: &Tenant) -> Result<(i32, Standing)> {
    let found = match tenant.by.key_id {
        Some(key_id) => standing(db, tenant, key_id).await?.map(|standing| (key_id, standing)),
        None => None,
    };
    found.ok_or_else(|| Problem::new(Code::NotFound, "no device enrolled with this key"))
}

impl Found {
    /// Whether the device says something of itself that it did not say before.
    fn tells_otherwise(&self, body: &PostEnrollment) -> bool {
        let differs = |told: &Option<String>, before: &Option<String>| told.is_some() && told != before;
        differs(&body.model, &self.model) || differs(&body.firmware, &self.firmware)
    }
}

impl PostEnrollment {
    fn product(&self) -> Product<'_> {
        Product { model: self.model.as_deref(), firmware: self.firmware.as_deref(), ..Product::default() }
    }

    fn check(&self) -> Result<()> {
        check_product(&self.product())?;
        if self.secret.is_some() && self.csr.is_some() {
            return Err(Problem::field("/csr", "who has a key pair needs no secret: send one of them"));
        }
        let is_secret = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match &self.secret {
            Some(secret) if !is_secret(secret) => {
                Err(Problem::field("/secret", "64 hexadecimal digits in lower case, drawn at random"))
            }
            _ => Ok(()),
        }
    }
}

/// Says with a 202 and a time to ask again that it waits.
fn tell(done: StatusCode, state: Is, body: impl IntoResponse) -> Response {
    match state {
        Is::Pending => (StatusCode::ACCEPTED, [(header::RETRY_AFTER, RETRY_AFTER)], body).into_response(),
        Is::Approved | Is::Refused => (done, body).into_response(),
    }
}

fn refused() -> Problem {
    let detail = "the token is not good, or is not for this device; who keeps the tokens can see which it is";
    Problem::new(Code::EnrollmentRefused, detail)
}

async fn enroll(app: &App, address: Option<IpAddr>, body: &PostEnrollment) -> Result<Response> {
    let token: ApiKey = body.token.parse().map_err(|_| refused())?;
    let mut db = app.query.begin().await?;
    let mut found = find(&mut db, &token, &body.serial).await?;
    let asked = body.csr.as_deref().map(|csr| certificate::asked(app, csr)).transpose()?;
    if found.id.is_none() {
        if found.used_up {
            return Err(refused());
        }
        lock_stamping(&mut db, found.provider_id).await?;
        // Another request may have come before.
        found = find(&mut db, &token, &body.serial).await?;
    }
    let by = By { provider_id: Some(found.provider_id), key_id: None, address };
    let tenant = Tenant::of_provider(&mut db, found.provider_id, by).await?;
    let (status, key_id, key) = match found.id {
        Some(_) => {
            let (key_id, key) = repeat(&mut db, &tenant, &found, &token, body, asked.as_ref()).await?;
            if let (Some(true), Some(id), true) = (found.proves, found.id, found.tells_otherwise(body)) {
                lock_stamping(&mut db, found.provider_id).await?;
                stored::renew(&mut db, &tenant, id, &body.product()).await?;
            }
            (StatusCode::OK, key_id, key)
        }
        None => {
            let (key_id, key) = first(&mut db, &tenant, &found, &token, body).await?;
            (StatusCode::CREATED, key_id, Some(key).filter(|_| asked.is_none()))
        }
    };
    let standing = standing(&mut db, &tenant, key_id).await?;
    let standing = standing.ok_or_else(|| Problem::internal("an enrollment without a state"))?;
    let certificate = match &asked {
        Some(asked) => Some(asked.certify(&mut db, &tenant, key_id, &standing.device).await?.0),
        None => None,
    };
    db.commit().await?;
    let state = standing.state;
    Ok(tell(status, state, Json(Enrolled { standing, key: key.map(|key| key.reveal()), certificate })))
}

/// The token, if it is good and has the right secret.
async fn find(db: &mut PgConnection, token: &ApiKey, serial: &Key) -> Result<Found> {
    let found: Option<Found> = sqlx::query_as(include_str!("../../sql/enroll/find.sql"))
        .bind(token.lookup())
        .bind(serial.as_str())
        .fetch_optional(db)
        .await?;
    found.filter(|found| token.has_hash(&found.secret_hash)).ok_or_else(refused)
}

async fn standing(db: &mut PgConnection, tenant: &Tenant, key_id: i32) -> sqlx::Result<Option<Standing>> {
    tenant.query_as(include_str!("../../sql/enroll/state.sql")).bind(key_id).fetch_optional(db).await
}

/// A device that enrolled before: its key's number, and its key where it may be told.
async fn repeat(
    db: &mut PgConnection,
    tenant: &Tenant,
    found: &Found,
    token: &ApiKey,
    body: &PostEnrollment,
    asked: Option<&Asked<'_>>,
) -> Result<(i32, Option<ApiKey>)> {
    let known = found.key_id.zip(found.key_uuid).zip(found.lookup.as_deref());
    let known = known.filter(|_| found.may_repeat && found.key_good);
    let ((key_id, id), lookup) = known.ok_or_else(refused)?;
    if let Some(asked) = asked {
        return if asked.is_known(db, key_id).await? { Ok((key_id, None)) } else { Err(refused()) };
    }
    match (found.proves, &body.secret) {
        (Some(true), Some(secret)) => {
            let key = ApiKey::of_device(lookup, token, secret);
            let hashes = [&found.key_hash, &found.previous_hash];
            let is_its_own = hashes.into_iter().flatten().any(|hash| key.has_hash(hash));
            if is_its_own { Ok((key_id, Some(key))) } else { Err(refused()) }
        }
        (Some(false), None) if found.key_used => Ok((key_id, None)),
        (Some(false), None) => {
            let stored = keys::lock(db, Some(found.provider_id), id).await?.ok_or_else(refused)?;
            let rotated = keys::rotate(db, &tenant.by, &stored, OVERLAP).await?;
            let (key, _) = rotated.ok_or_else(refused)?;
            Ok((key_id, Some(key)))
        }
        _ => Err(refused()),
    }
}

/// A device that enrolls for the first time: its key, with its number. The provider's stamping is locked.
async fn first(
    db: &mut PgConnection,
    tenant: &Tenant,
    found: &Found,
    token: &ApiKey,
    body: &PostEnrollment,
) -> Result<(i32, ApiKey)> {
    let used = sqlx::query(include_str!("../../sql/enroll/use_token.sql")).bind(found.token_id);
    if used.execute(&mut *db).await?.rows_affected() == 0 {
        return Err(refused());
    }
    let claimed: Vec<(String, Option<bool>)> = tenant
        .query_as(include_str!("../../sql/enroll/claimed.sql"))
        .bind(body.serial.as_str().to_owned())
        .bind(found.customer_id)
        .bind(found.group_id)
        .fetch_all(&mut *db)
        .await?;
    let device = match claimed.as_slice() {
        [] => body.serial.as_str(),
        [(registered, Some(true))] => registered,
        _ => return Err(refused()),
    };
    let key = ApiKey::random().map_err(Problem::internal)?;
    let key = body.secret.as_ref().map(|secret| ApiKey::of_device(key.lookup(), token, secret)).unwrap_or(key);
    let stored = keys::enroll(db, &tenant.by, &key, device).await?;
    let id = Uuid::now_v7();
    sqlx::query(include_str!("../../sql/enroll/create.sql"))
        .bind(id)
        .bind(found.provider_id)
        .bind(found.token_id)
        .bind(device)
        .bind(body.serial.as_str())
        .bind(&body.model)
        .bind(&body.firmware)
        .bind(body.secret.is_some() || body.csr.is_some())
        .bind(stored.key_id)
        .execute(&mut *db)
        .await?;
    let enrollment = stored::find(db, Some(found.provider_id), id).await?;
    let enrollment = enrollment.ok_or_else(|| Problem::internal("an enrollment that is not there"))?;
    stored::record(db, &tenant.by, Action::EnrollmentCreate, None, Some(&enrollment)).await?;
    if !found.approval && claimed.is_empty() {
        stored::approve(db, tenant, &enrollment).await?;
    }
    Ok((stored.key_id, key))
}
