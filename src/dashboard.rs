//! The dashboard: the files of `web/`, in the binary. A debug build reads them from the source tree each time, so a page that is
//! worked on needs no build.
//!
//! What the pages show they ask of the API, signed in as `keys::session` says.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::Embed;
use tower_http::compression::CompressionLayer;

use crate::app::App;
use crate::http::problem::{Code, Problem, Result};
use crate::http::{etag, security};

#[derive(Embed)]
#[folder = "web/"]
struct Files;

/// The start page, and what it is made of; its links lead to places in it (`/#/usage`).
pub fn pages() -> Router<App> {
    let pages = Router::new().route("/", get(|headers: HeaderMap| async move { file("index.html", &headers) })).route(
        "/dashboard/{*path}",
        get(|Path(path): Path<String>, headers: HeaderMap| async move { file(&path, &headers) }),
    );
    security::page(pages, security::DASHBOARD).layer(CompressionLayer::new())
}

/// A file, or that it is as it was. It is asked for each time, so that pages of two releases never mix.
fn file(path: &str, headers: &HeaderMap) -> Result<Response> {
    let missing = || Problem::new(Code::NotFound, format!("the dashboard has no file {path:?}"));
    let kind = content_type(path).ok_or_else(missing)?;
    let found = Files::get(path).ok_or_else(missing)?;
    let tag = format!("\"{}\"", hex::encode(&found.metadata.sha256_hash()[..16]));
    let told = [
        (header::ETAG, HeaderValue::try_from(&tag).map_err(Problem::internal)?),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if etag::is_known(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, told).into_response());
    }
    Ok((told, [(header::CONTENT_TYPE, kind)], found.data.into_owned()).into_response())
}

/// By the end of its name; none for what is no file of a page.
fn content_type(path: &str) -> Option<&'static str> {
    let (_, end) = path.rsplit_once('.')?;
    Some(match end {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_pages_has_a_type() {
        let without: Vec<_> = Files::iter().filter(|path| content_type(path).is_none()).collect();
        assert!(without.is_empty(), "{without:?}");
    }

    #[test]
    fn nothing_outside_of_the_pages_is_served() {
        for path in ["../Cargo.toml", "../src/http/../../web/../openapi/openapi.json", "/etc/hosts.txt", "none.js", ""]
        {
            assert!(file(path, &HeaderMap::new()).is_err(), "{path}");
        }
    }
}
