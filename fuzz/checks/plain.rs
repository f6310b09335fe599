//! A reading as serde_json alone reads it: the straight way, from which the server's must not differ.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use meterbase::core::instant;
use meterbase::core::reading::RawReading;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::decimals;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent<'a> {
    device: String,
    metric: String,
    at: String,
    #[serde(borrow)]
    value: &'a RawValue,
    id: Option<String>,
    dimensions: Option<Pairs>,
}

/// The names and values of an object, those of one name too.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// None for what is no reading.
pub fn reading(element: &str, now: DateTime<Utc>) -> Option<RawReading> {
    // Serde would take an array for an object.
    let object = Some(element.trim_ascii_start()).filter(|text| text.starts_with('{'))?;
    let sent: Sent = serde_json::from_str(object).ok()?;
    let at = instant::parse_with_offset(&sent.at).ok()?.to_utc();
    let value: String = match sent.value.get() {
        number if number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => number.to_owned(),
        text => serde_json::from_str(text).ok()?,
    };
    decimals::scaled(&value, 0, false)?;
    let is_id = |id: &String| (1..=256).contains(&id.chars().count()) && !id.contains('\0');
    if at > now + TimeDelta::days(366) || !sent.id.iter().all(is_id) {
        return None;
    }
    Some(RawReading {
        device: sent.device.parse().ok()?,
        metric: sent.metric.parse().ok()?,
        at,
        value: value.trim_matches([' ', '\t']).into(),
        id: sent.id,
        dimensions: dimensions(sent.dimensions.map_or(vec![], |Pairs(pairs)| pairs))?,
    })
}

fn dimensions(pairs: Vec<(String, String)>) -> Option<BTreeMap<String, String>> {
    let number = pairs.len();
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    let in_names = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
    let is_sound = |(name, value): &(String, String)| {
        let is_name = (1..=64).contains(&name.len()) && name.chars().all(in_names);
        is_name && value.chars().count() <= 256 && !value.contains('\0')
    };
    let is_sound = number <= 16 && bytes <= 1024 && pairs.iter().all(is_sound);
    let map: BTreeMap<_, _> = pairs.into_iter().collect();
    (is_sound && map.len() == number).then_some(map)
}
