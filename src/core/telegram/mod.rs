//! Telegrams of smart meters' P1 port, as the Dutch Smart Meter Requirements (DSMR) have them: versions 2.2 and 3.0, which
//! have neither a time nor a checksum, and 4 and 5, which have both. "P1 Companion Standard", sections 5 and 6.
//!
//! A telegram is `/`, who made the meter, lines of an OBIS code (IEC 62056-61) with values in brackets, and `!` with the
//! checksum. What the codes mean is left to a profile.

mod crc;
mod line;
mod obis;
mod stamp;

use self::line::lines;

pub use self::line::{Object, Value};
pub use self::obis::{BadCode, Code, Register};
pub use self::stamp::{BadStamp, instant};

/// Most bytes of a telegram. Version 5 has about 1,500, and up to 4,200 with the longest texts in it.
pub const MAX_TELEGRAM: usize = 16 * 1024;

/// A telegram, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telegram<'a> {
    /// Who made the meter, and what it calls itself: what is behind the `/`.
    pub identification: &'a str,
    /// What line `1-3:0.2.8` says, such as `42` or `50`; none before version 4.
    pub version: Option<&'a str>,
    objects: Vec<Object<'a>>,
}

/// Why a text is no telegram.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadTelegram {
    /// From 1.
    pub line: usize,
    /// What is wrong and the way out.
    pub why: String,
}

/// Where the telegram's own time is, and its version.
const TIME: Code = Code([0, 0, 1, 0, 0]);
const VERSION: Code = Code([1, 3, 0, 2, 8]);

/// Most bytes of what a meter calls itself.
const MAX_IDENTIFICATION: usize = 96;

impl<'a> Telegram<'a> {
    /// Reads one telegram. Blank lines around it are fine; lines end in CR LF, which the checksum is about too.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadTelegram> {
        if bytes.len() > MAX_TELEGRAM {
            let why = format!("{} bytes; a telegram has at most {MAX_TELEGRAM}, send one at a time", bytes.len());
            return Err(BadTelegram { line: 1, why });
        }
        let text = ascii(bytes)?;
        let (start, end) = bounds(text)?;
        let telegram = &text[start..end];
        let checksum = checksum(text, end)?;
        let first = line_of(text, start);
        let (header, body) = telegram.split_once('\n').unwrap_or((telegram, ""));
        let identification = identification(header).map_err(|why| BadTelegram { line: first, why })?;
        let objects = lines(body.trim_end_matches('!'), first + 1)?;
        let mut telegram = Self { identification, version: None, objects };
        telegram.version = telegram.text_of(VERSION);
        match (checksum, telegram.version) {
            (Some(sent), _) => check(&text[start..end], sent).map_err(|why| bad(text, end, why))?,
            (None, Some(_)) => {
                return Err(bad(
                    text,
                    end,
                    "the checksum behind the ! is missing; the telegram was cut off".to_owned(),
                ));
            }
            (None, None) => {}
        }
        Ok(telegram)
    }

    /// All lines, in their order.
    pub fn objects(&self) -> &[Object<'a>] {
        &self.objects
    }

    /// The lines of a code.
    pub fn of(&self, code: Code) -> impl Iterator<Item = &Object<'a>> {
        self.objects.iter().filter(move |object| object.code == code)
    }

    /// The line with the telegram's own time, and that time as it is written; none before version 4.
    pub fn stamp(&self) -> Option<(usize, &'a str)> {
        let object = self.of(TIME).next()?;
        Some((object.line, object.values.first()?.text))
    }

    /// The M-Bus channels on which there is a device of a type, such as 3 for gas.
    pub fn channels_of(&self, device_type: u8) -> impl Iterator<Item = u8> {
        self.objects.iter().filter_map(move |object| {
            let Code([0, channel, 24, 1, 0]) = object.code else { return None };
            let of_type = object.values.first()?.text.parse() == Ok(device_type);
            of_type.then_some(channel)
        })
    }

    fn text_of(&self, code: Code) -> Option<&'a str> {
        Some(self.of(code).next()?.values.first()?.text)
    }
}

fn bad(text: &str, at: usize, why: String) -> BadTelegram {
    BadTelegram { line: line_of(text, at), why }
}

/// The number of the line that a byte is in, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn ascii(bytes: &[u8]) -> Result<&str, BadTelegram> {
    let is_fine = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n');
    match (bytes.iter().position(|byte| !is_fine(byte)), std::str::from_utf8(bytes)) {
        (None, Ok(text)) => Ok(text),
        (at, _) => {
            let at = at.unwrap_or(0);
            let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            let hint = "read versions 2.2 and 3.0 with 7 data bits and even parity, 4 and 5 with 8 and none";
            let byte = bytes.get(at).copied().unwrap_or(0);
            Err(BadTelegram { line, why: format!("the byte 0x{byte:02X} is no character of a telegram; {hint}") })
        }
    }
}

/// From the `/` to behind the `!`.
fn bounds(text: &str) -> Result<(usize, usize), BadTelegram> {
    let start = text.len() - text.trim_start().len();
    if !text[start..].starts_with('/') {
        let why = "a telegram begins with / and who made the meter, such as /ABC5; send it whole";
        return Err(bad(text, start, why.to_owned()));
    }
    match text[start..].find('!').map(|length| start + length) {
        Some(end) if text[..end].ends_with('\n') => Ok((start, end + 1)),
        Some(end) => Err(bad(text, end, "the ! that ends a telegram begins a line of its own".to_owned())),
        None => Err(bad(text, text.len(), "the telegram ends without the line of the !; it was cut off".to_owned())),
    }
}

/// The four hexadecimal digits behind the `!`, if there are any, and then nothing.
fn checksum(text: &str, end: usize) -> Result<Option<&str>, BadTelegram> {
    let rest = &text[end..];
    let (sent, after) = rest.split_once('\n').unwrap_or((rest, ""));
    let sent = sent.trim_end_matches('\r');
    if !after.trim().is_empty() {
        let next = text.len() - after.trim_start().len();
        return Err(bad(text, next, "something follows the telegram; send one at a time".to_owned()));
    }
    match sent.len() {
        0 => Ok(None),
        4 if sent.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(Some(sent)),
        _ => Err(bad(
            text,
            end,
            "behind the ! there are four hexadecimal digits, or nothing before version 4".to_owned(),
        )),
    }
}

fn check(telegram: &str, sent: &str) -> Result<(), String> {
    let sum = crc::of(telegram.as_bytes());
    if u16::from_str_radix(sent, 16) == Ok(sum) {
        return Ok(());
    }
    let ends = telegram.matches('\n').count();
    let hint = if telegram.matches("\r\n").count() < ends {
        "its lines do not end in CR LF any more: send the bytes as the meter gave them (curl --data-binary)"
    } else {
        "it was damaged on its way: read the next one"
    };
    Err(format!("the checksum is {sent}, and that of the telegram {sum:04X}; {hint}"))
}

/// `/`, three characters of who made it, one for the speed, and what the meter calls itself.
fn identification(header: &str) -> Result<&str, String> {
    let identification = header.trim_end_matches('\r').trim_start_matches('/');
    let bytes = identification.as_bytes();
    let is_one = bytes.len() >= 4 && bytes[..3].iter().all(u8::is_ascii_alphanumeric) && bytes[3].is_ascii_digit();
    if is_one && bytes.len() <= MAX_IDENTIFICATION {
        Ok(identification)
    } else {
        let shape = "three characters of who made the meter, a digit, and up to 92 characters";
        Err(format!("behind the / there are {shape}, such as /ABC5METER"))
    }
}

#[cfg(test)]
mod tests;
