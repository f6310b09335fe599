//! A server that is asked to stop, and those who keep it waiting.

use meterbase::embedded::cluster;
use nix::sys::signal::{Signal, kill};
use sqlx::ConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::address;
use crate::binary::{DataDir, LIMIT, Patience, Serving};
use crate::harness::TestApp;

async fn connect(server: &str) -> TcpStream {
    TcpStream::connect(server).await.expect("a connection")
}

/// All that comes until the connection is closed.
async fn rest(mut connection: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LIMIT, connection.read_to_end(&mut answer)).await;
    read.expect("an end in time").expect("an end without a reset");
    String::from_utf8(answer).expect("UTF-8")
}

/// The head of a POST of readings of some bytes.
fn post(key: &str, length: usize) -> String {
    format!(
        "POST /v1/readings?provider=north HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Sends a byte now and then until an answer comes, and reads that.
async fn dribble(mut connection: TcpStream) -> String {
    let mut patience = Patience::for_("an answer to a slow body");
    loop {
        tokio::select! {
            ready = connection.readable() => {
                ready.expect("an answer");
                return rest(connection).await;
            }
            () = patience.poll() => connection.write_all(b" ").await.expect("a server that reads"),
        }
    }
}

pub async fn a_stopping_server_answers_whoever_it_can_and_waits_for_nobody_longer_than_it_may(app: TestApp) {
    let data = DataDir::new(app.edition);
    let mut command = data.serve_command();
    command.args(["--drain-timeout", "6s"]);
    let server = Serving::start(command);
    let (at, key) = (address(&server), server.first_key().to_owned());
    let put = app.client.put(format!("{}/v1/providers/north", server.url)).bearer_auth(&key);
    let put = put.json(&serde_json::json!({"name": "north"}));
    assert_eq!(put.send().await.expect("an answer").status(), 201);

    // One that was answered and stays; one in the middle of a head, one in the middle of a body; one whose body never ends.
    let mut idle = connect(&at).await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a request");
    assert_ne!(idle.read(&mut [0; 1000]).await.expect("an answer"), 0);
    let mut begun = connect(&at).await;
    begun.write_all(b"GET /readyz HTTP/1.1\r\nHost: somewhere\r\n").await.expect("half of a head");
    let mut posting = connect(&at).await;
    posting.write_all(format!("{}[", post(&key, 2)).as_bytes()).await.expect("half of a body");
    let mut slow = connect(&at).await;
    slow.write_all(post(&key, 1_000_000).as_bytes()).await.expect("a head");
    let mut unread = [0; 1];
    for connection in [&begun, &posting, &slow] {
        assert!(connection.try_read(&mut unread).is_err(), "answered before its end");
    }
    // What was sent has been read when what is sent after it has.
    let mut patience = Patience::for_("two requests under way");
    let metric = format!("{}/metrics", server.url);
    while !is_reading(&app, &metric, 2).await {
        patience.poll().await;
    }

    let slow = tokio::spawn(dribble(slow));
    kill(server.pid(), Signal::SIGTERM).expect("a running server");
    let mut patience = Patience::for_("a closed door");
    while TcpStream::connect(&at).await.is_ok() {
        patience.poll().await;
    }
    posting.write_all(b"]").await.expect("the rest of a body");
    let answer = rest(posting).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"received\":0"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    begun.write_all(b"\r\n").await.expect("the rest of a head");
    let answer = rest(begun).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the server stops"), "{answer}");
    assert_eq!(rest(idle).await, "");
    let answer = slow.await.expect("its answer");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the server stops"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
    assert_eq!(server.wait(), Some(0));
    let gone = cluster::options(&data.database().join("cluster/run")).connect().await;
    assert!(gone.is_err(), "PostgreSQL has gone too");
}

/// Whether at least so many requests are being answered, this one not counted.
async fn is_reading(app: &TestApp, metrics: &str, number: usize) -> bool {
    let text = app.client.get(metrics).send().await.expect("metrics").text().await.expect("metrics");
    let line = text.lines().find(|line| line.starts_with("meterbase_limit_used_items{limit=\"requests\""));
    let used = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).expect("a number of requests");
    used > number as f64
}

pub async fn what_was_sent_whole_when_a_server_was_told_to_stop_is_answered(app: TestApp) {
    let data = DataDir::new(app.edition);
    let server = data.serve();
    let (at, key) = (address(&server), server.first_key().to_owned());
    let put = app.client.put(format!("{}/v1/providers/north", server.url)).bearer_auth(&key);
    let put = put.json(&serde_json::json!({"name": "north"}));
    assert_eq!(put.send().await.expect("an answer").status(), 201);
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut kept = connect(&at).await;
        kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a request");
        assert_ne!(kept.read(&mut [0; 1000]).await.expect("an answer"), 0);
        connections.push(kept);
    }
    // While it stands still, requests come on connections that were kept open and on new ones; then it is told to stop.
    kill(server.pid(), Signal::SIGSTOP).expect("a running server");
    for _ in 0..4 {
        connections.push(connect(&at).await);
    }
    for connection in &mut connections {
        connection.write_all(format!("{}[]", post(&key, 2)).as_bytes()).await.expect("a request");
    }
    kill(server.pid(), Signal::SIGTERM).expect("a server that stands still");
    kill(server.pid(), Signal::SIGCONT).expect("a server that stands still");
    for connection in connections {
        let answer = rest(connection).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    }
    assert_eq!(server.wait(), Some(0));
}
