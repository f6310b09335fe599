//! `ETag` and `If-None-Match`.

use axum::http::{HeaderMap, header};

/// Whether the caller has what the tag stands for: RFC 9110, section 13.1.2.
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_tag_is_known_by_itself_in_a_list_and_weak() {
        let known = |values: &[&'static str]| {
            let headers = values.iter().map(|value| (header::IF_NONE_MATCH, HeaderValue::from_static(value)));
            is_known(&headers.collect(), "\"a.1\"")
        };
        assert!(known(&["\"a.1\""]) && known(&["W/\"a.1\""]) && known(&["*"]));
        assert!(known(&["\"a.2\", \"a.1\""]) && known(&["\"a.2\"", "\"a.1\""]));
        assert!(!known(&[]) && !known(&["\"a.2\""]) && !known(&["a.1"]) && !known(&["\"a.11\""]));
    }
}
