//! What comes of deliveries.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use chrono::{TimeDelta, Utc};
use meterbase::events::EventType;
use meterbase::webhooks::{Clock, Reach};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::ConnectOptions;

use super::receiver::{Letter, Mood, Receiver};
use super::{LONG, anywhere, courier, deliveries, happen, hook, settings};
use crate::binary::{Patience, Serving, meterbase};
use crate::certificates::authority::{Authority, Files};
use crate::harness::TestApp;

/// Until each delivery of the webhook had so many attempts, or is no longer pending.
async fn tried(app: &TestApp, key: &str, name: &str, attempts: i64) {
    let mut patience = Patience::for_("attempts");
    let is_due = |delivery: &Value| delivery["made"].as_i64().unwrap() < attempts;
    while deliveries(app, key, name, "pending").await.iter().any(is_due) {
        patience.poll().await;
    }
}

async fn all_delivered(app: &TestApp, key: &str, name: &str, number: usize) {
    let mut patience = Patience::for_("deliveries");
    while deliveries(app, key, name, "delivered").await.len() < number {
        patience.poll().await;
    }
}

pub async fn each_event_is_taken_once_by_who_is_away_refuses_and_is_slow(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let (mut receiver, clock) = (Receiver::down().await, Clock::default());
    hook(&app, &key, "pager", &receiver.url("127.0.0.1")).await;
    courier(&app, &settings(anywhere(), &clock));
    let subjects = ["one", "two", "three", "four", "five", "six"];
    happen(&app, "north", EventType::AlertFiring, &subjects).await;
    tried(&app, &key, "pager", 1).await;
    receiver.up(Mood::Refuses(500)).await;
    clock.advance(LONG);
    tried(&app, &key, "pager", 2).await;
    let failing = app.get(&key, "/v1/webhooks/pager").await.expect_status(200).json();
    assert_eq!(failing["state"], "failing");
    assert!(failing["failing_since"].is_string() && failing["failures"].as_i64().unwrap() >= 12, "{failing}");
    // It takes them, and its answers are lost: they come again.
    receiver.behave(Mood::Hangs);
    clock.advance(LONG);
    tried(&app, &key, "pager", 3).await;
    receiver.behave(Mood::Takes);
    clock.advance(LONG);
    all_delivered(&app, &key, "pager", subjects.len()).await;
    let log = receiver.log();
    let told: BTreeSet<String> = log
        .values()
        .map(|body| serde_json::from_str::<Value>(body).unwrap()["subject"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((log.len(), told), (subjects.len(), subjects.iter().map(|subject| (*subject).to_owned()).collect()));
    let done = deliveries(&app, &key, "pager", "delivered").await;
    assert_eq!(log.keys().cloned().collect::<BTreeSet<_>>(), ids(&done));
    let attempts = done[0]["attempts"].as_array().unwrap();
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt["status"].as_u64()).collect();
    assert_eq!(outcomes, [None, Some(500), None, Some(204)], "{attempts:?}");
    assert_eq!(attempts[1]["error"], "answered 500");
    let well = app.get(&key, "/v1/webhooks/pager").await.expect_status(200).json();
    assert_eq!((&well["state"], &well["failures"]), (&json!("ok"), &json!(0)));
    // The same event has the same id and body whenever it comes.
    let letters = receiver.letters();
    assert_eq!(letters.len(), 3 * subjects.len());
    assert!(letters.iter().all(|letter| log[&letter.id] == letter.body));
}

fn ids(deliveries: &[Value]) -> BTreeSet<String> {
    deliveries.iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect()
}

/// Python's own HMAC, over what came; prints how many signatures of each letter are right.
const VERIFY: &str = "
import base64, hashlib, hmac, json, sys
given = json.load(sys.stdin)
def sign(secret, letter):
    key = base64.b64decode(secret.removeprefix('whsec_'))
    text = '.'.join([letter['id'], letter['timestamp'], letter['body']])
    return 'v1,' + base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
print(json.dumps([[sign(secret, letter) in letter['signatures'].split() for secret in given['secrets']]
                  for letter in given['letters']]))
";

fn verify(secrets: &[&str], letters: &[Letter]) -> Vec<Vec<bool>> {
    let letters: Vec<_> = letters
        .iter()
        .map(|l| json!({"id": l.id, "timestamp": l.timestamp, "signatures": l.signatures, "body": l.body}))
        .collect();
    let mut python = Command::new("python3")
        .args(["-c", VERIFY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3, which the tests need");
    let given = json!({"secrets": secrets, "letters": letters}).to_string();
    python.stdin.take().expect("its input").write_all(given.as_bytes()).expect("input");
    let output = python.wait_with_output().expect("its end");
    serde_json::from_slice(&output.stdout).expect("its findings")
}

pub async fn signatures_are_those_of_another_implementation(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let (receiver, clock) = (Receiver::new(Mood::Takes).await, Clock::default());
    let first = hook(&app, &key, "pager", &receiver.url("127.0.0.1")).await;
    courier(&app, &settings(anywhere(), &clock));
    happen(&app, "north", EventType::AlertFiring, &["hand \u{1f44b}\n"]).await;
    all_delivered(&app, &key, "pager", 1).await;
    let turned = app.post(&key, "/v1/webhooks/pager/secret", json!({"overlap": "1h"})).await.expect_status(200).json();
    let second = turned["secret"].as_str().unwrap();
    happen(&app, "north", EventType::AlertFiring, &["while both sign"]).await;
    all_delivered(&app, &key, "pager", 2).await;
    clock.advance(LONG);
    happen(&app, "north", EventType::AlertFiring, &["when one does"]).await;
    all_delivered(&app, &key, "pager", 3).await;
    let verified = verify(&[&first, second], &receiver.letters());
    assert_eq!(verified, [[true, false], [true, true], [false, true]]);
}

pub async fn what_was_given_up_is_sent_again(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let (receiver, clock) = (Receiver::new(Mood::Refuses(503)).await, Clock::default());
    hook(&app, &key, "pager", &receiver.url("127.0.0.1")).await;
    courier(&app, &settings(anywhere(), &clock));
    happen(&app, "north", EventType::AlertFiring, &["one"]).await;
    let mut patience = Patience::for_("the end of tries");
    let mut attempts = 1;
    while deliveries(&app, &key, "pager", "dead").await.is_empty() {
        tried(&app, &key, "pager", attempts).await;
        clock.advance(LONG);
        attempts += 1;
        patience.poll().await;
    }
    let dead = deliveries(&app, &key, "pager", "dead").await;
    assert!((8..12).contains(&dead[0]["made"].as_i64().unwrap()), "{dead:?}");
    assert_eq!((&dead[0]["due_at"], dead[0]["done_at"].is_string()), (&json!(null), true));
    let before = receiver.letters().len();
    receiver.behave(Mood::Takes);
    clock.advance(LONG);
    let id = dead[0]["id"].as_str().unwrap();
    let path = format!("/v1/webhooks/pager/deliveries/{id}/resend");
    assert_eq!(app.post(&key, &path, json!({})).await.expect_status(202).json()["state"], "pending");
    all_delivered(&app, &key, "pager", 1).await;
    assert_eq!((receiver.letters().len(), receiver.log().keys().next().unwrap().as_str()), (before + 1, id));
    let audit = app.get(&key, "/v1/audit?entity=pager&action=webhook.resend").await.expect_status(200).json();
    assert_eq!(audit["items"][0]["before"]["state"], "dead");
    let nobody = format!("/v1/webhooks/pager/deliveries/{}/resend", uuid::Uuid::now_v7());
    app.post(&key, &nobody, json!({})).await.expect_status(404);
}

pub async fn only_where_it_may_anything_is_posted(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let (receiver, clock) = (Receiver::new(Mood::Takes).await, Clock::default());
    let plain = receiver.url("localhost");
    for (name, url) in [
        ("name", plain.clone()),
        ("secure-name", plain.replace("http:", "https:")),
        ("address", receiver.url("127.0.0.1").replace("http:", "https:")),
        ("number", receiver.url("2130706433").replace("http:", "https:")),
        ("mapped", receiver.url("[::ffff:127.0.0.1]").replace("http:", "https:")),
        ("any", receiver.url("0.0.0.0").replace("http:", "https:")),
    ] {
        hook(&app, &key, name, &url).await;
    }
    let strict = courier(&app, &settings(Reach::default(), &clock));
    happen(&app, "north", EventType::AlertFiring, &["secret"]).await;
    for name in ["name", "secure-name", "address", "number", "mapped", "any"] {
        tried(&app, &key, name, 1).await;
        let error = deliveries(&app, &key, name, "pending").await[0]["attempts"][0]["error"].to_string();
        assert!(error.contains("not an address that the server speaks to"), "{name}: {error}");
    }
    assert!(receiver.letters().is_empty());
    strict.abort();
    // A network that is allowed is spoken to, and no other.
    let networks = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
    courier(&app, &settings(Reach { private: false, networks }, &clock));
    clock.advance(LONG);
    all_delivered(&app, &key, "name", 1).await;
    tried(&app, &key, "any", 2).await;
    assert_eq!(receiver.letters().len(), 1);
}

pub async fn redirects_are_not_followed(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let receiver = Receiver::new(Mood::Points).await;
    hook(&app, &key, "pager", &receiver.url("127.0.0.1")).await;
    courier(&app, &settings(anywhere(), &Clock::default()));
    happen(&app, "north", EventType::AlertFiring, &["one"]).await;
    tried(&app, &key, "pager", 1).await;
    let attempt = deliveries(&app, &key, "pager", "pending").await[0]["attempts"][0].clone();
    assert_eq!(
        (&attempt["status"], &attempt["error"]),
        (&json!(307), &json!("answered 307; redirects are not followed"))
    );
    assert!(receiver.letters().iter().all(|letter| letter.path == "/hook"));
}

pub async fn a_webhook_is_told_what_it_asked_for(app: TestApp) {
    let (north, south) = (app.provider("north", "UTC").await, app.provider("south", "UTC").await);
    let receiver = Receiver::new(Mood::Takes).await;
    let resolved = json!({"url": receiver.url("127.0.0.1"), "events": ["alert.resolved"]});
    app.put(&north, "/v1/webhooks/pager", resolved).await.expect_status(201);
    hook(&app, &north, "later", "https://example.com").await;
    app.put(
        &north,
        "/v1/webhooks/off",
        json!({"url": receiver.url("127.0.0.1"), "events": ["alert.resolved"], "enabled": false}),
    )
    .await
    .expect_status(201);
    courier(&app, &settings(anywhere(), &Clock::default()));
    happen(&app, "south", EventType::AlertResolved, &["of another"]).await;
    happen(&app, "north", EventType::AlertFiring, &["of another type"]).await;
    happen(&app, "north", EventType::AlertResolved, &["night-use"]).await;
    app.post(&north, "/v1/webhooks/pager/test", json!({})).await.expect_status(202);
    all_delivered(&app, &north, "pager", 2).await;
    let mut told: Vec<Value> = receiver.log().values().map(|body| serde_json::from_str(body).unwrap()).collect();
    told.sort_by_key(|body| body["type"].to_string());
    let named: Vec<_> =
        told.iter().map(|body| (body["type"].as_str().unwrap(), body["subject"].as_str().unwrap())).collect();
    assert_eq!(named, [("alert.resolved", "night-use"), ("webhook.test", "pager")]);
    assert_eq!((&told[0]["provider"], &told[0]["data"]["state"]), (&json!("north"), &json!("firing")));
    assert!(deliveries(&app, &north, "off", "pending").await.is_empty());
    app.get(&south, "/v1/webhooks/pager/deliveries").await.expect_status(404);
}

pub async fn over_tls_only_who_has_a_good_certificate_is_told(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let (trusted, foreign, files) = (Authority::new("Trusted"), Authority::new("Foreign"), Files::new());
    let later = Utc::now() + TimeDelta::days(300);
    let (good, bad) =
        (Receiver::secure(&trusted.issue("hook", later)).await, Receiver::secure(&foreign.issue("hook", later)).await);
    let wrong = [("foreign", bad.secure_url("localhost")), ("named-otherwise", good.secure_url("127.0.0.1"))];
    hook(&app, &key, "good", &good.secure_url("localhost")).await;
    for (name, url) in &wrong {
        hook(&app, &key, name, url).await;
    }
    let ca = files.write("ca.pem", &trusted.pem());
    let mut command = meterbase();
    command.args(["serve", "--listen", "127.0.0.1:0", "--webhook-allow-private", "--database-url"]);
    command.arg(app.options.to_url_lossy().as_str()).env("SSL_CERT_FILE", ca);
    let server = Serving::start(command);
    for name in ["good", "foreign", "named-otherwise"] {
        app.post(&key, &format!("/v1/webhooks/{name}/test"), json!({})).await.expect_status(202);
    }
    all_delivered(&app, &key, "good", 1).await;
    for (name, _) in wrong {
        tried(&app, &key, name, 1).await;
        let attempts = &deliveries(&app, &key, name, "pending").await[0]["attempts"];
        let error = attempts[0]["error"].as_str().expect("why not");
        assert!(error.contains("certificate"), "{error}");
    }
    assert_eq!((good.letters().len(), bad.letters().len()), (1, 0));
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}
