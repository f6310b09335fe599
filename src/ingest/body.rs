//! The body of a request: its media type, its encoding, its readings.
//!
//! Decoded here rather than by a layer: a gzip file may consist of several members (RFC 1952, section 2.2), as
//! `cat a.gz b.gz` makes them, and reading only the first would drop readings without a word.

use std::io::{self, Read};

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use chrono::Utc;

use crate::core::reading::{self, Format, Item, MAX_READINGS, Unreadable};
use crate::http::extract;
use crate::http::problem::{Code, Problem, Result};

/// Most bytes of a body, both as sent and decoded.
pub const MAX_BODY: usize = 32 * 1024 * 1024;

/// Bodies over this many bytes are decoded on a thread of their own: it takes milliseconds, which others would wait.
const INLINE: usize = 64 * 1024;

/// Largest window of zstd, as a power of two in bytes: none larger is needed for [`MAX_BODY`].
const ZSTD_WINDOW_LOG: u32 = 25;

/// The readings of a body.
pub struct SentReadings(pub Vec<Item>);

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl<S: Send + Sync> FromRequest<S> for SentReadings {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (format, encoding) = (format(request.headers())?, encoding(request.headers())?);
        let bytes = extract::bytes(request, state).await?;
        let at_once = matches!(encoding, Encoding::Identity) && bytes.len() <= INLINE;
        let read = move || read(&bytes, encoding, format);
        let items =
            if at_once { read() } else { tokio::task::spawn_blocking(read).await.map_err(Problem::internal)? };
        items.map(Self)
    }
}

fn format(headers: &HeaderMap) -> Result<Format> {
    match extract::content_type(headers).map(str::to_ascii_lowercase).as_deref() {
        Some("application/json") => Ok(Format::Json),
        Some("application/x-ndjson") => Ok(Format::NdJson),
        Some("text/csv") => Ok(Format::Csv),
        _ => {
            let detail = "send Content-Type: application/json, application/x-ndjson or text/csv";
            Err(Problem::new(Code::UnsupportedMediaType, detail))
        }
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding> {
    let mut values =
        headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.as_bytes().to_ascii_lowercase());
    match (values.next().as_deref(), values.next()) {
        (None | Some(b"identity"), None) => Ok(Encoding::Identity),
        (Some(b"gzip" | b"x-gzip"), None) => Ok(Encoding::Gzip),
        (Some(b"zstd"), None) => Ok(Encoding::Zstd),
        _ => Err(Problem::new(Code::UnsupportedMediaType, "Content-Encoding can be gzip or zstd, once")),
    }
}

fn read(bytes: &[u8], encoding: Encoding, format: Format) -> Result<Vec<Item>> {
    let decoded = match encoding {
        Encoding::Identity => return parse(bytes, format),
        Encoding::Gzip => decode(flate2::read::MultiGzDecoder::new(bytes)),
        Encoding::Zstd => zstd::Decoder::with_buffer(bytes).and_then(|mut decoder| {
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            decode(decoder)
        }),
    };
    let decoded = decoded.map_err(|why| {
        Problem::new(Code::UnreadableBody, format!("the body is not what its Content-Encoding says: {why}"))
    })?;
    if decoded.len() > MAX_BODY {
        let detail = format!("more than {MAX_BODY} bytes when decoded; send the readings in parts");
        return Err(Problem::new(Code::PayloadTooLarge, detail));
    }
    parse(&decoded, format)
}

/// Stops one byte over the limit, however much would follow.
fn decode(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    decoder.take(MAX_BODY as u64 + 1).read_to_end(&mut decoded)?;
    Ok(decoded)
}

fn parse(text: &[u8], format: Format) -> Result<Vec<Item>> {
    reading::parse(text, format, Utc::now()).map_err(|why| match why {
        Unreadable::Body(_) => Problem::new(Code::UnreadableBody, why.to_string()),
        Unreadable::TooMany => Problem::new(
            Code::PayloadTooLarge,
            format!("more than {MAX_READINGS} readings; nothing was stored, send them in parts"),
        ),
    })
}
