//! `POST /v1/device/payload`: what a device sends in its own language.

use axum::Json;
use axum::extract::{FromRef, FromRequest, Request, State};
use axum::response::Response;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::entity::{Key, Ref};
use crate::core::profile::Sent;
use crate::core::reading::field;
use crate::http::access::Sender;
use crate::http::extract::{self, Query};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::ingest::body::SentBody;
use crate::ingest::pace::Pace;
use crate::ingest::post::Receipts;
use crate::ingest::verdict::Receipt;
use crate::limits::Limit;
use crate::profiles::definition::{Format, no_profile};
use crate::profiles::device::{self, Held};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
}

/// Most bytes of a payload, both as sent and decoded.
pub const MAX_PAYLOAD: usize = 1024 * 1024;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PostParameters {
    /// Key or id of the device; may be left out by a key that is bound to one.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "meter-0001")]
    device: Option<Ref>,
    /// When the device read the values, RFC 3339 with an offset; for payloads that tell no time themselves.
    #[param(value_type = Option<DateTime<Utc>>, example = "2026-11-01T00:15:00Z")]
    at: Option<String>,
    /// `all` lists every reading in `results`, not only those that were not stored.
    #[param(inline)]
    receipts: Option<Receipts>,
}

/// What became of a payload's readings, and what made them of it.
#[derive(Debug, Serialize, ToSchema)]
struct PayloadReceipt {
    /// Key of the profile.
    #[schema(example = "smart-meter")]
    profile: String,
    /// Its version.
    #[schema(example = 3)]
    version: i32,
    #[serde(flatten)]
    receipt: Receipt,
}

/// A payload as it was sent.
struct SentPayload {
    media_type: String,
    body: SentBody,
}

impl<S: Send + Sync> FromRequest<S> for SentPayload
where
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let media_type = extract::content_type(request.headers()).unwrap_or_default().to_ascii_lowercase();
        let body = SentBody::take(request, &App::from_ref(state), Limit::PayloadBytes, MAX_PAYLOAD).await?;
        Ok(Self { media_type, body })
    }
}

/// Post a payload
///
/// What a device sends in its own language: a P1 telegram as `text/plain`, its bytes as the meter gave them, JSON as
/// `application/json`, or CSV as `text/csv`; gzip or zstd if `Content-Encoding` says so. At most 1 MiB, decoded. The profile
/// that holds for the device makes readings of it, which then are stored, or not, as by `POST /v1/readings`, with the same
/// verdicts, limits and accounting. A payload that cannot be read at all, such as a telegram with a wrong checksum, is 400;
/// `detail` says in which line and why, and nothing of it was stored.
///
/// Times of a payload go before `at`. P1 telegrams before version 4 have none for electricity, and some JSON has none: the
/// readings then are of `at`, or without it of the arrival. Sent again without `at`, such a payload makes other readings; so
/// values that add up, of `delta` metrics, are rejected there (`missing_field`). Of the hour that comes twice when the clocks
/// are put back, a telegram without S or W means the last one before `at` or the arrival.
///
/// `index` counts the readings that were made, and `line` is the payload's, for P1 and CSV. A field of the profile that the
/// payload is without is a rejected reading (`missing_field`), unless the profile says `optional`.
#[utoipa::path(post, path = "/v1/device/payload", tag = "Devices", params(PostParameters),
    request_body(description = "A payload", content(
        (String = "text/plain", example = "/MTB5\\2MB-022\r\n\r\n1-0:1.8.1(00608.400*kWh)\r\n1-0:1.8.2(00490.342*kWh)\r\n!\r\n"),
        (serde_json::Value = "application/json", example = json!({"samples": [{"t": 1793490300, "total": 1234.5}]})),
        (String = "text/csv", example = "time,energy\n2026-11-01T00:15:00Z,1234.5\n"))),
    responses(
        (status = 200, description = "It could be read; a verdict for each reading", body = PayloadReceipt),
        (status = 409, description = "`no_profile`: no profile holds for the device",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`payload_too_large`: too many bytes or readings, for any payload or for this key",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`: the profile reads another format",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_readings`: as for `POST /v1/readings`",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    Sender(tenant): Sender,
    Query(query): Query<PostParameters>,
    SentPayload { media_type, body }: SentPayload,
) -> Result<Response> {
    let now = Utc::now();
    let at = query.at.as_deref().map(|text| field::at(text, now)).transpose();
    let at = at.map_err(|why| Problem::parameter("at", why.detail))?;
    let (key, profile) = {
        let mut db = app.query.acquire().await?;
        device::sending(&mut db, &tenant, query.device.as_ref()).await?
    };
    let held = profile.ok_or_else(|| no_profile(&key))?;
    check_media_type(&held, &media_type)?;
    let reader = held.definition.profile()?;
    let sent = Sent { device: Ref::Key(key.parse::<Key>().map_err(Problem::internal)?), at, now };
    let made = body.readings(&app, move |payload, room| reader.readings(payload, &sent, room)).await?;
    let pace = match Pace::of(&app, &tenant, made.items.len()) {
        Ok(pace) => pace,
        Err(answer) => return Ok(*answer),
    };
    let waiting = app.ingest.hand_in(&tenant, made);
    let stored = waiting.inspect_err(|_| pace.give_back(&app))?.stored().await?;
    let receipt = Receipt::new(&stored.items, stored.verdicts, query.receipts.is_some());
    receipt.count();
    Ok(pace.tell(Json(PayloadReceipt { profile: held.key, version: held.version, receipt })))
}

fn check_media_type(held: &Held, media_type: &str) -> Result<()> {
    let expected = match held.definition.format {
        Format::P1 => "text/plain",
        Format::Json => "application/json",
        Format::Csv => "text/csv",
    };
    if media_type == expected {
        return Ok(());
    }
    let detail = format!("the profile {} of the device reads {expected}; send it with that Content-Type", held.key);
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}
