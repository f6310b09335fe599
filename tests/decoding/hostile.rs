//! Bodies made to hurt: each of a megabyte, each answered in a line, in memory of about its own size.

use meterbase::core::reading::{self, Format, MAX_READINGS, Unreadable};
use meterbase::ingest::{MAX_BODY, READING_BYTES};
use meterbase::limits::Limits;

use crate::allocation::read;

const SIZE: usize = 1024 * 1024;

/// Longest detail, in bytes.
const SHORT: usize = 1000;

const FORMATS: [Format; 3] = [Format::Json, Format::NdJson, Format::Csv];

fn many(text: &str) -> String {
    text.repeat(SIZE / text.len())
}

fn object(field: &str, value: &str) -> String {
    let usual = [("device", "\"m1\""), ("metric", "\"energy\""), ("at", "\"2026-11-21T06:40:00Z\""), ("value", "1")];
    let fields = usual.into_iter().filter(|(name, _)| *name != field).chain([(field, value)]);
    let fields: Vec<_> = fields.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// The code and the detail of a body's only reading, which is rejected.
#[track_caller]
fn rejected(body: &str, format: Format) -> (&'static str, String) {
    let items = read(body.as_bytes(), format).expect("a body");
    let [item] = items.as_slice() else { panic!("{} items", items.len()) };
    let reason = item.reading.as_ref().expect_err("a reason");
    assert!(reason.detail.len() < SHORT, "{} bytes of detail", reason.detail.len());
    (reason.code.as_str(), reason.detail.clone())
}

/// A reading among JSON's and as a line.
#[track_caller]
fn assert_rejected(reading: &str, code: &str) {
    assert_eq!(rejected(reading, Format::NdJson).0, code);
    assert_eq!(rejected(&format!("[{reading}]"), Format::Json).0, code);
    assert_eq!(rejected(&format!("{{\"readings\":[{reading}]}}"), Format::Json).0, code);
}

#[test]
fn a_row_of_commas_is_counted_and_not_kept() {
    let header = "device,metric,at,value\n";
    for cell in [",", "\"\",", "a,"] {
        let commas = SIZE / cell.len();
        let (code, detail) = rejected(&format!("{header}{}", many(cell)), Format::Csv);
        assert_eq!(code, "invalid_row");
        assert!(detail.starts_with(&format!("{} cells, the header has 4", commas + 1)), "{detail}");
        let refused = read(many(cell).as_bytes(), Format::Csv);
        assert_eq!(refused, Err(Unreadable::TooManyColumns(commas + 1)));
    }
    let quoted = format!("{header}{},\"{}", "m1,energy,2026-11-21T06:40:00Z", many("\"\""));
    assert_eq!(rejected(&quoted, Format::Csv).0, "invalid_row");
    let wide: String = (0..252).map(|n| format!(",dimensions.d{n}")).collect();
    assert_eq!(read(format!("device,metric,at,value{wide}\n").as_bytes(), Format::Csv), Ok(vec![]));
    let wider = format!("device,metric,at,value{wide},dimensions.last\n");
    let told = read(wider.as_bytes(), Format::Csv).unwrap_err().to_string();
    assert_eq!(told, "257 columns; at most 256 are allowed");
}

#[test]
fn dimensions_beyond_the_sixteenth_are_not_kept() {
    let names: Vec<_> = (0..SIZE / 14).map(|n| format!("\"d{n:06}\":\"\"")).collect();
    assert_rejected(&object("dimensions", &format!("{{{}}}", names.join(","))), "invalid_dimensions");
    let same = format!("{{{}\"a\":\"\"}}", many("\"a\":\"\","));
    assert_rejected(&object("dimensions", &same), "invalid_dimensions");
}

#[test]
fn a_long_text_in_any_place_is_told_by_its_beginning() {
    for letter in ["a", "é", "\u{200b}", "\\u200b", "\\\"", " "] {
        let text = format!("\"{}\"", many(letter));
        assert_rejected(&text, "invalid_json");
        for (field, code) in [
            ("device", "invalid_device"),
            ("metric", "invalid_metric"),
            ("at", "invalid_time"),
            ("id", "invalid_id"),
            ("dimensions", "invalid_dimensions"),
        ] {
            assert_rejected(&object(field, &text), code);
        }
        assert_rejected(&object("dimensions", &format!("{{\"a\":{text}}}")), "invalid_dimensions");
        assert_rejected(&object("dimensions", &format!("{{{text}:\"a\"}}")), "invalid_dimensions");
        assert_rejected(&format!("{{{text}:1}}"), "unknown_field");
        assert_rejected(&format!("{{\"value\":NaN,{text}:1}}"), "invalid_value");
        let told = read(format!("{{{text}:[]}}").as_bytes(), Format::Json).unwrap_err().to_string();
        assert!(told.contains("unknown field") && told.len() < SHORT, "{} bytes", told.len());
    }
    let row = format!("device,metric,at,value\nm1,energy,2026-11-21T06:40:00Z,{}", many("a"));
    assert_eq!(rejected(&row, Format::Csv).0, "invalid_value");
    let told = read(many("device").as_bytes(), Format::Csv).unwrap_err().to_string();
    assert!(told.starts_with("header in line 1: unknown column \"devicedevice") && told.len() < SHORT, "{told}");
}

#[test]
fn numbers_of_any_length_are_in_range_or_not() {
    let code = |number: &str| rejected(&object("value", number), Format::NdJson).0;
    for number in ["1e999999", "-1E+999999", &format!("1e{}", many("9")), &many("7"), &"1".repeat(400)] {
        assert_eq!(code(number), "out_of_range");
        assert_rejected(&object("value", &format!("\"{number}\"")), "out_of_range");
        let row = format!("device,metric,at,value\nm1,energy,2026-11-21T06:40:00Z,{number}");
        assert_eq!(rejected(&row, Format::Csv).0, "out_of_range");
    }
    assert_eq!(code(&format!("0{}", many("0"))), "invalid_json");
    let items = read(object("value", "1e-999999").as_bytes(), Format::NdJson).unwrap();
    assert!(items[0].reading.is_ok());
}

#[test]
fn depth_costs_nothing() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[", "]}]")] {
        let half = open.repeat(SIZE / 2 / open.len());
        let deep =
            format!("{half}{}{}", if open.starts_with('{') { "1" } else { "" }, close.repeat(SIZE / 2 / open.len()));
        assert_rejected(&object("colour", &deep), "unknown_field");
        assert_rejected(&object("value", &deep), "invalid_value");
        assert_rejected(&object("dimensions", &deep), "invalid_dimensions");
        let told = read(format!("[{half}").as_bytes(), Format::Json).unwrap_err().to_string();
        assert!(told.contains("line 1, column 2: the body ends within"), "{told}");
    }
}

#[test]
fn a_letter_repeated_is_no_body_and_told_in_short() {
    for letter in ["[", "{", "\"", "\\", ",", ":", "\0", "0", "-", "]", "}", ";", "a", "\u{FEFF}", "\n", " \r\n", "\n,"]
    {
        for format in FORMATS {
            for begin in ["", "[", "{\"readings\":[", "device,metric,at,value\n"] {
                let body = format!("{begin}{}", many(letter));
                match read(body.as_bytes(), format) {
                    Ok(items) => assert!(items.len() <= 2, "{format:?} {begin}{letter}: {} items", items.len()),
                    Err(why) => assert!(why.to_string().len() < SHORT, "{format:?} {begin}{letter}"),
                }
            }
        }
    }
}

#[test]
fn items_are_no_more_than_may_be_however_small() {
    for (format, begin, item) in
        [(Format::Json, "[", "1,"), (Format::NdJson, "", "1\n"), (Format::Csv, "device,metric,at,value\n", ",\n")]
    {
        let body = |number: usize| format!("{begin}{}", item.repeat(number));
        assert_eq!(read(body(SIZE / 2).as_bytes(), format), Err(Unreadable::TooMany), "{format:?}");
        let most = body(MAX_READINGS);
        let most = if format == Format::Json { format!("{}]", most.trim_end_matches(',')) } else { most };
        assert_eq!(read(most.as_bytes(), format).map(|items| items.len()), Ok(MAX_READINGS), "{format:?}");
    }
}

#[test]
fn the_largest_body_that_is_allowed_fits_into_the_default_memory() {
    // As many as may be, each with as many dimensions as may be and short names, which take the most for their length;
    // a hundredth of them.
    const PART: usize = 100;
    let dimensions: Vec<_> = (0..16).map(|n| format!("\"{}\":\"{}\"", char::from(b'a' + n), "x".repeat(28))).collect();
    let largest = object("dimensions", &format!("{{{}}}", dimensions.join(",")));
    assert!((600..=MAX_BODY / MAX_READINGS).contains(&(largest.len() + 1)), "{}", largest.len());
    let body = vec![largest.as_str(); MAX_READINGS / PART].join("\n");
    let (mut room, now) = (0, chrono::DateTime::from_timestamp(1_795_243_200, 0).unwrap());
    let mut ask = |more| {
        room += READING_BYTES + more;
        true
    };
    let items = reading::parse_within(body.as_bytes(), Format::NdJson, now, &mut ask).unwrap();
    assert!(items.len() == MAX_READINGS / PART && items.iter().all(|item| item.reading.is_ok()));
    let all = MAX_BODY + PART * room;
    assert!(all <= 200 * 1024 * 1024 && all <= Limits::default().inflight_bytes, "{all} bytes");
}

#[test]
fn large_readings_take_what_is_asked_for_them() {
    let dimensions: Vec<_> = (0..16).map(|n| format!("\"d{n:02}\":\"{}\"", "x".repeat(60))).collect();
    let large = object("dimensions", &format!("{{{}}}", dimensions.join(",")));
    let large = large.replace("\"value\"", &format!("\"id\":\"{}\",\"value\"", "é".repeat(256)));
    let items = read(vec![large.as_str(); 5000].join("\n").as_bytes(), Format::NdJson).unwrap();
    assert!(items.len() == 5000 && items.iter().all(|item| item.reading.is_ok()));
}
