//! `GET /v1/device/config`: what a device is to do.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::entity::Ref;
use crate::core::interval::Interval;
use crate::http::access::Sender;
use crate::http::etag;
use crate::http::extract::Query;
use crate::http::problem::{Problem, Result};
use crate::profiles::device::{self, Device};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// Longest wait for another configuration, in seconds.
pub const MAX_WAIT: u64 = 60;

/// What a device is to do, by the profile that holds for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceConfig)]
pub struct Config {
    /// Key of the device.
    #[schema(example = "meter-0001")]
    pub device: String,
    /// Key of the profile; null where none holds for the device.
    #[schema(required, example = "smart-meter")]
    pub profile: Option<String>,
    /// Version of the profile, to be acknowledged; null where none holds for the device.
    #[schema(required, example = 3)]
    pub version: Option<i32>,
    /// How often to report; null where that is left to the device.
    #[schema(required, value_type = Option<String>, example = "15m")]
    pub interval: Option<Interval>,
    /// The same in seconds, for those who cannot read texts.
    #[schema(required, example = 900)]
    pub interval_seconds: Option<u32>,
    /// What else it is told.
    #[schema(value_type = Object, example = json!({"display": "off"}))]
    pub settings: Map<String, Value>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct GetParameters {
    /// Key or id of the device; may be left out by a key that is bound to one.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "meter-0001")]
    device: Option<Ref>,
    /// Seconds, 0 to 60, to wait for another configuration than that of `If-None-Match`; 0 when left out.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 60, example = 30)]
    wait: Option<String>,
}

/// What a device is to do
///
/// The answer's `ETag` stands for it: sent back in `If-None-Match`, it gets 304 while nothing is different. With `wait` the
/// answer to that comes when something is, or when the time is over, whichever is first; a change is seen about a second
/// later, on whichever server it was made. A key that is revoked meanwhile gets 401 then. Where many wait already, or the server stops, the answer comes at once.
#[utoipa::path(get, path = "/v1/device/config", tag = "Devices",
    params(GetParameters,
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of an answer before",
            example = "\"019ab3f0-8c1d-7000-8000-3f1f6a1c2b9e.3\"")),
    responses(
        (status = 200, description = "What it is to do", body = Config,
            headers(("ETag" = String, description = "Another one for another configuration"))),
        (status = 304, description = "As before",
            headers(("ETag" = String, description = "As before")))))]
async fn get(
    State(app): State<App>,
    Sender(mut tenant): Sender,
    mut parts: Parts,
    Query(query): Query<GetParameters>,
) -> Result<Response> {
    let until = Instant::now() + wait(query.wait.as_deref())?;
    let turn = if until > Instant::now() { app.guards.config_waits.take(1) } else { None };
    let mut may_wait = turn.is_some();
    loop {
        let device = device::calling(&mut *app.query.acquire().await?, &tenant, query.device.as_ref()).await?;
        let etag = tag(&device);
        let told = [(header::ETAG, HeaderValue::try_from(&etag).map_err(Problem::internal)?)];
        if !etag::is_known(&parts.headers, &etag) {
            return Ok((told, Json(Config::of(&device))).into_response());
        }
        if !may_wait {
            return Ok((StatusCode::NOT_MODIFIED, told).into_response());
        }
        tokio::select! {
            () = app.config_watch.more_than(tenant.provider_id(), device.changes) => {}
            () = sleep_until(until) => may_wait = false,
            () = app.drain.beginning() => may_wait = false,
        }
        // The key may have been revoked meanwhile.
        Sender(tenant) = Sender::from_request_parts(&mut parts, &app).await?;
    }
}

impl Config {
    pub fn of(device: &Device) -> Self {
        let definition = device.profile.as_ref().map(|held| &held.definition);
        let interval = definition.and_then(|definition| definition.interval);
        Self {
            device: device.key.clone(),
            profile: device.profile.as_ref().map(|held| held.key.clone()),
            version: device.profile.as_ref().map(|held| held.version),
            interval,
            interval_seconds: interval.map(Interval::seconds),
            settings: definition.map(|definition| definition.settings.clone()).unwrap_or_default(),
        }
    }
}

fn wait(text: Option<&str>) -> Result<Duration> {
    match text.unwrap_or("0").parse() {
        Ok(seconds @ 0..=MAX_WAIT) => Ok(Duration::from_secs(seconds)),
        _ => Err(Problem::parameter("wait", format!("a number of seconds from 0 to {MAX_WAIT}"))),
    }
}

/// A version of a profile is one configuration.
fn tag(device: &Device) -> String {
    match &device.profile {
        Some(held) => format!("\"{}.{}\"", held.id, held.version),
        None => "\"none\"".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded() {
        assert_eq!(wait(None), Ok(Duration::ZERO));
        assert_eq!(wait(Some("60")), Ok(Duration::from_secs(60)));
        for text in ["61", "-1", "1.5", "", "a"] {
            assert!(wait(Some(text)).is_err(), "{text}");
        }
    }
}
