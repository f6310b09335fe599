//! What the server tells about its work: logs, request ids, metrics.

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

use crate::app::App;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    Pretty,
    /// One JSON object a line
    Json,
}

/// Upper bounds of the latency histograms, in seconds.
const LATENCY_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

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
    let builder =
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCY_BUCKETS)?;
    let handle = builder.install_recorder()?;
    describe();
    Ok(recorder.insert(handle).clone())
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("meterbase_readings_total", "Readings received, by verdict.");
    describe_counter!("meterbase_problems_total", "Error answers, by problem code.");
    describe_gauge!("meterbase_quarantine_readings", "Readings in quarantine, of all providers.");
    describe_counter!(
        "meterbase_quarantine_replayed_total",
        "Readings in quarantine that were tried again, by verdict."
    );
    describe_counter!("meterbase_quarantine_expired_total", "Readings in quarantine that were there too long.");
    describe_counter!("meterbase_webhook_attempts_total", "Events posted to webhooks, by what came of it.");
    describe_histogram!("meterbase_http_request_duration_seconds", "Time from a request's head to its answer's head.");
    describe_gauge!("meterbase_limit", "Limits, by name and unit.");
    describe_gauge!("meterbase_limit_used", "How much of a limit is used.");
    describe_counter!("meterbase_limit_refusals_total", "What was refused, by the limit that it was beyond.");
    describe_gauge!("meterbase_pool_connections", "Open database connections, by pool.");
    describe_gauge!("meterbase_pool_idle_connections", "Open database connections that are not in use, by pool.");
    describe_gauge!("meterbase_rollup_lag_seconds", "Age of the oldest change that the rollups have yet to follow.");
    describe_histogram!("meterbase_rollup_refresh_duration_seconds", "Time to follow one batch of changes.");
    describe_counter!(
        "meterbase_rollup_buckets_total",
        "Rows (Community: windows) of rollups refreshed after changes."
    );
    describe_gauge!("meterbase_alerts", "Alerts, of all providers.");
    describe_gauge!("meterbase_alerts_firing", "Alerts that fire, of all providers.");
    describe_histogram!("meterbase_alert_evaluation_duration_seconds", "Time to judge all alerts once.");
    describe_counter!("meterbase_alert_transitions_total", "Times that alerts fired and resolved, by state.");
    describe_gauge!("meterbase_verify_differences", "Rows that were wrong in the last verification on schedule.");
    describe_gauge!("meterbase_verify_last_run_timestamp_seconds", "When the last verification on schedule ended.");
    describe_counter!(
        "meterbase_verify_compared_rows_total",
        "Rows of rollups and readings that this server compared on schedule."
    );
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

/// Labels are the route's pattern, never the path itself: their number is bounded by the route table.
async fn time_request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().to_string();
    let path = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::histogram!("meterbase_http_request_duration_seconds", "method" => method, "path" => path, "status" => status)
        .record(started.elapsed().as_secs_f64());
    response
}

/// Limits, and pool sizes, as of now.
pub fn sample(app: &App) {
    app.guards.sample();
    for (name, pool) in [("query", &app.query), ("ingest", app.ingest.pool())] {
        metrics::gauge!("meterbase_pool_connections", "pool" => name).set(f64::from(pool.size()));
        metrics::gauge!("meterbase_pool_idle_connections", "pool" => name).set(pool.num_idle() as f64);
    }
}
