//! Readings from a P1 telegram.

use chrono::{DateTime, Utc};

use super::{Found, P1Register, Sent, Target};
use crate::core::reading::{Code, Items, Reason, Unreadable, field};
use crate::core::telegram::{self, Object, Register, Telegram};

pub fn readings(
    fields: &[(P1Register, Target)],
    payload: &[u8],
    sent: &Sent,
    items: &mut Items<'_>,
) -> Result<(), Unreadable> {
    let telegram = Telegram::parse(payload).map_err(|why| Unreadable::Body(why.to_string()))?;
    let own = telegram.stamp().map(|(line, text)| instant(line, text, sent));
    for (register, target) in fields {
        let found = find(&telegram, register).and_then(|object| object.map(|o| value(o, &own, sent)).transpose());
        if let Some(item) = target.item(&register.register, found, sent) {
            items.push(item)?;
        }
    }
    Ok(())
}

/// The line of a register.
fn find<'t, 'a>(telegram: &'t Telegram<'a>, sought: &P1Register) -> Result<Option<&'t Object<'a>>, Reason> {
    let code = match (sought.register, sought.device_type) {
        (Register::One(code), _) => code,
        (Register::AnyChannel(code), device_type) => {
            let channels: Vec<_> = device_type.into_iter().flat_map(|of| telegram.channels_of(of)).collect();
            match channels.as_slice() {
                [] => return Ok(None),
                [channel] => code.on(*channel),
                _ => {
                    let hint = "the profile has to name the channel of each";
                    let detail = format!("{}: several devices of this type, on channels {channels:?}; {hint}", code);
                    return Err(Reason::new(Code::InvalidValue, detail));
                }
            }
        }
    };
    let mut objects = telegram.of(code);
    match (objects.next(), objects.next()) {
        (Some(first), Some(second)) => {
            let detail = format!("{code} is there twice, in lines {} and {}", first.line, second.line);
            Err(Reason::new(Code::InvalidValue, detail))
        }
        (first, _) => Ok(first),
    }
}

/// The value of a line: the last one. Where there is another before it, as for M-Bus devices, that is its time.
fn value<'a>(
    object: &Object<'a>,
    own: &Option<Result<DateTime<Utc>, Reason>>,
    sent: &Sent,
) -> Result<Found<'a>, Reason> {
    let (value, at) = match object.values.as_slice() {
        [value] => (value, own.clone()),
        [time, value] => (value, Some(instant(object.line, time.text, sent))),
        _ => {
            let detail = format!("line {}: {} has {} values, not one", object.line, object.code, object.values.len());
            return Err(Reason::new(Code::InvalidValue, detail));
        }
    };
    Ok(Found { text: value.text, unit: value.unit, at, line: Some(object.line) })
}

fn instant(line: usize, text: &str, sent: &Sent) -> Result<DateTime<Utc>, Reason> {
    let at = telegram::instant(text, sent.at.unwrap_or(sent.now)).map_err(|why| {
        let detail = format!("line {line}: the time {}: {why}", field::quote(text));
        Reason::new(Code::InvalidTime, detail)
    })?;
    field::not_ahead(at, text, sent.now)
}
