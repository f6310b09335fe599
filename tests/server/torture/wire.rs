//! HTTP as a client has it that can break off anywhere.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Where a client breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// After so many bytes of the request; the connection is reset.
    Within(usize),
    /// When all is sent; the connection is reset.
    Reset,
    /// When all is sent; the connection is closed.
    Close,
    /// When the answer has begun to come, which is not read; the connection is reset.
    Unread,
}

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    Whole {
        status: u16,
        head: String,
        body: String,
    },
    /// None came. Whether the request was sent whole, and why it ended.
    None {
        sent: bool,
        why: String,
    },
}

/// A connection to one server at a time, kept as long as both want it.
#[derive(Default)]
pub struct Line(Option<(String, TcpStream)>);

/// How long a server may take for anything. Longer than its own limits under these tests.
const PATIENCE: Duration = Duration::from_secs(80);

/// Most bytes of an answer.
const MOST: u64 = 1024 * 1024;

impl Line {
    /// Where it is connected.
    pub fn server(&self) -> Option<&str> {
        self.0.as_ref().map(|(server, _)| server.as_str())
    }

    /// Sends a request to `server` (`host:port`), on the connection that there is or on a new one.
    pub fn post(&mut self, server: &str, path: &str, key: &str, body: &str, cut: Option<Cut>) -> Answer {
        // Whoever looks whether the server has closed a connection does not send into it.
        if self.server() != Some(server) || self.0.as_ref().is_some_and(|(_, stream)| is_closed(stream)) {
            self.0 = None;
        }
        let mut stream = match self.0.take().map_or_else(|| connect(server), |(_, stream)| Ok(stream)) {
            Ok(stream) => stream,
            Err(error) => return Answer::None { sent: false, why: format!("no connection: {error}") },
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let whole = request.as_bytes();
        let part = if let Some(Cut::Within(bytes)) = cut { &whole[..bytes.min(whole.len() - 1)] } else { whole };
        if let Err(error) = stream.write_all(part) {
            return Answer::None { sent: false, why: format!("not sent: {error}") };
        }
        if let Some(cut) = cut {
            if cut == Cut::Unread {
                // What comes instead, such as the end of the connection, is as good a moment.
                let _ = stream.peek(&mut [0]);
            }
            if cut != Cut::Close {
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
            }
            return Answer::None { sent: part.len() == whole.len(), why: format!("cut: {cut:?}") };
        }
        match receive(&mut stream) {
            Ok((status, head, body)) => {
                if !head.to_ascii_lowercase().contains("\r\nconnection: close") {
                    self.0 = Some((server.to_owned(), stream));
                }
                Answer::Whole { status, head, body }
            }
            Err(error) => Answer::None { sent: true, why: format!("no answer: {error}") },
        }
    }
}

pub fn connect(server: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false).expect("a socket");
    !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Reads an answer whose length its head tells: status, head, body.
pub fn receive(stream: &mut impl Read) -> io::Result<(u16, String, String)> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(|_| wrong("a head that is not text"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| wrong("no status"))?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<u64>().ok())?
    });
    let length = length.filter(|length| *length <= MOST).ok_or_else(|| wrong("no length"))?;
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body)?;
    Ok((status, head, String::from_utf8(body).map_err(|_| wrong("a body that is not text"))?))
}
