//! Webhooks: what happened is told to who wants to be told.

mod delivering;
mod keeping;
mod receiver;
mod sharing;

use std::time::Duration;

use chrono::Utc;
use meterbase::events::{self, EventType, NewEvent};
use meterbase::webhooks::{Clock, Courier, Reach, Settings};
use meterbase::{app, database};
use serde_json::{Value, json};
use sqlx::Connection;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::{delivering as webhooks_delivering, keeping as webhooks_keeping, sharing as webhooks_sharing};
use crate::harness::{Test, TestApp, topic};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(webhooks_keeping::{
            a_webhook_is_made_changed_shown_and_deleted,
            what_a_webhook_cannot_be_is_explained,
            changes_of_webhooks_are_in_the_audit_and_secrets_nowhere,
            events_are_kept_for_a_time,
        }),
        topic!(webhooks_delivering::{
            each_event_is_taken_once_by_who_is_away_refuses_and_is_slow,
            signatures_are_those_of_another_implementation,
            what_was_given_up_is_sent_again,
            only_where_it_may_anything_is_posted,
            redirects_are_not_followed,
            over_tls_only_who_has_a_good_certificate_is_told,
            a_webhook_is_told_what_it_asked_for,
        }),
        topic!(webhooks_sharing::{
            two_servers_share_the_work,
            another_server_goes_on_where_one_was_killed,
            who_never_answers_delays_nobody_else,
            a_server_tells_webhooks_and_stops_in_order,
        }),
    ]
}

/// Some time in which no wait for another attempt is left.
const LONG: Duration = Duration::from_secs(3 * 3600);

/// How long attempts may take here.
const PATIENCE: Duration = Duration::from_millis(700);

fn settings(reach: Reach, clock: &Clock) -> Settings {
    Settings { reach, patience: PATIENCE, clock: clock.clone() }
}

fn anywhere() -> Reach {
    Reach { private: true, networks: Vec::new() }
}

/// What a server does about webhooks; ends with the test, or when it is aborted.
fn courier(app: &TestApp, settings: &Settings) -> JoinHandle<()> {
    let pool = database::pool(&app.options, "webhooks", 2, app::QUERY_TIMEOUT);
    tokio::spawn(Courier::new(pool, settings).run(CancellationToken::new()))
}

/// Something that happened to `subject` of the provider.
async fn happen(app: &TestApp, provider: &str, kind: EventType, subjects: &[&str]) {
    let mut db = app.db().await;
    let id = sqlx::query_scalar("SELECT provider_id FROM provider WHERE key = $1::text").bind(provider);
    let provider_id: i32 = id.fetch_one(&mut db).await.expect("the provider");
    let new = |subject| NewEvent {
        provider_id,
        customer_id: None,
        kind,
        subject,
        at: Utc::now(),
        data: json!({"state": "firing", "subject": subject}),
    };
    let mut transaction = db.begin().await.expect("a transaction");
    let events: Vec<_> = subjects.iter().copied().map(new).collect();
    events::record(&mut transaction, &events).await.expect("events");
    transaction.commit().await.expect("a commit");
}

/// Makes a webhook that is told of alerts that fire; its secret.
async fn hook(app: &TestApp, key: &str, name: &str, url: &str) -> String {
    let body = json!({"url": url, "events": ["alert.firing"]});
    let made = app.put(key, &format!("/v1/webhooks/{name}"), body).await.expect_status(201).json();
    made["secret"].as_str().expect("a secret").to_owned()
}

/// The deliveries of a webhook in a state, latest first.
async fn deliveries(app: &TestApp, key: &str, name: &str, state: &str) -> Vec<Value> {
    let path = format!("/v1/webhooks/{name}/deliveries?limit=1000&state={state}");
    app.get(key, &path).await.expect_status(200).json()["items"].as_array().expect("items").clone()
}
