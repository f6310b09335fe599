//! Telegrams: what is read is what the lines say, and the checksum that of a division.

use meterbase::core::telegram::{Code, MAX_TELEGRAM, Object, Telegram};

/// Longest reason, in bytes, whatever the input.
const LONGEST: usize = 400;

pub fn check(bytes: &[u8]) {
    let telegram = match Telegram::parse(bytes) {
        Ok(telegram) => telegram,
        Err(why) => return assert!(why.line > 0 && why.to_string().len() < LONGEST, "{why}"),
    };
    assert!(bytes.len() <= MAX_TELEGRAM);
    let text = std::str::from_utf8(bytes).expect("ASCII");
    let lines: Vec<_> = text.split('\n').map(str::trim).collect();
    for object in telegram.objects() {
        check_object(object, &lines);
    }
    check_checksum(text, telegram.version.is_some());
}

fn check_object(object: &Object<'_>, lines: &[&str]) {
    let line = lines[object.line - 1];
    let values: String = object
        .values
        .iter()
        .map(|value| value.unit.map_or(format!("({})", value.text), |unit| format!("({}*{unit})", value.text)))
        .collect();
    let Code([medium, _, quantity, kind, _]) = object.code;
    // The hourly reading of an M-Bus device before version 4 is put together from other places, over one line or several.
    if (medium, quantity) == (0, 24) && (kind == 2 || kind == 3) && !line.ends_with(&values) {
        let last = object.values.last().expect("a value").text;
        return assert!(line.ends_with(&format!("({last})")) || kind == 3, "{line}");
    }
    let code = line.strip_suffix(&values).unwrap_or_else(|| panic!("{line} is not {values}"));
    assert!(code.is_empty() || code.parse() == Ok(object.code), "{line}");
}

fn check_checksum(text: &str, must: bool) {
    let (body, rest) = text.trim().rsplit_once('!').expect("an end");
    let rest = rest.trim();
    assert!(rest.len() == 4 || (rest.is_empty() && !must), "{rest}");
    if let Ok(sent) = u16::from_str_radix(rest, 16) {
        let bits = body.bytes().chain(*b"!").flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
        let left = bits.chain([false; 16]).fold(0_u32, |left, bit| {
            let left = left << 1 | u32::from(bit);
            if left >> 16 == 1 { left ^ 0x1_8005 } else { left }
        });
        assert_eq!((left as u16).reverse_bits(), sent);
    }
}
