//! Errors as callers see them: RFC 9457 problems, a closed set. Each code has a page under `/problems/`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::database;

macro_rules! codes {
    ($($variant:ident = $slug:literal, $status:ident, $title:literal, $page:literal;)*) => {
        /// Every problem that the server answers with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($variant),* }

        impl Code {
            /// All codes, in the order in which the problem pages list them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The last part of the problem's type.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug),* }
            }

            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }

            /// What the problem's page says: what it means and the way out.
            pub fn page(self) -> &'static str {
                match self { $(Self::$variant => $page),* }
            }
        }
    };
}

codes! {
    UnreadableBody = "unreadable_body", BAD_REQUEST, "The body cannot be read",
        "The body is not what its Content-Type says: not JSON, not CSV with a header row, not a telegram with the checksum that it says, not valid UTF-8, or cut off. Nothing of it was stored. Mend the body and send it again.";
    InvalidBody = "invalid_body", UNPROCESSABLE_ENTITY, "The body breaks the rules",
        "The body could be read, but a field is missing, unknown, or has a value that is not allowed. `errors` names each place as a JSON pointer. Nothing was changed.";
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "A parameter is wrong",
        "A query or path parameter is missing, unknown, or has a value that is not allowed. `errors` names it.";
    MeaninglessStatistic = "meaningless_statistic", UNPROCESSABLE_ENTITY, "The statistic means nothing for this metric",
        "The kind of the metric makes the statistic meaningless: the sum of a gauge's levels, the average of a register's running total. Ask for another one, or leave `stats` out.";
    TooManyPoints = "too_many_points", UNPROCESSABLE_ENTITY, "The answer would be too large",
        "Metrics, series and buckets multiply to more points than one answer holds. Narrow the range, take a larger bucket, or ask for fewer metrics or a smaller scope.";
    NotKept = "not_kept", UNPROCESSABLE_ENTITY, "What is asked for is no longer kept",
        "Readings, or figures by the hour, day or month, are kept for the times that the server was started with (`--keep-readings` and its like). What is older was dropped. Ask for a later range, or for a larger bucket: what is made from something is kept at least as long.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "An API key is needed",
        "Send `Authorization: Bearer <api key>`, or connect with a certificate that has a key. The key is missing, malformed, unknown, expired or revoked, or the session of the dashboard has ended: sign in again. Make one with `meterbase keys create`.";
    Forbidden = "forbidden", FORBIDDEN, "The key's scope does not allow this",
        "The key is good, but not for this operation, or it is for a part of the provider and the operation concerns all of it. `ingest` keys post readings, `read` keys read, `provider` keys do both and keep the registry, `admin` keys do everything.";
    CrossSiteRequest = "cross_site_request", FORBIDDEN, "The request may come from another site",
        "Whoever is signed in by cookie sends `X-Meterbase-Request: 1` with every request that changes something, which pages of other sites cannot. Send it, or a key in the `Authorization` header instead.";
    NotFound = "not_found", NOT_FOUND, "There is no such thing",
        "The path, or an entity named in the path, a parameter or the body, does not exist for this key. Check the spelling and whose key it is.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not allowed here",
        "The path exists, but not with this method. The `Allow` header lists those it has.";
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "None of the accepted formats is available",
        "The `Accept` header asks for a format that this operation does not have. Its documentation lists the formats.";
    CustomerCycle = "customer_cycle", CONFLICT, "A customer cannot be above itself",
        "The parent is the customer itself or one of its sub-customers. Choose a parent outside of its subtree.";
    CustomerInUse = "customer_in_use", CONFLICT, "The customer is in use",
        "The customer still has sub-customers, groups, devices (present or past), readings or API keys (revoked ones too), so it cannot be deleted. Figures of the past need their owner.";
    GroupInUse = "group_in_use", CONFLICT, "The group is in use",
        "The group has or had devices, or API keys are for it, so it can neither be deleted nor given to another customer. Figures of the past need their group.";
    GroupOfAnotherCustomer = "group_of_another_customer", CONFLICT, "The group belongs to another customer",
        "A device can only be in a group of its own customer. Name a group of that customer, or leave the group out.";
    MetricInUse = "metric_in_use", CONFLICT, "The metric has readings",
        "Kind and scale give every stored value its meaning and are fixed from the first reading on. Make a new metric instead.";
    TimeZoneInUse = "time_zone_in_use", CONFLICT, "The time zone has been billed in",
        "Readings are stored under the billing days of their customer's time zone, so it cannot be replaced once there are readings. `POST /v1/customers/{key}/time-zone` changes it from a day on, past or to come: earlier days keep theirs.";
    DeviceRetired = "device_retired", CONFLICT, "The device is retired",
        "A retired device cannot be moved. Put it into service again with PUT /v1/devices/{key}, then move it.";
    ReplacementDiffers = "replacement_differs", CONFLICT, "The meter was replaced at that instant with other values",
        "A meter is replaced once at an instant. If what was told before is wrong, take it back with DELETE /v1/devices/{key}/replacements/{id}, then tell it anew.";
    NotUnderReview = "not_under_review", CONFLICT, "The reading is not under review",
        "Other readings showed meanwhile that nothing is wrong with it, or it only repeats the one before, which the decision is about. There is nothing to decide.";
    ReadingsDropped = "readings_dropped", CONFLICT, "The readings are not kept any more",
        "Readings of that time were dropped because they are older than readings are kept (`--keep-readings`). What they added to usage stays as it is, so nothing was changed. A change can be dated to when readings are kept.";
    KeyEnded = "key_ended", CONFLICT, "The key is revoked or has expired",
        "A key that is revoked stays so, and one that has expired must be given another end before it gets another secret. Make a new key instead.";
    KeyWithoutText = "key_without_text", CONFLICT, "A certificate stands for the key",
        "The key has no text that could be replaced. Make a key for the next certificate with `POST /v1/keys`, then revoke this one; a key for the subject of certificates goes on as they are renewed.";
    CertificateTaken = "certificate_taken", CONFLICT, "The certificate has a key already",
        "A certificate, or a subject of certificates, stands for one key of the whole server. Revoke that key before, or use another certificate.";
    NoIssuingAuthority = "no_issuing_authority", CONFLICT, "The server gives no certificates",
        "A device asked for a certificate, and the server has no authority to give one (`serve --issuing-ca-cert`, `--issuing-ca-key`). Enroll without `csr`, with a `secret`: the device then gets an API key.";
    EnrollmentRefused = "enrollment_refused", FORBIDDEN, "The enrollment is refused",
        "The token is unknown, expired, revoked or used up, the serial number cannot be enrolled with it, or whoever asks is not the device that it was enrolled for, or was refused. Which of these it is is not told to who asks; `GET /v1/enrollments` and `GET /v1/enrollment-tokens` tell those who keep them.";
    NotApproved = "not_approved", FORBIDDEN, "The device waits for approval",
        "The device registered itself, and somebody has to approve that. Until then it has no configuration, and what it posts waits in quarantine. `GET /v1/enroll` tells how far that is.";
    EnrollmentDecided = "enrollment_decided", CONFLICT, "The enrollment is decided otherwise",
        "An enrollment that was refused cannot be approved, nor one that was approved be refused: delete it, and the device may enroll once more. Its key ends with it.";
    TooManyTries = "too_many_tries", TOO_MANY_REQUESTS, "Too many enrollments were refused",
        "From this address, or others beside it, came too many enrollments that were refused. Nothing was looked at. Send it again after the seconds in `Retry-After`.";
    NoProfile = "no_profile", CONFLICT, "No profile holds for the device",
        "What a device sends in its own language is understood by a profile, and none holds for this device. Name one in `PUT /v1/devices/{key}`, or give the device the model and firmware that a profile recognises.";
    ProfileInUse = "profile_in_use", CONFLICT, "Devices name the profile",
        "Devices were given this profile by name, and would be without one. Give them another, or none, with `PUT /v1/devices/{key}`, then delete it.";
    TooManyListeners = "too_many_listeners", TOO_MANY_REQUESTS, "Too many listen to events",
        "As many callers listen to the events of this provider as one server lets it. Close what nobody looks at any more, then ask again after the seconds in `Retry-After`.";
    TooManyWebhooks = "too_many_webhooks", CONFLICT, "The provider has as many webhooks as it may",
        "Each event is posted to every webhook that is told its type, so there is a limit on how many a provider has. Delete one with `DELETE /v1/webhooks/{key}`, then make this one.";
    WebhookDisabled = "webhook_disabled", CONFLICT, "The webhook is not enabled",
        "A webhook that is not enabled is told nothing. Enable it with `PUT /v1/webhooks/{key}`, then try again.";
    TooManyAlerts = "too_many_alerts", CONFLICT, "The provider has as many alerts as it may",
        "A provider has 10000 alerts at most. Delete those that nobody needs with `DELETE /v1/alerts/{key}`, or make one for a customer or group instead of one for each device.";
    Conflict = "conflict", CONFLICT, "Another change came first",
        "Somebody else changed the same thing at the same time. Send the request again.";
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        "The body is over the limit in bytes or in items. Nothing of it was stored. Send it in parts.";
    SlowBody = "slow_body", REQUEST_TIMEOUT, "The body came too slowly",
        "The body, or the next part of it, did not arrive within the server's time limits. Nothing of it was stored. Send it again, in smaller parts if the line is slow.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body's format is not supported",
        "The Content-Type or Content-Encoding is not one that this operation reads. Its documentation lists them.";
    TooManyReadings = "too_many_readings", TOO_MANY_REQUESTS, "Readings come faster than they are stored",
        "This provider has as many readings waiting as the server lets it, or a key sends more than its rate. Nothing of the request was stored. Send it again after the seconds in `Retry-After`.";
    TimedOut = "timed_out", SERVICE_UNAVAILABLE, "It took too long",
        "The operation did not finish within the server's time limit and was undone. Ask for less at once, or try again later.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The server is overloaded",
        "The server has as many requests, bytes of bodies or readings under way as its limits allow. Nothing of the request was done. Send it again after the seconds in `Retry-After`.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The database cannot be reached",
        "The database is away, has no free connection or no space left, or the server stops. Where the database went away while it was committing, what was sent may be stored all the same; so send it again after the seconds in `Retry-After`: a repetition changes nothing.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server failed",
        "Something went wrong that is not the caller's fault. The server's log has the details under the request's `X-Request-Id`.";
}

/// One field's error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body (`/devices/3/key`), or the name of a parameter.
    pub pointer: String,
    /// Short code of the error.
    #[schema(example = "invalid_value")]
    pub code: &'static str,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// A problem on its way to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub detail: String,
    pub errors: Vec<FieldError>,
}

pub type Result<T> = std::result::Result<T, Problem>;

/// A problem as it is sent, RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Problem")]
pub struct ProblemBody {
    /// `/problems/<code>`, which is also the address of a page about it.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not_found")]
    kind: String,
    title: &'static str,
    #[schema(example = 404)]
    status: u16,
    /// What happened in this case.
    detail: String,
    /// Errors of single fields; absent when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

/// Seconds after which a caller may try again when the server or its database is overloaded or away.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }

    /// Adds the place of the error.
    pub fn at(mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), code, detail: detail.into() });
        self
    }

    /// A parameter with a value that is not allowed.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(Code::InvalidParameter, format!("{name}: {detail}")).at(name, "invalid_value", detail)
    }

    /// A field of the body with a value that is not allowed.
    pub fn field(pointer: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(Code::InvalidBody, format!("{pointer}: {detail}")).at(pointer, "invalid_value", detail)
    }

    /// An entity that does not exist for this caller; `pointer` is where the caller named it.
    pub fn no_such(what: &str, name: impl std::fmt::Display, pointer: Option<&str>) -> Self {
        let detail = format!("there is no {what} {name}");
        let problem = Self::new(Code::NotFound, detail.clone());
        match pointer {
            Some(pointer) => problem.at(pointer, "not_found", detail),
            None => problem,
        }
    }

    /// The server's own fault: logged here, once, and told without details.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        Self::new(Code::Internal, "the server's log has the details")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        metrics::counter!("meterbase_problems_total", "code" => self.code.slug()).increment(1);
        let status = self.code.status();
        let told =
            |error: FieldError| FieldError { pointer: cut(error.pointer), detail: cut(error.detail), code: error.code };
        let body = ProblemBody {
            kind: format!("/problems/{}", self.code.slug()),
            title: self.code.title(),
            status: status.as_u16(),
            detail: cut(self.detail),
            errors: self.errors.into_iter().map(told).collect(),
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Most bytes of a text in a problem: what it quotes of a request may be long.
const MAX_TOLD: usize = 2000;

fn cut(mut text: String) -> String {
    if text.len() > MAX_TOLD {
        text.truncate(text.floor_char_boundary(MAX_TOLD));
        text.push_str("...");
    }
    text
}

/// The database decides conflicts; its named constraint says which problem it is.
impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        if database::is_full(&error) {
            tracing::error!(%error, "the database has no space left");
            return Self::new(Code::Unavailable, "the database has no space left on its disk; nothing was changed");
        }
        if database::is_unavailable(&error) {
            tracing::warn!(%error, "database unavailable");
            return Self::new(Code::Unavailable, "the database cannot be reached just now");
        }
        match &error {
            sqlx::Error::Database(db) => match from_constraint(db.constraint()) {
                Some(problem) => problem,
                None => from_sql_state(&error, db.code().as_deref()),
            },
            _ => Self::internal(error),
        }
    }
}

fn from_constraint(constraint: Option<&str>) -> Option<Problem> {
    let (code, detail) = match constraint? {
        "customer_no_cycle" => (Code::CustomerCycle, "the parent is the customer itself or below it"),
        "customer_parent_fkey" => (Code::CustomerInUse, "the customer has sub-customers"),
        "device_group_customer_fkey" => (Code::CustomerInUse, "the customer has groups"),
        "assignment_customer_fkey" => (Code::CustomerInUse, "the customer has or had devices"),
        "api_key_of_customer_fkey" => (Code::CustomerInUse, "API keys are for the customer"),
        "api_key_of_group_fkey" => (Code::GroupInUse, "API keys are for the group"),
        "assignment_group_fkey" => (Code::GroupInUse, "the group has or had devices"),
        "metric_fixed_once_used" => (Code::MetricInUse, "kind and scale of a metric with readings are fixed"),
        "device_profile_fkey" => (Code::ProfileInUse, "devices name the profile, or it was deleted just now"),
        "reading_kept" => {
            (Code::ReadingsDropped, "readings of that time are no longer kept, and their figures stay as they are")
        }
        "time_zone_name_known" => return Some(Problem::field("/time_zone", "not a time zone that the database knows")),
        _ => return None,
    };
    Some(Problem::new(code, detail))
}

/// SQLSTATE classes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn from_sql_state(error: &sqlx::Error, state: Option<&str>) -> Problem {
    match state.unwrap_or_default() {
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => Problem::new(Code::Conflict, "another change came first; nothing was changed"),
        // query_canceled (statement_timeout), lock_not_available
        "57014" | "55P03" => Problem::new(Code::TimedOut, "the database did not finish in time; nothing was changed"),
        _ => Problem::internal(error),
    }
}
