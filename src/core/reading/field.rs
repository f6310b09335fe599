//! The fields of a reading, from their texts.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use compact_str::CompactString;

use super::{Code, Reason};
use crate::core::decimal::{self, BadDecimal};
use crate::core::entity::Ref;
use crate::core::instant::{self, BadInstant};

/// Longest event id, in characters.
pub const MAX_ID: usize = 256;

/// Most dimensions of a reading.
pub const MAX_DIMENSIONS: usize = 16;

/// Longest name of a dimension, in bytes, and longest value, in characters.
const MAX_NAME: usize = 64;
const MAX_DIMENSION_VALUE: usize = 256;

/// Most bytes of all names and values of dimensions together: they are part of unique indexes, whose entries have
/// room for 2,704 bytes.
const MAX_DIMENSIONS_BYTES: usize = 1024;

/// How far in the future a reading may be: plans and forecasts of a year fit, a broken clock does not.
const MAX_AHEAD: TimeDelta = TimeDelta::days(366);

/// Most characters of the input that a detail quotes.
const MAX_QUOTE: usize = 60;

pub fn device(text: &str) -> Result<Ref, Reason> {
    text.parse().map_err(|why| Reason::new(Code::InvalidDevice, format!("device {}: {why}", quote(text))))
}

pub fn metric(text: &str) -> Result<Ref, Reason> {
    text.parse().map_err(|why| Reason::new(Code::InvalidMetric, format!("metric {}: {why}", quote(text))))
}

pub fn at(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Reason> {
    let at = instant::parse(text).map_err(|why| {
        let code = match why {
            BadInstant::Format => Code::InvalidTime,
            BadInstant::Naive => Code::NaiveTime,
            BadInstant::OutOfRange => Code::TimeOutOfRange,
        };
        Reason::new(code, format!("at {}: {why}", quote(text)))
    })?;
    not_ahead(at, text, now)
}

/// Refuses an instant, which was written so, of the far future.
pub fn not_ahead(at: DateTime<Utc>, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Reason> {
    if at > now + MAX_AHEAD {
        let detail = format!("at {}: more than {} days in the future", quote(text), MAX_AHEAD.num_days());
        return Err(Reason::new(Code::TimeOutOfRange, detail));
    }
    Ok(at)
}

/// A decimal that fits at least a metric without decimals, as it was written but for spaces around it.
pub fn value(text: &str) -> Result<CompactString, Reason> {
    decimal::parse(text, 0, false).map_err(|why| bad_value(text, why))?;
    Ok(text.trim_matches([' ', '\t']).into())
}

/// What a value that is no value of the metric is told.
pub fn bad_value(text: &str, why: BadDecimal) -> Reason {
    let code = match why {
        BadDecimal::NotANumber | BadDecimal::NotFinite | BadDecimal::Comma => Code::InvalidValue,
        BadDecimal::OutOfRange => Code::OutOfRange,
        BadDecimal::TooManyDecimals => Code::TooManyDecimals,
    };
    Reason::new(code, format!("value {}: {why}", quote(text)))
}

pub fn id(text: &str) -> Result<String, Reason> {
    let length = text.chars().count();
    let invalid = |why: String| Err(Reason::new(Code::InvalidId, format!("id {}: {why}", quote(text))));
    match length {
        1..=MAX_ID if text.contains('\0') => invalid("must not hold the character U+0000".to_owned()),
        1..=MAX_ID => Ok(text.to_owned()),
        _ => invalid(format!("{length} characters; 1 to {MAX_ID} are allowed")),
    }
}

/// Checks the dimensions of one reading.
pub fn dimensions(dimensions: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Reason> {
    let invalid = |detail: String| Err(Reason::new(Code::InvalidDimensions, detail));
    if dimensions.len() > MAX_DIMENSIONS {
        return invalid(format!("more than {MAX_DIMENSIONS} dimensions"));
    }
    for (name, value) in &dimensions {
        if !is_dimension_name(name) {
            return invalid(format!("dimension {}: a name is 1 to {MAX_NAME} of A-Z a-z 0-9 . _ -", quote(name)));
        }
        if value.chars().count() > MAX_DIMENSION_VALUE || value.contains('\0') {
            let why = format!("a value has at most {MAX_DIMENSION_VALUE} characters, and not U+0000");
            return invalid(format!("dimension {name}: {}: {why}", quote(value)));
        }
    }
    let bytes: usize = dimensions.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_DIMENSIONS_BYTES {
        return invalid(format!("{bytes} bytes of dimensions; at most {MAX_DIMENSIONS_BYTES} are allowed"));
    }
    Ok(dimensions)
}

pub fn is_dimension_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

pub fn missing(name: &str) -> Reason {
    Reason::new(Code::MissingField, format!("{name} is missing"))
}

/// The input in quotes, cut when it is long.
pub fn quote(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
