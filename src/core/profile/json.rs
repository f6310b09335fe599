//! Readings from JSON.

use std::borrow::Cow;

use super::{Clock, Found, Sent, Target, text};
use crate::core::pointer::{self, Lost, Pointer};
use crate::core::reading::{Code, Items, Reason, Unreadable, field};

pub fn readings(
    records: Option<&Pointer>,
    time: Option<&(Pointer, Clock)>,
    fields: &[(Pointer, Target)],
    payload: &[u8],
    sent: &Sent,
    items: &mut Items<'_>,
) -> Result<(), Unreadable> {
    let json = text(payload)?;
    let unreadable = |why: Lost| Unreadable::Body(why.to_string());
    pointer::check(json).map_err(unreadable)?;
    let Some(place) = records else { return record(json, time, fields, sent, items) };
    let array = place.find(json).map_err(unreadable)?.unwrap_or_default();
    if pointer::elements(array, |element| record(element, time, fields, sent, items))? {
        Ok(())
    } else {
        Err(Unreadable::Body(format!(
            "there is no array at {:?}, where the profile says records are",
            place.to_string()
        )))
    }
}

fn record(
    json: &str,
    time: Option<&(Pointer, Clock)>,
    fields: &[(Pointer, Target)],
    sent: &Sent,
    items: &mut Items<'_>,
) -> Result<(), Unreadable> {
    let at = time.map(|(place, clock)| match scalar(json, place)? {
        Some(text) => clock.read(&text, sent.now),
        None => Err(Reason::new(Code::MissingField, format!("{place}, the time, is missing"))),
    });
    for (place, target) in fields {
        let item = match scalar(json, place) {
            Ok(text) => {
                let found = text.as_deref().map(|text| Found { text, unit: None, at: at.clone(), line: None });
                target.item(place, Ok(found), sent)
            }
            Err(why) => target.item(place, Err(why), sent),
        };
        if let Some(item) = item {
            items.push(item)?;
        }
    }
    Ok(())
}

/// A number as it was written, or what a string says.
fn scalar<'a>(json: &'a str, place: &Pointer) -> Result<Option<Cow<'a, str>>, Reason> {
    let invalid = |why: String| Reason::new(Code::InvalidValue, why);
    let Some(found) = place.find(json).map_err(|why| invalid(format!("{place}: {why}")))? else { return Ok(None) };
    match found.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Ok(Some(Cow::Borrowed(found))),
        Some(b'"') => serde_json::from_str::<String>(found)
            .map(|text| Some(Cow::Owned(text)))
            .map_err(|why| invalid(format!("{place}: {why}"))),
        _ => Err(invalid(format!("{place}: {} is neither a number nor a string", field::quote(found)))),
    }
}
