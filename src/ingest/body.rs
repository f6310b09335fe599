//! The body of a request: its media type, its encoding, its readings.

use std::time::{Duration, Instant};

use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, header};
use chrono::Utc;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::core::reading::{self, Format, Item, MAX_READINGS, Unreadable};
use crate::http::extract;
use crate::http::intake::{self, Held};
use crate::http::problem::{Code, Problem, Result};
use crate::ingest::decode::{Encoding, Undecodable, decode};
use crate::ingest::queue::Coming;
use crate::limits::Limit;

/// Most bytes of a body, both as sent and decoded.
pub const MAX_BODY: usize = 32 * 1024 * 1024;

/// Bodies over this many bytes, and compressed ones, are decoded on a thread of their own: it takes milliseconds, which
/// others would wait.
const INLINE: usize = 64 * 1024;

/// What a reading takes while it is on its way: itself, its row and its verdict. What it holds beside itself comes to it.
pub const READING_BYTES: usize = 512;

/// How many bytes of readings are taken at once, or a little more.
const ROOM: usize = 64 * 1024;

/// How long a provider that floods waits to be refused again.
const PAUSE: Duration = Duration::from_millis(200);

/// The readings of a body.
pub struct SentReadings {
    pub items: Vec<Item>,
    /// The memory that they take, to be kept as long as they are.
    pub held: Held,
    /// Where reading them took some time: that they are there.
    pub coming: Option<Coming>,
}

impl<S: Send + Sync> FromRequest<S> for SentReadings
where
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let format = format(request.headers())?;
        let app = App::from_ref(state);
        let body = SentBody::take(request, &app, Limit::SentBytes, MAX_BODY).await?;
        let read = move |text: &[u8], room: &mut dyn FnMut(usize) -> bool| {
            reading::parse_within(text, format, Utc::now(), room)
        };
        body.readings(&app, read).await
    }
}

/// A body as it was sent, whole.
pub struct SentBody {
    bytes: Vec<u8>,
    /// None for one that is sent as it is.
    encoding: Option<Encoding>,
    held: Held,
    /// Its limit in bytes, when decoded too.
    most: usize,
}

impl SentBody {
    /// Takes a body in; `most` is the largest there may be, by the limit that is named.
    pub async fn take(request: Request, app: &App, limit: Limit, most: usize) -> Result<Self> {
        let encoding = encoding(request.headers())?;
        let held = request.extensions().get::<Held>().cloned();
        let held = held.ok_or_else(|| Problem::internal("a body came past the intake"))?;
        has_room(app, &held).await?;
        let bytes = intake::whole(request, limit, most).await?;
        Ok(Self { bytes, encoding, held, most })
    }

    /// The readings that `read` makes of the body's text; what takes time is done on another thread.
    pub async fn readings<R>(self, app: &App, read: R) -> Result<SentReadings>
    where
        R: FnOnce(&[u8], &mut dyn FnMut(usize) -> bool) -> std::result::Result<Vec<Item>, Unreadable> + Send + 'static,
    {
        if self.encoding.is_none() && self.bytes.len() <= INLINE {
            return readings(self, read);
        }
        let coming = app.ingest.coming();
        let decoder = decoder(app, &self.held).await?;
        if let Some(part) = self.held.part() {
            app.ingest.has_room(part.provider_id)?;
        }
        let decoding = tokio::task::spawn_blocking(move || {
            let readings = readings(self, read);
            drop(decoder);
            readings
        });
        let sent = decoding.await.map_err(Problem::internal)??;
        Ok(SentReadings { coming: Some(coming), ..sent })
    }
}

/// Refuses a body that could not wait to be stored before it is read: reading and decoding are most of the work of a request
/// that is refused. One of a provider that was refused just before is answered after a pause: those who do not heed
/// `Retry-After` would else take the time of all others by being refused.
async fn has_room(app: &App, held: &Held) -> Result<()> {
    let Some(part) = held.part() else { return Ok(()) };
    let Err(full) = app.ingest.has_room(part.provider_id) else { return Ok(()) };
    if full.code == Code::TooManyReadings && part.refused(Instant::now()) {
        tokio::time::sleep(PAUSE).await;
    }
    Err(full)
}

/// A decoder, when it is this body's turn. A provider has few bodies in the line for them, so others' do not wait for all of
/// one that floods.
async fn decoder(app: &App, held: &Held) -> Result<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)> {
    let place = match held.part() {
        Some(part) => Some(part.decoders.clone().acquire_owned().await.map_err(Problem::internal)?),
        None => None,
    };
    let decoder = app.guards.decoders.clone().acquire_owned().await.map_err(Problem::internal)?;
    Ok((decoder, place))
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

/// None for a body that is sent as it is.
fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>> {
    let mut values =
        headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.as_bytes().to_ascii_lowercase());
    match (values.next().as_deref(), values.next()) {
        (None | Some(b"identity"), None) => Ok(None),
        (Some(b"gzip" | b"x-gzip"), None) => Ok(Some(Encoding::Gzip)),
        (Some(b"zstd"), None) => Ok(Some(Encoding::Zstd)),
        _ => Err(Problem::new(Code::UnsupportedMediaType, "Content-Encoding can be gzip or zstd, once")),
    }
}

/// `held` has the bytes as they were sent, and gets what is made of them.
fn readings<R>(body: SentBody, read: R) -> Result<SentReadings>
where
    R: FnOnce(&[u8], &mut dyn FnMut(usize) -> bool) -> std::result::Result<Vec<Item>, Unreadable>,
{
    let SentBody { bytes, encoding, held, most } = body;
    let text = match encoding {
        None => bytes,
        Some(encoding) => {
            let decoded =
                decode(&bytes, encoding, most, |more| held.grow(more)).map_err(|why| undecodable(why, &held))?;
            held.shrink(bytes.len());
            decoded
        }
    };
    let items = parse(&text, read, &held)?;
    Ok(SentReadings { items, held, coming: None })
}

fn undecodable(why: Undecodable, held: &Held) -> Problem {
    match why {
        Undecodable::Broken(_) => Problem::new(Code::UnreadableBody, why.to_string()),
        Undecodable::TooLarge(_) => too_large(Limit::DecodedBytes, why.to_string()),
        Undecodable::TooManyFrames => too_large(Limit::EncodedFrames, why.to_string()),
        Undecodable::NoRoom => intake::no_room(held),
    }
}

/// Takes the memory of the readings as they are made, some at a time.
fn parse<R>(text: &[u8], read: R, held: &Held) -> Result<Vec<Item>>
where
    R: FnOnce(&[u8], &mut dyn FnMut(usize) -> bool) -> std::result::Result<Vec<Item>, Unreadable>,
{
    let mut untaken = 0;
    let mut room = |outside| {
        untaken += READING_BYTES + outside;
        untaken < ROOM || held.grow(std::mem::take(&mut untaken))
    };
    let items = read(text, &mut room).map_err(|why| unreadable(why, held))?;
    if held.grow(untaken) { Ok(items) } else { Err(intake::no_room(held)) }
}

fn unreadable(why: Unreadable, held: &Held) -> Problem {
    match why {
        Unreadable::Body(_) => Problem::new(Code::UnreadableBody, why.to_string()),
        Unreadable::NoRoom => intake::no_room(held),
        Unreadable::TooManyColumns(_) => too_large(Limit::Columns, why.to_string()),
        Unreadable::TooMany => too_large(
            Limit::Readings,
            format!("more than {MAX_READINGS} readings; nothing was stored, send them in parts"),
        ),
    }
}

fn too_large(limit: Limit, detail: String) -> Problem {
    limit.refused();
    Problem::new(Code::PayloadTooLarge, detail)
}
