//! A server that stops: it takes no new connections, answers what is asked on those that there are, and closes them.

use std::io;
use std::net::SocketAddr;

use axum::extract::connect_info::Connected;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use axum_server::{AddrListener, Address};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::app::App;

/// How far the end of a server is. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    begun: CancellationToken,
    ending: CancellationToken,
}

impl Drain {
    /// From now on each answer is the last of its connection, and there are no new connections.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    pub fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Ready when that began.
    pub fn beginning(&self) -> WaitForCancellationFutureOwned {
        self.begun.clone().cancelled_owned()
    }

    /// From now on bodies that are not there yet are not awaited, so that there is time to say so.
    pub fn end(&self) {
        self.ending.cancel();
    }

    /// Ready when bodies are no longer awaited.
    pub fn ending(&self) -> WaitForCancellationFutureOwned {
        self.ending.clone().cancelled_owned()
    }
}

/// Tells callers that a connection ends with its answer: whoever keeps it would send a next request into nothing.
/// HTTP/2 has a message of its own for that.
pub async fn say_goodbye(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_told = request.version() < Version::HTTP_2;
    let mut response = next.run(request).await;
    if is_told && app.drain.has_begun() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A caller's address.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Connected<Self> for Peer {
    fn connect_info(peer: Self) -> Self {
        peer
    }
}

/// For applications that are served by axum itself.
impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Lets connections in until the drain begins, those last that came before; then the port is free for another server.
pub struct Door {
    listener: Mutex<Option<TcpListener>>,
    drain: Drain,
}

impl Door {
    pub fn new(listener: TcpListener, drain: Drain) -> Self {
        Self { listener: Mutex::new(Some(listener)), drain }
    }
}

impl Address for Peer {
    type Stream = TcpStream;
    type Listener = Door;
}

impl AddrListener<TcpStream, Peer> for Door {
    async fn bind_to(Peer(address): Peer) -> io::Result<Self> {
        Ok(Self::new(TcpListener::bind(address).await?, Drain::default()))
    }

    async fn accept_stream(&self) -> io::Result<(TcpStream, Peer)> {
        let mut open = self.listener.lock().await;
        if let Some(listener) = &*open {
            tokio::select! {
                biased;
                accepted = listener.accept() => return accepted.map(|(stream, address)| (stream, Peer(address))),
                () = self.drain.begun.cancelled() => {}
            }
        }
        *open = None;
        drop(open);
        std::future::pending().await
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        let open = self.listener.try_lock().map_err(io::Error::other)?;
        open.as_ref().ok_or(io::ErrorKind::NotConnected)?.local_addr().map(Peer)
    }
}
