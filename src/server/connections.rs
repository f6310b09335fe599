//! Connections: no more than the limit, and none that neither sends nor takes anything.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};

use crate::limits::{Budget, Limit, Limits, Share};

/// Length of what a connection of HTTP/2 begins with, RFC 9113, section 3.4. So much is read of every connection before
/// it is known to be one of HTTP/1, whose own time limits begin only then.
const PREFACE: usize = 24;

/// What a connection over the limit is told, before it has asked for anything.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 2\r\n\
    Connection: close\r\nContent-Length: 142\r\n\r\n\
    {\"type\":\"/problems/overloaded\",\"title\":\"The server is overloaded\",\"status\":503,\"detail\":\"there are as many \
    connections as the server's limit\"}";

/// Lets connections in, as `inner` makes streams of them.
#[derive(Clone)]
pub struct Acceptor<A> {
    pub inner: A,
    /// How many there may be.
    pub connections: Arc<Budget>,
    pub limits: Limits,
    /// Connections over the limit that are told so at once.
    pub goodbyes: Arc<Semaphore>,
    /// Whether a caller can be told something before `inner` has seen it.
    pub is_plain: bool,
}

type Accepting<Stream, Service> = Pin<Box<dyn Future<Output = io::Result<(Stream, Service)>> + Send>>;

impl<A, S> Accept<TcpStream, S> for Acceptor<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
    A::Stream: Send + 'static,
    A::Service: Send + 'static,
{
    type Stream = Connection<A::Stream>;
    type Service = A::Service;
    type Future = Accepting<Self::Stream, Self::Service>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Some(share) = self.connections.take(1) else {
            let goodbyes = self.is_plain.then(|| self.goodbyes.clone());
            return Box::pin(turn_away(stream, goodbyes));
        };
        let (head_timeout, answer_pause) = (self.limits.head_timeout, self.limits.answer_pause);
        let accepted = stream.set_nodelay(true).map(|()| self.inner.accept(stream, service));
        Box::pin(async move {
            let (stream, service) = accepted?.await?;
            let beginning = Some(Beginning { awaited: PREFACE, end: Box::pin(tokio::time::sleep(head_timeout)) });
            Ok((Connection { stream, beginning, stalled: None, answer_pause, _share: share }, service))
        })
    }
}

/// Tells a caller that there are too many connections, if it can be told in plain text. A few at a time are given the
/// time to read it: a connection that is closed while its caller sends is reset, and what it was told is lost.
async fn turn_away<T>(mut stream: TcpStream, goodbyes: Option<Arc<Semaphore>>) -> io::Result<T> {
    let refused = Err(io::Error::other("too many connections"));
    let Some(goodbyes) = goodbyes else { return refused };
    // A new connection's buffer has room for this; the runtime may not know of that yet.
    let told = tokio::time::timeout(GOODBYE, stream.write_all(FULL)).await;
    if let (Ok(Ok(())), Ok(_goodbye)) = (told, goodbyes.try_acquire()) {
        let (mut from, mut to) = stream.into_split();
        let read_on = async {
            to.shutdown().await?;
            tokio::io::copy(&mut from, &mut tokio::io::sink()).await
        };
        // Whether the caller was done or took too long, that is all.
        let _done = tokio::time::timeout(GOODBYE, read_on).await;
    }
    refused
}

/// How long it may take to tell a caller who is turned away, and the caller to end its connection.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection that is counted while it is there.
pub struct Connection<Stream> {
    stream: Stream,
    /// None once enough has come.
    beginning: Option<Beginning>,
    /// Until when the caller must take something; none when nothing waits for that.
    stalled: Option<Pin<Box<Sleep>>>,
    answer_pause: Duration,
    _share: Share,
}

struct Beginning {
    /// Bytes that have yet to come.
    awaited: usize,
    end: Pin<Box<Sleep>>,
}

impl<Stream: AsyncRead + Unpin> AsyncRead for Connection<Stream> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Some(beginning) = &mut this.beginning {
            beginning.awaited = beginning.awaited.saturating_sub(buffer.filled().len() - before);
            if beginning.awaited == 0 {
                this.beginning = None;
            } else if polled.is_pending() {
                ready!(beginning.end.as_mut().poll(context));
                Limit::HeadTime.refused();
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        polled
    }
}

impl<Stream: AsyncWrite + Unpin> Connection<Stream> {
    /// Ends a connection whose caller has taken nothing for too long.
    fn watch<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let until = || Box::pin(tokio::time::sleep_until(Instant::now() + self.answer_pause));
        ready!(self.stalled.get_or_insert_with(until).as_mut().poll(context));
        Limit::AnswerPause.refused();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<Stream: AsyncWrite + Unpin> AsyncWrite for Connection<Stream> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.watch(context, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.watch(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(context);
        this.watch(context, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(context);
        this.watch(context, polled)
    }
}

/// Files that the server has open beside the connections of callers and of its pools.
const OTHER_FILES: u64 = 64;

/// Raises the process's limit of open files as far as it may be, and says so where the connections do not fit in.
pub fn make_room(connections: u64) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most).map(|()| most));
    match raised {
        Ok(most) if most >= connections + OTHER_FILES => {}
        Ok(most) => tracing::warn!(
            "the system lets this process open {most} files, too few for {connections} connections: \
             raise it (ulimit -n), or lower --max-connections"
        ),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn connection<Stream>(stream: Stream, answer_pause: Duration, head_timeout: Duration) -> Connection<Stream> {
        let beginning = Some(Beginning { awaited: PREFACE, end: Box::pin(tokio::time::sleep(head_timeout)) });
        let _share = Budget::new(Limit::Connections, 1).take(1).unwrap();
        Connection { stream, beginning, stalled: None, answer_pause, _share }
    }

    #[tokio::test]
    async fn a_caller_who_takes_nothing_is_left() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut connection = connection(near, Duration::from_millis(50), Duration::from_secs(60));
        // As long as something is taken now and then it goes on.
        let read = async {
            let mut taken = vec![0; 10 * 1024];
            far.read_exact(&mut taken).await.unwrap();
            far
        };
        let (sent, _far) = tokio::join!(connection.write_all(&[0; 10 * 1024 + 1]), read);
        sent.unwrap();
        let sent = connection.write_all(&[0; 10 * 1024]).await;
        assert_eq!(sent.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn a_connection_must_begin_in_time_and_may_then_wait() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut connection = connection(near, Duration::from_secs(60), Duration::from_millis(50));
        far.write_all(&[1; PREFACE - 1]).await.unwrap();
        let mut bytes = [0; PREFACE];
        let read = connection.read_exact(&mut bytes).await;
        assert_eq!(read.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        far.write_all(&[1]).await.unwrap();
        assert_eq!(connection.read(&mut bytes).await.unwrap(), 1);
        let longer = tokio::time::timeout(Duration::from_millis(200), connection.read(&mut bytes)).await;
        assert!(longer.is_err(), "its later times are those of HTTP");
    }

    #[test]
    fn a_connection_over_the_limit_is_told_in_a_whole_answer() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["type"], "/problems/overloaded");
    }
}
