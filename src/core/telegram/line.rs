//! The lines of a telegram: a code and its values, each in brackets, with or without a unit.

use super::{BadTelegram, Code};
use crate::core::reading::field::quote;

/// Most lines of a telegram, and most values of one line. A log of ten power failures has 22.
const MAX_LINES: usize = 512;
const MAX_VALUES: usize = 64;

/// A code and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<'a> {
    /// Where it is told, from 1.
    pub line: usize,
    pub code: Code,
    /// At least one.
    pub values: Vec<Value<'a>>,
}

/// `001581.123*kWh`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// May be empty.
    pub text: &'a str,
    pub unit: Option<&'a str>,
}

/// Reads lines, the first of which has this number. Blank ones count for nothing.
pub fn lines(text: &str, first: usize) -> Result<Vec<Object<'_>>, BadTelegram> {
    let mut objects: Vec<Object<'_>> = Vec::new();
    for (line, content) in text.lines().enumerate().map(|(place, content)| (first + place, content.trim())) {
        let bad = |why: String| BadTelegram { line, why };
        if content.is_empty() {
            continue;
        }
        if objects.len() == MAX_LINES {
            return Err(bad(format!("a telegram has at most {MAX_LINES} lines")));
        }
        let (code, rest) = content.split_at(content.find('(').unwrap_or(content.len()));
        let more = values(rest).map_err(|why| bad(format!("{}: {why}", quote(content))))?;
        match objects.last_mut() {
            // Before version 4 what a gas meter read is in a line of its own.
            Some(before) if code.is_empty() && is_hourly(before.code) && before.values.len() < MAX_VALUES => {
                before.values.extend(more);
                before.line = line;
            }
            _ => {
                let code = code.parse().map_err(|why| bad(format!("{}: {why}", quote(content))))?;
                objects.push(Object { line, code, values: more });
            }
        }
    }
    Ok(objects.into_iter().map(Object::into_later_version).collect())
}

/// `0-n:24.3.0`: the last hourly reading of an M-Bus device, up to version 3.
fn is_hourly(code: Code) -> bool {
    matches!(code, Code([0, _, 24, 3, 0]))
}

/// One or more of `(value*unit)`.
fn values(text: &str) -> Result<Vec<Value<'_>>, String> {
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let inner = inner.ok_or("a line is an OBIS code and values in brackets, such as 1-0:1.8.1(001581.123*kWh)")?;
    let mut values = Vec::new();
    for part in inner.split(")(") {
        if part.contains(['(', ')']) {
            return Err("the brackets do not match".to_owned());
        }
        if values.len() == MAX_VALUES {
            return Err(format!("a line has at most {MAX_VALUES} values"));
        }
        let (text, unit) = part.split_once('*').map_or((part, None), |(text, unit)| (text, Some(unit)));
        values.push(Value { text, unit });
    }
    Ok(values)
}

impl<'a> Object<'a> {
    /// `0-1:24.3.0(time)(status)(60)(1)(0-1:24.2.1)(m3)` and `(00947.680)` is since version 4
    /// `0-1:24.2.1(time)(00947.680*m3)`. What is not written so stays as it is.
    fn into_later_version(self) -> Self {
        if !is_hourly(self.code) {
            return self;
        }
        let [time, _status, _period, count, code, unit, value] = self.values.as_slice() else { return self };
        let Ok(code @ Code([0, channel, 24, 2, _])) = code.text.parse() else { return self };
        let Code([_, own_channel, ..]) = self.code;
        if count.text != "1" || channel != own_channel || unit.unit.is_some() || value.unit.is_some() {
            return self;
        }
        let value = Value { text: value.text, unit: Some(unit.text) };
        Self { line: self.line, code, values: vec![*time, value] }
    }
}
