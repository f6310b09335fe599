//! A provider with customers in two time zones, and looks at its alerts at given times.

use chrono::{DateTime, Utc};
use meterbase::alerts::{Depth, judge};
use meterbase::keys::Scope;
use serde_json::{Value, json};

use crate::fixtures::{counts, send_csv};
use crate::harness::TestApp;

pub struct World<'a> {
    pub app: &'a TestApp,
    /// A key of the provider `north`.
    pub key: String,
}

impl<'a> World<'a> {
    /// `acme` in Paris, whose months begin on the fifth, with `acme-sub` in New York; devices `m1` in the group `roof` of `acme`, `m2` in
    /// `acme-sub`, and `m3` in `other`; metrics `energy` and `heat`.
    pub async fn new(app: &'a TestApp) -> Self {
        let key = app.provider("north", "UTC").await;
        let things = [
            ("customers/acme", json!({"name": "Acme", "time_zone": "Europe/Paris", "billing_anchor": 5})),
            ("customers/acme-sub", json!({"name": "Sub", "parent": "acme", "time_zone": "America/New_York"})),
            ("customers/other", json!({"name": "Other"})),
            ("groups/roof", json!({"name": "Roof", "customer": "acme"})),
            ("devices/m1", json!({"customer": "acme", "group": "roof"})),
            ("devices/m2", json!({"customer": "acme-sub"})),
            ("devices/m3", json!({"customer": "other"})),
            ("metrics/energy", json!({"name": "Energy", "unit": "kWh", "kind": "delta"})),
            ("metrics/heat", json!({"name": "Heat", "unit": "C", "kind": "gauge", "scale": 1})),
        ];
        for (path, body) in things {
            app.put(&key, &format!("/v1/{path}"), body).await.expect_status(201);
        }
        let world = Self { app, key };
        world.settle_in().await;
        world
    }

    /// Devices that are there have been where they are for long.
    pub async fn settle_in(&self) {
        let mut db = self.app.db().await;
        for sql in ["UPDATE assignment SET during = '(,)'", "UPDATE device SET created_at = '2026-01-01'"] {
            sqlx::query(sql).execute(&mut db).await.expect(sql);
        }
    }

    /// Readings as lines of `device,metric,at,value`, and the rollups brought up to them.
    pub async fn read(&self, lines: &str) {
        self.post(lines).await;
        self.app.settle().await;
    }

    pub async fn post(&self, lines: &str) {
        let answer = send_csv(self.app, &self.key, &format!("device,metric,at,value\n{lines}")).await;
        let [received, stored, ..] = counts(&answer);
        assert_eq!(received, stored, "{answer}");
    }

    pub async fn alert(&self, key: &str, body: Value) -> Value {
        let mut named = json!({"name": key});
        named.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let answer = self.app.put(&self.key, &format!("/v1/alerts/{key}"), named).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        answer.json()
    }

    /// Looks at all alerts, at all periods; tells how often one fired or resolved.
    pub async fn judge(&self, now: &str) -> usize {
        let mut db = self.app.db().await;
        judge(&mut db, self.app.edition, at(now), Depth::Late).await.expect("a look")
    }

    pub async fn state(&self, key: &str) -> String {
        let alert = self.app.get(&self.key, &format!("/v1/alerts/{key}")).await.expect_status(200).json();
        alert["state"].as_str().unwrap().to_owned()
    }

    /// The history of an alert, oldest first, as `firing 2026-03-02 101.000`, with step, reason and lateness where there are any.
    pub async fn history(&self, key: &str) -> Vec<String> {
        let page = self.app.get(&self.key, &format!("/v1/alerts/{key}/history")).await.expect_status(200).json();
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(true) => "late".to_owned(),
            _ => String::new(),
        };
        let one = |item: &Value| {
            let words = ["state", "period", "value", "step", "reason", "late"].map(|name| text(&item[name]));
            words.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join(" ")
        };
        page["items"].as_array().unwrap().iter().rev().map(one).collect()
    }

    /// What events say, oldest first: their types with the same words as the history.
    pub async fn events(&self) -> Vec<(String, Value)> {
        let events = "SELECT type, data FROM event ORDER BY event_id";
        sqlx::query_as(events).fetch_all(&mut self.app.db().await).await.expect("events")
    }

    pub async fn reader_of(&self, customer: &str) -> String {
        let body = json!({"scope": "read", "customer": customer});
        let made = self.app.post(&self.key, "/v1/keys", body).await.expect_status(201).json();
        made["key"].as_str().unwrap().to_owned()
    }
}

pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// A threshold of the sum of energy by day.
pub fn by_day(scope: &str, more: Value) -> Value {
    let mut body = json!({"kind": "threshold", "scope": scope, "metric": "energy", "bucket": "day", "stat": "sum"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// A key of the provider that reads.
pub async fn reader(app: &TestApp) -> String {
    app.key("north", Scope::Read).await
}
