//! One reading from a JSON object.

mod usual;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::field::{self, MAX_DIMENSIONS, quote};
use super::{Code, RawReading, Reason};

/// Reads one object.
pub fn reading(text: &str, now: DateTime<Utc>) -> Result<RawReading, Reason> {
    match usual::fields(text) {
        Some((fields, length)) if text[length..].trim_ascii().is_empty() => fields.reading(now),
        _ => general(text, now),
    }
}

/// Reads the object that a text begins with, and says how long it is, if it is written in the usual way.
pub fn usual(text: &str, now: DateTime<Utc>) -> Option<(Result<RawReading, Reason>, usize)> {
    usual::fields(text).map(|(fields, length)| (fields.reading(now), length))
}

fn general(text: &str, now: DateTime<Utc>) -> Result<RawReading, Reason> {
    // What serde says of a text in an object's place quotes all of the text.
    if !text.trim_ascii_start().starts_with('{') {
        let detail = format!("not an object with device, metric, at and value: the reading {}", quote(text));
        return Err(Reason::new(Code::InvalidJson, detail));
    }
    let error = match serde_json::from_str::<Fields>(text) {
        Ok(fields) => return fields.reading(now),
        Err(error) => error,
    };
    match without_bare_tokens(text) {
        Some((mended, token)) if serde_json::from_str::<Fields>(&mended).is_ok() => {
            let hint = "leave out a reading that has no value";
            Err(Reason::new(Code::InvalidValue, format!("{token} is not a finite number; {hint}")))
        }
        _ => Err(Reason::new(Code::InvalidJson, format!("{error} of the reading {}", quote(text)))),
    }
}

/// The JSON texts of a reading's fields. A number's text must not go through floating point.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields<'a> {
    device: Option<&'a str>,
    metric: Option<&'a str>,
    at: Option<&'a str>,
    value: Option<&'a str>,
    id: Option<&'a str>,
    dimensions: Option<&'a str>,
    /// The first field that does not belong there.
    unknown: Option<String>,
    /// The first field that is there twice.
    twice: Option<&'static str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Device,
    Metric,
    At,
    Value,
    Id,
    Dimensions,
    Other(String),
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with device, metric, at and value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key()? {
            let (field, name) = match name {
                Name::Device => (&mut fields.device, "device"),
                Name::Metric => (&mut fields.metric, "metric"),
                Name::At => (&mut fields.at, "at"),
                Name::Value => (&mut fields.value, "value"),
                Name::Id => (&mut fields.id, "id"),
                Name::Dimensions => (&mut fields.dimensions, "dimensions"),
                Name::Other(name) => {
                    map.next_value::<IgnoredAny>()?;
                    fields.unknown.get_or_insert(name);
                    continue;
                }
            };
            if field.replace(map.next_value::<&RawValue>()?.get()).is_some() {
                fields.twice.get_or_insert(name);
            }
        }
        Ok(fields)
    }
}

impl Fields<'_> {
    fn reading(&self, now: DateTime<Utc>) -> Result<RawReading, Reason> {
        if let Some(name) = &self.unknown {
            let detail = format!("{} is not a field of a reading", quote(name));
            return Err(Reason::new(Code::UnknownField, detail));
        }
        if let Some(name) = self.twice {
            return Err(Reason::new(Code::InvalidJson, format!("{name} is given twice")));
        }
        let device = self.device.ok_or_else(|| field::missing("device"))?;
        let metric = self.metric.ok_or_else(|| field::missing("metric"))?;
        let at = self.at.ok_or_else(|| field::missing("at"))?;
        let value = self.value.ok_or_else(|| field::missing("value"))?;
        Ok(RawReading {
            device: field::device(&string(device, "device", Code::InvalidDevice)?)?,
            metric: field::metric(&string(metric, "metric", Code::InvalidMetric)?)?,
            at: field::at(&string(at, "at", Code::InvalidTime)?, now)?,
            value: field::value(&number_or_string(value)?)?,
            id: given(self.id).map(|id| field::id(&string(id, "id", Code::InvalidId)?)).transpose()?,
            dimensions: given(self.dimensions).map(dimensions).transpose()?.unwrap_or_default(),
        })
    }
}

/// An optional field that is null is not there.
fn given(field: Option<&str>) -> Option<&str> {
    field.filter(|text| *text != "null")
}

fn string<'a>(text: &'a str, name: &str, code: Code) -> Result<Cow<'a, str>, Reason> {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        Some(_) => serde_json::from_str(text)
            .map(Cow::Owned)
            .map_err(|why| Reason::new(Code::InvalidJson, format!("{name} {}: {why}", quote(text)))),
        None => Err(Reason::new(code, format!("{name} {}: must be a string", quote(text)))),
    }
}

fn number_or_string(text: &str) -> Result<Cow<'_, str>, Reason> {
    match text.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Ok(Cow::Borrowed(text)),
        Some(b'"') => string(text, "value", Code::InvalidValue),
        _ => {
            let detail = format!("value {}: must be a decimal, as a number or as a string", quote(text));
            Err(Reason::new(Code::InvalidValue, detail))
        }
    }
}

fn dimensions(text: &str) -> Result<BTreeMap<String, String>, Reason> {
    let invalid = |why| {
        let detail = format!("dimensions {}: must be an object of strings{why}", quote(text));
        Reason::new(Code::InvalidDimensions, detail)
    };
    // As above: a text is not given to serde.
    if !text.starts_with('{') {
        return Err(invalid(String::new()));
    }
    let Dimensions(dimensions) = serde_json::from_str(text).map_err(|why| invalid(format!(": {why}")))?;
    field::dimensions(dimensions)
}

/// An object of strings in which no name comes twice; of too many, one more than may be.
struct Dimensions(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Dimensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Dimensions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Dimensions, A::Error> {
                let mut dimensions = BTreeMap::new();
                while dimensions.len() <= MAX_DIMENSIONS
                    && let Some((name, value)) = map.next_entry::<String, String>()?
                {
                    if let Some(_first) = dimensions.insert(name, value) {
                        return Err(serde::de::Error::custom("a name is given twice"));
                    }
                }
                while let Some((IgnoredAny, IgnoredAny)) = map.next_entry()? {}
                Ok(Dimensions(dimensions))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// Python's `json.dumps` and others write NaN and infinities as bare words, which are no JSON. The text with null in
/// their place, and the first of them; none when there are none outside of strings.
fn without_bare_tokens(text: &str) -> Option<(String, &'static str)> {
    const TOKENS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    let (mut mended, mut first, mut rest, mut in_string) = (String::new(), None, text, false);
    while let Some(next) = rest.chars().next() {
        let token = TOKENS.into_iter().find(|token| !in_string && rest.starts_with(token));
        let taken = match token {
            Some(token) => {
                first.get_or_insert(token);
                mended.push_str("null");
                token.len()
            }
            None => {
                let escaped = in_string && next == '\\';
                let length = rest.chars().take(if escaped { 2 } else { 1 }).map(char::len_utf8).sum();
                in_string ^= next == '"';
                mended.push_str(&rest[..length]);
                length
            }
        };
        rest = &rest[taken..];
    }
    first.map(|first| (mended, first))
}
