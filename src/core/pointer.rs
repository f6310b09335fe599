//! JSON Pointer (RFC 6901): where in a JSON text a value is. `/meters/0/energy` is the field `energy` of the first element
//! of the array `meters`; `~1` stands for a slash in a name and `~0` for a tilde; the empty pointer is all of the text.
//!
//! What is found is a part of the text as it was written, so that no number goes through floating point.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Longest pointer, in bytes, and most names and places in it.
pub const MAX_LENGTH: usize = 256;
pub const MAX_DEPTH: usize = 16;

/// Names of fields and places in arrays, from the outermost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPointer {
    #[error("a JSON pointer begins with a slash, such as /meters/0/energy, or is empty")]
    Slash,
    #[error("behind a tilde there is 0 (a tilde) or 1 (a slash)")]
    Escape,
    #[error("at most {MAX_LENGTH} bytes and {MAX_DEPTH} names")]
    Length,
}

/// Why nothing can be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("not JSON: {0}")]
    Json(String),
    #[error("{0:?} is given twice")]
    Twice(String),
}

impl Pointer {
    /// The text of the value, without space around it; none where there is no such value, or where it is null. The text
    /// must be JSON ([`check`]).
    pub fn find<'a>(&self, text: &'a str) -> Result<Option<&'a str>, Lost> {
        let mut found = text.trim_ascii();
        for name in &self.0 {
            let mut json = serde_json::Deserializer::from_str(found);
            let next = match found.as_bytes().first() {
                Some(b'{') => Field(name).deserialize(&mut json).map_err(|error| Lost::Json(error.to_string()))?,
                Some(b'[') => match place(name) {
                    Some(place) => Place(place).deserialize(&mut json).map_err(|e| Lost::Json(e.to_string()))?,
                    None => Found::Nothing,
                },
                _ => Found::Nothing,
            };
            found = match next {
                Found::This(value) => value.get(),
                Found::Nothing => return Ok(None),
                Found::Twice => return Err(Lost::Twice(name.clone())),
            };
        }
        Ok(Some(found).filter(|text| *text != "null"))
    }
}

/// Whether a text is JSON, however deep.
pub fn check(text: &str) -> Result<(), Lost> {
    serde_json::from_str::<&RawValue>(text).map(drop).map_err(|error| Lost::Json(error.to_string()))
}

/// An array's elements, one by one, until one is refused; false where the text is no array. The text must be JSON.
pub fn elements<'a, E>(text: &'a str, mut each: impl FnMut(&'a str) -> Result<(), E>) -> Result<bool, E> {
    if !text.trim_ascii_start().starts_with('[') {
        return Ok(false);
    }
    let mut refused = None;
    let seed = Elements(|element: &'a str| match each(element) {
        Ok(()) => true,
        Err(why) => {
            refused = Some(why);
            false
        }
    });
    // The text is JSON, so what ends this early is a refusal.
    let _ended = seed.deserialize(&mut serde_json::Deserializer::from_str(text));
    refused.map_or(Ok(true), Err)
}

/// An element's place: digits without a zero before them.
fn place(name: &str) -> Option<usize> {
    let is_place = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    name.parse().ok().filter(|_| is_place)
}

impl FromStr for Pointer {
    type Err = BadPointer;

    fn from_str(text: &str) -> Result<Self, BadPointer> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let names = text.strip_prefix('/').ok_or(BadPointer::Slash)?;
        if text.len() > MAX_LENGTH || names.split('/').count() > MAX_DEPTH {
            return Err(BadPointer::Length);
        }
        names.split('/').map(unescape).collect::<Result<_, _>>().map(Self)
    }
}

fn unescape(name: &str) -> Result<String, BadPointer> {
    let mut parts = name.split('~');
    let mut unescaped = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.as_bytes().first() {
            Some(b'0') => unescaped.push('~'),
            Some(b'1') => unescaped.push('/'),
            _ => return Err(BadPointer::Escape),
        }
        unescaped.push_str(&part[1..]);
    }
    Ok(unescaped)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|name| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")))
    }
}

enum Found<'a> {
    This(&'a RawValue),
    Nothing,
    Twice,
}

/// The value of a field.
struct Field<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::Nothing;
        while let Some(name) = map.next_key::<String>()? {
            if name != self.0 {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value()?;
            found = if matches!(found, Found::Nothing) { Found::This(value) } else { Found::Twice };
        }
        Ok(found)
    }
}

/// The element in a place of an array.
struct Place(usize);

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Found<'de>, A::Error> {
        let (mut found, mut place) = (Found::Nothing, 0);
        while let Some(element) = array.next_element::<&RawValue>()? {
            if place == self.0 {
                found = Found::This(element);
            }
            place += 1;
        }
        Ok(found)
    }
}

/// Gives each element's text away while that is answered with true.
struct Elements<F>(F);

impl<'de, F: FnMut(&'de str) -> bool> DeserializeSeed<'de> for Elements<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&'de str) -> bool> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element::<&RawValue>()? {
            if !(self.0)(element.get()) {
                return Err(serde::de::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(text: &str, pointer: &str) -> Option<String> {
        pointer.parse::<Pointer>().unwrap().find(text).unwrap().map(str::to_owned)
    }

    #[test]
    fn the_examples_of_the_standard_are_found() {
        // RFC 6901, section 5.
        let text = r#"{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8}"#;
        assert_eq!(find(text, "").as_deref(), Some(text));
        for (pointer, value) in [
            ("/foo", "[\"bar\", \"baz\"]"),
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            assert_eq!(find(text, pointer).as_deref(), Some(value), "{pointer}");
        }
        for pointer in ["/foo/2", "/foo/00", "/foo/-", "/foo/01", "/bar", "/foo/0/0", "//0"] {
            assert_eq!(find(text, pointer), None, "{pointer}");
        }
    }

    #[test]
    fn a_number_stays_as_it_was_written_and_null_is_nothing() {
        let text = "{\"a\": [0.1000000000000000055511151231257827, null, 1e400 ]}";
        assert_eq!(find(text, "/a/0").as_deref(), Some("0.1000000000000000055511151231257827"));
        assert_eq!(find(text, "/a/1"), None);
        assert_eq!(find(text, "/a/2").as_deref(), Some("1e400"));
    }

    #[test]
    fn a_name_that_comes_twice_is_not_guessed() {
        let twice = "/a".parse::<Pointer>().unwrap().find(r#"{"a": 1, "a": 2}"#);
        assert_eq!(twice, Err(Lost::Twice("a".to_owned())));
        assert_eq!(find(r#"{"a": 1, "a": 2, "b": 3}"#, "/b").as_deref(), Some("3"));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for (text, why) in [("a", BadPointer::Slash), ("/~", BadPointer::Escape), ("/~2", BadPointer::Escape)] {
            assert_eq!(text.parse::<Pointer>(), Err(why), "{text}");
        }
        assert_eq!("/a".repeat(17).parse::<Pointer>(), Err(BadPointer::Length));
        assert_eq!(format!("/{}", "a".repeat(256)).parse::<Pointer>(), Err(BadPointer::Length));
    }

    #[test]
    fn json_may_be_as_deep_as_it_likes() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(check(&deep), Ok(()));
        assert_eq!(find(&deep, "/a/0/0/0").map(|text| text.len()), Some(199_995));
        assert!(check("{\"a\": 1").is_err() && check("{} {}").is_err() && check("").is_err());
    }

    #[test]
    fn elements_come_one_by_one_until_one_is_refused() {
        let mut seen = Vec::new();
        let mut until = |last: &'static str| {
            seen.clear();
            elements("[1, [2, 3], {\"a\": 4}]", |element| {
                seen.push(element);
                if element == last { Err(element) } else { Ok(()) }
            })
        };
        assert_eq!(until("[2, 3]"), Err("[2, 3]"));
        assert_eq!(until(""), Ok(true));
        assert_eq!(seen, ["1", "[2, 3]", "{\"a\": 4}"]);
        assert_eq!(elements("{}", |_| Err(())), Ok(false));
    }

    proptest! {
        #[test]
        fn serde_json_finds_the_same(names in prop::collection::vec("[a~/0-9é]{0,3}", 0..4), value in 0..9_i32, place in 0..3_usize) {
            let mut json = serde_json::json!([10, 11, 12]);
            json[place] = serde_json::json!(value);
            for name in names.iter().rev() {
                json = serde_json::json!({name: json, "other": null});
            }
            let pointer = Pointer(names.iter().cloned().chain([place.to_string()]).collect());
            let text = json.to_string();
            let written = value.to_string();
            prop_assert_eq!(pointer.find(&text), Ok(Some(written.as_str())));
            prop_assert_eq!(json.pointer(&pointer.to_string()), Some(&serde_json::json!(value)));
            prop_assert_eq!(pointer.to_string().parse(), Ok(pointer));
        }

        #[test]
        fn any_text_is_a_pointer_or_not(text in "\\PC{0,20}", json in "\\PC{0,20}") {
            if let Ok(pointer) = text.parse::<Pointer>() {
                let _ = (pointer.find(&json), elements(&json, |_| Ok::<(), ()>(())));
            }
        }
    }
}
