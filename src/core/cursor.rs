//! Opaque cursors of lists: where the next page starts, in a form that survives a URL.

use std::fmt;
use std::str::FromStr;

/// The sort key of a page's last item, as hexadecimal digits: lists go on behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

/// A cursor that this server did not give out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list; take `next` of the page before, or leave it out to start again")]
pub struct BadCursor;

impl Cursor {
    /// A cursor behind the item with this sort key.
    pub fn behind(sort_key: impl Into<String>) -> Self {
        Self(sort_key.into())
    }

    /// The sort key behind which the page starts.
    pub fn sort_key(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text.is_empty() || !text.len().is_multiple_of(2) || !text.is_ascii() {
            return Err(BadCursor);
        }
        let bytes = (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16));
        let bytes = bytes.collect::<Result<Vec<u8>, _>>().map_err(|_| BadCursor)?;
        String::from_utf8(bytes).map(Self).map_err(|_| BadCursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(key in ".{1,40}") {
            let cursor = Cursor::behind(key);
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_refused(text in ".*") {
            let _: Result<Cursor, BadCursor> = text.parse();
        }
    }
}
