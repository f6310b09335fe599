//! Readings as they are sent: a body becomes readings, each sound in itself or rejected with a reason. What a body
//! cannot tell, such as whether its devices exist, is decided where readings are stored.

pub mod csv;
pub mod field;
mod json;
pub mod register;
mod split;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use compact_str::CompactString;

use crate::core::entity::Ref;

/// Most readings that one body may hold.
pub const MAX_READINGS: usize = 50_000;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An array of readings, or `{"readings": [...]}`.
    Json,
    /// One JSON object a line; blank lines count for nothing.
    NdJson,
    /// A header row that names the columns, one reading a line.
    Csv,
}

/// A reading that is sound in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReading {
    pub device: Ref,
    pub metric: Ref,
    pub at: DateTime<Utc>,
    /// A decimal, as it was written: what it is as an integer depends on the metric.
    pub value: CompactString,
    /// The sender's id of the event, 1 to [`field::MAX_ID`] characters.
    pub id: Option<String>,
    pub dimensions: BTreeMap<String, String>,
}

/// One reading of a body, in the body's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Line of the body that it begins on, from 1; none in JSON, whose lines mean nothing.
    pub line: Option<usize>,
    pub reading: Result<RawReading, Reason>,
}

/// Why a reading was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    pub code: Code,
    /// What is wrong and the way out.
    pub detail: String,
}

/// Why a reading was not stored, or adds nothing yet, in one word for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    InvalidJson,
    InvalidRow,
    MissingField,
    UnknownField,
    InvalidDevice,
    InvalidMetric,
    InvalidTime,
    NaiveTime,
    TimeOutOfRange,
    InvalidValue,
    OutOfRange,
    TooManyDecimals,
    InvalidId,
    InvalidDimensions,
    UnknownDevice,
    UnknownMetric,
    DeviceUnassigned,
    BeyondRetention,
    ValueDiffers,
    IdDiffers,
    UnderReview,
}

/// Why nothing of a body can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("{0}")]
    Body(String),
    #[error("more than {MAX_READINGS} readings; send them in parts")]
    TooMany,
}

/// Reads a body. `now` is the server's time: a reading of the far future is a broken clock's.
pub fn parse(body: &[u8], format: Format, now: DateTime<Utc>) -> Result<Vec<Item>, Unreadable> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = std::str::from_utf8(body)
        .map_err(|e| Unreadable::Body(format!("not valid UTF-8 at byte {}", e.valid_up_to())))?;
    if text.trim_ascii().is_empty() {
        return Err(Unreadable::Body("the body is empty".to_owned()));
    }
    match format {
        Format::Json => {
            let item = |reading| Item { line: None, reading };
            let usual = |rest| json::usual(rest, now).map(|(reading, length)| (item(reading), length));
            split::elements(text, usual, |element| item(json::reading(element, now)))
        }
        Format::NdJson => {
            limited(text, lines(text).map(|(line, text)| Item { line: Some(line), reading: json::reading(text, now) }))
        }
        Format::Csv => csv::readings(text, now),
    }
}

/// Lines that are not blank, with their numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line)).filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// All items of a text, unless there are more than a body may hold.
fn limited(text: &str, items: impl Iterator<Item = Item>) -> Result<Vec<Item>, Unreadable> {
    let mut all = Vec::with_capacity(expected(text));
    for item in items {
        if all.len() == MAX_READINGS {
            return Err(Unreadable::TooMany);
        }
        all.push(item);
    }
    Ok(all)
}

/// About how many readings a text holds: room for them at once costs less than to move them to larger places.
fn expected(text: &str) -> usize {
    const USUAL_LENGTH: usize = 48;
    (text.len() / USUAL_LENGTH).clamp(1, MAX_READINGS)
}

impl Reason {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::InvalidRow => "invalid_row",
            Self::MissingField => "missing_field",
            Self::UnknownField => "unknown_field",
            Self::InvalidDevice => "invalid_device",
            Self::InvalidMetric => "invalid_metric",
            Self::InvalidTime => "invalid_time",
            Self::NaiveTime => "naive_time",
            Self::TimeOutOfRange => "time_out_of_range",
            Self::InvalidValue => "invalid_value",
            Self::OutOfRange => "out_of_range",
            Self::TooManyDecimals => "too_many_decimals",
            Self::InvalidId => "invalid_id",
            Self::InvalidDimensions => "invalid_dimensions",
            Self::UnknownDevice => "unknown_device",
            Self::UnknownMetric => "unknown_metric",
            Self::DeviceUnassigned => "device_unassigned",
            Self::BeyondRetention => "beyond_retention",
            Self::ValueDiffers => "value_differs",
            Self::IdDiffers => "id_differs",
            Self::UnderReview => "under_review",
        }
    }
}

#[cfg(test)]
mod tests;
