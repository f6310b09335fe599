//! Readings as nearly all senders write them: an object of known fields, each once, strings without escapes. One pass.
//! Whatever is written otherwise is left to the general way, so that this one need
//! not know what to say about it.

use super::Fields;

/// The fields of the object that a text begins with, and the object's length. None where the general way has to look.
pub fn fields(text: &str) -> Option<(Fields<'_>, usize)> {
    let mut cursor = Cursor { text, bytes: text.as_bytes(), position: 0 };
    let mut fields = Fields::default();
    cursor.take(b'{')?;
    loop {
        cursor.skip_space();
        let name = cursor.string()?;
        cursor.skip_space();
        cursor.take(b':')?;
        cursor.skip_space();
        let field = match &name[1..name.len() - 1] {
            "device" => &mut fields.device,
            "metric" => &mut fields.metric,
            "at" => &mut fields.at,
            "value" => &mut fields.value,
            "id" => &mut fields.id,
            "dimensions" => &mut fields.dimensions,
            _ => return None,
        };
        if field.replace(cursor.value()?).is_some() {
            return None;
        }
        cursor.skip_space();
        match cursor.next()? {
            b',' => {}
            b'}' => return Some((fields, cursor.position)),
            _ => return None,
        }
    }
}

struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// Byte that is looked at. Stops at ASCII alone, so that the text can be cut there.
    position: usize,
}

impl<'a> Cursor<'a> {
    /// A string, a number or an object of strings.
    fn value(&mut self) -> Option<&'a str> {
        match self.peek()? {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b'{' => self.strings(),
            _ => None,
        }
    }

    /// A string without escapes, with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.position;
        self.take(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Some(&self.text[start..self.position]),
                b'\\' | ..0x20 => return None,
                _ => {}
            }
        }
    }

    /// RFC 8259, section 6.
    fn number(&mut self) -> Option<&'a str> {
        let start = self.position;
        let _negative = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _sign = self.take(b'-').or_else(|| self.take(b'+'));
            self.digits()?;
        }
        Some(&self.text[start..self.position])
    }

    /// At least one.
    fn digits(&mut self) -> Option<()> {
        let start = self.position;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
        (self.position > start).then_some(())
    }

    /// An object that has nothing but strings.
    fn strings(&mut self) -> Option<&'a str> {
        let start = self.position;
        self.take(b'{')?;
        loop {
            self.skip_space();
            self.string()?;
            self.skip_space();
            self.take(b':')?;
            self.skip_space();
            self.string()?;
            self.skip_space();
            match self.next()? {
                b',' => {}
                b'}' => return Some(&self.text[start..self.position]),
                _ => return None,
            }
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.position += 1)
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.position += 1;
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the general way takes apart: serde_json, with every field's own text.
    fn general(text: &str) -> Option<Fields<'_>> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn the_usual_way_is_the_usual_one() {
        let reading = r#"{"device": "m1","metric":"energy", "at":"2026-11-21T06:40:00Z","value": -1.5e3,
            "id": "é", "dimensions":{"a": "b", "c":""} }"#;
        let (fields, length) = fields(reading).unwrap();
        assert_eq!((Some(fields), length), (general(reading), reading.len()));
        for other in [r#"{"device": "m\u0031"}"#, r#"{"id": null}"#, r#"{"id": "a", "id": "b"}"#, r#"{"x": 1}"#, "{}"] {
            assert!(super::fields(other).is_none(), "{other}");
        }
    }

    fn token() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => r#""(device|metric|at|value|id|dimensions)""#,
            4 => ":",
            3 => ",",
            3 => "[{}]",
            4 => "-?(0|[1-9]?[0-9]{1,3})(\\.[0-9]{0,2})?([eE][-+]?[0-9]{0,2})?",
            4 => "\"[^\"]{0,3}\"",
            2 => "[ \t\n\r]",
            1 => ".",
        ]
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_the_general_way_takes(tokens in proptest::collection::vec(token(), 0..24)) {
            let text = format!("{{{}", tokens.concat());
            if let Some((taken, length)) = fields(&text) {
                prop_assert_eq!(Some(taken), general(&text[..length]), "{}", text);
            }
        }

        #[test]
        fn fields_in_any_order_are_taken(
            values in proptest::collection::vec((0_usize..7, "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,2})?([eE][-+]?[0-9]{1,2})?|\"[^\\x00-\\x1f\"]{0,4}\"|[0-9+.-]{1,4}|\\{(\"[^\"]{0,2}\":\"[^\"]{0,2}\")?\\}"), 1..8),
            space in "[ \t\n\r]{0,1}",
        ) {
            let names = ["device", "metric", "at", "value", "id", "dimensions", "other"];
            let parts: Vec<_> = values.iter().map(|(name, value)| format!("\"{}\":{space}{value}", names[*name])).collect();
            let text = format!("{{{space}{}{space}}}", parts.join(","));
            if let Some((taken, length)) = fields(&text) {
                prop_assert_eq!(Some(taken), general(&text[..length]), "{}", text);
            }
        }
    }
}
