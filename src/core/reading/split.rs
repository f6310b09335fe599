//! Takes a JSON body apart into the texts of its readings, so that a reading that is not JSON fails alone.
//!
//! Only strings and brackets are looked at, as much as is needed to know where a reading ends. What is inside is
//! parsed later, reading by reading.

use super::Unreadable;
use super::field::quote;

/// What is made of the elements of the array that the body is, or that its field `readings` is, goes to `keep`.
///
/// `usual` may read the element that a text begins with and say how long it is; where it does not, the element is
/// looked for, and `read` gets its text.
pub fn elements<'a, T>(
    text: &'a str,
    usual: impl Fn(&'a str) -> Option<(T, usize)>,
    read: impl Fn(&'a str) -> T,
    keep: impl FnMut(T) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut scanner = Scanner { text, position: 0, open: Vec::new(), usual, read, keep };
    scanner.skip_space();
    match scanner.peek() {
        Some(b'[') => scanner.array()?,
        Some(b'{') => scanner.object()?,
        _ => return Err(scanner.problem(0, "send an array of readings, or {\"readings\": [...]}")),
    }
    scanner.skip_space();
    match scanner.peek() {
        None => Ok(()),
        Some(_) => Err(scanner.problem(scanner.position, "something follows the end of the JSON value")),
    }
}

struct Scanner<'a, U, R, K> {
    text: &'a str,
    /// Byte that is looked at. Moves over whole characters: all that it stops at is ASCII.
    position: usize,
    /// The closing brackets that are awaited, innermost last.
    open: Vec<u8>,
    usual: U,
    read: R,
    keep: K,
}

impl<'a, T, U, R, K> Scanner<'a, U, R, K>
where
    U: Fn(&'a str) -> Option<(T, usize)>,
    R: Fn(&'a str) -> T,
    K: FnMut(T) -> Result<(), Unreadable>,
{
    /// `{"readings": [...]}`
    fn object(&mut self) -> Result<(), Unreadable> {
        let mut is_there = false;
        self.position += 1;
        self.skip_space();
        while self.peek() == Some(b'"') {
            let start = self.position;
            self.skip_string()?;
            let name = &self.text[start + 1..self.position - 1];
            if name != "readings" {
                let hint = "the body's only field is \"readings\"; put a single reading into an array";
                return Err(self.problem(start, &format!("unknown field {}: {hint}", quote(name))));
            }
            if is_there {
                return Err(self.problem(start, "\"readings\" is given twice"));
            }
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            if self.peek() != Some(b'[') {
                return Err(self.problem(self.position, "\"readings\" must be an array"));
            }
            self.array()?;
            is_there = true;
            self.skip_space();
            if self.peek() != Some(b',') {
                break;
            }
            self.position += 1;
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.problem(self.position, "expected a field after the comma"));
            }
        }
        self.expect(b'}')?;
        if is_there { Ok(()) } else { Err(self.problem(0, "the field \"readings\" is missing")) }
    }

    fn array(&mut self) -> Result<(), Unreadable> {
        self.position += 1;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.position += 1;
            return Ok(());
        }
        loop {
            self.skip_space();
            let (element, end) = self.element()?;
            (self.keep)(element)?;
            self.position += 1;
            match end {
                b',' => {}
                b']' => return Ok(()),
                _ => return Err(self.problem(self.position - 1, "a } that closes nothing")),
            }
        }
    }

    /// The element that begins here, and what ends it: the comma or bracket that is moved to.
    fn element(&mut self) -> Result<(T, u8), Unreadable> {
        let start = self.position;
        if let Some((element, length)) = (self.usual)(&self.text[start..]) {
            self.position += length;
            self.skip_space();
            if let Some(end @ (b',' | b']')) = self.peek() {
                return Ok((element, end));
            }
            self.position = start;
        }
        let end = self.skip_value()?;
        let element = self.text[start..self.position].trim_end_matches(SPACE);
        if element.is_empty() {
            return Err(self.problem(start, "expected a reading; there is a comma too many"));
        }
        Ok(((self.read)(element), end))
    }

    /// Moves to what ends a value: the comma or closing bracket behind it, which is returned.
    fn skip_value(&mut self) -> Result<u8, Unreadable> {
        let start = self.position;
        self.open.clear();
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                b'[' => self.open.push(b']'),
                b'{' => self.open.push(b'}'),
                b',' | b']' | b'}' if self.open.is_empty() => return Ok(byte),
                b']' | b'}' if self.open.pop() != Some(byte) => {
                    let closing = char::from(byte);
                    return Err(self.problem(self.position, &format!("a {closing} that closes nothing")));
                }
                _ => {}
            }
            self.position += 1;
        }
        Err(self.problem(start, "the body ends within the value that begins here"))
    }

    /// Moves behind a string, whatever is in it.
    fn skip_string(&mut self) -> Result<(), Unreadable> {
        let start = self.position;
        self.position += 1;
        while let Some(byte) = self.peek() {
            self.position += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return Ok(());
            }
        }
        Err(self.problem(start, "the body ends within the string that begins here"))
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| SPACE.contains(&char::from(byte))) {
            self.position += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() == Some(byte) {
            self.position += 1;
            Ok(())
        } else {
            Err(self.problem(self.position, &format!("expected {}", char::from(byte))))
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// A problem at a byte of the body, told by line and column.
    fn problem(&self, position: usize, what: &str) -> Unreadable {
        let before = &self.text.as_bytes()[..position.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        Unreadable::Body(format!("not readable as JSON at line {line}, column {column}: {what}"))
    }
}

/// Space between JSON's tokens: RFC 8259, section 2.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
