//! Parameters and bodies. What is unknown or wrong is a problem that names its place.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};

use crate::app::MAX_BODY;
use crate::core::calendar::Calendar;
use crate::core::entity::{Key, Ref};
use crate::core::instant;
use crate::http::intake::{self, Held};
use crate::http::problem::{Code, Problem, Result};
use crate::limits::Limit;

/// Most parameters of a query. Each is compared with those before it.
pub const MAX_PARAMETERS: usize = 64;

/// The entity that the path names.
pub struct PathRef(pub Ref);

/// Query parameters. `T` denies unknown fields; `provider` was dealt with by the caller's extractor.
pub struct Query<T>(pub T);

/// For operations without parameters of their own.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// A JSON body. `T` denies unknown fields.
pub struct Body<T>(pub T);

/// A JSON body of somebody who has no key: at most [`MAX_STRANGERS`] bytes.
pub struct StrangersBody<T>(pub T);

/// Most bytes of a body that comes without a key.
pub const MAX_STRANGERS: usize = 16 * 1024;

/// A JSON body that may be empty or null, which is as if nothing was said in it.
pub struct BodyOrNone<T>(pub T);

impl PathRef {
    /// The key for an entity to be made: an id can only name one that is there already.
    pub fn key(&self, what: &str) -> Result<&Key> {
        match &self.0 {
            Ref::Key(key) => Ok(key),
            Ref::Id(id) => Err(Problem::no_such(what, id, None)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathRef {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let text = path.map_err(|e| Problem::parameter("key", e.body_text()))?.0;
        text.parse().map(Self).map_err(|why| Problem::parameter("key", format!("{text:?}: {why}")))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parameters(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Refuses a range, as `from` and `to` say it, that ends before it begins.
pub fn in_order<T: PartialOrd>(from: Option<T>, to: Option<T>) -> Result<()> {
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Problem::parameter("to", "is before from"));
    }
    Ok(())
}

/// A parameter that is an instant, or a day of a calendar, which begins at an instant.
pub fn instant_or_day(name: &str, text: &str, calendar: &Calendar) -> Result<DateTime<Utc>> {
    match text.parse::<NaiveDate>() {
        Ok(day) if instant::YEARS.contains(&day.year()) => Ok(calendar.start_of(day)),
        _ => instant::parse(text).map_err(|why| Problem::parameter(name, format!("{text:?}: {why}, or a day"))),
    }
}

/// Reads a query string; what is wrong with a parameter names it.
pub fn parameters<T: DeserializeOwned>(query: &str) -> Result<T> {
    let own: serde_json::Map<_, _> = pairs(query)?
        .into_iter()
        .filter(|(name, _)| name != "provider")
        .map(|(name, value)| (name, value.into()))
        .collect();
    serde_path_to_error::deserialize(serde_json::Value::Object(own)).map_err(|error| {
        let (path, why) = (error.path().to_string(), error.inner().to_string());
        Problem::parameter(named_field(&why).unwrap_or(&path), why.as_str())
    })
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        check_json(request.headers())?;
        json(&registry(request).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrangersBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        check_json(request.headers())?;
        json(&intake::whole(request, Limit::StrangersBytes, MAX_STRANGERS).await?).map(Self)
    }
}

fn check_json(headers: &HeaderMap) -> Result<()> {
    match content_type(headers) {
        Some("application/json") => Ok(()),
        _ => Err(Problem::new(Code::UnsupportedMediaType, "send Content-Type: application/json")),
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for BodyOrNone<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let is_json = content_type(request.headers()) == Some("application/json");
        let bytes = registry(request).await?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => json::<Option<T>>(&bytes).map(|body| Self(body.unwrap_or_default())),
            (false, false) => Err(Problem::new(Code::UnsupportedMediaType, "send Content-Type: application/json")),
        }
    }
}

/// A whole body, which takes as much again of the memory for bodies: what is made of it lives as long.
async fn registry(request: Request) -> Result<Vec<u8>> {
    let held = request.extensions().get::<Held>().cloned();
    let held = held.ok_or_else(|| Problem::internal("a body came past the intake"))?;
    let bytes = intake::whole(request, Limit::RegistryBytes, MAX_BODY).await?;
    if held.grow(bytes.len()) { Ok(bytes) } else { Err(intake::no_room(&held)) }
}

/// An array of at most `MOST` items; of a longer one nothing is kept.
pub enum AtMost<T, const MOST: usize> {
    These(Vec<T>),
    TooMany,
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
            type Value = AtMost<T, MOST>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Self::Value, A::Error> {
                let mut these = Vec::new();
                while let Some(item) = items.next_element()? {
                    if these.len() == MOST {
                        while items.next_element::<IgnoredAny>()?.is_some() {}
                        return Ok(AtMost::TooMany);
                    }
                    these.push(item);
                }
                Ok(AtMost::These(these))
            }
        }

        deserializer.deserialize_seq(Items(std::marker::PhantomData))
    }
}

/// Reads JSON; what is wrong with a field names its place.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let body = serde_path_to_error::deserialize(&mut json).map_err(body_problem)?;
    json.end().map_err(|e| Problem::new(Code::UnreadableBody, e.to_string()))?;
    Ok(body)
}

/// The media type without its parameters.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim())
}

/// The query's names and values, decoded; a name that comes twice is an error, not a guess.
pub fn pairs(query: &str) -> Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        if pairs.len() == MAX_PARAMETERS {
            Limit::Parameters.refused();
            let detail = format!("more than {MAX_PARAMETERS} parameters");
            return Err(Problem::new(Code::InvalidParameter, detail));
        }
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if pairs.iter().any(|(other, _)| *other == name) {
            return Err(Problem::parameter(&name, "given twice"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn decode(text: &str) -> Result<String> {
    let text = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&text).decode_utf8();
    let decoded = decoded.map_err(|_| Problem::new(Code::InvalidParameter, "the query is not UTF-8"))?;
    // The database has no text with a NUL in it.
    if decoded.contains('\0') {
        return Err(Problem::new(Code::InvalidParameter, "the query has a NUL character"));
    }
    Ok(decoded.into_owned())
}

/// The field that serde says is missing or unknown; its path only leads to what the field would be in.
fn named_field(why: &str) -> Option<&str> {
    let rest = why.strip_prefix("missing field `").or_else(|| why.strip_prefix("unknown field `"))?;
    rest.split('`').next()
}

fn body_problem(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let mut pointer = pointer(error.path());
    let inner = error.into_inner();
    if inner.is_data() {
        let why = inner.to_string();
        if why.starts_with("missing field") {
            pointer.extend(named_field(&why).map(|name| format!("/{name}")));
        }
        Problem::field(&pointer, why)
    } else {
        Problem::new(Code::UnreadableBody, inner.to_string())
    }
}

/// RFC 6901, with its two escapes.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}
