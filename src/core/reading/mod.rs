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
    DeviceUnapproved,
    QuarantineFull,
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
    #[error("{0} columns; at most {MAX_COLUMNS} are allowed", MAX_COLUMNS = csv::MAX_COLUMNS)]
    TooManyColumns(usize),
    /// The caller had no more room to give.
    #[error("no memory is left")]
    NoRoom,
}

/// Reads a body. `now` is the server's time: a reading of the far future is a broken clock's.
pub fn parse(body: &[u8], format: Format, now: DateTime<Utc>) -> Result<Vec<Item>, Unreadable> {
    parse_within(body, format, now, &mut |_| true)
}

/// Like [`parse`]. `room` is asked before a reading is kept, with the number of bytes that it holds beside itself.
pub fn parse_within(
    body: &[u8],
    format: Format,
    now: DateTime<Utc>,
    room: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<Item>, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, error.valid_up_to()))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.trim_ascii().is_empty() {
        return Err(Unreadable::Body("the body is empty".to_owned()));
    }
    let mut items = Items { all: Vec::with_capacity(expected(text)), room };
    match format {
        Format::Json => {
            let item = |reading| Item { line: None, reading };
            let usual = |rest| json::usual(rest, now).map(|(reading, length)| (item(reading), length));
            split::elements(text, usual, |element| item(json::reading(element, now)), |item| items.push(item))?;
        }
        Format::NdJson => lines(text)
            .map(|(line, text)| Item { line: Some(line), reading: json::reading(text, now) })
            .try_for_each(|item| items.push(item))?,
        Format::Csv => csv::readings(text, now, |item| items.push(item))?,
    }
    Ok(items.all)
}

fn not_utf8(body: &[u8], at: usize) -> Unreadable {
    let detail = match body {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "the body is UTF-16; send it as UTF-8".to_owned(),
        _ => {
            let line = body[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("not valid UTF-8 at byte {at}, counted from 0, which is in line {line}")
        }
    };
    Unreadable::Body(detail)
}

/// Lines that are not blank, with their numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line)).filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// The items of a body, as many as it may hold and as there is room for.
pub(in crate::core) struct Items<'r> {
    all: Vec<Item>,
    room: &'r mut dyn FnMut(usize) -> bool,
}

impl<'r> Items<'r> {
    /// None yet. `room` is asked before an item is kept, with the number of bytes that it holds beside itself.
    pub fn new(room: &'r mut dyn FnMut(usize) -> bool) -> Self {
        Self { all: Vec::new(), room }
    }

    pub fn all(self) -> Vec<Item> {
        self.all
    }

    pub fn push(&mut self, item: Item) -> Result<(), Unreadable> {
        if self.all.len() == MAX_READINGS {
            return Err(Unreadable::TooMany);
        }
        if !(self.room)(item.outside()) {
            return Err(Unreadable::NoRoom);
        }
        self.all.push(item);
        Ok(())
    }
}

impl Item {
    /// Bytes that it holds beside itself, a little more rather than less.
    fn outside(&self) -> usize {
        match &self.reading {
            Ok(reading) => reading.outside(),
            // It is told again: in the verdict, and in the answer.
            Err(reason) => 3 * reason.detail.capacity(),
        }
    }
}

impl RawReading {
    fn outside(&self) -> usize {
        /// A node of the map has room for eleven entries and is at least half full but for the last.
        const NODE: usize = 640;
        /// What the allocator adds.
        const BLOCK: usize = 16;
        let refs = [&self.device, &self.metric].map(|name| name.key().map_or(0, str::len));
        let texts = refs.iter().sum::<usize>() + self.value.len() + self.id.as_ref().map_or(0, |id| id.len() + BLOCK);
        let dimensions = self.dimensions.iter().map(|(name, value)| name.len() + value.len() + 2 * BLOCK);
        let nodes = if self.dimensions.is_empty() { 0 } else { NODE * (1 + self.dimensions.len() / 6) };
        texts + dimensions.sum::<usize>() + nodes
    }
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
    /// Whether a reading can be stored some day though something is missing now.
    pub fn is_curable(self) -> bool {
        matches!(self, Self::UnknownDevice | Self::UnknownMetric | Self::DeviceUnassigned | Self::DeviceUnapproved)
    }

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
            Self::DeviceUnapproved => "device_unapproved",
            Self::QuarantineFull => "quarantine_full",
            Self::BeyondRetention => "beyond_retention",
            Self::ValueDiffers => "value_differs",
            Self::IdDiffers => "id_differs",
            Self::UnderReview => "under_review",
        }
    }
}

#[cfg(test)]
mod tests;
