//! `GET /v1/events`: who listens is told of what happens.

mod parts;

use std::time::Duration;

use chrono::{DateTime, Utc};
use meterbase::database::Database;
use meterbase::events::{self, EventType, NewEvent};
use meterbase::keys::Scope;
use meterbase::server::{ServeConfig, Server};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;

use self::parts as listening_to_parts;
use crate::binary::{LIMIT, Patience, Serving, meterbase};
use crate::events as listening;
use crate::fixtures::{north, send_csv};
use crate::harness::{Answer, Test, TestApp, topic};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(listening::{
            what_happens_is_told_as_it_does_and_what_was_missed_is_told_later,
            many_events_are_told_in_their_order_and_each_once,
            readings_and_freshness_are_told,
            who_sees_a_part_is_told_of_that_alone,
            listeners_are_limited_and_what_they_say_is_checked,
            an_answer_ends_with_its_key_and_with_the_server,
            who_takes_nothing_is_cut_off_and_misses_nothing,
        }),
        topic!(listening_to_parts::{
            who_sees_a_part_is_told_what_comes_in_there,
            what_another_server_stores_is_told_and_nothing_is_counted_for_nobody,
            readings_are_those_of_the_part_as_it_is,
        }),
    ]
}

/// Somebody who listens.
struct Ears {
    answer: reqwest::Response,
    heard: String,
}

/// One event, as it was told.
#[derive(Debug)]
struct Told {
    event: String,
    id: Option<i64>,
    data: Value,
}

async fn ask(app: &TestApp, key: &str, base: &str, query: &str, last: Option<i64>) -> reqwest::Response {
    let request = app.client.get(format!("{base}/v1/events{query}")).bearer_auth(key);
    let request = last.into_iter().fold(request, |request, id| request.header("last-event-id", id.to_string()));
    request.send().await.expect("an answer")
}

async fn listen(app: &TestApp, key: &str, query: &str, last: Option<i64>) -> Ears {
    let answer = ask(app, key, &app.base, query, last).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut ears = Ears { answer, heard: String::new() };
    assert_eq!(ears.next().await.expect("a beginning").event, "open");
    ears
}

impl Ears {
    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((text, rest)) = self.heard.split_once("\n\n") {
                let fields: Vec<_> = text.lines().filter_map(|line| line.split_once(": ")).collect();
                let field =
                    |name| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| (*value).to_owned());
                let told = field("event").map(|event| Told {
                    event,
                    id: field("id").map(|id| id.parse().expect("a number")),
                    data: serde_json::from_str(&field("data").expect("data")).expect("JSON"),
                });
                self.heard = rest.to_owned();
                if told.is_some() {
                    return told;
                }
                continue;
            }
            let chunk = timeout(LIMIT, self.answer.chunk()).await.expect("something in time").unwrap_or_default()?;
            self.heard.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    /// The next event of some kind.
    async fn next_of(&mut self, kind: &str) -> Told {
        loop {
            let told = self.next().await.expect("no end yet");
            if told.event == kind {
                return told;
            }
        }
    }

    /// The subjects of all alerts until the answer ends.
    async fn alerts(&mut self) -> Vec<String> {
        let mut subjects = Vec::new();
        while let Some(told) = self.next().await {
            if told.event.starts_with("alert.") {
                subjects.push(told.data["subject"].as_str().expect("a subject").to_owned());
            }
        }
        subjects
    }
}

/// Alerts that fire, each with the customer that it concerns.
async fn happen(app: &TestApp, provider: &str, alerts: &[(&str, Option<&str>)]) {
    let mut db = app.db().await;
    let id = sqlx::query_scalar("SELECT provider_id FROM provider WHERE key = $1::text").bind(provider);
    let provider_id: i32 = id.fetch_one(&mut db).await.expect("the provider");
    let mut new = Vec::new();
    for (subject, customer) in alerts.iter().copied() {
        let find = "SELECT max(customer_id) FROM customer WHERE provider_id = $1 AND key::text = $2";
        let customer_id = sqlx::query_scalar(find).bind(provider_id).bind(customer).fetch_one(&mut db).await;
        let (kind, data) = (EventType::AlertFiring, json!({"value": "7.5"}));
        let customer_id = customer_id.expect("a customer");
        new.push(NewEvent { provider_id, customer_id, kind, subject, at: Utc::now(), data });
    }
    let mut transaction = db.begin().await.expect("a transaction");
    events::record(&mut transaction, &new).await.expect("events");
    transaction.commit().await.expect("a commit");
}

pub async fn what_happens_is_told_as_it_does_and_what_was_missed_is_told_later(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    happen(&app, "north", &[("before", None)]).await;
    let mut ears = listen(&app, &key, "", None).await;
    happen(&app, "north", &[("one", None)]).await;
    let told = ears.next_of("alert.firing").await;
    assert_eq!((&told.data["subject"], &told.data["provider"]), (&json!("one"), &json!("north")));
    assert_eq!((&told.data["type"], &told.data["data"]), (&json!("alert.firing"), &json!({"value": "7.5"})));
    drop(ears);
    happen(&app, "north", &[("two", None), ("three", None)]).await;
    let mut ears = listen(&app, &key, "?follow=false", told.id).await;
    assert_eq!(ears.alerts().await, ["two", "three"]);
    let mut ears = listen(&app, &key, "?follow=false&after=0", None).await;
    assert_eq!(ears.alerts().await, ["before", "one", "two", "three"]);
}

pub async fn many_events_are_told_in_their_order_and_each_once(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let mut ears = listen(&app, &key, "", None).await;
    let names: Vec<String> = (0..350).map(|number| format!("alert-{number}")).collect();
    // Of some transactions at once those that began later can be done sooner.
    let writers = names.chunks(50).map(|names| {
        let app = &app;
        async move {
            for name in names {
                happen(app, "north", &[(name.as_str(), None)]).await;
            }
        }
    });
    futures::future::join_all(writers).await;
    let (mut told, mut last) = (Vec::new(), 0);
    while told.len() < names.len() {
        let one = ears.next_of("alert.firing").await;
        assert!(one.id.unwrap() > last);
        last = one.id.unwrap();
        told.push(one.data["subject"].as_str().unwrap().to_owned());
    }
    let mut all = names;
    all.sort();
    told.sort();
    assert_eq!(told, all);
}

pub async fn readings_and_freshness_are_told(app: TestApp) {
    let sender = north(&app).await;
    let reader = app.key("north", Scope::Read).await;
    let mut ears = listen(&app, &reader, "", None).await;
    let fresh = ears.next_of("freshness").await;
    let begun: DateTime<Utc> = fresh.data["fresh_through"].as_str().unwrap().parse().unwrap();
    assert!((Utc::now() - begun).num_seconds().abs() < 60 && fresh.id.is_none());
    let rows =
        "m1,energy,2026-03-01T00:00:00Z,1\nm1,energy,2026-03-01T01:00:00Z,2\nnobody,energy,2026-03-01T00:00:00Z,1\n";
    for _ in 0..2 {
        send_csv(&app, &sender, &format!("device,metric,at,value\n{rows}")).await;
    }
    let mut sums = [0; 4];
    while sums[0] < 6 {
        let told = ears.next_of("readings").await;
        for (sum, name) in sums.iter_mut().zip(["received", "stored", "duplicates", "quarantined"]) {
            *sum += told.data[name].as_i64().unwrap();
        }
    }
    assert_eq!(sums, [6, 2, 2, 2]);
}

pub async fn who_sees_a_part_is_told_of_that_alone(app: TestApp) {
    let (key, south) = (app.provider("north", "UTC").await, app.provider("south", "UTC").await);
    for (customer, parent) in [("acme", None), ("acme-north", Some("acme")), ("other", None)] {
        let body = json!({"name": "N", "parent": parent});
        app.put(&key, &format!("/v1/customers/{customer}"), body).await.expect_status(201);
    }
    let alerts =
        [("a", Some("acme")), ("b", Some("acme-north")), ("c", Some("other")), ("d", None), ("e", Some("acme"))];
    happen(&app, "north", &alerts).await;
    let made = app.post(&key, "/v1/keys", json!({"scope": "read", "customer": "acme"})).await.expect_status(201).json();
    let part = made["key"].as_str().unwrap();
    let made = app.post(&key, "/v1/portal-tokens", json!({"customer": "acme-north"})).await.expect_status(201).json();
    let portal = made["token"].as_str().unwrap();
    let callers = [
        (&key[..], vec!["a", "b", "c", "d", "e"]),
        (part, vec!["a", "b", "e"]),
        (portal, vec!["b"]),
        (&south[..], vec![]),
    ];
    for (caller, expected) in callers {
        assert_eq!(listen(&app, caller, "?after=0&follow=false", None).await.alerts().await, expected);
    }
    let ingest = app.key("north", Scope::Ingest).await;
    app.get(&ingest, "/v1/events").await.expect_status(403);
}

pub async fn listeners_are_limited_and_what_they_say_is_checked(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    for query in ["?after=-1", "?after=x", "?follow=perhaps", "?since=1"] {
        app.get(&key, &format!("/v1/events{query}")).await.expect_status(400);
    }
    assert_eq!(ask(&app, &key, &app.base, "", Some(-7)).await.status(), 400);
    let mut all = Vec::new();
    for _ in 0..64 {
        all.push(ask(&app, &key, &app.base, "", None).await);
    }
    assert!(all.iter().all(|answer| answer.status() == 200));
    let refused = app.client.get(format!("{}/v1/events", app.base)).bearer_auth(&key);
    assert_eq!(Answer::of(refused).await.expect_status(429).problem(), "too_many_listeners");
    let other = app.provider("south", "UTC").await;
    listen(&app, &other, "", None).await;
    drop(all);
    let mut patience = Patience::for_("room for another");
    while ask(&app, &key, &app.base, "", None).await.status() != 200 {
        patience.poll().await;
    }
}

pub async fn an_answer_ends_with_its_key_and_with_the_server(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let made = app.post(&key, "/v1/keys", json!({"scope": "read"})).await.expect_status(201).json();
    let mut revoked = listen(&app, made["key"].as_str().unwrap(), "", None).await;
    app.delete(&key, &format!("/v1/keys/{}", made["id"].as_str().unwrap())).await.expect_status(204);
    while revoked.next().await.is_some() {}
    let config = ServeConfig {
        listen: "127.0.0.1:0".to_owned(),
        query_connections: 4,
        ingest_connections: 2,
        drain_timeout: Duration::from_secs(60),
        ..ServeConfig::default()
    };
    let server = Server::start(&config, &Database::at(app.options.clone())).await.expect("a server");
    let mut answer = ask(&app, &key, server.url(), "", None).await;
    assert!(answer.chunk().await.expect("a beginning").is_some());
    let stopping = tokio::spawn(server.stop());
    while answer.chunk().await.expect("an end in order").is_some() {}
    timeout(Duration::from_secs(30), stopping).await.expect("no waiting").unwrap().expect("a stop in order");
}

pub async fn who_takes_nothing_is_cut_off_and_misses_nothing(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let mut command = meterbase();
    command.args(["serve", "--listen", "127.0.0.1:0", "--answer-pause", "1s", "--database-url"]);
    command.arg(app.options.to_url_lossy().as_str());
    let server = Serving::start(command);
    // More than two machines' buffers hold.
    let names: Vec<String> = (0..400).map(|number| format!("{number}{}", "x".repeat(200))).collect();
    let mut db = app.db().await;
    let provider_id: i32 = sqlx::query_scalar("SELECT provider_id FROM provider").fetch_one(&mut db).await.unwrap();
    let (kind, data) = (EventType::AlertFiring, json!({"value": "7".repeat(60_000)}));
    for names in names.chunks(50) {
        let new =
            |subject| NewEvent { provider_id, customer_id: None, kind, subject, at: Utc::now(), data: data.clone() };
        let new: Vec<_> = names.iter().map(|name| new(name.as_str())).collect();
        let mut transaction = db.begin().await.expect("a transaction");
        events::record(&mut transaction, &new).await.expect("events");
        transaction.commit().await.expect("a commit");
    }
    let answer = ask(&app, &key, &server.url, "?after=0", None).await;
    let metrics = format!("{}/metrics", server.url);
    let mut patience = Patience::for_("an end of waiting");
    let cut = "meterbase_limit_refusals_total{limit=\"answer_pause\"} 1";
    while !Answer::of(app.client.get(&metrics).bearer_auth(&app.admin)).await.expect_status(200).text.contains(cut) {
        patience.poll().await;
    }
    // What was on its way comes, and then the end.
    let mut ears = Ears { answer, heard: String::new() };
    let (mut told, mut last) = (Vec::new(), None);
    while let Some(one) = ears.next().await {
        if one.event == "alert.firing" {
            last = one.id;
            told.push(one.data["subject"].as_str().expect("a subject").to_owned());
        }
    }
    assert!(!told.is_empty() && told.len() < names.len(), "{}", told.len());
    told.extend(listen(&app, &key, "?follow=false", last).await.alerts().await);
    assert_eq!(told, names);
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}
