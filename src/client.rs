//! A client of the API, for the commands that post readings to a server, and for simulated devices. It is patient: a server that is full, away or
//! about to restart is asked again, which is harmless, for a reading that came twice counts once.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

/// A server, a key for it, and for admin keys the provider to act in.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// `https://host:port`, without a slash at the end.
    base: String,
    /// None for who has no key yet.
    key: Option<String>,
    provider: Option<String>,
    /// How long to go on asking a server that does not serve.
    patience: Duration,
}

/// What the server did with the readings of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Verdicts {
    pub received: u64,
    pub stored: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub quarantined: u64,
    pub rejected: u64,
}

/// The answer of `POST /v1/readings`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    #[serde(flatten)]
    pub verdicts: Verdicts,
    /// What was not stored, duplicates aside.
    pub results: Vec<Outcome>,
}

/// The verdict on one reading.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Outcome {
    /// Place in the request.
    pub index: usize,
    pub status: String,
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub detail: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{0:?} is not the address of a server, such as http://127.0.0.1:8080")]
    Address(String),
    #[error("cannot make an HTTP client: {0}")]
    Setup(reqwest::Error),
    #[error("the server does not answer: {0}")]
    Unreachable(String),
    #[error("{method} {path}: the server refuses with status {status}: {detail}")]
    Refused { method: Method, path: String, status: u16, detail: String },
    #[error("{method} {path}: the answer is not what this version expects: {why}")]
    Unreadable { method: Method, path: String, why: String },
}

/// How long to go on asking, unless said otherwise.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long one request may take: the server's own limit for storing is shorter.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(180);

/// Waits between attempts where the server does not say: doubled from the first to the longest. What a server asks
/// for in `Retry-After` is cut to the longest too.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Client {
    pub fn new(base: &str, key: &str) -> Result<Self, ClientError> {
        let url = reqwest::Url::parse(base).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        url.ok_or_else(|| ClientError::Address(base.to_owned()))?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("meterbase/", env!("CARGO_PKG_VERSION")))
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(ClientError::Setup)?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http, base, key: Some(key.to_owned()), provider: None, patience: PATIENCE })
    }

    /// The same server and key, acting in a provider. Only admin keys need it.
    pub fn in_provider(&self, provider: &str) -> Self {
        Self { provider: Some(provider.to_owned()), ..self.clone() }
    }

    /// The same server with another key, or without one.
    pub fn as_other(&self, key: Option<&str>) -> Self {
        Self { key: key.map(str::to_owned), provider: None, ..self.clone() }
    }

    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, ClientError> {
        self.send(Method::GET, path, |request| request.query(query)).await?.read(Method::GET, path)
    }

    /// The answer's body as it is.
    pub async fn read(&self, path: &str) -> Result<Bytes, ClientError> {
        Ok(self.send(Method::GET, path, |request| request).await?.body)
    }

    /// None where there is no such thing.
    pub async fn find(&self, path: &str) -> Result<Option<Value>, ClientError> {
        match self.get(path, &[]).await {
            Err(ClientError::Refused { status: 404, .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::PUT, path, |request| request.json(body)).await?.read(Method::PUT, path)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::POST, path, |request| request.json(body)).await?.read(Method::POST, path)
    }

    /// Posts what is answered without a body.
    pub async fn tell(&self, path: &str, body: &Value) -> Result<(), ClientError> {
        self.send(Method::POST, path, |request| request.json(body)).await.map(drop)
    }

    pub async fn delete(&self, path: &str, query: &[(&str, &str)]) -> Result<(), ClientError> {
        self.send(Method::DELETE, path, |request| request.query(query)).await.map(drop)
    }

    /// What a device is to do, with the tag that stands for it. None where that is what `known` stands for, and stays so for
    /// `wait` seconds.
    pub async fn config(&self, known: Option<&str>, wait: u32) -> Result<Option<(String, Value)>, ClientError> {
        const PATH: &str = "/v1/device/config";
        let complete = |request: RequestBuilder| {
            let request = request.query(&[("wait", wait)]);
            known.into_iter().fold(request, |request, tag| request.header(header::IF_NONE_MATCH, tag))
        };
        let answer = self.send(Method::GET, PATH, complete).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let tag = answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        let tag = tag.ok_or_else(|| unreadable(Method::GET, PATH, "it has no ETag"))?;
        Ok(Some((tag.to_owned(), answer.read(Method::GET, PATH)?)))
    }

    /// Posts a telegram that was read at an instant.
    pub async fn post_telegram(&self, telegram: String, at: DateTime<Utc>) -> Result<Receipt, ClientError> {
        const PATH: &str = "/v1/device/payload";
        let (telegram, at) = (Bytes::from(telegram), at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let complete = |request: RequestBuilder| {
            let request = request.query(&[("at", &at)]).header(header::CONTENT_TYPE, "text/plain");
            request.body(telegram.clone())
        };
        self.send(Method::POST, PATH, complete).await?.read(Method::POST, PATH)
    }

    /// Posts readings in the format of `content_type`.
    pub async fn post_readings(&self, content_type: &str, body: String) -> Result<Receipt, ClientError> {
        const PATH: &str = "/v1/readings";
        let body = Bytes::from(body);
        let complete = |request: RequestBuilder| request.header(header::CONTENT_TYPE, content_type).body(body.clone());
        self.send(Method::POST, PATH, complete).await?.read(Method::POST, PATH)
    }

    /// A time by the server's clock that is not before now: the date of an answer is cut to the second.
    pub async fn server_time(&self) -> Result<DateTime<Utc>, ClientError> {
        const PATH: &str = "/healthz";
        // It is not of a provider.
        let whole = Self { provider: None, ..self.clone() };
        let answer = whole.send(Method::GET, PATH, |request| request).await?;
        let date = answer.headers.get(header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        let date = date.ok_or_else(|| unreadable(Method::GET, PATH, "it has no date"))?;
        Ok(date.to_utc() + TimeDelta::seconds(1))
    }

    /// Sends a request, again and again while the server does not serve and patience lasts.
    async fn send(
        &self,
        method: Method,
        path: &str,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, ClientError> {
        let started = Instant::now();
        let mut wait = FIRST_WAIT;
        loop {
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
            if let Some(key) = &self.key {
                request = request.bearer_auth(key);
            }
            if let Some(provider) = &self.provider {
                request = request.query(&[("provider", provider)]);
            }
            let (trouble, asked) = match Answer::of(complete(request)).await {
                Ok(answer) if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED => {
                    return Ok(answer);
                }
                Ok(answer) if is_passing(answer.status) => (answer.refusal(&method, path), answer.retry_after()),
                Ok(answer) => return Err(answer.refusal(&method, path)),
                Err(error) => (ClientError::Unreachable(chain(&error)), None),
            };
            if started.elapsed() >= self.patience {
                return Err(trouble);
            }
            tracing::debug!(%trouble, "asking again");
            tokio::time::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// An answer, read whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    async fn of(request: RequestBuilder) -> reqwest::Result<Self> {
        let answer = request.send().await?;
        Ok(Self { status: answer.status(), headers: answer.headers().clone(), body: answer.bytes().await? })
    }

    fn read<T: serde::de::DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| unreadable(method, path, error))
    }

    /// Seconds only: the other form, a date, is not used by Meterbase.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
        text.trim().parse().ok().map(Duration::from_secs)
    }

    /// The problem that the answer tells of; where it tells of none, its status.
    fn refusal(&self, method: &Method, path: &str) -> ClientError {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Problem {
            title: String,
            detail: String,
        }
        let problem: Problem = serde_json::from_slice(&self.body).unwrap_or_default();
        let texts = [problem.title, problem.detail].into_iter().filter(|text| !text.is_empty());
        let texts: Vec<_> = texts.collect();
        let detail = if texts.is_empty() { self.status.to_string() } else { texts.join(": ") };
        ClientError::Refused { method: method.clone(), path: path.to_owned(), status: self.status.as_u16(), detail }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base)
    }
}

impl Verdicts {
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.stored += other.stored;
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
        self.quarantined += other.quarantined;
        self.rejected += other.rejected;
    }

    /// Readings that are not in the figures.
    pub fn refused(&self) -> u64 {
        self.conflicts + self.quarantined + self.rejected
    }
}

/// Whether the same request may succeed later.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

fn unreadable(method: Method, path: &str, why: impl std::fmt::Display) -> ClientError {
    ClientError::Unreadable { method, path: path.to_owned(), why: why.to_string() }
}

/// An error with its causes: reqwest's own message leaves out why.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        text = format!("{text}: {cause}");
        at = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::Router;
    use axum::extract::State;
    use axum::response::{IntoResponse, Response};
    use axum::routing::{get, put};

    use super::*;

    /// Full twice, then away, then there.
    async fn busy(State(calls): State<Arc<AtomicU32>>) -> Response {
        match calls.fetch_add(1, Ordering::Relaxed) {
            0 => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "0")]).into_response(),
            1 => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "0")]).into_response(),
            2 => StatusCode::BAD_GATEWAY.into_response(),
            _ => axum::Json(serde_json::json!({"calls": 4})).into_response(),
        }
    }

    async fn client(calls: Arc<AtomicU32>) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let problem = || async {
            let body = r#"{"type": "/problems/forbidden", "title": "Not with this key", "detail": "it only reads"}"#;
            (StatusCode::FORBIDDEN, body)
        };
        let router = Router::new().route("/busy", get(busy)).route("/locked", put(problem)).with_state(calls);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Client::new(&base, "mb_key").unwrap()
    }

    #[tokio::test]
    async fn a_server_that_does_not_serve_is_asked_again() {
        let calls = Arc::new(AtomicU32::new(0));
        let client = client(calls.clone()).await;
        assert_eq!(client.get("/busy", &[]).await.unwrap()["calls"], 4);
        assert_eq!(calls.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_server_s_words_and_not_repeated() {
        let client = client(Arc::default()).await;
        let error = client.put("/locked", &Value::Null).await.unwrap_err().to_string();
        assert_eq!(error, "PUT /locked: the server refuses with status 403: Not with this key: it only reads");
    }

    #[tokio::test]
    async fn patience_ends() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client { patience: Duration::ZERO, ..Client::new(&base, "mb_key").unwrap() };
        assert!(matches!(client.get("/", &[]).await, Err(ClientError::Unreachable(_))));
        assert!(matches!(Client::new("localhost:8080", "mb_key"), Err(ClientError::Address(_))));
    }
}
