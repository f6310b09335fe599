//! Profiles: what a product's payloads say, and which readings that is.
//!
//! A profile knows one language, that of P1 telegrams, of JSON or of CSV, and for each value in it the metric that it is of,
//! the factor that makes it one of the metric's unit, and its dimensions. It turns a payload into readings as callers would
//! have sent them; what becomes of those is decided where all readings are stored.

mod clock;
mod csv;
mod factor;
mod json;
mod p1;
mod pattern;
mod unit;

use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::{DateTime, Utc};

use crate::core::decimal::BadDecimal;
use crate::core::entity::{Key, Ref};
use crate::core::pointer::Pointer;
use crate::core::reading::{Code, Item, Items, RawReading, Reason, Unreadable, field};
use crate::core::telegram::Register;

pub use self::clock::Clock;
pub use self::factor::{BadFactor, Factor};
pub use self::pattern::{BadPattern, Pattern};
pub use self::unit::{BadConversion, conversion};

/// Most fields of a profile.
pub const MAX_FIELDS: usize = 64;

/// A product's language, and what its values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    P1 {
        fields: Vec<(P1Register, Target)>,
    },
    Json {
        /// Where the array is of which each element is a record; none where the payload is one record.
        records: Option<Pointer>,
        /// Where in a record its time is.
        time: Option<(Pointer, Clock)>,
        /// In a record.
        fields: Vec<(Pointer, Target)>,
    },
    Csv {
        /// The column of a row's time.
        time: Option<(String, Clock)>,
        /// By column.
        fields: Vec<(String, Target)>,
    },
}

/// A line of a telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct P1Register {
    pub register: Register,
    /// For any channel: what type of device the channel has to have, such as 3 for gas.
    pub device_type: Option<u8>,
}

/// What a value becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub metric: Key,
    /// What the value is multiplied by.
    pub factor: Factor,
    /// The unit that the value is expected in; of use where payloads have units in them.
    pub unit: Option<String>,
    /// Whether a value of a payload without a time is refused: one that adds up would be counted again when it is sent again.
    pub needs_time: bool,
    /// Whether a payload may be without it.
    pub optional: bool,
    pub dimensions: BTreeMap<String, String>,
}

/// A payload on its way.
#[derive(Debug, Clone)]
pub struct Sent {
    pub device: Ref,
    /// When the values were read, as who sends them says.
    pub at: Option<DateTime<Utc>>,
    /// When it arrived.
    pub now: DateTime<Utc>,
}

/// A value as the payload has it.
struct Found<'a> {
    text: &'a str,
    unit: Option<&'a str>,
    /// Its own time; none where the payload tells none.
    at: Option<Result<DateTime<Utc>, Reason>>,
    line: Option<usize>,
}

impl Profile {
    /// The readings of a payload. `room` is asked before a reading is kept, with the number of bytes that it holds beside
    /// itself.
    pub fn readings(
        &self,
        payload: &[u8],
        sent: &Sent,
        room: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Item>, Unreadable> {
        let mut items = Items::new(room);
        match self {
            Self::P1 { fields } => p1::readings(fields, payload, sent, &mut items)?,
            Self::Json { records, time, fields } => {
                json::readings(records.as_ref(), time.as_ref(), fields, payload, sent, &mut items)?;
            }
            Self::Csv { time, fields } => csv::readings(time.as_ref(), fields, payload, sent, &mut items)?,
        }
        Ok(items.all())
    }
}

impl Target {
    /// The reading of a value, under the name of the place where it should be; none where it may be missing and is.
    fn item(&self, name: &dyn Display, found: Result<Option<Found<'_>>, Reason>, sent: &Sent) -> Option<Item> {
        let (line, reading) = match found {
            Ok(Some(found)) => (found.line, self.reading(name, found, sent)),
            Ok(None) if self.optional => return None,
            Ok(None) => {
                let hint = "where payloads may be without it, the profile has to say so (optional)";
                (None, Err(Reason::new(Code::MissingField, format!("{name} is missing; {hint}"))))
            }
            Err(why) => (None, Err(why)),
        };
        Some(Item { line, reading })
    }

    fn reading(&self, name: &dyn Display, found: Found<'_>, sent: &Sent) -> Result<RawReading, Reason> {
        if let (Some(expected), Some(unit)) = (&self.unit, found.unit)
            && expected != unit
        {
            let detail = format!("{name} is in {}, and the profile expects {expected}", field::quote(unit));
            return Err(Reason::new(Code::InvalidValue, detail));
        }
        let bad_value = |why: BadDecimal| {
            let Reason { code, detail } = field::bad_value(found.text, why);
            Reason::new(code, format!("{name}: {detail}"))
        };
        let value = self.factor.times(found.text).map_err(bad_value)?;
        let at = match (found.at, sent.at) {
            (Some(own), _) => own?,
            (None, Some(said)) => said,
            (None, None) if self.needs_time => {
                let hint = "say with ?at= when it was read, or sent again it would be counted again";
                return Err(Reason::new(Code::MissingField, format!("the payload has no time for {name}; {hint}")));
            }
            (None, None) => sent.now,
        };
        let value = field::value(&value)?;
        let (device, metric) = (sent.device.clone(), Ref::Key(self.metric.clone()));
        Ok(RawReading { device, metric, at, value, id: None, dimensions: self.dimensions.clone() })
    }
}

/// The text of a payload.
fn text(payload: &[u8]) -> Result<&str, Unreadable> {
    let text = std::str::from_utf8(payload)
        .map_err(|error| Unreadable::Body(format!("not valid UTF-8 at byte {}", error.valid_up_to())))?;
    Ok(text.strip_prefix('\u{FEFF}').unwrap_or(text))
}

#[cfg(test)]
mod tests;
