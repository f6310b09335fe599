//! Instants as callers write them: RFC 3339 with an offset. A time without one is refused, never guessed.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, SubsecRound, TimeDelta, Utc};

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
    match usual(text.as_bytes()) {
        Some(at) if YEARS.contains(&at.year()) => Ok(at),
        _ => parse_with_offset(text).map(|at| at.to_utc()),
    }
}

/// Like [`parse`], keeping the offset that was written.
pub fn parse_with_offset(text: &str) -> Result<DateTime<FixedOffset>, BadInstant> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| why_not(text))?.trunc_subsecs(6);
    if YEARS.contains(&at.to_utc().year()) { Ok(at) } else { Err(BadInstant::OutOfRange) }
}

/// Most times are written in one way, `2026-11-21T06:40:00.123Z` or with an offset, and read here in less time than the
/// general way takes. None where that has to look.
fn usual(text: &[u8]) -> Option<DateTime<Utc>> {
    let (head, mut rest) = text.split_at_checked(19)?;
    if (head[4], head[7], head[10], head[13], head[16]) != (b'-', b'-', b'T', b':', b':') {
        return None;
    }
    let two = |at: usize| Some(digit(head[at])? * 10 + digit(head[at + 1])?);
    let date = NaiveDate::from_ymd_opt((two(0)? * 100 + two(2)?).cast_signed(), two(5)?, two(8)?)?;
    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = fraction.iter().position(|b| !b.is_ascii_digit()).filter(|length| (1..=9).contains(length))?;
        let digits = fraction[..length].iter().copied().chain(std::iter::repeat(b'0')).take(6);
        micros = digits.fold(0, |micros, b| micros * 10 + u32::from(b - b'0'));
        rest = &fraction[length..];
    }
    let at = date.and_hms_micro_opt(two(11)?, two(14)?, two(17)?, micros)?.and_utc();
    let (sign, offset) = match rest {
        b"Z" => return Some(at),
        [b'+', offset @ ..] => (-1, offset),
        [b'-', offset @ ..] => (1, offset),
        _ => return None,
    };
    let &[h, o, b':', m, i] = offset else { return None };
    let (hours, minutes) = (digit(h)? * 10 + digit(o)?, digit(m)? * 10 + digit(i)?);
    (hours < 24 && minutes < 60).then(|| at + TimeDelta::minutes(sign * i64::from(hours * 60 + minutes)))
}

fn digit(byte: u8) -> Option<u32> {
    byte.is_ascii_digit().then(|| u32::from(byte - b'0'))
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
    use proptest::prelude::*;

    proptest! {
        // What is nearly a time: each part may be wrong, and what follows may be anything.
        #[test]
        fn the_usual_way_reads_what_the_general_way_reads(
            text in "(19[67][0-9]|20[0-9]{2}|2100|0000|9999)-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\
                     ([.,][0-9]{0,11})?(Z|z|[+-][0-2][0-9]:?[0-6][0-9]|.{0,2})",
        ) {
            prop_assert_eq!(parse(&text), parse_with_offset(&text).map(|at| at.to_utc()), "{}", text);
            if let Some(at) = usual(text.as_bytes()) {
                let general = DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc().trunc_subsecs(6));
                prop_assert_eq!(Ok(at), general, "{}", text);
            }
        }
    }

    #[test]
    fn the_usual_way_is_the_usual_one() {
        for text in ["2026-11-21T06:40:00Z", "2024-02-29T23:59:59.5Z", "2026-11-21T06:40:00.123456789+05:30"] {
            let general = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc().trunc_subsecs(6)).ok();
            assert_eq!(usual(text.as_bytes()), general, "{text}");
        }
        for other in ["2026-11-21T06:40:60Z", "2026-11-21 06:40:00Z", "2026-02-29T00:00:00Z", "2026-11-21T06:40:00"] {
            assert_eq!(usual(other.as_bytes()), None, "{other}");
        }
    }

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
