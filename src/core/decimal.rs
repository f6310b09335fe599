//! Exact decimals. A value is read from its text into an integer scaled by the metric, and written back from it;
//! no floating point is ever in between.

use std::fmt;

/// Largest scale of a metric, in decimals.
pub const MAX_SCALE: u8 = 9;

/// Longest text that is read as a decimal, in bytes. Real feeds print 17 significant digits and an exponent.
const MAX_TEXT: usize = 256;

/// Most digits of a decimal that is calculated with before it is rounded, zeros at both ends aside.
pub const MAX_DIGITS: usize = 20;

/// A decimal as an integer and the number of its decimals: `Scaled { units: 32330, scale: 3 }` is `32.330`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaled {
    pub units: i128,
    pub scale: u8,
}

/// Why a text is not a value of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDecimal {
    #[error("not a number")]
    NotANumber,
    #[error("not finite")]
    NotFinite,
    #[error("a decimal comma; write a point")]
    Comma,
    #[error("does not fit a 64-bit integer at the metric's scale")]
    OutOfRange,
    #[error("has more decimals than the metric's scale, and the metric is strict")]
    TooManyDecimals,
}

/// Reads a decimal (`-12.5`, `1e3`, `.5E-2`) as an integer scaled by `scale`.
///
/// More decimals than `scale` are rounded half to even, or refused when `strict` (trailing zeros are always fine).
pub fn parse(text: &str, scale: u8, strict: bool) -> Result<i64, BadDecimal> {
    match usual(text.as_bytes(), scale, strict) {
        Some(units) => Ok(units),
        None => general(text, scale, strict),
    }
}

/// Reads a decimal as it is: an integer of at most [`MAX_DIGITS`] digits and the power of ten that it is multiplied by.
pub fn exact(text: &str) -> Result<(i128, i64), BadDecimal> {
    let Parts { negative, mut digits, decimals, exponent } = Parts::split(text)?;
    let zeros = digits.iter().rev().take_while(|digit| **digit == 0).count();
    digits.truncate(digits.len() - zeros);
    if digits.len() > MAX_DIGITS {
        return Err(BadDecimal::OutOfRange);
    }
    let magnitude = integer(&digits);
    let power = if magnitude == 0 { 0 } else { exponent - decimals as i64 + zeros as i64 };
    Ok((if negative { -magnitude } else { magnitude }, power))
}

/// Most values are few digits without an exponent. None where the general way has to look.
fn usual(text: &[u8], scale: u8, strict: bool) -> Option<i64> {
    let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits));
    // Eighteen digits fit 64 bits.
    if digits.len() > 18 {
        return None;
    }
    let (mut units, mut point) = (0_i64, None);
    for (place, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => units = units * 10 + i64::from(byte - b'0'),
            b'.' if point.is_none() => point = Some(place),
            _ => return None,
        }
    }
    if digits.len() == usize::from(point.is_some()) {
        return None;
    }
    let decimals = point.map_or(0, |place| digits.len() - place - 1);
    let units = match usize::from(scale).checked_sub(decimals) {
        Some(more) => units.checked_mul(10_i64.checked_pow(more as u32)?)?,
        None => {
            let unit = 10_i64.pow((decimals - usize::from(scale)) as u32);
            if strict && units % unit != 0 {
                return None;
            }
            Scaled::new(units, scale).divided_by(i128::from(unit)).units as i64
        }
    };
    Some(if negative { -units } else { units })
}

fn general(text: &str, scale: u8, strict: bool) -> Result<i64, BadDecimal> {
    let parts = Parts::split(text)?;
    // The decimal is `digits * 10^(exponent - decimals)`; its scaled integer needs `shift` more digits, or fewer.
    let shift = parts.exponent - parts.decimals as i64 + i64::from(scale);
    let magnitude = if shift >= 0 { grow(&parts, shift)? } else { round(&parts, -shift, strict)? };
    let signed = if parts.negative { -magnitude } else { magnitude };
    i64::try_from(signed).map_err(|_| BadDecimal::OutOfRange)
}

impl Scaled {
    pub fn new(units: impl Into<i128>, scale: u8) -> Self {
        Self { units: units.into(), scale }
    }

    /// `units / count`, rounded half to even at the same scale. `count` must not be 0.
    pub fn divided_by(self, count: i128) -> Self {
        let (quotient, rest) = (self.units.div_euclid(count), self.units.rem_euclid(count));
        let up = match (2 * rest).cmp(&count.abs()) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => quotient % 2 != 0,
            std::cmp::Ordering::Greater => true,
        };
        Self { units: quotient + i128::from(up), ..self }
    }
}

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let width = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = width + 1);
        let (whole, decimals) = digits.split_at(digits.len() - width);
        if width == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{decimals}") }
    }
}

impl serde::Serialize for Scaled {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A decimal's text taken apart: `-12.50e3` is negative, digits `1250`, decimals 2, exponent 3.
struct Parts {
    negative: bool,
    /// Digits without leading zeros; empty for zero.
    digits: Vec<u8>,
    decimals: usize,
    exponent: i64,
}

impl Parts {
    fn split(text: &str) -> Result<Self, BadDecimal> {
        let text = text.trim_matches([' ', '\t']);
        if text.len() > MAX_TEXT {
            let is_number = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
            return Err(if is_number { BadDecimal::OutOfRange } else { BadDecimal::NotANumber });
        }
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent).ok_or_else(|| why_not(rest))?),
            None => (rest, 0),
        };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(decimals.bytes());
        if digits().next().is_none() || !digits().all(|b| b.is_ascii_digit()) {
            return Err(why_not(rest));
        }
        let digits = digits().skip_while(|b| *b == b'0').map(|b| b - b'0').collect();
        Ok(Self { negative, digits, decimals: decimals.len(), exponent })
    }
}

/// An exponent beyond any value's reach is clamped: the value is then out of range or zero, whichever it is.
fn parse_exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000))
}

fn why_not(text: &str) -> BadDecimal {
    let lower = text.to_ascii_lowercase();
    if ["nan", "inf", "infinity"].contains(&lower.as_str()) {
        BadDecimal::NotFinite
    } else if text.contains(',') && text.bytes().all(|b| b.is_ascii_digit() || b",.".contains(&b)) {
        BadDecimal::Comma
    } else {
        BadDecimal::NotANumber
    }
}

/// All digits, followed by `shift` zeros.
fn grow(parts: &Parts, shift: i64) -> Result<i128, BadDecimal> {
    if parts.digits.is_empty() {
        return Ok(0);
    }
    if parts.digits.len() as i64 + shift > 20 {
        return Err(BadDecimal::OutOfRange);
    }
    Ok(integer(&parts.digits) * 10_i128.pow(shift as u32))
}

/// All digits but the last `cut`, rounded half to even.
fn round(parts: &Parts, cut: i64, strict: bool) -> Result<i128, BadDecimal> {
    let kept = (parts.digits.len() as i64 - cut).max(0) as usize;
    if kept > 20 {
        return Err(BadDecimal::OutOfRange);
    }
    let (keep, drop) = parts.digits.split_at(kept);
    if strict && drop.iter().any(|d| *d != 0) {
        return Err(BadDecimal::TooManyDecimals);
    }
    // With fewer digits than are cut, the first dropped place is a zero that is not written.
    let first = if parts.digits.len() as i64 >= cut { drop.first().copied().unwrap_or(0) } else { 0 };
    let rest = drop.iter().skip(1).any(|d| *d != 0);
    let value = integer(keep);
    let up = first > 5 || (first == 5 && (rest || value % 2 != 0));
    Ok(value + i128::from(up))
}

fn integer(digits: &[u8]) -> i128 {
    digits.iter().fold(0, |n, d| n * 10 + i128::from(*d))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_real_feeds_send() {
        let cases = [
            ("0.028999999999999998", 3, 29),
            ("32.33", 3, 32_330),
            ("1e3", 0, 1_000),
            (".5E-2", 3, 5),
            ("-0", 3, 0),
            ("0.0005", 3, 0),
            ("0.0015", 3, 2),
            ("0.00050000000000000000000000000000000000001", 3, 1),
            ("0.00005", 3, 0),
            ("0.00009", 3, 0),
            ("-2.5", 0, -2),
            ("-3.5", 0, -4),
            ("9223372036854775807", 0, i64::MAX),
            ("-9223372036854775808", 0, i64::MIN),
            ("0e999999999999999999999", 3, 0),
            ("1e-999999999999999999999", 3, 0),
            ("+7.", 1, 70),
        ];
        for (text, scale, units) in cases {
            assert_eq!(parse(text, scale, false), Ok(units), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_value() {
        use BadDecimal::*;
        let cases = [
            ("NaN", NotFinite),
            ("-Infinity", NotFinite),
            ("inf", NotFinite),
            ("12,3", Comma),
            ("1,234.5", Comma),
            ("", NotANumber),
            ("-", NotANumber),
            (".", NotANumber),
            ("1e", NotANumber),
            ("0x10", NotANumber),
            ("１２", NotANumber),
            ("1e400", OutOfRange),
            ("9223372036854775808", OutOfRange),
            ("1234567890123456789012345678901234567890", OutOfRange),
            (&"7".repeat(400), OutOfRange),
            (&"a".repeat(400), NotANumber),
        ];
        for (text, why) in cases {
            assert_eq!(parse(text, 0, false), Err(why), "{text}");
        }
    }

    #[test]
    fn a_decimal_is_taken_as_it_is() {
        for (text, exactly) in [
            ("001581.123", (1_581_123, -3)),
            ("-0.00", (0, 0)),
            ("1500", (15, 2)),
            ("1.50e3", (15, 2)),
            ("98765432109876543210", (9_876_543_210_987_654_321, 1)),
            ("-98765432109876543211", (-98_765_432_109_876_543_211, 0)),
        ] {
            assert_eq!(exact(text), Ok(exactly), "{text}");
        }
        assert_eq!(exact("123456789012345678901"), Err(BadDecimal::OutOfRange));
        assert_eq!(exact("1,5"), Err(BadDecimal::Comma));
    }

    #[test]
    fn a_strict_metric_refuses_to_round_but_not_trailing_zeros() {
        assert_eq!(parse("1.2345", 3, true), Err(BadDecimal::TooManyDecimals));
        assert_eq!(parse("1.23400", 3, true), Ok(1_234));
    }

    #[test]
    fn divides_half_to_even() {
        let divide = |units: i64, count| Scaled::new(units, 1).divided_by(count).to_string();
        assert_eq!(divide(5, 2), "0.2");
        assert_eq!(divide(7, 2), "0.4");
        assert_eq!(divide(-5, 2), "-0.2");
        assert_eq!(divide(-7, 2), "-0.4");
        assert_eq!(divide(10, 3), "0.3");
        assert_eq!(divide(-11, 3), "-0.4");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(units: i64, scale in 0..=MAX_SCALE) {
            let text = Scaled::new(units, scale).to_string();
            prop_assert_eq!(parse(&text, scale, true), Ok(units));
        }

        #[test]
        fn the_usual_way_reads_what_the_general_way_reads(
            text in "[-+]?[0-9]{0,20}([.,][0-9]{0,12})?(e1)?", tie in "-?[0-9]{1,6}\\.[0-9]{0,3}50{0,3}", scale in 0..=MAX_SCALE, strict: bool
        ) {
            for text in [text, tie] {
                prop_assert_eq!(parse(&text, scale, strict), general(&text, scale, strict), "{}", text);
            }
        }

        #[test]
        fn an_exponent_only_moves_the_point(units in -1_000_000_i64..1_000_000, exponent in 0_u8..6) {
            let text = format!("{}e{exponent}", Scaled::new(units, exponent));
            prop_assert_eq!(parse(&text, 0, true), Ok(units));
        }

        // Rounding in integers of another width and by another rule: the nearest multiple, ties to the even one.
        #[test]
        fn rounds_to_the_nearest_and_ties_to_even(units in -10_000_000_i64..10_000_000, cut in 1_u32..6) {
            let unit = 10_i64.pow(cut);
            let got = parse(&Scaled::new(units, cut as u8).to_string(), 0, false).unwrap();
            let off = (units - got * unit).abs() * 2;
            prop_assert!(off < unit || (off == unit && got % 2 == 0));
        }
    }
}
