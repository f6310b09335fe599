//! What the server tells about its work: logs, request ids, metrics.
//!
//! - [`list`]: all metrics by name
//! - [`page`]: what `/metrics` tells
//! - [`gather`]: what only the database knows, asked for now and then
//! - `process`: what the system says of this process
//! - `task`: how background work goes

pub mod gather;
pub mod list;
pub mod page;
mod process;
mod task;

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderName;
use axum::middleware::{self, Next};
use axum::response::Response;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower::ServiceBuilder;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::TraceLayer;

use list::{FAMILIES, Kind};
pub use page::{Metrics, Sample, render};
pub use task::Task;

use crate::ingest::verdict::VERDICTS;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    Pretty,
    /// One JSON object a line
    Json,
}

/// Upper bounds of the histograms of times, in seconds.
const LATENCY_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The same of how many readings are stored together.
const FLUSH_BUCKETS: &[f64] =
    &[1.0, 10.0, 100.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 20_000.0, 50_000.0, 100_000.0];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Sends logs to standard error. `RUST_LOG` says which.
pub fn start_logging(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,refinery_core=warn,sqlx=warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Pretty => subscriber.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}

/// The process's metrics recorder: installed by the first call, the same for all further ones.
pub fn start_metrics() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*recorder {
        return Ok(handle.clone());
    }
    process::started();
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_readings".to_owned()), FLUSH_BUCKETS)?;
    let handle = builder.install_recorder()?;
    describe();
    Ok(recorder.insert(handle).clone())
}

/// What is in the list and kept by the recorder; the rest is described where it is written.
fn describe() {
    for family in FAMILIES {
        match family.kind {
            Kind::Counter => metrics::describe_counter!(family.name, family.what),
            Kind::Gauge => metrics::describe_gauge!(family.name, family.what),
            Kind::Histogram => metrics::describe_histogram!(family.name, family.what),
        }
    }
    // A rate can be told of the first reading only where there was a number before.
    for verdict in VERDICTS {
        metrics::counter!("meterbase_readings_total", "verdict" => verdict).increment(0);
    }
}

/// Request ids, log spans and latencies around every request.
pub fn layers() -> impl tower::Layer<
    axum::routing::Route,
    Service: tower::Service<
        Request,
        Response: axum::response::IntoResponse,
        Error: Into<std::convert::Infallible>,
        Future: Send,
    > + Clone
                 + Send
                 + Sync
                 + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request| {
            let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
            tracing::info_span!("request", id, method = %request.method(), path = request.uri().path())
        }))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(middleware::from_fn(time_request))
}

/// Labels are of what the server knows, never of what a caller made up: the route's pattern, one of HTTP's methods, a class
/// of status.
async fn time_request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = METHODS.iter().find(|method| **method == request.method().as_str()).copied().unwrap_or("other");
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let status = match response.status().as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    let labels = [("method", method.into()), ("route", route), ("status", status.to_owned())];
    metrics::histogram!("meterbase_http_request_duration_seconds", &labels).record(started.elapsed().as_secs_f64());
    response
}

/// RFC 9110, section 9, and RFC 5789; all others are counted together.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
