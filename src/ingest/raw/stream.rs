//! A whole range of raw readings as NDJSON or CSV. It is read in parts and sent as they come: neither the range nor a
//! connection of the database is held while a slow caller reads.

use std::io;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use futures::{Stream, StreamExt, stream};
use sqlx::PgPool;

use crate::http::problem::{Problem, Result};
use crate::ingest::raw::rows::{Position, RawItem, Selection};

/// Readings that are read and sent at once.
const PART: i64 = 5000;

/// One JSON object a line.
pub fn ndjson(pool: PgPool, selection: Selection) -> Response {
    let body = Body::from_stream(parts(pool, selection, json_lines));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// A header row, also when nothing follows.
pub fn csv(pool: PgPool, selection: Selection) -> Result<Response> {
    let dimensions = selection.dimensions();
    let header = csv_header(&dimensions).map_err(Problem::internal)?;
    let rows = parts(pool, selection, move |items| csv_rows(items, &dimensions));
    let body = Body::from_stream(stream::iter([Ok(header)]).chain(rows));
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], body).into_response())
}

/// Part after part, until there are no more readings. An error ends the answer before its time, so that the caller's
/// client can tell it from a whole one.
fn parts(
    pool: PgPool,
    selection: Selection,
    write: impl Fn(&[RawItem]) -> io::Result<Vec<u8>>,
) -> impl Stream<Item = io::Result<Vec<u8>>> {
    stream::try_unfold(Some((selection.start(), pool, selection, write)), |state| async {
        let Some((behind, pool, selection, write)) = state else { return Ok(None) };
        let read = part(&pool, &selection, behind).await;
        let (items, next) = read.map_err(|error| {
            tracing::warn!(%error, "a list of readings was cut off");
            io::Error::other("the database failed")
        })?;
        let text = write(&items)?;
        Ok(Some((text, next.map(|next| (next, pool, selection, write)))))
    })
}

async fn part(
    pool: &PgPool,
    selection: &Selection,
    behind: Position,
) -> sqlx::Result<(Vec<RawItem>, Option<Position>)> {
    let rows = selection.rows(&mut *pool.acquire().await?, behind, PART).await?;
    let full = rows.len() as i64 == PART;
    let next = rows.last().filter(|_| full).map(|last| last.position());
    let items = rows.iter().map(|row| selection.item(row)).collect::<sqlx::Result<_>>()?;
    Ok((items, next))
}

fn json_lines(items: &[RawItem]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for item in items {
        serde_json::to_writer(&mut text, item)?;
        text.push(b'\n');
    }
    Ok(text)
}

fn csv_header(dimensions: &[String]) -> io::Result<Vec<u8>> {
    let fixed = ["at", "value", "increment", "recorded_at", "id", "metric"].map(str::to_owned);
    let mut text = csv::Writer::from_writer(Vec::new());
    text.write_record(fixed.into_iter().chain(dimensions.iter().map(|name| format!("dimensions.{name}"))))?;
    text.into_inner().map_err(|e| e.into_error())
}

fn csv_rows(items: &[RawItem], dimensions: &[String]) -> io::Result<Vec<u8>> {
    let mut text = csv::Writer::from_writer(Vec::new());
    for item in items {
        let (value, increment) = (item.value.to_string(), item.increment.to_string());
        let (at, recorded_at) = (instant(item.at), instant(item.recorded_at));
        let fixed = [&at, &value, &increment, &recorded_at, item.id.as_deref().unwrap_or_default(), &item.metric];
        let named = dimensions.iter().map(|name| item.dimensions.get(name).map_or("", String::as_str));
        text.write_record(fixed.into_iter().chain(named))?;
    }
    text.into_inner().map_err(|e| e.into_error())
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
