//! How a payload writes times.

use chrono::{DateTime, Datelike, Utc};

use crate::core::decimal;
use crate::core::instant::{BadInstant, YEARS};
use crate::core::reading::{Code, Reason, field};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// `2026-11-01T00:15:00+01:00`
    Rfc3339,
    /// Seconds since 1970, with or without decimals.
    UnixSeconds,
    UnixMilliseconds,
}

impl Clock {
    /// The instant, to the microsecond.
    pub fn read(self, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Reason> {
        let decimals = match self {
            Self::Rfc3339 => return field::at(text, now),
            Self::UnixSeconds => 6,
            Self::UnixMilliseconds => 3,
        };
        let bad = |code, why: &dyn std::fmt::Display| Reason::new(code, format!("at {}: {why}", field::quote(text)));
        let micros = decimal::parse(text, decimals, false).map_err(|why| bad(Code::InvalidTime, &why))?;
        match DateTime::from_timestamp_micros(micros) {
            Some(at) if YEARS.contains(&at.year()) => field::not_ahead(at, text, now),
            _ => Err(bad(Code::TimeOutOfRange, &BadInstant::OutOfRange)),
        }
    }
}
