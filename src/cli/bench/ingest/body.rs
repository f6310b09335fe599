//! Readings as the text of a request: one of the formats of Meterbase, or InfluxDB's line protocol.

use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use serde::Serialize;

use crate::cli::bench::ingest::workload::Reading;

/// How readings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Csv,
    Ndjson,
    Json,
    /// <https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_tutorial/>, times in seconds
    #[value(skip)]
    Lines,
}

/// Writes bodies. Most of a reading's text is made ahead: the generator shares its processors with the server.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    /// The instant of round 0.
    start: DateTime<Utc>,
    /// What stands before the instant and the value, of each device.
    heads: Vec<Box<str>>,
}

impl Writer {
    pub fn new(format: Format, start: DateTime<Utc>, devices: u32) -> Self {
        let head = |device: u32| match format {
            Format::Csv => format!("d-{device},energy,"),
            Format::Ndjson | Format::Json => format!(r#"{{"device":"d-{device}","metric":"energy","at":""#),
            Format::Lines => format!("energy,device=d-{device} value="),
        };
        Self { format, start, heads: (0..devices).map(|device| head(device).into_boxed_str()).collect() }
    }

    pub fn content_type(&self) -> &'static str {
        match self.format {
            Format::Csv => "text/csv",
            Format::Ndjson => "application/x-ndjson",
            Format::Json => "application/json",
            Format::Lines => "text/plain",
        }
    }

    pub fn body(&self, readings: impl Iterator<Item = Reading>) -> Vec<u8> {
        let mut out = Vec::with_capacity(readings.size_hint().0 * 96 + 128);
        match self.format {
            Format::Csv => out.extend_from_slice(b"device,metric,at,value\n"),
            Format::Json => out.push(b'['),
            Format::Ndjson | Format::Lines => {}
        }
        // Most readings of a body are of the same instant.
        let mut instant = (None, String::new());
        for (place, reading) in readings.enumerate() {
            if instant.0 != Some(reading.at) {
                instant = (Some(reading.at), self.instant(reading.at));
            }
            if self.format == Format::Json && place > 0 {
                out.push(b',');
            }
            self.write(&reading, instant.1.as_bytes(), &mut out);
        }
        if self.format == Format::Json {
            out.push(b']');
        }
        out
    }

    fn write(&self, reading: &Reading, instant: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.heads[reading.device as usize].as_bytes());
        let value = decimal(reading.value);
        let parts: [&[u8]; 4] = match self.format {
            Format::Csv => [instant, b",", &value, b"\n"],
            Format::Json => [instant, br#"","value":"#, &value, b"}"],
            Format::Ndjson => [instant, br#"","value":"#, &value, b"}\n"],
            Format::Lines => [&value, b" ", instant, b"\n"],
        };
        parts.into_iter().for_each(|part| out.extend_from_slice(part));
    }

    fn instant(&self, seconds: i64) -> String {
        let at = self.start + TimeDelta::seconds(seconds);
        match self.format {
            Format::Lines => at.timestamp().to_string(),
            _ => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

/// Four digits in thousandths, as in `9.125`.
fn decimal(thousandths: u32) -> [u8; 5] {
    let digit = |place: u32| b'0' + (thousandths / place % 10) as u8;
    [digit(1000), b'.', digit(100), digit(10), digit(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(format: Format) -> String {
        let writer = Writer::new(format, "2026-11-14T00:00:00Z".parse().unwrap(), 13);
        let reading = |device, at, value| Reading { device, at, value, again: false };
        let readings = [reading(3, 10, 1234), reading(12, 10, 9005), reading(0, -3600, 1000)];
        String::from_utf8(writer.body(readings.into_iter())).unwrap()
    }

    #[test]
    fn a_body_is_as_its_format_wants_it() {
        assert_eq!(
            body(Format::Csv),
            "device,metric,at,value\nd-3,energy,2026-11-14T00:00:10Z,1.234\nd-12,energy,2026-11-14T00:00:10Z,9.005\n\
             d-0,energy,2026-11-13T23:00:00Z,1.000\n"
        );
        assert_eq!(
            body(Format::Lines),
            "energy,device=d-3 value=1.234 1794614410\nenergy,device=d-12 value=9.005 1794614410\n\
             energy,device=d-0 value=1.000 1794610800\n"
        );
    }

    #[test]
    fn json_is_an_array_and_ndjson_a_line_each() {
        let array: Vec<serde_json::Value> = serde_json::from_str(&body(Format::Json)).unwrap();
        let lines: Vec<serde_json::Value> =
            body(Format::Ndjson).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(array, lines);
        let third =
            serde_json::json!({"device": "d-0", "metric": "energy", "at": "2026-11-13T23:00:00Z", "value": 1.0});
        assert_eq!((array.len(), &array[2]), (3, &third));
    }
}
