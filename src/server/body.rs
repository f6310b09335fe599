//! Time limits of request bodies: a connection that sends a byte now and then must not be held for ever.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tower_http::timeout::{DeadlineBody, TimeoutBody};

/// Longest pause between two parts of a body.
const PAUSE: Duration = Duration::from_secs(30);

/// Longest time for a whole body: 32 MiB over 1 Mbit/s.
const WHOLE: Duration = Duration::from_secs(300);

/// A body that takes longer ends in an error, which the handler answers as a body that was cut off.
pub async fn limit_time(request: Request, next: Next) -> Response {
    next.run(request.map(|body| Body::new(DeadlineBody::new(WHOLE, Box::pin(TimeoutBody::new(PAUSE, body)))))).await
}
