//! How callers name entities: by a key of their own choice, or by the UUID that the server gave.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// Longest key, in characters.
pub const MAX_KEY_LEN: usize = 128;

/// A key chosen by the caller: 1 to 128 of `A-Z a-z 0-9 . _ : ~ -`, not shaped like a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Key(CompactString);

/// An entity as a caller refers to it; which of the two it is can always be told from the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ref {
    Key(Key),
    Id(Uuid),
}

/// Why a text is neither a key nor an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("a key has 1 to {MAX_KEY_LEN} characters")]
    Length,
    #[error("a key consists of A-Z a-z 0-9 . _ : ~ - only")]
    Character,
    #[error("a key must not be shaped like a UUID")]
    LikeUuid,
}

/// Which bytes a key consists of.
const IN_KEYS: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        allowed[byte] =
            matches!(byte as u8, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b':' | b'~' | b'-');
        byte += 1;
    }
    allowed
};

impl Key {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        if text.is_empty() || text.len() > MAX_KEY_LEN {
            return Err(BadKey::Length);
        }
        if !text.bytes().all(|b| IN_KEYS[usize::from(b)]) {
            return Err(BadKey::Character);
        }
        if hyphenated_uuid(text).is_some() {
            return Err(BadKey::LikeUuid);
        }
        Ok(Self(text.into()))
    }
}

impl Ref {
    /// The key, if that is what the caller gave. For binding beside [`Ref::id`]: exactly one of the two is present.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key.as_str()),
            Self::Id(_) => None,
        }
    }

    /// The id, if that is what the caller gave.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Key(_) => None,
            Self::Id(id) => Some(*id),
        }
    }
}

impl FromStr for Ref {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        match hyphenated_uuid(text) {
            Some(id) => Ok(Self::Id(id)),
            None => text.parse().map(Self::Key),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Only the hyphenated form counts as a UUID: 32 hexadecimal digits alone are a fine key.
fn hyphenated_uuid(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_as_it_is() {
        for text in ["a", "A-1.b_c:d~e", "0123456789abcdef0123456789abcdef", &"x".repeat(128)] {
            assert_eq!(text.parse::<Key>().map(|k| k.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_bad_key_says_why() {
        assert_eq!("".parse::<Key>(), Err(BadKey::Length));
        assert_eq!("x".repeat(129).parse::<Key>(), Err(BadKey::Length));
        assert_eq!("a b".parse::<Key>(), Err(BadKey::Character));
        assert_eq!("é".parse::<Key>(), Err(BadKey::Character));
        assert_eq!("018F0000-0000-7000-8000-000000000000".parse::<Key>(), Err(BadKey::LikeUuid));
    }

    #[test]
    fn a_reference_is_an_id_or_a_key() {
        let id = "018f0000-0000-7000-8000-000000000000";
        assert_eq!(id.parse::<Ref>().map(|r| r.id().is_some()), Ok(true));
        assert_eq!("acme".parse::<Ref>().map(|r| r.key() == Some("acme")), Ok(true));
    }
}
