//! Lengths of time as callers write them: a number of seconds, `15m`, or ISO 8601's `PT15M`. Whole seconds, exact:
//! months and years, which differ in length, are refused.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest interval, in seconds: 31 days.
pub const MAX_SECONDS: u32 = 31 * 86_400;

/// Seconds of each unit, the largest first.
const UNITS: [(char, u32); 5] = [('w', 604_800), ('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// A length of 1 second to 31 days. Its text is a number of the largest unit up to days that it is whole of: `15m`,
/// `90s`, `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(u32);

/// Why a text is not an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadInterval {
    #[error("not a number of seconds, nor a text such as 15m, 1h30m, 1d or PT15M")]
    Format,
    #[error("months and years differ in length; give days, hours, minutes or seconds")]
    Calendar,
    #[error("not within 1 second and 31 days")]
    OutOfRange,
}

impl Interval {
    pub fn of_seconds(seconds: u64) -> Result<Self, BadInterval> {
        let seconds = u32::try_from(seconds).map_err(|_| BadInterval::OutOfRange)?;
        if (1..=MAX_SECONDS).contains(&seconds) { Ok(Self(seconds)) } else { Err(BadInterval::OutOfRange) }
    }

    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl FromStr for Interval {
    type Err = BadInterval;

    fn from_str(text: &str) -> Result<Self, BadInterval> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::of_seconds(number(text)?);
        }
        let lower = text.to_ascii_lowercase();
        let seconds = match lower.strip_prefix('p') {
            None if lower.is_empty() => return Err(BadInterval::Format),
            None => parts(&lower, "wdhms")?,
            Some(rest) => {
                let (date, time) = match rest.split_once('t') {
                    Some((date, time)) if !time.is_empty() => (date, time),
                    None if !rest.is_empty() => (rest, ""),
                    _ => return Err(BadInterval::Format),
                };
                let date = if date.is_empty() { 0 } else { parts(date, "wd")? };
                let time = if time.is_empty() { 0 } else { parts(time, "hms")? };
                date.checked_add(time).ok_or(BadInterval::OutOfRange)?
            }
        };
        Self::of_seconds(seconds)
    }
}

/// The seconds of `1h30m`: numbers, each with a unit of `units`, from large to small, each unit once.
fn parts(text: &str, units: &str) -> Result<u64, BadInterval> {
    let (mut seconds, mut rest, mut left) = (0_u64, text, units);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (count, tail) = rest.split_at(digits);
        let unit = tail.chars().next().ok_or(BadInterval::Format)?;
        if count.is_empty() || !unit.is_ascii() {
            return Err(BadInterval::Format);
        }
        let Some((_, smaller)) = left.split_once(unit) else {
            // In the date part of ISO 8601, m is months; y is years anywhere.
            let calendar = unit == 'y' || (unit == 'm' && !units.contains('m'));
            return Err(if calendar { BadInterval::Calendar } else { BadInterval::Format });
        };
        let size = UNITS.iter().find(|(name, _)| *name == unit).map_or(1, |(_, size)| u64::from(*size));
        let part = number(count)?.checked_mul(size).ok_or(BadInterval::OutOfRange)?;
        seconds = seconds.checked_add(part).ok_or(BadInterval::OutOfRange)?;
        (left, rest) = (smaller, &tail[1..]);
    }
    Ok(seconds)
}

/// Digits; so many that they do not fit are out of range.
fn number(digits: &str) -> Result<u64, BadInterval> {
    digits.parse().map_err(|_| BadInterval::OutOfRange)
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Seconds divide everything, so there is always one.
        let whole = UNITS.iter().skip(1).find(|(_, size)| self.0.is_multiple_of(*size));
        whole.map_or(Ok(()), |(unit, size)| write!(f, "{}{unit}", self.0 / size))
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Interval;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of seconds, or a text such as 15m or PT15M")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Interval, E> {
                Interval::of_seconds(seconds).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Interval, E> {
                Err(E::custom(BadInterval::OutOfRange))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Interval, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_length_has_many_spellings_and_one_text() {
        for text in ["900", "900s", "15m", "15M", "PT15M", "pt900s", "P0DT0H15M", "14m60s"] {
            assert_eq!(text.parse::<Interval>().unwrap().to_string(), "15m", "{text}");
        }
        let cases = [("1", "1s"), ("90", "90s"), ("1h30m", "90m"), ("P1DT12H", "36h"), ("P1W", "7d"), ("1w", "7d")];
        for (text, canonical) in cases.into_iter().chain([("86400", "1d"), ("P31D", "31d"), ("2678400", "31d")]) {
            assert_eq!(text.parse::<Interval>().unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_interval_is_explained() {
        use BadInterval::{Calendar, Format, OutOfRange};
        for text in ["", "P", "PT", "P1DT", "m", "15 m", "1m1h", "5m5m", "0.5h", "-15m", "1é", "PT1D", "15min"] {
            assert_eq!(text.parse::<Interval>(), Err(Format), "{text}");
        }
        for text in ["0", "0s", "PT0S", "32d", "2678401", "P31DT1S", "99999999999999999999h", "18446744073709551615s"] {
            assert_eq!(text.parse::<Interval>(), Err(OutOfRange), "{text}");
        }
        for text in ["P1M", "P1Y", "1y", "P1M1D"] {
            assert_eq!(text.parse::<Interval>(), Err(Calendar), "{text}");
        }
    }

    #[test]
    fn json_has_numbers_and_texts() {
        for json in ["900", r#""900""#, r#""PT15M""#] {
            assert_eq!(serde_json::from_str::<Interval>(json).unwrap(), Interval(900), "{json}");
        }
        for json in ["0", "-1", "1.5", "900.0", "true", "[]", r#""soon""#] {
            assert!(serde_json::from_str::<Interval>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&Interval(3600)).unwrap(), r#""1h""#);
    }

    proptest! {
        #[test]
        fn the_text_of_an_interval_is_that_interval(seconds in 1..=MAX_SECONDS) {
            let interval = Interval(seconds);
            prop_assert_eq!(interval.to_string().parse(), Ok(interval));
        }

        #[test]
        fn any_text_is_an_interval_or_not(text in "\\PC{0,12}") {
            let _ = text.parse::<Interval>();
        }
    }
}
