//! `POST /v1/readings`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::access::Sender;
use crate::http::extract::Query;
use crate::http::problem::{ProblemBody, Result};
use crate::ingest::body::SentReadings;
use crate::ingest::pace::Pace;
use crate::ingest::verdict::Receipt;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PostParameters {
    /// `all` lists every reading in `results`, not only those that were not stored.
    #[param(inline)]
    receipts: Option<Receipts>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Receipts {
    All,
}

/// Readings, bare or under a name.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "documents the body, which is read reading by reading")]
enum SentBody {
    Bare(Vec<SentReading>),
    Named { readings: Vec<SentReading> },
}

/// A reading as it is sent.
#[derive(Deserialize, ToSchema)]
#[schema(title = "Reading", example = json!({"device": "meter-17", "metric": "energy", "at": "2026-11-01T00:15:00+01:00",
    "value": "32.330", "id": "evt-8812", "dimensions": {"tariff": "peak"}}))]
#[expect(dead_code, reason = "documents the body, which is read reading by reading")]
struct SentReading {
    /// Key or id of the device.
    device: String,
    /// Key or id of the metric.
    metric: String,
    /// RFC 3339 with an offset, from 1970 to 366 days ahead. Kept to the microsecond.
    at: chrono::DateTime<chrono::Utc>,
    /// A decimal, as a number or as a string. More decimals than the metric's scale are rounded half to even.
    value: DecimalInput,
    /// Id of the event, 1 to 256 characters: tells readings of one channel and instant apart.
    id: Option<String>,
    /// Up to 16 names (A-Z a-z 0-9 . _ -, up to 64 characters) with values of up to 256 characters; 1,024 bytes in
    /// all. Each combination is a channel of its own.
    dimensions: Option<std::collections::BTreeMap<String, String>>,
}

/// A decimal.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "documents the body")]
enum DecimalInput {
    Text(String),
    Number(f64),
}

/// Post readings
///
/// The body is a JSON array of readings or `{"readings": [...]}`, NDJSON, or CSV with a header row (columns `device`,
/// `metric`, `at`, `value`, optionally `id` and `dimensions.<name>`, separated by commas; at most 256); gzip or zstd if
/// `Content-Encoding` says so. At most 50,000 readings and 32 MiB, decoded. The text is UTF-8; a byte order mark and
/// lines that end in CRLF are fine.
///
/// Every reading gets a verdict of its own, and one that is bad fails alone. What is answered `stored` is committed.
/// A reading is identified by device, metric, dimensions, instant and event id: sending it again changes nothing, so a
/// request that got no answer can always be repeated. So can one that failed while it was stored: of a large one some may be
/// there then, as the answer says.
///
/// Codes of `rejected`: `invalid_json`, `invalid_row`, `missing_field`, `unknown_field`, `invalid_device`,
/// `invalid_metric`, `invalid_time`, `naive_time`, `time_out_of_range`, `invalid_value`, `out_of_range`,
/// `too_many_decimals`, `invalid_id`, `invalid_dimensions`, `beyond_retention`, `quarantine_full`. Of `quarantined`:
/// `unknown_device`, `unknown_metric`, `device_unassigned`, `device_unapproved`; `GET /v1/quarantine` says what becomes of those. Of `conflict`:
/// `value_differs`, `id_differs`. A register's reading that does not follow from those before it is `stored` and adds
/// nothing until somebody decides about it (`GET /v1/reviews`); `receipts=all` gives it the code `under_review`.
///
/// A key may be for a part of its provider: a device, a group, or a customer with all below it. Readings that are not of that
/// part, at their instants, have the verdict of an unknown device, and are kept like its readings: stored only if their device
/// should come to belong to that part at their instants.
///
/// A key may have a rate of its own, or the server one for all keys: so many readings a second, and at most so many at once.
/// Answers to such a key say how it stands, as draft-ietf-httpapi-ratelimit-headers has it, counted in readings:
/// `RateLimit-Policy: "default";q=<at once>;w=<seconds until that is free again>` and
/// `RateLimit: "default";r=<may be sent now>;t=<seconds until all is free>`. What is too fast is 429 with `Retry-After`, a body
/// of more than may be sent at once 413; nothing of it is stored. Each server counts for itself.
#[utoipa::path(post, path = "/v1/readings", tag = "Readings", params(PostParameters),
    request_body(description = "Readings", content(
        (SentBody = "application/json"),
        (String = "application/x-ndjson", example = "{\"device\":\"meter-17\",\"metric\":\"energy\",\"at\":\"2026-11-01T00:15:00Z\",\"value\":1.5}\n"),
        (String = "text/csv", example = "device,metric,at,value\nmeter-17,energy,2026-11-01T00:15:00Z,1.5\n"))),
    responses(
        (status = 200, description = "The body could be read; a verdict for each reading", body = Receipt, headers(
            ("RateLimit-Policy" = String, description = "What the key may send, where it has a limit: `\"default\";q=1000;w=10`"),
            ("RateLimit" = String, description = "What it may send just now: `\"default\";r=250;t=8`"))),
        (status = 413, description = "`payload_too_large`: too many bytes or readings, for any body or for this key",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_readings`: the key sends faster than it may, or the provider has too much waiting; try again after `Retry-After`",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    Sender(tenant): Sender,
    Query(query): Query<PostParameters>,
    sent: SentReadings,
) -> Result<Response> {
    let pace = match Pace::of(&app, &tenant, sent.items.len()) {
        Ok(pace) => pace,
        Err(answer) => return Ok(*answer),
    };
    let _held = sent.held.clone();
    let waiting = app.ingest.hand_in(&tenant, sent);
    let stored = waiting.inspect_err(|_| pace.give_back(&app))?.stored().await?;
    let receipt = Receipt::new(&stored.items, stored.verdicts, query.receipts.is_some());
    receipt.count();
    Ok(pace.tell(Json(receipt)))
}
