//! A connection over HTTP/1.1 that is kept: as little work for a request as can be, for whoever is measured runs on the
//! same processors.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::cli::Failure;

/// One connection, made anew where the other side closed it between two requests.
pub struct Connection {
    /// `host:port`
    address: String,
    sender: SendRequest<Full<Bytes>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Headers that say who calls.
pub fn authorized(key: &str) -> Result<HeaderMap, Failure> {
    let key = HeaderValue::from_str(&format!("Bearer {key}"))?;
    Ok(HeaderMap::from_iter([(header::AUTHORIZATION, key)]))
}

impl Connection {
    pub async fn open(address: &str) -> Result<Self, Failure> {
        Ok(Self { address: address.to_owned(), sender: connect(address).await? })
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        if self.sender.ready().await.is_err() {
            self.sender = connect(&self.address).await?;
        }
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.address);
        if let Some(all) = request.headers_mut() {
            all.extend(headers.clone());
        }
        let answer = self.sender.send_request(request.body(Full::new(body))?).await?;
        let (head, body) = answer.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
    }
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors are those of the request that was under way.
    tokio::spawn(connection);
    Ok(sender)
}

impl Answer {
    /// A status that is not the one wanted, as an error.
    pub fn expect(self, status: StatusCode) -> Result<Self, Failure> {
        if self.status == status {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body);
        let quoted: String = body.chars().take(500).collect();
        Err(Failure::Failed(format!("a request was answered {} where {status} was expected: {quoted}", self.status)))
    }
}
