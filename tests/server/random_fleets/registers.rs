//! Registers: what their readings add, decisions about suspicious ones, meters that are replaced.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use super::calendar::{decimal, instant};
use super::dice::Dice;
use super::fleet::{Dimensions, Kind, Provider};
use super::holdings::{Channel, Sent, event_key};
use crate::harness::TestApp;
use crate::naive_registers::{Decision, Meter, Shown};

impl Provider {
    /// The increments of all registers, from their first readings on.
    pub fn count_registers(&mut self) {
        for (channel, readings) in &mut self.readings {
            let metric = &self.metrics[channel.1];
            if metric.kind != Kind::Register {
                continue;
            }
            let replaced = self.replaced.get(channel).cloned().unwrap_or_default();
            let (rollover_at, max_per_hour) = (metric.rollover_at, metric.max_per_hour);
            let meter = Meter { channel_id: 0, rollover_at, max_per_hour, replaced };
            let shown = readings.iter().map(|((at, _), reading)| Shown {
                at: at.timestamp_micros(),
                value: reading.value,
                decision: reading.decision,
            });
            let life = meter.life(&shown.collect::<Vec<_>>());
            for (reading, (increment, doubt)) in readings.values_mut().zip(life) {
                (reading.increment, reading.doubt) = (increment, doubt);
            }
        }
    }

    /// Whether a stored reading waits for a decision.
    pub fn is_open(&self, sent: &Sent) -> bool {
        let channel = sent.device.and_then(|device| self.readings.get(&(device, sent.metric, sent.dimensions.clone())));
        let reading = channel.and_then(|readings| readings.get(&(sent.at, event_key(sent.id.as_deref()))));
        reading.is_some_and(|reading| matches!(reading.doubt, Some((_, "open"))))
    }

    /// The reviews that are listed, compared with what is open; then one of any state is decided about, if there is one.
    pub async fn decide(&mut self, app: &TestApp, dice: &mut Dice) {
        let listed = self.reviews(app, "open").await;
        let mut told: Vec<_> = listed.iter().map(|review| self.place_of(review)).collect();
        told.sort();
        let of_channel = |(channel, readings): (&Channel, &std::collections::BTreeMap<_, super::holdings::Reading>)| {
            let open = readings.iter().filter(|(_, reading)| matches!(reading.doubt, Some((_, "open"))));
            open.map(|((at, _), _)| (channel.clone(), *at)).collect::<Vec<_>>()
        };
        let expected: Vec<_> = self.readings.iter().flat_map(of_channel).collect();
        assert_eq!(told, expected);
        let mut all = self.reviews(app, "all").await;
        all.retain(|review| review["state"] != "withdrawn");
        if all.is_empty() {
            return;
        }
        let review = dice.of(&all);
        let (channel, at) = self.place_of(&review);
        let scale = self.metrics[channel.1].scale;
        let number = dice.percent(40).then(|| dice.between(0, 1_000_000));
        let (name, body, decision) = if dice.percent(60) {
            let body = number.map_or(json!({}), |number| json!({"increment": decimal(number.into(), scale)}));
            ("accept", body, Decision::Accepted(number))
        } else {
            ("dismiss", json!({"note": "by chance"}), Decision::Dismissed)
        };
        let path = format!("/v1/reviews/{}/{name}", review["id"].as_str().expect("an id"));
        app.post(&self.token, &path, body).await.expect_status(200);
        let readings = self.readings.get_mut(&channel).expect("a channel");
        // Registers have no event ids here.
        readings.get_mut(&(at, 0)).expect("a reading").decision = Some(decision);
        self.count_registers();
    }

    async fn reviews(&self, app: &TestApp, state: &str) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.get(&self.token, &format!("/v1/reviews?state={state}&limit=100{cursor}")).await;
            let page = page.expect_status(200).json();
            all.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// The channel and the instant that a review is about.
    fn place_of(&self, review: &Value) -> (Channel, DateTime<Utc>) {
        let text = |name: &str| review[name].as_str().expect("a text");
        let device = self.devices.iter().position(|device| device.key == text("device")).expect("a device");
        let metric = self.metrics.iter().position(|metric| metric.key == text("metric")).expect("a metric");
        let dimensions: Dimensions = serde_json::from_value(review["dimensions"].clone()).expect("dimensions");
        ((device, metric, dimensions), instant(text("at")))
    }

    /// A meter is replaced some time before now, or such a replacement is taken back.
    pub async fn replace_meter(&mut self, app: &TestApp, dice: &mut Dice) {
        let registers = self
            .readings
            .iter()
            .filter(|((_, metric, _), readings)| self.metrics[*metric].kind == Kind::Register && !readings.is_empty());
        let registers: Vec<Channel> = registers.map(|(channel, _)| channel.clone()).collect();
        if registers.is_empty() {
            return;
        }
        let channel = dice.of(&registers);
        let (device, metric) = (&self.devices[channel.0], &self.metrics[channel.1]);
        let path = format!("/v1/devices/{}/replacements", device.key);
        let replaced = self.replaced.entry(channel.clone()).or_default();
        if !replaced.is_empty() && dice.percent(25) {
            let (at, ..) = replaced.remove(dice.below(replaced.len()));
            let page = app.get(&self.token, &path).await.expect_status(200).json();
            let is_it = |item: &&Value| {
                item["metric"] == json!(metric.key)
                    && item["dimensions"] == json!(channel.2)
                    && instant(item["at"].as_str().expect("an instant")).timestamp_micros() == at
            };
            let found = page["items"].as_array().expect("items").iter().find(is_it).expect("the replacement");
            let path = format!("{path}/{}", found["id"].as_str().expect("an id"));
            app.call(&self.token, Method::DELETE, &path, None).await.expect_status(204);
            return self.count_registers();
        }
        let readings: Vec<_> = self.readings[&channel].iter().map(|((at, _), reading)| (*at, reading.value)).collect();
        let (behind, value) = dice.of(&readings);
        let at = behind + TimeDelta::minutes(dice.between(1, 90));
        let last = value + dice.between(0, 3 * 10_i64.pow(metric.scale));
        let first = dice.between(0, 500 * 10_i64.pow(metric.scale));
        if at > Utc::now() || replaced.iter().any(|(when, ..)| *when == at.timestamp_micros()) {
            return;
        }
        let text = |number: i64| decimal(number.into(), metric.scale);
        let body = json!({"metric": metric.key, "dimensions": channel.2, "at": at, "final": text(last),
            "initial": text(first)});
        let answer = app.post(&self.token, &path, body).await;
        // Whether the old meter can have ended so is for the server to say.
        if answer.status == 422 {
            return assert_eq!(answer.json()["errors"][0]["pointer"], "/final");
        }
        answer.expect_status(201);
        replaced.push((at.timestamp_micros(), last, first));
        replaced.sort_unstable();
        self.count_registers();
    }
}
