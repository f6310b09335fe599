//! What the server says, compared with what it should say.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::calendar::{decimal, instant};
use super::fleet::Provider;
use super::questions::Question;
use crate::harness::{Answer, TestApp};

impl Provider {
    /// Asks, and compares every field of the answer; `settled` is when the figures were brought up to date.
    pub async fn ask(&self, app: &TestApp, question: &Question, settled: DateTime<Utc>) {
        let path = self.path(question);
        let mut answer = app.get(&self.token, &path).await.expect_status(200).json();
        let told = answer.as_object_mut().expect("an object").remove("fresh_through").expect("a time");
        let fresh_through = instant(told.as_str().expect("a text"));
        assert!(fresh_through >= settled, "{path}: fresh through {fresh_through} after a refresh at {settled}");
        let expected = self.answer(question, fresh_through);
        if let Some(difference) = difference("", &expected, &answer) {
            panic!("{} asked {path}\n{difference}", self.key);
        }
    }

    /// As CSV there are the same figures.
    pub async fn ask_for_csv(&self, app: &TestApp, question: &Question) {
        let path = self.path(question);
        let answer = app.get(&self.token, &path).await.expect_status(200).json();
        let request = app.client.get(format!("{}{path}", app.base)).bearer_auth(&self.token);
        let csv = Answer::of(request.header("accept", "text/csv")).await.expect_status(200);
        let mut reader = csv::Reader::from_reader(csv.text.as_bytes());
        let head = reader.headers().expect("a header").clone();
        let told: Vec<Vec<String>> =
            reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect();
        let mut expected = Vec::new();
        for series in answer["series"].as_array().expect("series") {
            for point in series["points"].as_array().expect("points") {
                let cell = |name| cell(point.get(name).or(series.get(name)).unwrap_or(&Value::Null));
                expected.push(head.iter().map(cell).collect::<Vec<_>>());
            }
        }
        assert_eq!(told, expected, "{path}");
        let points = answer["series"].as_array().into_iter().flatten().filter_map(|one| one["points"].as_array());
        let fields = |point: &Value| point.as_object().expect("a point").keys().cloned().collect::<Vec<_>>();
        for field in points.flatten().flat_map(fields) {
            assert!(head.iter().any(|name| name == field), "{path}: the CSV lacks {field}");
        }
    }

    /// The raw readings of each device, in order, with their increments.
    pub async fn compare_readings(&self, app: &TestApp) {
        for (place, device) in self.devices.iter().enumerate() {
            let path = format!("/v1/devices/{}/readings?limit=1000", device.key);
            let mut told = Vec::new();
            let mut next = String::new();
            loop {
                let page = app.get(&self.token, &format!("{path}{next}")).await.expect_status(200).json();
                told.extend(page["items"].as_array().expect("items").iter().map(without_recorded_at));
                match page["next"].as_str() {
                    Some(cursor) => next = format!("&cursor={cursor}"),
                    None => break,
                }
            }
            assert!(told.is_sorted_by_key(|reading| instant(reading["at"].as_str().expect("a time"))), "{path}");
            let mut expected: Vec<_> = self.raw(place).collect();
            // Within an instant the order is the database's own.
            let order = |reading: &Value| (instant(reading["at"].as_str().expect("a time")), reading.to_string());
            told.sort_by_key(order);
            expected.sort_by_key(order);
            if let Some(difference) = difference("", &json!(expected), &json!(told)) {
                panic!("{} asked {path}\n{difference}", self.key);
            }
        }
    }

    fn raw(&self, device: usize) -> impl Iterator<Item = Value> {
        let own = self.all_readings().filter(move |found| found.0.0 == device);
        own.map(|((_, metric, dimensions), at, reading)| {
            let metric = &self.metrics[*metric];
            let mut item = Map::new();
            let text = |units: i64| json!(decimal(units.into(), metric.scale));
            item.insert("at".into(), json!(at));
            item.insert("value".into(), text(reading.value));
            item.insert("increment".into(), text(reading.increment));
            item.insert("metric".into(), json!(metric.key));
            if let Some(id) = &reading.id {
                item.insert("id".into(), json!(id));
            }
            if !dimensions.is_empty() {
                item.insert("dimensions".into(), json!(dimensions));
            }
            Value::Object(item)
        })
    }
}

fn without_recorded_at(reading: &Value) -> Value {
    let mut reading = reading.as_object().expect("a reading").clone();
    reading.remove("recorded_at").expect("when it was recorded");
    Value::Object(reading)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The difference, with the series or the point that it is in.
fn within(number: usize, expected: &Value, found: String) -> String {
    let mut shown = expected.clone();
    if let Some(series) = shown.as_object_mut() {
        series.remove("points");
    }
    format!("{found}\n  in number {number}, expected as {shown}")
}

/// The first place where two values differ, with both.
fn difference(place: &str, expected: &Value, told: &Value) -> Option<String> {
    match (expected, told) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            names.into_iter().find_map(|name| match (one.get(name), other.get(name)) {
                (Some(one), Some(other)) => difference(&format!("{place}/{name}"), one, other),
                (Some(one), None) => Some(format!("{place}/{name} is missing; expected {one}")),
                (None, other) => Some(format!("{place}/{name} should not be there: {other:?}")),
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(number, (one, other))| {
                difference(&format!("{place}/{number}"), one, other).map(|found| within(number, one, found))
            })
        }
        (Value::Array(one), Value::Array(other)) => {
            Some(format!("{place} has {} items, expected {}", other.len(), one.len()))
        }
        _ if expected == told => None,
        _ => Some(format!("{place} is {told}, expected {expected}")),
    }
}
