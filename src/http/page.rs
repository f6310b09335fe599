//! Pages of lists: `{"items": [...], "next": cursor or null}` and a `Link` header.

use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::core::cursor::{BadCursor, Cursor};
use crate::http::problem::{Problem, Result};

/// Items of a page when the caller does not say, and at most.
pub const DEFAULT_LIMIT: u32 = 100;
pub const MAX_LIMIT: u32 = 1000;

/// `limit` and `cursor` of a list, to be flattened... by hand: serde cannot flatten and deny unknown fields at once.
#[derive(Debug)]
pub struct Window {
    /// Items of the page.
    pub limit: i64,
    /// Sort key behind which it starts.
    pub after: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Cursor of the next page; null on the last one.
    #[schema(required)]
    pub next: Option<String>,
}

impl Window {
    /// Checks what the caller gave.
    pub fn new(limit: Option<&str>, cursor: Option<&str>) -> Result<Self> {
        let limit = match limit {
            None => DEFAULT_LIMIT,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=MAX_LIMIT) => limit,
                _ => return Err(Problem::parameter("limit", format!("a number from 1 to {MAX_LIMIT}"))),
            },
        };
        let after = cursor.map(str::parse::<Cursor>).transpose();
        // No sort key has a NUL in it, and the database could not compare with one.
        let after =
            after.and_then(|c| if c.iter().any(|c| c.sort_key().contains('\0')) { Err(BadCursor) } else { Ok(c) });
        let after = after.map_err(|why| Problem::parameter("cursor", why.to_string()))?;
        Ok(Self { limit: i64::from(limit), after: after.map(|c| c.sort_key().to_owned()) })
    }

    /// Where the page starts, in a list whose sort keys are not plain text; none at the beginning.
    pub fn behind<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let foreign = || Problem::parameter("cursor", "not a cursor of this list");
        self.after.as_deref().map(|sort_key| read(sort_key).ok_or_else(foreign)).transpose()
    }

    /// How many rows to select: one more than the page has tells whether another page follows.
    pub fn rows(&self) -> i64 {
        self.limit + 1
    }

    /// Makes the page of the rows selected.
    pub fn page<T>(&self, mut rows: Vec<T>, sort_key: impl Fn(&T) -> String) -> Page<T> {
        let more = rows.len() as i64 > self.limit;
        rows.truncate(self.limit as usize);
        let next = rows.last().filter(|_| more).map(|last| Cursor::behind(sort_key(last)).to_string());
        Page { items: rows, next }
    }
}

impl<T: Serialize> Page<T> {
    /// The page as a response, with the `Link` to the next one: the request's own address with another cursor.
    pub fn respond(self, uri: &Uri) -> Response {
        let link = self.next.as_ref().map(|next| {
            let query = uri.query().unwrap_or_default();
            let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
            let query: Vec<_> = kept.map(str::to_owned).chain([format!("cursor={next}")]).collect();
            format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
        });
        let mut response = Json(self).into_response();
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}
