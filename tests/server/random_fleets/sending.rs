//! Batches of readings as chance will have them: late, twice, in conflict, of nobody; and what the server says of them.

use std::io::Write;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::calendar::{Instant, day_start, decimal, instant, rounded};
use super::dice::Dice;
use super::fleet::{Kind, Provider, ZONES};
use super::holdings::{Sent, event_key};
use crate::fixtures::{counts, verdicts};
use crate::harness::{Answer, TestApp};

/// Where clocks change: the day that Apia skipped, St John's at a minute past midnight, Havana at midnight, Lord Howe by
/// half an hour, Paris; and the end of a year.
pub const WINDOWS: [(&str, &str); 9] = [
    ("2010-11-06T00:00:00Z", "2010-11-09T00:00:00Z"),
    ("2011-12-29T00:00:00Z", "2012-01-02T00:00:00Z"),
    ("2025-03-08T00:00:00Z", "2025-03-11T00:00:00Z"),
    ("2025-03-29T00:00:00Z", "2025-04-01T12:00:00Z"),
    ("2025-04-05T00:00:00Z", "2025-04-07T00:00:00Z"),
    ("2025-10-04T00:00:00Z", "2025-10-06T00:00:00Z"),
    ("2025-10-25T00:00:00Z", "2025-10-28T00:00:00Z"),
    ("2025-11-01T00:00:00Z", "2025-11-03T12:00:00Z"),
    ("2025-12-30T12:00:00Z", "2026-01-02T00:00:00Z"),
];

/// A stretch of time that readings are of.
pub type Window = (Instant, Instant);

/// Some of the windows, and what is around now.
pub fn windows(dice: &mut Dice) -> Vec<Window> {
    let mut all = dice.some_of(&WINDOWS.map(|(from, to)| (instant(from), instant(to))));
    let now = Utc::now().trunc_subsecs(6);
    all.push((now - TimeDelta::days(40), now - TimeDelta::days(36)));
    all.push((now - TimeDelta::hours(30), now + TimeDelta::hours(3)));
    all
}

impl Provider {
    /// A batch in which one may find anything, not stored yet.
    pub fn random_batch(&self, dice: &mut Dice, windows: &[Window], size: usize) -> Vec<Sent> {
        let mut batch: Vec<Sent> = Vec::with_capacity(size);
        let window = dice.of(windows);
        for _ in 0..size {
            // Most of a batch is of one time, the rest is late.
            let window = if dice.percent(80) { window } else { dice.of(windows) };
            let sent = match dice.below(100) {
                0..4 if !batch.is_empty() => {
                    let again = dice.of(&batch);
                    self.repeated(dice, again)
                }
                4..12 => self.sent_before(dice).unwrap_or_else(|| self.random_reading(dice, window)),
                _ => self.random_reading(dice, window),
            };
            batch.push(sent);
        }
        batch
    }

    /// A reading that is stored already, sent again as it was or with another value.
    fn sent_before(&self, dice: &mut Dice) -> Option<Sent> {
        let all: Vec<_> = self.all_readings().collect();
        if all.is_empty() {
            return None;
        }
        let ((device, metric, dimensions), at, reading) = dice.of(&all);
        let sent = Sent {
            device: Some(*device),
            metric: *metric,
            dimensions: dimensions.clone(),
            at,
            id: reading.id.clone(),
            value: Some(reading.value),
            text: decimal(reading.value.into(), self.metrics[*metric].scale),
        };
        Some(self.repeated(dice, sent))
    }

    /// The same once more, or another value for it.
    fn repeated(&self, dice: &mut Dice, sent: Sent) -> Sent {
        match sent.value {
            Some(value) if dice.percent(40) => {
                let text = decimal(i128::from(value) + 1, self.metrics[sent.metric].scale);
                Sent { value: Some(value + 1), text, ..sent }
            }
            _ => sent,
        }
    }

    fn random_reading(&self, dice: &mut Dice, window: Window) -> Sent {
        let place = dice.below(self.devices.len());
        let device = &self.devices[place];
        let (metric, dimensions) = (dice.below(self.metrics.len()), dice.of(&device.dimensions));
        let at = random_instant(dice, window);
        let Self { readings, metrics, .. } = self;
        let scale = metrics[metric].scale;
        let id = (metrics[metric].kind != Kind::Register && dice.percent(20)).then(|| format!("e{}", dice.below(4)));
        let channel = readings.get(&(place, metric, dimensions.clone()));
        let before = channel.and_then(|channel| channel.range(..(at, event_key(id.as_deref()))).next_back());
        let one = 10_i64.pow(scale);
        let exact = match metrics[metric].kind {
            Kind::Delta | Kind::Gauge if dice.percent(2) => dice.between(i64::MAX / 3, i64::MAX / 2),
            Kind::Delta | Kind::Gauge => dice.between(-50 * one, 1000 * one),
            Kind::Register => {
                let most = metrics[metric].rollover_at.unwrap_or(100_000 * one);
                let level = before.map_or_else(|| dice.between(0, most - 1), |(_, reading)| reading.value);
                register_value(dice, level, most, one)
            }
        };
        // Some are sent with a decimal more than is kept.
        let (value, text) = match dice.below(20) {
            0..3 if exact.abs() < i64::MAX / 100 => {
                let more = i128::from(exact) * 10 + i128::from(dice.between(-5, 5));
                (Some(rounded(more, 10) as i64), decimal(more, scale + 1))
            }
            3 if dice.percent(20) => (None, "many".to_owned()),
            _ => (Some(exact), decimal(exact.into(), scale)),
        };
        Sent { device: dice.below(50).ne(&0).then_some(place), metric, dimensions, at, id, value, text }
    }

    /// Posts a batch, and checks what is said of each of its readings.
    pub async fn post(&mut self, app: &TestApp, dice: &mut Dice, batch: &[Sent]) {
        let (content_type, body) = match dice.below(3) {
            0 => {
                let items: Vec<_> = batch.iter().map(|sent| self.json(dice, sent)).collect();
                ("application/json", format!("[{}]", items.join(",")))
            }
            1 => ("application/x-ndjson", batch.iter().map(|sent| self.json(dice, sent) + "\n").collect()),
            _ => ("text/csv", self.csv(batch)),
        };
        let mut request = app.client.post(format!("{}/v1/readings?receipts=all", app.base));
        request = request.bearer_auth(&self.token).header("content-type", content_type);
        let request = if dice.percent(30) {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(body.as_bytes()).expect("memory");
            request.header("content-encoding", "gzip").body(gzip.finish().expect("memory"))
        } else {
            request.body(body)
        };
        let answer = Answer::of(request).await.expect_status(200).json();
        let mut expected: Vec<_> = batch.iter().map(|sent| self.take(sent)).collect();
        self.count_registers();
        for (sent, verdict) in batch.iter().zip(&mut expected).filter(|(_, verdict)| verdict.0 == "stored") {
            if self.is_open(sent) {
                verdict.1 = "under_review";
            }
        }
        let told = expected.iter().map(|(status, code)| format!("{status} {code}").trim().to_owned());
        for (place, (said, told)) in verdicts(&answer).iter().zip(told).enumerate() {
            assert_eq!(*said, told, "reading {place} of the batch, {:?}", batch[place]);
        }
        assert_eq!(verdicts(&answer).len(), batch.len());
        let number = |status| expected.iter().filter(|(of, _)| *of == status).count() as u64;
        let numbers = ["stored", "duplicate", "conflict", "quarantined", "rejected"].map(number);
        assert_eq!(counts(&answer)[1..], numbers);
    }

    fn json(&self, dice: &mut Dice, sent: &Sent) -> String {
        let mut json = json!({"device": self.name(sent), "metric": self.metrics[sent.metric].key,
            "at": written(sent.at), "value": sent.text});
        if let Some(id) = &sent.id {
            json["id"] = json!(id);
        }
        if !sent.dimensions.is_empty() {
            json["dimensions"] = json!(sent.dimensions);
        }
        // A decimal may be a string or a number.
        match sent.value {
            Some(_) if dice.percent(50) => json.to_string().replace(&format!("\"{}\"", sent.text), &sent.text),
            _ => json.to_string(),
        }
    }

    fn csv(&self, batch: &[Sent]) -> String {
        let mut text = "value,at,metric,device,dimensions.phase,id\n".to_owned();
        for sent in batch {
            let phase = sent.dimensions.get("phase").map_or("", String::as_str);
            let (metric, id) = (&self.metrics[sent.metric].key, sent.id.as_deref().unwrap_or_default());
            let row = [&sent.text, &written(sent.at), metric, self.name(sent), phase, id].join(",");
            text += &(row + "\n");
        }
        text
    }

    fn name(&self, sent: &Sent) -> &str {
        sent.device.map_or("nobody", |device| &self.devices[device].key)
    }
}

/// On the hour, on a minute, anywhere, or right where a day begins in some zone.
fn random_instant(dice: &mut Dice, (from, to): Window) -> Instant {
    let at = from + TimeDelta::microseconds(dice.between(0, (to - from).num_microseconds().expect("days") - 1));
    let at = match dice.below(10) {
        0..4 => at - TimeDelta::seconds(at.timestamp() % 3600),
        4..7 => at - TimeDelta::seconds(at.timestamp() % 900),
        7 => {
            let zone = dice.of(&ZONES);
            let edge = day_start(at.with_timezone(&zone).date_naive(), zone);
            return edge - TimeDelta::microseconds(dice.between(0, 1));
        }
        _ => return at.trunc_subsecs(6),
    };
    at.trunc_subsecs(0)
}

/// What a register shows some time after a level: mostly a little more, now and then what takes some explaining.
fn register_value(dice: &mut Dice, level: i64, most: i64, one: i64) -> i64 {
    match dice.below(100) {
        0..70 => (level + dice.between(0, 30 * one)) % most,
        70..80 => level,
        80..86 => dice.between(0, 5 * one),
        86..92 => (level + dice.between(0, most / 2)) % most,
        92..97 => (level - dice.between(0, 20 * one)).max(0),
        _ => 0,
    }
}

fn written(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
}
