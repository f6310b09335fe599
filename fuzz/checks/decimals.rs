//! Decimals, by an arithmetic that only knows strings of digits.

use meterbase::core::decimal;

/// Longest text that is read as a decimal.
const LONGEST: usize = 256;

pub fn check(text: &str) {
    for (scale, strict) in [(0, false), (3, false), (9, false), (0, true), (3, true), (9, true)] {
        let got = decimal::parse(text, scale, strict).ok().map(|units| units.to_string());
        assert_eq!(got, scaled(text, usize::from(scale), strict), "scale {scale}, strict {strict}");
    }
}

/// The integer of a decimal with `scale` decimals, rounded half to even; none where that is none of 64 bits, or would
/// be rounded and must not.
pub fn scaled(text: &str, scale: usize, strict: bool) -> Option<String> {
    let text = text.trim_matches([' ', '\t']);
    let (sign, unsigned) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (&text[..1], rest),
        None => ("", text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (mantissa, exponent) = match lower.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (lower.as_str(), 0),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{decimals}");
    if digits.is_empty() || !is_digits(&digits) || text.len() > LONGEST {
        return None;
    }
    if digits.bytes().all(|digit| digit == b'0') {
        return Some("0".to_owned());
    }
    // Where the point of the scaled number is among the digits.
    let point = whole.len() as i64 + exponent + scale as i64;
    // A number this long is no integer of 64 bits, wherever its first digit is; one this small is next to nothing.
    let point = usize::try_from(point.clamp(-1, 2 * LONGEST as i64) + 1).expect("not negative");
    let padded = format!("0{digits}{}", "0".repeat(point.saturating_sub(digits.len())));
    let (kept, cut) = padded.split_at(point);
    let is_exact = cut.bytes().all(|digit| digit == b'0');
    if strict && !is_exact {
        return None;
    }
    let half = cut.bytes().next().unwrap_or(b'0').cmp(&b'5');
    let rest_is_zero = cut.bytes().skip(1).all(|digit| digit == b'0');
    let last_is_odd = kept.bytes().last().unwrap_or(b'0') % 2 == 1;
    let up = half.is_gt() || (half.is_eq() && (!rest_is_zero || last_is_odd));
    let magnitude = if up { one_more(kept) } else { kept.to_owned() };
    let magnitude = magnitude.trim_start_matches('0');
    let most = if sign == "-" { "9223372036854775808" } else { "9223372036854775807" };
    match magnitude {
        "" => Some("0".to_owned()),
        _ if (magnitude.len(), magnitude) > (most.len(), most) => None,
        _ => Some(format!("{}{magnitude}", sign.trim_start_matches('+'))),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An exponent of many digits is as good as a large one.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !is_digits(digits) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    let magnitude = if digits.len() > 5 { 100_000 } else { digits.parse().unwrap_or(0) };
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

fn one_more(digits: &str) -> String {
    let nines = digits.len() - digits.trim_end_matches('9').len();
    let head = &digits[..digits.len() - nines];
    let head = match head.as_bytes().split_last() {
        Some((last, before)) => format!("{}{}", String::from_utf8_lossy(before), char::from(last + 1)),
        None => "1".to_owned(),
    };
    head + &"0".repeat(nines)
}
