//! What browsers are told not to do with the server's answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;
use crate::keys::ClientCertificate;

/// The dashboard runs its own scripts and styles alone, and talks to this server alone.
pub const DASHBOARD: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Swagger UI writes styles into its elements.
pub const DOCUMENTATION: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Problem pages run no scripts.
pub const PROBLEMS: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// An answer of the API is no page: should a browser take it for one, it can do nothing.
const ANSWER: &str = "default-src 'none'; frame-ancestors 'none'";

/// For all answers.
const ALWAYS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// For pages.
const PAGE: [(HeaderName, &str); 3] = [
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// A year, over TLS: browsers do not try without for that long.
const TRANSPORT: &str = "max-age=31536000";

/// Pages with what they may load and run.
pub fn page(pages: Router<App>, policy: &'static str) -> Router<App> {
    let policy = (header::CONTENT_SECURITY_POLICY, policy);
    PAGE.into_iter().chain([policy]).fold(pages, |pages, (name, value)| {
        pages.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)))
    })
}

/// Adds what holds for all answers.
pub async fn protect(request: Request, next: Next) -> Response {
    let is_encrypted = is_encrypted(request.extensions());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(ANSWER));
    if is_encrypted {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TRANSPORT));
    }
    response
}

/// Whether the request came over TLS: only there the connection's certificate was asked for.
pub fn is_encrypted(extensions: &axum::http::Extensions) -> bool {
    extensions.get::<Option<Arc<ClientCertificate>>>().is_some()
}

/// Whether the browser of a request reached the server over TLS, be it that of a proxy in front: it says where its page is from.
pub fn is_secure_origin(headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}
