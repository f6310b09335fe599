//! The `Accept` header: which of an operation's formats the caller prefers (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

use crate::http::problem::{Code, Problem, Result};

/// The format of those offered, best first, that the caller prefers. Without the header it is the first.
pub fn preferred(headers: &HeaderMap, offered: &[&'static str]) -> Result<&'static str> {
    let ranges: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(','))
        .collect();
    if ranges.iter().all(|range| range.trim().is_empty()) {
        return offered.first().copied().ok_or_else(|| Problem::internal("an operation without a format"));
    }
    let mut best = None;
    for format in offered {
        let quality = quality(&ranges, format);
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, *format));
        }
    }
    best.map(|(_, format)| format)
        .ok_or_else(|| Problem::new(Code::NotAcceptable, format!("this operation answers {}", offered.join(", "))))
}

/// The weight that the most specific range gives a format, in thousandths; 0 where none fits.
fn quality(ranges: &[&str], format: &str) -> u16 {
    let kind = format.split('/').next().unwrap_or_default();
    let fitting = ranges.iter().filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let specific = match name.split_once('/') {
            _ if name == format => 2,
            Some(("*", "*")) => 0,
            Some((of, "*")) if of == kind => 1,
            _ => return None,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        Some((specific, weight.map_or(1000, thousandths)))
    });
    fitting.max().map_or(0, |(_, weight)| weight)
}

/// `0.8` is 800. A weight that is none counts as 1, as if it were not there.
fn thousandths(text: &str) -> u16 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{decimals:0<3.3}");
    digits.parse().ok().filter(|weight| *weight <= 1000).unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: &[&str] = &["application/json", "application/x-ndjson", "text/csv"];

    fn answer(accept: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        preferred(&headers, OFFERED).ok()
    }

    #[test]
    fn the_heaviest_format_wins_and_the_first_among_equals() {
        assert_eq!(answer("text/csv"), Some("text/csv"));
        assert_eq!(answer("*/*"), Some("application/json"));
        assert_eq!(answer("text/html, text/*;q=0.8, application/json;q=0.5"), Some("text/csv"));
        assert_eq!(answer("*/*, application/json;q=0"), Some("application/x-ndjson"));
        assert_eq!(answer("Application/X-NDJSON; charset=utf-8"), Some("application/x-ndjson"));
        assert_eq!(answer(""), Some("application/json"));
        assert_eq!(preferred(&HeaderMap::new(), OFFERED), Ok("application/json"));
    }

    #[test]
    fn a_format_that_is_not_there_is_a_problem() {
        assert_eq!(answer("application/xml"), None);
        assert_eq!(answer("text/csv;q=0"), None);
    }
}
