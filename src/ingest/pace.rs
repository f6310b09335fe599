//! How fast a key sends, and what it is told about that.
//!
//! The fields are those of the Internet-Draft draft-ietf-httpapi-ratelimit-headers (since its eighth version):
//! `RateLimit-Policy: "default";q=<quota>;w=<seconds>` and `RateLimit: "default";r=<remaining>;t=<seconds>`, structured
//! fields of RFC 9651. What is counted is readings, not requests.

use std::time::{Duration, Instant};

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::http::access::Tenant;
use crate::http::problem::{Code, Problem};
use crate::limits::Limit;
use crate::limits::rate::{Rate, Standing, TooMany};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// How it stands with the key that sends readings; none where it has no limit.
pub struct Pace(Option<Taken>);

/// What a request took of its key's rate.
struct Taken {
    key_id: i32,
    readings: usize,
    standing: Standing,
}

impl Pace {
    /// Counts the readings of a request. Where they are too many, nothing of it is to be stored, and this is the answer.
    pub fn of(app: &App, tenant: &Tenant, readings: usize) -> Result<Self, Box<Response>> {
        let (limits, own) = (&app.guards.limits, tenant.rate);
        let rate = match own.rate {
            // The database has no rates below 0.
            Some(rate) => Rate::new(rate.unsigned_abs(), own.burst.unwrap_or(0).unsigned_abs()),
            None => Rate::new(limits.key_rate, limits.key_burst),
        };
        let Some((key_id, rate)) = tenant.by.key_id.zip(rate) else { return Ok(Self(None)) };
        match app.guards.rates.take(key_id, rate, readings, Instant::now()) {
            Ok(standing) => Ok(Self(Some(Taken { key_id, readings, standing }))),
            Err(TooMany::Now(standing, wait)) => Err(Box::new(too_fast(standing, wait, readings))),
            Err(TooMany::Ever(standing)) => Err(Box::new(too_many(standing, readings))),
        }
    }

    /// The answer, with what the key may still send.
    pub fn tell(&self, answer: impl IntoResponse) -> Response {
        told(self.0.as_ref().map(|taken| &taken.standing), answer)
    }

    /// The readings were refused at once for another reason: they cost the key nothing.
    pub fn give_back(&self, app: &App) {
        if let Some(Taken { key_id, readings, standing }) = &self.0 {
            app.guards.rates.give_back(*key_id, standing.rate, *readings);
        }
    }
}

fn told(standing: Option<&Standing>, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    if let Some(standing) = standing {
        response.headers_mut().extend(fields(standing));
    }
    response
}

fn too_fast(standing: Standing, wait: Duration, readings: usize) -> Response {
    Limit::KeyRate.refused();
    let Standing { rate: Rate { per_second, burst }, remaining, .. } = standing;
    let detail = format!(
        "{readings} readings, and this key may send {remaining} just now: {per_second} a second, at most {burst} at once; \
         nothing was stored, send them again in {} s",
        seconds(wait)
    );
    let mut response = told(Some(&standing), Problem::new(Code::TooManyReadings, detail));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
    response
}

fn too_many(standing: Standing, readings: usize) -> Response {
    Limit::KeyBurst.refused();
    let Rate { per_second, burst } = standing.rate;
    let detail = format!(
        "{readings} readings, and this key may send {burst} at once: nothing was stored, send them in {} requests of at most \
         {burst} readings, {per_second} readings a second",
        readings.div_ceil(burst as usize)
    );
    told(Some(&standing), Problem::new(Code::PayloadTooLarge, detail))
}

fn fields(standing: &Standing) -> [(HeaderName, HeaderValue); 2] {
    let Standing { rate: Rate { per_second, burst }, remaining, full_in } = standing;
    let policy = format!("\"default\";q={burst};w={}", burst.div_ceil(*per_second));
    let now = format!("\"default\";r={remaining};t={}", seconds(*full_in));
    // Digits and punctuation of ASCII are always a header's value.
    let value = |text: String| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    [(POLICY, value(policy)), (STANDING, value(now))]
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
