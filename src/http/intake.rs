//! What of a request is taken in: within the limits on requests, memory and time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::app::App;
use crate::http::problem::{Code, Problem, Result};
use crate::limits::{Hold, Limit};

/// What a request holds of the memory for bodies, until it is answered. Whoever keeps what is made of the body longer
/// keeps this with it.
pub type Held = Arc<Hold>;

/// Answered whatever the load is.
const ALWAYS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// How long the rest of a refused body is read and thrown away. A connection that is closed while the caller still
/// sends is reset, and the answer lost with it.
const LINGER: Duration = Duration::from_secs(2);

pub async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Result<Response> {
    let guards = &app.guards;
    let held = Arc::new(Hold::new(guards.memory.take(0).ok_or_else(overloaded)?));
    let body = std::mem::take(request.body_mut());
    let is_empty = body.is_end_stream();
    let body = Counted::of(&request, body, held.clone(), &app);
    let _request = match guards.requests.take(1) {
        Some(share) => Some(share),
        None if ALWAYS.contains(&request.uri().path()) => None,
        None => return Err(overloaded()),
    };
    // What will not fit is refused before it is read. It is held only as it arrives: who announces much and sends
    // slowly must not keep others out.
    if !guards.memory.has_room(declared_length(request.headers())) {
        return Err(overloaded());
    }
    if !is_empty {
        *request.body_mut() = Body::new(body);
    }
    request.extensions_mut().insert(held.clone());
    let response = next.run(request).await;
    drop(held);
    Ok(response)
}

/// The whole body, within the limits; `most` is the largest there may be, by the limit that is named.
pub async fn whole(request: Request, limit: Limit, most: usize) -> Result<Vec<u8>> {
    let too_large = || {
        limit.refused();
        let detail = format!("the body is over {most} bytes, the limit of this operation; send it in parts");
        Problem::new(Code::PayloadTooLarge, detail)
    };
    let declared = declared_length(request.headers());
    if declared > most {
        return Err(too_large());
    }
    let mut body = http_body_util::Limited::new(request.into_body(), most);
    let mut whole = Vec::with_capacity(declared);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| problem(&*error).unwrap_or_else(too_large))?;
        if let Ok(data) = frame.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole)
}

/// What is told about a body that broke off; none for one that is too long.
fn problem(error: &(dyn std::error::Error + 'static)) -> Option<Problem> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return None;
        }
        match error.downcast_ref() {
            Some(Broken::Full { of_provider: true }) => return Some(provider_overloads()),
            Some(Broken::Full { of_provider: false }) => return Some(overloaded()),
            Some(why @ Broken::Late(_)) => return Some(Problem::new(Code::SlowBody, why.to_string())),
            Some(why @ Broken::Ending) => return Some(Problem::new(Code::Unavailable, why.to_string())),
            None => {}
        }
        cause = error.source();
    }
    Some(Problem::new(Code::UnreadableBody, format!("the body was cut off: {error}")))
}

pub fn overloaded() -> Problem {
    Problem::new(Code::Overloaded, "the server has as much to do as it can hold; nothing of this request was done")
}

fn provider_overloads() -> Problem {
    let detail = "this provider has as many bodies under way as it may; nothing of this was stored, send slower";
    Problem::new(Code::TooManyReadings, detail)
}

/// Why no more could be taken of the memory for bodies.
pub fn no_room(held: &Held) -> Problem {
    if held.provider_was_full() { provider_overloads() } else { overloaded() }
}

/// 0 for a body whose length is told by its end.
fn declared_length(headers: &HeaderMap) -> usize {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or(0)
}

/// A body that takes its bytes out of the memory for bodies as they arrive, and must arrive in time.
struct Counted {
    unread: Unread,
    held: Held,
    pause: Duration,
    /// When the next part must be there.
    next: Pin<Box<Sleep>>,
    /// When all of it must be there.
    end: Pin<Box<Sleep>>,
    /// When the server that stops has no more time for it.
    server_end: Pin<Box<WaitForCancellationFutureOwned>>,
    is_broken: bool,
}

/// Why a body is not read to its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("no memory is left for bodies")]
    Full { of_provider: bool },
    #[error("the body did not arrive in time ({}); nothing of it was stored", .0.name())]
    Late(Limit),
    #[error("the server stops, and the body was not there in time; nothing of it was stored")]
    Ending,
}

impl Counted {
    fn of(request: &Request, body: Body, held: Held, app: &App) -> Self {
        let (unread, limits) = (Unread::of(request, body), &app.guards.limits);
        let next = Box::pin(tokio::time::sleep(limits.body_pause));
        let end = Box::pin(tokio::time::sleep(limits.body_timeout));
        let server_end = Box::pin(app.drain.ending());
        Self { unread, held, pause: limits.body_pause, next, end, server_end, is_broken: false }
    }

    fn break_off(&mut self, why: Broken) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::BoxError>>> {
        // A late body's rest is not awaited either.
        if let Broken::Late(limit) = &why {
            limit.refused();
            self.unread.lingers = false;
        }
        self.is_broken = true;
        Poll::Ready(Some(Err(why.into())))
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::BoxError>>> {
        if self.is_broken {
            return Poll::Ready(None);
        }
        self.unread.was_asked_for = true;
        if self.end.as_mut().poll(context).is_ready() {
            return self.break_off(Broken::Late(Limit::BodyTime));
        }
        let Poll::Ready(polled) = Pin::new(&mut self.unread.body).poll_frame(context) else {
            if self.next.as_mut().poll(context).is_ready() {
                return self.break_off(Broken::Late(Limit::BodyPause));
            }
            if self.server_end.as_mut().poll(context).is_ready() {
                return self.break_off(Broken::Ending);
            }
            return Poll::Pending;
        };
        let next = Instant::now() + self.pause;
        self.next.as_mut().reset(next);
        let size = polled.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        if !self.held.grow(size) {
            let of_provider = self.held.provider_was_full();
            return self.break_off(Broken::Full { of_provider });
        }
        Poll::Ready(polled.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.unread.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.unread.body.size_hint()
    }
}

/// What has not been read of a body.
struct Unread {
    body: Body,
    /// Whether the connection ends with what is not read of it; a stream of HTTP/2 ends alone.
    lingers: bool,
    /// Whether its sender waits to be asked for it, with `Expect: 100-continue`.
    waits: bool,
    was_asked_for: bool,
}

impl Unread {
    fn of(request: &Request, body: Body) -> Self {
        let lingers = request.version() < Version::HTTP_2;
        Self { body, lingers, waits: request.headers().contains_key(header::EXPECT), was_asked_for: false }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if self.body.is_end_stream() || !self.lingers || (self.waits && !self.was_asked_for) {
            return;
        }
        let mut rest = std::mem::take(&mut self.body);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER, async move { while let Some(Ok(_)) = rest.frame().await {} }));
        }
    }
}
