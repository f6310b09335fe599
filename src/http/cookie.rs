//! The cookie of a browser that is signed in. Scripts cannot read it, and other sites' requests come without it.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, header};

use crate::http::problem::{Code, Problem, Result};
use crate::keys::ApiKey;

/// Over TLS browsers are held to what the second name stands for: the cookie is of this host alone, and never sent without.
const NAMES: [&str; 2] = ["meterbase_session", "__Host-meterbase_session"];

/// Says that a script of the server's own page asked: other sites cannot send it.
pub const REQUEST_HEADER: &str = "x-meterbase-request";

/// The session that a request's cookie names, if it can be one.
pub fn session(headers: &HeaderMap) -> Option<ApiKey> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    let mut ours = cookies.filter(|(name, _)| NAMES.contains(name));
    ours.find_map(|(_, value)| format!("mb_{value}").parse().ok())
}

/// A cookie changes something only for a page of this server: a browser sends it whoever made the page.
pub fn refuse_other_sites(method: &Method, headers: &HeaderMap) -> Result<()> {
    if method.is_safe() || headers.get(REQUEST_HEADER).is_some_and(|value| value == "1") {
        return Ok(());
    }
    Err(Problem::new(Code::CrossSiteRequest, "signed in by cookie, and without the header X-Meterbase-Request: 1"))
}

/// Makes a browser keep a session.
pub fn keep(session: &ApiKey, secure: bool, lifetime: Duration) -> Result<HeaderValue> {
    let text = session.reveal();
    let value = text.trim_start_matches("mb_");
    line(secure, value, lifetime.as_secs()).map_err(Problem::internal)
}

/// Makes a browser forget it, by whatever name it has it.
pub fn forget() -> Result<[HeaderValue; 2]> {
    let lines = [line(false, "", 0), line(true, "", 0)].map(|line| line.map_err(Problem::internal));
    let [plain, secure] = lines;
    Ok([plain?, secure?])
}

fn line(secure: bool, value: &str, seconds: u64) -> std::result::Result<HeaderValue, impl std::fmt::Display> {
    let (name, only) = (NAMES[usize::from(secure)], if secure { "; Secure" } else { "" });
    HeaderValue::try_from(format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{only}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<ApiKey> {
        let lines = lines.iter().map(|line| (header::COOKIE, HeaderValue::from_str(line).unwrap()));
        session(&lines.collect())
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let made = ApiKey::random().unwrap();
        for secure in [false, true] {
            let kept = keep(&made, secure, Duration::from_secs(60)).unwrap();
            let pair = kept.to_str().unwrap().split(';').next().unwrap();
            assert_eq!(read(&[pair]), Some(made.clone()));
            assert_eq!(read(&["theme=dark", &format!("a=b; {pair}; c")]), Some(made.clone()));
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["meterbase_session=", "meterbase_session", "meterbase_session=mb_1_2"]), None);
    }

    #[test]
    fn only_a_page_of_the_server_changes_something() {
        let with = |value| HeaderMap::from_iter([(REQUEST_HEADER.parse().unwrap(), HeaderValue::from_static(value))]);
        assert!(refuse_other_sites(&Method::GET, &HeaderMap::new()).is_ok());
        assert!(refuse_other_sites(&Method::PUT, &with("1")).is_ok());
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            assert!(refuse_other_sites(&method, &HeaderMap::new()).is_err());
            assert!(refuse_other_sites(&method, &with("0")).is_err());
        }
    }
}
