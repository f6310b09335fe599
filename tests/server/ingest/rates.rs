//! Rates of keys: who sends more than its key may is told so, and nothing of that is stored.

use meterbase::limits::Limits;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::binary::{Patience, text};
use crate::fixtures::north;
use crate::harness::{Answer, TestApp};
use crate::limits::serve;

/// The command on the test's database, to its end.
fn command(app: &TestApp, arguments: &[&str]) -> std::process::Output {
    crate::verify::command(app, arguments).output().expect("the binary")
}

fn key(app: &TestApp, arguments: &[&str]) -> String {
    let made = command(app, &[&["keys", "create", "--scope", "ingest", "--provider", "north"], arguments].concat());
    assert!(made.status.success(), "{}", text(&made.stderr));
    text(&made.stdout)
}

/// Sends so many readings, of an hour each.
fn send(app: &TestApp, base: &str, key: &str, hour: usize, number: usize) -> impl Future<Output = Answer> + use<> {
    let row = |n: usize| format!("m1,energy,2026-03-01T{hour:02}:{:02}:{:02}Z,1\n", n / 60, n % 60);
    let body = format!("device,metric,at,value\n{}", (0..number).map(row).collect::<String>());
    let request = app.client.post(format!("{base}/v1/readings")).bearer_auth(key).header("content-type", "text/csv");
    Answer::of(request.body(body))
}

/// A parameter of a structured field that has one member, such as `q` of `"default";q=5;w=60`.
#[track_caller]
fn parameter(answer: &Answer, field: &str, name: &str) -> u64 {
    let field = answer.headers[field].to_str().unwrap();
    let mut parts = field.split(';');
    assert_eq!(parts.next(), Some("\"default\""), "{field}");
    let value = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {field}")).parse().unwrap()
}

async fn stored(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&mut app.db().await).await.unwrap()
}

pub async fn a_key_that_sends_too_fast_is_told_when_to_go_on(app: TestApp) {
    north(&app).await;
    // One reading a second, so slow that no burst comes back in between.
    let (one, other) = (key(&app, &["--rate", "1", "--burst", "3000"]), key(&app, &["--rate", "1", "--burst", "3000"]));
    let first = send(&app, &app.base, &one, 1, 2500).await.expect_status(200);
    assert_eq!((parameter(&first, "ratelimit-policy", "q"), parameter(&first, "ratelimit-policy", "w")), (3000, 3000));
    assert_eq!((parameter(&first, "ratelimit", "r"), parameter(&first, "ratelimit", "t")), (500, 2500));
    let refused = send(&app, &app.base, &one, 2, 2500).await.expect_status(429);
    assert_eq!(refused.problem(), "too_many_readings");
    let remaining = parameter(&refused, "ratelimit", "r");
    assert!((500..2500).contains(&remaining), "{remaining}");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(2500 - remaining >= wait && wait >= 2499 - remaining, "{wait} {remaining}");
    assert!(refused.json()["detail"].as_str().unwrap().contains("nothing was stored"), "{}", refused.text);
    assert_eq!(stored(&app).await, 2500);
    // Fewer fit still, and another key has a rate of its own.
    send(&app, &app.base, &one, 2, 400).await.expect_status(200);
    send(&app, &app.base, &other, 3, 3000).await.expect_status(200);
    assert_eq!(stored(&app).await, 5900);
    let metrics = app.client.get(format!("{}/metrics", app.base)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("meterbase_limit_refusals_total{limit=\"key_rate\"}"), "{metrics}");
}

pub async fn readings_that_are_refused_because_too_many_wait_cost_the_key_nothing(app: TestApp) {
    north(&app).await;
    let key = key(&app, &["--rate", "1", "--burst", "50000"]);
    let server = serve(&app, Limits { provider_queue_readings: 1, ..Limits::default() }).await;
    // Whoever changes how the provider's readings are stamped holds them off: they wait.
    let mut holder = app.db().await;
    let hold = "BEGIN; SELECT pg_advisory_xact_lock(1297371714, provider_id) FROM provider WHERE key = 'north'";
    sqlx::raw_sql(hold).execute(&mut holder).await.unwrap();
    let (mut sent, mut patience) = (Vec::new(), Patience::for_("three refusals"));
    while sent.iter().filter(|answer: &&JoinHandle<_>| answer.is_finished()).count() < 3 {
        patience.poll().await;
        assert!(sent.len() < 48, "nothing is refused");
        sent.push(tokio::spawn(send(&app, server.url(), &key, sent.len() % 24, 1000)));
    }
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    let mut accepted = 0;
    for answer in sent {
        let answer = answer.await.unwrap();
        if answer.status == 200 {
            accepted += 1;
        } else {
            assert!(answer.expect_status(429).text.contains("as many readings waiting as it may"));
        }
    }
    let last = send(&app, server.url(), &key, 23, 1).await.expect_status(200);
    let remaining = parameter(&last, "ratelimit", "r") as usize;
    let spent = 50_000 - remaining;
    // One comes back a second.
    assert!((1000 * accepted - 200..=1000 * accepted + 1).contains(&spent), "{spent} for {accepted} requests");
    server.stop().await.unwrap();
}

pub async fn more_readings_than_a_burst_are_to_be_sent_in_parts(app: TestApp) {
    north(&app).await;
    let key = key(&app, &["--rate", "100"]);
    let refused = send(&app, &app.base, &key, 1, 2001).await.expect_status(413);
    assert_eq!(refused.problem(), "payload_too_large");
    assert_eq!(
        refused.json()["detail"],
        "2001 readings, and this key may send 1000 at once: nothing was stored, send them in 3 requests of at most 1000 \
         readings, 100 readings a second"
    );
    assert!(!refused.headers.contains_key("retry-after"));
    // It took nothing of the burst.
    let sent = send(&app, &app.base, &key, 1, 1000).await.expect_status(200);
    assert_eq!((parameter(&sent, "ratelimit-policy", "q"), parameter(&sent, "ratelimit-policy", "w")), (1000, 10));
    assert_eq!((parameter(&sent, "ratelimit", "r"), parameter(&sent, "ratelimit", "t")), (0, 10));
    assert_eq!(stored(&app).await, 1000);
}

pub async fn keys_have_the_server_s_rate_unless_they_have_their_own(app: TestApp) {
    let plain = north(&app).await;
    let (free, own) = (key(&app, &["--rate", "0"]), key(&app, &["--rate", "7", "--burst", "20"]));
    let server = crate::limits::serve(&app, Limits { key_rate: 5, key_burst: 10, ..Limits::default() }).await;
    let quota = |answer: &Answer| parameter(answer, "ratelimit-policy", "q");
    assert_eq!(quota(&send(&app, server.url(), &plain, 1, 1).await.expect_status(200)), 10);
    assert_eq!(quota(&send(&app, server.url(), &own, 2, 1).await.expect_status(200)), 20);
    let without = send(&app, server.url(), &free, 3, 3000).await.expect_status(200);
    assert!(!without.headers.contains_key("ratelimit") && !without.headers.contains_key("ratelimit-policy"));
    assert!(!send(&app, &app.base, &plain, 4, 3000).await.expect_status(200).headers.contains_key("ratelimit"));
    // What the database says holds from the next request on.
    let listed = command(&app, &["keys", "list", "--json"]);
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let of = |key: &Value| (key["rate"].clone(), key["burst"].clone());
    let rates: Vec<_> = listed.iter().map(of).filter(|(rate, _)| !rate.is_null()).collect();
    assert_eq!(rates, [(json!(0), json!(null)), (json!(7), json!(20))]);
    let id = listed.iter().find(|key| key["rate"] == 7).unwrap()["id"].as_str().unwrap();
    assert!(command(&app, &["keys", "limit", id, "--rate", "8", "--burst", "30"]).status.success());
    assert_eq!(quota(&send(&app, server.url(), &own, 2, 1).await.expect_status(200)), 30);
    assert!(command(&app, &["keys", "limit", id]).status.success());
    assert_eq!(quota(&send(&app, server.url(), &own, 2, 1).await.expect_status(200)), 10);
    server.stop().await.unwrap();
    let refused = command(&app, &["keys", "create", "--scope", "admin", "--burst", "5"]);
    assert!(text(&refused.stderr).contains("--rate"), "{}", text(&refused.stderr));
    let missing = command(&app, &["keys", "limit", "0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f", "--rate", "1"]);
    assert_eq!(missing.status.code(), Some(1));
}
