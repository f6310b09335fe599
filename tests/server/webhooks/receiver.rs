//! Who is told: a server that keeps a log of what it took, and behaves as it is told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_server::tls_rustls::RustlsConfig;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::certificates::authority::Issued;

/// What a receiver does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Takes it, and says so.
    Takes,
    /// Takes it, and never answers.
    Hangs,
    /// Answers with another status.
    Refuses(u16),
    /// Answers that it is elsewhere, on its own server.
    Points,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Letter {
    pub path: String,
    pub id: String,
    pub timestamp: String,
    pub signatures: String,
    pub body: String,
}

#[derive(Debug, Clone)]
struct Shared {
    mood: Arc<Mutex<Mood>>,
    letters: Arc<Mutex<Vec<Letter>>>,
    /// What it took: each delivery once, by its id.
    log: Arc<Mutex<BTreeMap<String, String>>>,
}

pub struct Receiver {
    address: SocketAddr,
    shared: Shared,
    serving: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Has an address and is not there yet.
    pub async fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let shared = Shared { mood: Arc::new(Mutex::new(Mood::Takes)), letters: Arc::default(), log: Arc::default() };
        Self { address: listener.local_addr().expect("its address"), shared, serving: None }
    }

    pub async fn new(mood: Mood) -> Self {
        let mut receiver = Self::down().await;
        receiver.up(mood).await;
        receiver
    }

    /// Is there from now on.
    pub async fn up(&mut self, mood: Mood) {
        self.behave(mood);
        let listener = TcpListener::bind(self.address).await.expect("its port");
        let router = Router::new().fallback(take).with_state(self.shared.clone());
        self.serving = Some(tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") }));
    }

    /// Is there from now on, over TLS with this certificate.
    pub async fn secure(issued: &Issued) -> Self {
        let mut receiver = Self::down().await;
        let listener = std::net::TcpListener::bind(receiver.address).expect("its port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let router = Router::new().fallback(take).with_state(receiver.shared.clone());
        let tls = RustlsConfig::from_pem(issued.certificate.pem().into(), issued.key_pem().into()).await.expect("TLS");
        let server = axum_server::from_tcp_rustls(listener, tls).expect("a server");
        receiver.serving =
            Some(tokio::spawn(async move { server.serve(router.into_make_service()).await.expect("serving") }));
        receiver
    }

    pub fn behave(&self, mood: Mood) {
        *self.shared.mood.lock().expect("a mood") = mood;
    }

    pub fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/hook", self.address.port())
    }

    /// Where it is over TLS.
    pub fn secure_url(&self, host: &str) -> String {
        self.url(host).replace("http:", "https:")
    }

    /// All that came, as it came.
    pub fn letters(&self) -> Vec<Letter> {
        self.shared.letters.lock().expect("letters").clone()
    }

    /// The bodies that it took, by id.
    pub fn log(&self) -> BTreeMap<String, String> {
        self.shared.log.lock().expect("a log").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn take(State(shared): State<Shared>, uri: axum::http::Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).map_or("", |value| value.to_str().expect("text")).to_owned();
    let letter = Letter {
        path: uri.path().to_owned(),
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signatures: text("webhook-signature"),
        body: String::from_utf8(body.to_vec()).expect("UTF-8"),
    };
    shared.letters.lock().expect("letters").push(letter.clone());
    let mood = *shared.mood.lock().expect("a mood");
    if matches!(mood, Mood::Takes | Mood::Hangs) {
        shared.log.lock().expect("a log").entry(letter.id).or_insert(letter.body);
    }
    match mood {
        Mood::Takes => StatusCode::NO_CONTENT.into_response(),
        Mood::Hangs => std::future::pending().await,
        Mood::Refuses(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Mood::Points => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")]).into_response(),
    }
}
