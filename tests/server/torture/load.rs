//! What is sent: new readings and late ones, repetitions and conflicts, and readings of devices that nobody knows.

use meterbase::fleet::random::Random;
use serde::{Deserialize, Serialize};

/// Devices and their customers.
pub const DEVICES: [(&str, &str); 6] =
    [("m0", "acme"), ("m1", "acme"), ("m2", "acme-north"), ("m3", "acme-north"), ("m4", "globex"), ("m5", "globex")];

/// Customers, whom they are below, and their time zones.
pub const CUSTOMERS: [(&str, Option<&str>, &str); 3] = [
    ("acme", None, "Europe/Paris"),
    ("acme-north", Some("acme"), "America/St_Johns"),
    ("globex", None, "Asia/Kathmandu"),
];

/// A delta and a register, both with three decimals.
pub const METRICS: [(&str, &str); 2] = [("energy", "delta"), ("total", "register")];

/// What nobody has registered while readings of it are sent.
pub const UNKNOWN: [&str; 2] = ["ghost-0", "ghost-1"];

/// Most readings of a request.
const MOST: u64 = 60;

/// Milliseconds between a sender's instant and the next sender's, of which there may be so many.
const STEP: i64 = 100;
const SENDERS: i64 = 8;

/// Instants of a load, after which those of the next one begin.
pub const INSTANTS: i64 = 50_000;

const DAY: i64 = 86_400_000;

/// How much earlier late readings are than the others.
const LATE: i64 = 3 * DAY;

/// A reading as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub device: String,
    pub metric: String,
    /// Milliseconds since 1970.
    pub at: i64,
    /// In thousandths.
    pub value: i64,
}

/// What a reading is known by.
pub type Identity = (String, String, i64);

impl Reading {
    pub fn identity(&self) -> Identity {
        (self.device.clone(), self.metric.clone(), self.at)
    }

    pub fn is_known(&self) -> bool {
        !UNKNOWN.contains(&self.device.as_str())
    }

    fn json(&self) -> serde_json::Value {
        let at = chrono::DateTime::from_timestamp_millis(self.at).expect("an instant").to_rfc3339();
        serde_json::json!({"device": self.device, "metric": self.metric, "at": at, "value": decimal(self.value)})
    }
}

/// The body of a request.
pub fn body(readings: &[Reading]) -> String {
    serde_json::Value::from_iter(readings.iter().map(Reading::json)).to_string()
}

/// Thousandths as a decimal.
pub fn decimal(thousandths: i64) -> String {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

/// Makes one client's requests.
pub struct Sender {
    draw: Random,
    number: i64,
    /// Milliseconds since 1970 from which readings are that are not late.
    start: i64,
    /// The next of its instants.
    next: i64,
    /// Some of what was sent before.
    before: Vec<Reading>,
}

impl Sender {
    pub fn new(seed: u64, number: u32, start: i64, first: i64) -> Self {
        let draw = Random::of(&[seed, number.into()]);
        Self { draw, number: number.into(), start, next: first, before: Vec::new() }
    }

    pub fn request(&mut self) -> Vec<Reading> {
        (0..=self.draw.below(MOST)).map(|_| self.reading()).collect()
    }

    fn reading(&mut self) -> Reading {
        let kind = self.draw.below(100);
        if kind < 8 && !self.before.is_empty() {
            let mut reading = self.before[self.draw.below(self.before.len() as u64) as usize].clone();
            // Registers must not fall, and what is unknown conflicts with nothing.
            if kind < 3 && reading.is_known() && reading.metric == "energy" {
                reading.value += 1;
            }
            return reading;
        }
        let device = match kind {
            8..12 => UNKNOWN[self.draw.below(UNKNOWN.len() as u64) as usize],
            _ => DEVICES[self.draw.below(DEVICES.len() as u64) as usize].0,
        };
        let metric = METRICS[self.draw.below(METRICS.len() as u64) as usize].0;
        let late = if kind >= 90 { LATE } else { 0 };
        let at = self.start - late + (self.next * SENDERS + self.number) * STEP;
        self.next += 1;
        let value = match metric {
            "energy" => self.draw.below(10_000).cast_signed(),
            // It rises with its instant, whoever sends it and when.
            _ => (at - self.start + 2 * LATE) / STEP * 7 + self.draw.below(7).cast_signed(),
        };
        let reading = Reading { device: device.to_owned(), metric: metric.to_owned(), at, value };
        self.remember(&reading);
        reading
    }

    fn remember(&mut self, reading: &Reading) {
        const MOST: usize = 500;
        if self.before.len() < MOST {
            self.before.push(reading.clone());
        } else {
            let place = self.draw.below(MOST as u64) as usize;
            self.before[place] = reading.clone();
        }
    }
}
