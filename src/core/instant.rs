//! Instants as callers write them: RFC 3339 with an offset. A time without one is refused, never guessed.

use chrono::{DateTime, Datelike, FixedOffset, SubsecRound, Utc};

/// Earliest and latest year of a reading's instant. Outside of them a clock is broken.
pub const YEARS: std::ops::RangeInclusive<i32> = 1970..=2099;

/// Why a text is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadInstant {
    #[error("not an RFC 3339 time such as 2026-11-21T06:40:00Z")]
    Format,
    #[error("a time without offset; add Z or an offset such as +01:00")]
    Naive,
    #[error("the year is not within {} to {}", YEARS.start(), YEARS.end())]
    OutOfRange,
}

/// Reads an RFC 3339 time (a space may stand for the `T`). Digits beyond the microsecond are cut off.
pub fn parse(text: &str) -> Result<DateTime<Utc>, BadInstant> {
    parse_with_offset(text).map(|at| at.to_utc())
}

/// Like [`parse`], keeping the offset that was written.
pub fn parse_with_offset(text: &str) -> Result<DateTime<FixedOffset>, BadInstant> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| why_not(text))?.trunc_subsecs(6);
    if YEARS.contains(&at.to_utc().year()) { Ok(at) } else { Err(BadInstant::OutOfRange) }
}

fn why_not(text: &str) -> BadInstant {
    match DateTime::parse_from_rfc3339(&format!("{text}Z")) {
        Ok(_) => BadInstant::Naive,
        Err(_) => BadInstant::Format,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rfc_3339_to_the_microsecond() {
        for text in
            ["2026-11-21T06:40:00.1234567Z", "2026-11-21t07:40:00.123456+01:00", "2026-11-21 06:40:00.123456+00:00"]
        {
            let at = parse(text).unwrap();
            assert_eq!(at.timestamp_micros(), 1_795_243_200_123_456, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse("2026-11-21T06:40:00"), Err(BadInstant::Naive));
        assert_eq!(parse("2026-11-21"), Err(BadInstant::Format));
        assert_eq!(parse("2026-02-30T00:00:00Z"), Err(BadInstant::Format));
        assert_eq!(parse("0001-01-01T00:00:00Z"), Err(BadInstant::OutOfRange));
        assert_eq!(parse("1700000000"), Err(BadInstant::Format));
    }
}
