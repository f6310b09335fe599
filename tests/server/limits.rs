//! Limits: what is beyond them is refused at once, with an answer that says so, and what was taken comes back.

use std::time::Duration;

use meterbase::database::Database;
use meterbase::keys::Scope;
use meterbase::limits::Limits;
use meterbase::server::{ServeConfig, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::binary::{LIMIT, Patience};
use crate::fixtures::north;
use crate::harness::{Answer, TestApp};

const MIB: usize = 1024 * 1024;

/// A real server on the test's database, with limits of its own.
pub async fn serve(app: &TestApp, limits: Limits) -> Server {
    let config = ServeConfig {
        listen: "127.0.0.1:0".to_owned(),
        limits,
        query_connections: 4,
        ingest_connections: 4,
        drain_timeout: Duration::from_secs(1),
        ..ServeConfig::default()
    };
    Server::start(&config, &Database::at(app.options.clone())).await.expect("a server")
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url().trim_start_matches("http://")).await.expect("a connection")
}

/// Sends a text and reads all that comes until the server closes the connection.
async fn ask(server: &Server, text: &str) -> String {
    let mut connection = connect(server).await;
    connection.write_all(text.as_bytes()).await.expect("a request");
    rest(&mut connection).await
}

async fn rest(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LIMIT, connection.read_to_end(&mut answer)).await;
    read.expect("an end in time").expect("an end without a reset");
    String::from_utf8(answer).expect("UTF-8")
}

/// The head of a POST of readings, with more header lines.
fn post(key: &str, lines: &str) -> String {
    format!(
        "POST /v1/readings HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
         Content-Type: application/json\r\n{lines}\r\n\r\n"
    )
}

#[track_caller]
fn assert_overloaded(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("/problems/overloaded") && answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
}

pub async fn connections_over_the_limit_are_told_so_at_once(app: TestApp) {
    let server = serve(&app, Limits { connections: 2, ..Limits::default() }).await;
    let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    let mut others = [connect(&server).await, connect(&server).await];
    for other in &mut others {
        other.write_all(format!("{get}\r\n").as_bytes()).await.unwrap();
        assert!(other.read_u8().await.is_ok());
    }
    assert_overloaded(&ask(&server, &format!("{get}\r\n")).await);
    assert_overloaded(&ask(&server, "").await);
    drop(others);
    let mut patience = Patience::for_("a free connection");
    while !ask(&server, &format!("{get}Connection: close\r\n\r\n")).await.starts_with("HTTP/1.1 200 ") {
        patience.poll().await;
    }
    server.stop().await.unwrap();
}

pub async fn requests_over_the_limit_are_told_so_and_health_is_not(app: TestApp) {
    north(&app).await;
    let key = app.key("north", Scope::Provider).await;
    let server = serve(&app, Limits { requests: 1, ..Limits::default() }).await;
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n")
    };
    let begin = async || {
        let mut unfinished = connect(&server).await;
        unfinished.write_all(post(&key, "Content-Length: 2").as_bytes()).await.unwrap();
        unfinished
    };
    let mut unfinished = begin().await;
    let mut patience = Patience::for_("the request under way");
    while !ask(&server, &get("/v1/metrics")).await.starts_with("HTTP/1.1 503 ") {
        // The question may have come first, and have been the one request that may be.
        if unfinished.try_read(&mut [0; 1]).is_ok() {
            unfinished = begin().await;
        }
        patience.poll().await;
    }
    assert_overloaded(&ask(&server, &get("/v1/metrics")).await);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(ask(&server, &get(path)).await.starts_with("HTTP/1.1 200 "), "{path}");
    }
    unfinished.write_all(b"[]").await.unwrap();
    assert!(rest(&mut unfinished).await.starts_with("HTTP/1.1 200 "));
    assert!(ask(&server, &get("/v1/metrics")).await.starts_with("HTTP/1.1 200 "));
    server.stop().await.unwrap();
}

pub async fn bodies_over_the_memory_are_refused_and_it_comes_back(app: TestApp) {
    let key = north(&app).await;
    let server = serve(&app, Limits { inflight_bytes: MIB, ..Limits::default() }).await;
    let spaces = |bytes: usize| format!("[{}]", " ".repeat(bytes - 2));
    let fitting = format!("{}{}", post(&key, &format!("Content-Length: {MIB}")), spaces(MIB));
    assert!(ask(&server, &fitting).await.starts_with("HTTP/1.1 200 "));
    // Announced: answered before any of it is sent.
    assert_overloaded(&ask(&server, &post(&key, &format!("Content-Length: {}", MIB + 1))).await);
    // Not announced: answered on the way, and read to its end so that the answer arrives.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let chunked = format!("{}{}0\r\n\r\n", post(&key, "Transfer-Encoding: chunked"), chunk.repeat(64));
    assert_overloaded(&ask(&server, &chunked).await);
    // Small, and large when decoded.
    let mut encoded = post(&key, "Content-Encoding: zstd\r\nContent-Length: LENGTH").into_bytes();
    let body = zstd::encode_all(spaces(2 * MIB).as_bytes(), 1).unwrap();
    encoded = String::from_utf8(encoded).unwrap().replace("LENGTH", &body.len().to_string()).into_bytes();
    let mut connection = connect(&server).await;
    connection.write_all(&[encoded, body].concat()).await.unwrap();
    assert_overloaded(&rest(&mut connection).await);
    // Few bytes, and many readings, each of which takes 512 bytes.
    let many = format!("[{}]", vec!["1"; MIB / 512].join(","));
    assert_overloaded(
        &ask(&server, &format!("{}{many}", post(&key, &format!("Content-Length: {}", many.len())))).await,
    );
    // A caller who goes away in the middle takes none of it along.
    let mut gone = connect(&server).await;
    gone.write_all(post(&key, &format!("Content-Length: {MIB}")).as_bytes()).await.unwrap();
    gone.write_all(&vec![b' '; MIB / 2]).await.unwrap();
    drop(gone);
    let mut patience = Patience::for_("the whole memory");
    while !ask(&server, &fitting).await.starts_with("HTTP/1.1 200 ") {
        patience.poll().await;
    }
    let metrics = ask(&server, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    for name in ["meterbase_limit_items{limit=\"readings\"} 50000", "meterbase_limit_used_items{limit=\"requests\"}"] {
        assert!(metrics.contains(name), "{name}");
    }
    assert!(metrics.contains("meterbase_limit_refusals_total{limit=\"inflight_bytes\"}"));
    server.stop().await.unwrap();
}

pub async fn slow_bodies_are_cut_off(app: TestApp) {
    let key = north(&app).await;
    let pause = Duration::from_millis(300);
    let server = serve(&app, Limits { body_pause: pause, ..Limits::default() }).await;
    let answer = ask(&server, &format!("{}[", post(&key, "Content-Length: 100"))).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("/problems/slow_body"), "{answer}");
    assert!(answer.contains("body_pause"), "{answer}");
    server.stop().await.unwrap();

    let server = serve(&app, Limits { body_timeout: Duration::from_millis(300), ..Limits::default() }).await;
    let (mut from, mut to) = connect(&server).await.into_split();
    to.write_all(post(&key, "Content-Length: 100000").as_bytes()).await.unwrap();
    // A byte now and then, as long as the server takes it.
    let drip = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        while to.write_all(b" ").await.is_ok() {
            pace.tick().await;
        }
        std::future::pending::<()>().await
    };
    let mut answer = [0; 1024];
    let length = tokio::select! {
        () = drip => unreachable!("it ends with the answer"),
        read = tokio::time::timeout(LIMIT, from.read(&mut answer)) => read.expect("in time").expect("an answer"),
    };
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("body_time"), "{answer}");
    server.stop().await.unwrap();
}

pub async fn connections_that_ask_for_nothing_are_closed(app: TestApp) {
    let limits = Limits { head_timeout: Duration::from_millis(200), connections: 8, ..Limits::default() };
    let server = serve(&app, limits).await;
    // Nothing; the beginning of HTTP/2's preface, which could still become HTTP/1; the beginning of a head; a head
    // without its end.
    let head = "GET /v1/metrics HTTP/1.1\r\nHost: localhost\r\n";
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "GET", head] {
        let answer = ask(&server, beginning).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{beginning:?}: {answer}");
    }
    server.stop().await.unwrap();
}

pub async fn the_answer_to_a_large_body_that_is_refused_arrives(app: TestApp) {
    for _ in 0..10 {
        let request = app.client.post(format!("{}/v1/readings", app.base)).bearer_auth("mb_wrong");
        let request = request.header("content-type", "application/json").body(vec![b' '; 20 * MIB]);
        Answer::of(request).await.expect_status(401);
    }
}

pub async fn a_provider_whose_readings_pile_up_is_told_to_send_slower_and_others_are_not(app: TestApp) {
    let ingest = north(&app).await;
    let south = app.provider("south", "UTC").await;
    let limits = Limits { provider_queue_readings: 1, ..Limits::default() };
    let server = serve(&app, limits).await;
    let url = format!("{}/v1/readings", server.url());
    let send = |key: &str, minute: usize| {
        let row = format!("device,metric,at,value\nm1,energy,2026-03-02T08:{minute:02}:00Z,1\n");
        let request = app.client.post(&url).bearer_auth(key).header("content-type", "text/csv").body(row);
        tokio::spawn(Answer::of(request))
    };
    // Whoever changes how the provider's readings are stamped holds them off: they wait.
    let mut holder = app.db().await;
    let hold = "BEGIN; SELECT pg_advisory_xact_lock(1297371714, provider_id) FROM provider WHERE key = 'north'";
    sqlx::raw_sql(hold).execute(&mut holder).await.unwrap();
    let mut sent = Vec::new();
    let mut patience = Patience::for_("a refusal");
    while !sent.iter().any(tokio::task::JoinHandle::is_finished) {
        patience.poll().await;
        sent.push(send(&ingest, sent.len()));
    }
    // What is of others is stored meanwhile.
    send(&south, 0).await.unwrap().expect_status(200);
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for answer in sent {
        let answer = answer.await.unwrap();
        if answer.status == 200 {
            assert_eq!(answer.json()["stored"], 1);
            accepted += 1;
        } else {
            assert_eq!(answer.expect_status(429).problem(), "too_many_readings");
            refused += 1;
        }
    }
    assert!(refused > 0);
    let counted = "SELECT sum(received)::bigint, sum(stored)::bigint, sum(requests)::bigint
                   FROM accounting JOIN provider USING (provider_id) WHERE key = 'north'";
    let counted: (i64, i64, i64) = sqlx::query_as(counted).fetch_one(&mut holder).await.unwrap();
    assert_eq!(counted, (accepted, accepted, accepted));
    server.stop().await.unwrap();
}
