//! Servers share the work, and any of them can go.

use std::time::Duration;

use meterbase::database::Database;
use meterbase::events::EventType;
use meterbase::server::{ServeConfig, Server};
use meterbase::webhooks::Clock;
use serde_json::json;

use super::receiver::{Mood, Receiver};
use super::{anywhere, courier, deliveries, happen, hook, settings};
use crate::binary::Patience;
use crate::harness::TestApp;

async fn all_delivered(app: &TestApp, key: &str, name: &str, number: usize) {
    let mut patience = Patience::for_("deliveries");
    while deliveries(app, key, name, "delivered").await.len() < number {
        patience.poll().await;
    }
}

pub async fn two_servers_share_the_work(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let (receiver, clock) = (Receiver::new(Mood::Takes).await, Clock::default());
    for name in ["a", "b", "c"] {
        hook(&app, &key, name, &receiver.url("127.0.0.1")).await;
    }
    for _ in 0..2 {
        courier(&app, &settings(anywhere(), &clock));
    }
    let subjects: Vec<String> = (0..100).map(|number| format!("alert-{number}")).collect();
    happen(&app, "north", EventType::AlertFiring, &subjects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for name in ["a", "b", "c"] {
        all_delivered(&app, &key, name, 100).await;
    }
    // Nobody was told anything twice, not even by the same id.
    assert_eq!((receiver.letters().len(), receiver.log().len()), (300, 300));
}

pub async fn another_server_goes_on_where_one_was_killed(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let (receiver, clock) = (Receiver::new(Mood::Hangs).await, Clock::default());
    hook(&app, &key, "pager", &receiver.url("127.0.0.1")).await;
    let slow = meterbase::webhooks::Settings { patience: Duration::from_secs(600), ..settings(anywhere(), &clock) };
    let killed = courier(&app, &slow);
    happen(&app, "north", EventType::AlertFiring, &["one", "two", "three"]).await;
    let mut patience = Patience::for_("attempts under way");
    while receiver.log().len() < 3 {
        patience.poll().await;
    }
    killed.abort();
    receiver.behave(Mood::Takes);
    courier(&app, &settings(anywhere(), &clock));
    // What was taken by the one that is gone is left to it for a minute; what comes now is not.
    happen(&app, "north", EventType::AlertFiring, &["four"]).await;
    all_delivered(&app, &key, "pager", 1).await;
    assert_eq!(deliveries(&app, &key, "pager", "pending").await.len(), 3);
    clock.advance(Duration::from_secs(61));
    all_delivered(&app, &key, "pager", 4).await;
    assert_eq!((receiver.letters().len(), receiver.log().len()), (7, 4));
}

pub async fn who_never_answers_delays_nobody_else(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let (stuck, well, clock) = (Receiver::new(Mood::Hangs).await, Receiver::new(Mood::Takes).await, Clock::default());
    for name in ["a", "b", "c"] {
        hook(&app, &key, &format!("stuck-{name}"), &stuck.url("127.0.0.1")).await;
    }
    hook(&app, &key, "well", &well.url("127.0.0.1")).await;
    let slow = meterbase::webhooks::Settings { patience: Duration::from_secs(600), ..settings(anywhere(), &clock) };
    courier(&app, &slow);
    let subjects: Vec<String> = (0..40).map(|number| format!("alert-{number}")).collect();
    happen(&app, "north", EventType::AlertFiring, &subjects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    all_delivered(&app, &key, "well", 40).await;
    // Of each that does not answer a few are under way, and not one is done.
    assert_eq!(stuck.letters().len(), 3 * 4);
    assert!(deliveries(&app, &key, "stuck-a", "pending").await.iter().all(|delivery| delivery["made"] == 0));
}

pub async fn a_server_tells_webhooks_and_stops_in_order(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let (receiver, clock) = (Receiver::new(Mood::Takes).await, Clock::default());
    hook(&app, &key, "pager", &receiver.url("127.0.0.1")).await;
    let config = ServeConfig {
        listen: "127.0.0.1:0".to_owned(),
        query_connections: 4,
        ingest_connections: 2,
        drain_timeout: Duration::from_secs(1),
        webhooks: meterbase::webhooks::Settings { patience: Duration::from_secs(600), ..settings(anywhere(), &clock) },
        ..ServeConfig::default()
    };
    let server = Server::start(&config, &Database::at(app.options.clone())).await.expect("a server");
    app.post(&key, "/v1/webhooks/pager/test", json!({})).await.expect_status(202);
    all_delivered(&app, &key, "pager", 1).await;
    receiver.behave(Mood::Hangs);
    app.post(&key, "/v1/webhooks/pager/test", json!({})).await.expect_status(202);
    let mut patience = Patience::for_("an attempt under way");
    while receiver.letters().len() < 2 {
        patience.poll().await;
    }
    // What it was about to tell another tells at once.
    server.stop().await.expect("a stop in order");
    receiver.behave(Mood::Takes);
    courier(&app, &settings(anywhere(), &clock));
    all_delivered(&app, &key, "pager", 2).await;
    assert_eq!((receiver.letters().len(), receiver.log().len()), (3, 2));
}
