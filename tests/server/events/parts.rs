//! Who sees a part of a provider is told of the readings that come in there, exactly.

use futures::future::join_all;
use meterbase::database::{self, Database};
use meterbase::events;
use meterbase::keys::Scope;
use meterbase::server::{ServeConfig, Server};
use serde_json::{Value, json};
use sqlx::Connection;

use super::{Ears, ask, listen};
use crate::binary::{LIMIT, Patience};
use crate::fixtures::{counts, device, north, send_json};
use crate::harness::{Answer, TestApp};
use crate::ingest::quarantine::replay_due;

/// Readings received, stored, duplicates, conflicts, quarantined and rejected.
type Sums = [i64; 6];

const NAMES: [&str; 6] = ["received", "stored", "duplicates", "conflicts", "quarantined", "rejected"];

/// A provider `north` with `acme`, below it `acme-north`, and `other`; a device of each, and one that moved from `acme` to `other`
/// on 5 March. A key that changes things, and one that sends.
async fn world(app: &TestApp) -> (String, String) {
    let sender = north(app).await;
    let key = app.key("north", Scope::Provider).await;
    app.put(&key, "/v1/customers/acme-north", json!({"name": "N", "parent": "acme"})).await.expect_status(201);
    app.put(&key, "/v1/customers/other", json!({"name": "O"})).await.expect_status(201);
    let mut db = app.db().await;
    device(&mut db, "north", "n1", &[("acme-north", "(,)")]).await;
    device(&mut db, "north", "o1", &[("other", "(,)")]).await;
    device(&mut db, "north", "moved", &[("acme", "(,2026-03-05)"), ("other", "[2026-03-05,)")]).await;
    (key, sender)
}

fn reading(device: &str, day: u32, value: &str) -> Value {
    json!({"device": device, "metric": "energy", "at": format!("2026-03-{day:02}T10:00:00Z"), "value": value})
}

async fn key_of(app: &TestApp, key: &str, customer: &str) -> String {
    let made =
        app.post(key, "/v1/keys", json!({"scope": "read", "customer": customer})).await.expect_status(201).json();
    made["key"].as_str().expect("a key").to_owned()
}

async fn portal_of(app: &TestApp, key: &str, customer: &str) -> String {
    let made = app.post(key, "/v1/portal-tokens", json!({"customer": customer})).await.expect_status(201).json();
    made["token"].as_str().expect("a token").to_owned()
}

impl Ears {
    /// What is told of readings until as many as are expected were received, and the freshness after them. The counts of each
    /// event add up.
    async fn readings(&mut self, expected: Sums) {
        let mut sums = Sums::default();
        loop {
            let told = self.next().await.expect("no end yet");
            if told.event == "readings" {
                let told = NAMES.map(|name| told.data[name].as_i64().expect("a number"));
                assert_eq!(told[0], told[1..].iter().sum::<i64>());
                sums.iter_mut().zip(told).for_each(|(sum, more)| *sum += more);
            } else if told.event == "freshness" && sums[0] >= expected[0] {
                return assert_eq!(sums, expected);
            }
        }
    }
}

pub async fn who_sees_a_part_is_told_what_comes_in_there(app: TestApp) {
    let (key, sender) = world(&app).await;
    app.put(&key, "/v1/customers/idle", json!({"name": "I"})).await.expect_status(201);
    let callers = [
        (key.clone(), [26, 10, 10, 2, 2, 2]),
        (key_of(&app, &key, "acme").await, [15, 7, 7, 1, 0, 0]),
        (portal_of(&app, &key, "acme").await, [15, 7, 7, 1, 0, 0]),
        (portal_of(&app, &key, "acme-north").await, [7, 3, 3, 1, 0, 0]),
        (key_of(&app, &key, "other").await, [7, 3, 3, 1, 0, 0]),
        (portal_of(&app, &key, "idle").await, [0; 6]),
    ];
    let all = join_all(callers.iter().map(|(caller, _)| listen(&app, caller, "", None))).await;
    let readings = json!([
        reading("m1", 1, "1"),
        reading("m1", 2, "1"),
        reading("m1", 3, "1"),
        reading("n1", 1, "1"),
        reading("n1", 2, "1"),
        reading("o1", 1, "1"),
        reading("moved", 4, "1"),
        reading("moved", 5, "1"),
        reading("moved", 6, "1"),
        reading("nobody", 1, "1"),
        reading("m1", 4, "x"),
    ]);
    for stored in [[11, 9, 0, 0, 1, 1], [11, 0, 9, 0, 1, 1]] {
        assert_eq!(counts(&send_json(&app, &sender, &readings).await), stored);
    }
    // Another value, a new reading twice, and again another value.
    let more = json!([reading("n1", 1, "9"), reading("n1", 9, "1"), reading("n1", 9, "1"), reading("o1", 1, "9")]);
    assert_eq!(counts(&send_json(&app, &sender, &more).await), [4, 1, 1, 2, 0, 0]);
    let hearing = all.into_iter().zip(&callers).map(async |(mut ears, (_, expected))| ears.readings(*expected).await);
    join_all(hearing).await;
}

/// How many customers are listened to, and readings counted for listeners.
async fn counted(app: &TestApp) -> (i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM listened_customer),
        (SELECT coalesce(sum(stored + duplicates + conflicts), 0)::bigint FROM listened_minute)";
    sqlx::query_as(sql).fetch_one(&mut app.db().await).await.expect("counts")
}

pub async fn what_another_server_stores_is_told_and_nothing_is_counted_for_nobody(app: TestApp) {
    let (key, sender) = world(&app).await;
    let config = ServeConfig { listen: "127.0.0.1:0".to_owned(), ..ServeConfig::default() };
    let server = Server::start(&config, &Database::at(app.options.clone())).await.expect("a server");
    let mut days = 1..;
    let mut next = |device: &str| json!([reading(device, days.next().expect("a day"), "1")]);
    let there = async |readings: Value| {
        let request = app.client.post(format!("{}/v1/readings", server.url())).bearer_auth(&sender);
        let request = request.header("content-type", "application/json").body(readings.to_string());
        assert_eq!(counts(&Answer::of(request).await.expect_status(200).json())[1], 1);
    };
    let mut whole = listen(&app, &key, "", None).await;
    send_json(&app, &sender, &next("m1")).await;
    there(next("m1")).await;
    whole.readings([2, 2, 0, 0, 0, 0]).await;
    assert_eq!(counted(&app).await, (0, 0));

    let acme = key_of(&app, &key, "acme").await;
    let mut first = listen(&app, &acme, "", None).await;
    let mut second = Ears { answer: ask(&app, &acme, server.url(), "", None).await, heard: String::new() };
    assert_eq!(second.next().await.expect("a beginning").event, "open");
    for device in ["m1", "n1", "o1"] {
        there(next(device)).await;
        send_json(&app, &sender, &next(device)).await;
    }
    first.readings([4, 4, 0, 0, 0, 0]).await;
    second.readings([4, 4, 0, 0, 0, 0]).await;
    assert_eq!(counted(&app).await, (1, 4));

    // What is over goes, and the rest stays.
    let old = "INSERT INTO listened_customer SELECT provider_id, customer_id, now() - interval '1 second' FROM customer
        WHERE key = 'other'";
    sqlx::query(old).execute(&mut app.db().await).await.expect("a row");
    let old = "INSERT INTO listened_minute SELECT provider_id, customer_id, now() - interval '20 minutes', 3, 5, 0, 0 FROM customer
        WHERE key = 'other'";
    sqlx::query(old).execute(&mut app.db().await).await.expect("a row");
    there(next("o1")).await;
    assert_eq!(counted(&app).await, (2, 9));
    let pool = database::pool(&app.options, "tidying", 1, LIMIT);
    for kept in [events::PARTS, events::MINUTES] {
        kept.forget(&pool).await.expect("tidy tables");
    }
    assert_eq!(counted(&app).await, (1, 4));
    drop((first, second, whole));
    server.stop().await.expect("a stop in order");
}

pub async fn readings_are_those_of_the_part_as_it_is(app: TestApp) {
    let (key, sender) = world(&app).await;
    let acme = key_of(&app, &key, "acme").await;
    let mut ears = listen(&app, &acme, "", None).await;
    send_json(&app, &sender, &json!([reading("m1", 1, "1"), reading("late", 1, "1")])).await;
    // What becomes part of it meanwhile is, with a device that was never there before; what waited for that is not told again.
    let child = async |parent: Value, status: u16| {
        let body = json!({"name": "C", "parent": parent, "time_zone": "Europe/Paris"});
        app.put(&key, "/v1/customers/child", body).await.expect_status(status);
    };
    child(json!("acme-north"), 201).await;
    app.put(&key, "/v1/devices/late", json!({"customer": "child"})).await.expect_status(201);
    assert_eq!(replay_due(&app).await, 1);
    send_json(&app, &sender, &json!([reading("late", 2, "1"), reading("late", 1, "1")])).await;
    // What is no longer part of it is not told, and told again when it is.
    child(Value::Null, 200).await;
    send_json(&app, &sender, &json!([reading("late", 3, "1")])).await;
    child(json!("acme"), 200).await;
    send_json(&app, &sender, &json!([reading("late", 4, "1")])).await;
    ears.readings([4, 3, 1, 0, 0, 0]).await;

    // Who begins to listen while readings wait for a change of the registry is told of them.
    let mut db = app.db().await;
    let mut change = db.begin().await.expect("a transaction");
    let lock = "SELECT pg_advisory_xact_lock(1297371714, provider_id) FROM provider";
    sqlx::query(lock).execute(&mut *change).await.expect("a lock");
    let readings = json!([reading("o1", 1, "1"), reading("m1", 9, "1")]);
    let sending = send_json(&app, &sender, &readings);
    let listening = async {
        let mut patience = Patience::for_("a flush that waits");
        let waits = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
            WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()";
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut *change).await.expect("locks") == 0 {
            patience.poll().await;
        }
        let ears = listen(&app, &portal_of(&app, &key, "other").await, "", None).await;
        change.rollback().await.expect("an end");
        ears
    };
    let (_, mut other) = futures::join!(sending, listening);
    other.readings([1, 1, 0, 0, 0, 0]).await;
    ears.readings([1, 1, 0, 0, 0, 0]).await;
    drop(other);

    // A customer that is gone is not listened to, and nothing else changes.
    app.put(&key, "/v1/customers/gone", json!({"name": "G"})).await.expect_status(201);
    let mut gone = listen(&app, &portal_of(&app, &key, "gone").await, "", None).await;
    app.delete(&key, "/v1/customers/gone").await.expect_status(204);
    let mut patience = Patience::for_("the end of what a customer that is gone hears");
    while gone.next().await.is_some() {
        patience.poll().await;
    }
    send_json(&app, &sender, &json!([reading("m1", 10, "1")])).await;
    ears.readings([1, 1, 0, 0, 0, 0]).await;
}
