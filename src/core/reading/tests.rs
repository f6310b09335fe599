use proptest::prelude::*;
use serde_json::json;

use super::field::quote;
use super::*;

const AT: &str = "2026-11-21T06:40:00Z";

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn read(body: &str, format: Format) -> Result<Vec<Item>, Unreadable> {
    parse(body.as_bytes(), format, now())
}

/// The code of each item; `ok` for a reading.
fn codes(body: &str, format: Format) -> Vec<&'static str> {
    let items = read(body, format).unwrap();
    items.iter().map(|item| item.reading.as_ref().map_or_else(|reason| reason.code.as_str(), |_| "ok")).collect()
}

/// What a body that cannot be read is told.
fn told(body: &str, format: Format) -> String {
    read(body, format).unwrap_err().to_string()
}

fn with(field: &str, value: &str) -> String {
    let mut fields =
        vec![("device", "\"m1\""), ("metric", "\"energy\""), ("at", "\"2026-11-21T06:40:00Z\""), ("value", "1")];
    fields.retain(|(name, _)| *name != field);
    let fields = fields.into_iter().chain((!value.is_empty()).then_some((field, value)));
    let fields: Vec<_> = fields.map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", fields.join(", "))
}

#[test]
fn each_trouble_of_json_has_its_code() {
    let long = format!("\"{}\"", "é".repeat(257));
    let many = format!("{{{}}}", (0..17).map(|n| format!("\"d{n}\": \"\"")).collect::<Vec<_>>().join(","));
    let large =
        format!("{{{}}}", (0..5).map(|n| format!("\"d{n}\": \"{}\"", "x".repeat(250))).collect::<Vec<_>>().join(","));
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let cases = [
        ("id", "\"evt-1\"", "ok"),
        ("id", "null", "ok"),
        ("dimensions", "null", "ok"),
        ("id", "\"\"", "invalid_id"),
        ("id", "\"a\\u0000b\"", "invalid_id"),
        ("id", "7", "invalid_id"),
        ("id", &long, "invalid_id"),
        ("device", "", "missing_field"),
        ("device", "17", "invalid_device"),
        ("device", "\"m 1\"", "invalid_device"),
        ("device", "\"\\ud800\"", "invalid_json"),
        ("device", "\"\\u006d1\"", "ok"),
        ("metric", "\"\"", "invalid_metric"),
        ("at", "1700000000", "invalid_time"),
        ("at", "\"yesterday\"", "invalid_time"),
        ("at", "\"2026-11-21T06:40:00\"", "naive_time"),
        ("at", "\"0001-01-01T00:00:00Z\"", "time_out_of_range"),
        ("at", "\"2027-11-22T12:00:00Z\"", "ok"),
        ("at", "\"2027-11-22T12:00:01Z\"", "time_out_of_range"),
        ("value", "0.028999999999999998", "ok"),
        ("value", "\"12.5\"", "ok"),
        ("value", "-1E-3", "ok"),
        ("value", "null", "invalid_value"),
        ("value", "true", "invalid_value"),
        ("value", "[1]", "invalid_value"),
        ("value", "\"\"", "invalid_value"),
        ("value", "\"12,3\"", "invalid_value"),
        ("value", "\"NaN\"", "invalid_value"),
        ("value", "NaN", "invalid_value"),
        ("value", "-Infinity", "invalid_value"),
        ("value", "1e400", "out_of_range"),
        ("value", "1234567890123456789012345678901234567890", "out_of_range"),
        ("value", "01", "invalid_json"),
        ("value", "+1", "invalid_json"),
        ("dimensions", "{}", "ok"),
        ("dimensions", "{\"tariff\": \"peak\", \"tag\": \"\"}", "ok"),
        ("dimensions", "{\"tariff\": 1}", "invalid_dimensions"),
        ("dimensions", "{\"tariff\": \"a\", \"tariff\": \"b\"}", "invalid_dimensions"),
        ("dimensions", "{\"tar iff\": \"a\"}", "invalid_dimensions"),
        ("dimensions", "{\"t\": \"\\u0000\"}", "invalid_dimensions"),
        ("dimensions", "[]", "invalid_dimensions"),
        ("dimensions", &many, "invalid_dimensions"),
        ("dimensions", &large, "invalid_dimensions"),
        ("dimensions", &deep, "invalid_dimensions"),
        ("colour", "\"red\"", "unknown_field"),
        ("colour", &deep, "unknown_field"),
    ];
    for (field, value, code) in cases {
        let body = format!("[{}]", with(field, value));
        assert_eq!(codes(&body, Format::Json), [code], "{field}: {}", quote(value));
    }
}

#[test]
fn a_reading_that_is_not_json_fails_alone() {
    let good = with("", "");
    for bad in [
        "{\"device\" \"m1\"}",
        "{'device': 'm1'}",
        "nonsense",
        "17",
        "null",
        "[1, 2]",
        "{\"value\": NaN",
        "{\"a\": \"\n\"}",
    ] {
        let closed = if bad.ends_with("NaN") { format!("{bad}}}") } else { bad.to_owned() };
        let body = format!(" {{ \"readings\" : [{good}, {closed} ,{good}] }} ");
        let got = codes(&body, Format::Json);
        assert_eq!((got[0], got[2], got.len()), ("ok", "ok", 3), "{bad}");
        assert!(["invalid_json", "invalid_value"].contains(&got[1]), "{bad}: {}", got[1]);
    }
    let twice = format!("[{}]", good.replace("\"value\": 1", "\"value\": 1, \"value\": 2"));
    assert_eq!(codes(&twice, Format::Json), ["invalid_json"]);
}

#[test]
fn a_broken_body_is_told_where() {
    let cases = [
        ("[{\"a\": 1}", "line 1, column 2: the body ends within the value that begins here"),
        ("[\n {\"a\": \"1}]", "line 2, column 8: the body ends within the string that begins here"),
        ("[1}", "line 1, column 3: a } that closes nothing"),
        ("[{\"a\": 1]}]", "line 1, column 9: a ] that closes nothing"),
        ("[1,]", "line 1, column 4: expected a reading; there is a comma too many"),
        ("[1] 2", "line 1, column 5: something follows the end of the JSON value"),
        ("{\"é\": [1]}", "line 1, column 2: unknown field \"é\""),
        ("{\"readings\": 1}", "line 1, column 14: \"readings\" must be an array"),
        ("{\"readings\": [], \"readings\": []}", "\"readings\" is given twice"),
        ("{}", "the field \"readings\" is missing"),
        ("\"text\"", "send an array of readings"),
        ("  ", "the body is empty"),
    ];
    for (body, told_part) in cases {
        let told = told(body, Format::Json);
        assert!(told.contains(told_part), "{body}: {told}");
    }
    assert!(told(&with("", ""), Format::Json).contains("put a single reading into an array"));
}

#[test]
fn what_is_not_utf_8_is_told_where() {
    let told = |body: &[u8]| parse(body, Format::NdJson, now()).unwrap_err().to_string();
    assert_eq!(told(b"[\xFF]"), "not valid UTF-8 at byte 1, counted from 0, which is in line 1");
    // A mark at the beginning counts too, as it is in the file.
    assert_eq!(told(b"\xEF\xBB\xBFa\r\n\xC3("), "not valid UTF-8 at byte 6, counted from 0, which is in line 2");
    for utf16 in [b"\xFF\xFEd\0".as_slice(), b"\xFE\xFF\0d"] {
        assert_eq!(told(utf16), "the body is UTF-16; send it as UTF-8");
    }
}

#[test]
fn csv_rows_are_lines() {
    let body = format!(
        "\u{FEFF}device,metric,at,value,id,dimensions.tariff\r\n\
         m1,energy,{AT},1.5,,\r\n\
         \r\n\
         m1,energy,{AT},\"2\",\"say \"\"hi\"\"\",peak\r\n\
         m1,energy,{AT},12,3,,\r\n\
         m1,energy,{AT}\n\
         m1,energy,{AT},\"1,,\n\
         m1,energy,{AT},1\"2,,\n\
         m1,energy,{AT},,,\n\
         m1,energy,{AT},3,,"
    );
    let items = read(&body, Format::Csv).unwrap();
    let lines: Vec<_> = items.iter().filter_map(|item| item.line).collect();
    assert_eq!(lines, [2, 4, 5, 6, 7, 8, 9, 10]);
    let expected = ["ok", "ok", "invalid_row", "invalid_row", "invalid_row", "invalid_row", "missing_field", "ok"];
    assert_eq!(codes(&body, Format::Csv), expected);
    let second = items[1].reading.as_ref().unwrap();
    assert_eq!(second.id.as_deref(), Some("say \"hi\""));
    assert_eq!(second.dimensions, BTreeMap::from([("tariff".to_owned(), "peak".to_owned())]));
    assert_eq!(items[0].reading.as_ref().unwrap().dimensions, BTreeMap::new());
    assert!(items[2].reading.as_ref().unwrap_err().detail.contains("a decimal has a point"));
}

#[test]
fn a_header_that_does_not_fit_is_told() {
    let cases = [
        ("device;metric;at;value", "separated by semicolons; separate them by commas, and write decimals with a point"),
        ("\"device\";\"metric\";\"at\";\"value\"\n", "separated by semicolons"),
        ("at;value;device;metric;dimensions.a,b\n", "separated by semicolons"),
        ("device\tmetric\tat\tvalue\r\n", "separated by tabs"),
        ("device|metric|at|value", "separated by vertical bars"),
        ("device,metric,at,value\rm1,energy,", "lines end in CR alone"),
        ("device,metric,at", "the column value is missing"),
        ("device,metric,at,value,value", "comes twice"),
        ("device,metric,at,value,colour", "unknown column \"colour\""),
        ("device,metric,at,value,dimensions.", "unknown column \"dimensions.\""),
    ];
    for (header, told_part) in cases {
        assert!(told(header, Format::Csv).contains(told_part), "{header}: {}", told(header, Format::Csv));
    }
    assert_eq!(read("value,at,metric,device\n", Format::Csv), Ok(vec![]));
}

#[test]
fn more_readings_than_a_body_may_hold_are_too_many() {
    let line = with("", "");
    let lines = |number| vec![line.as_str(); number];
    assert_eq!(read(&lines(MAX_READINGS).join("\n"), Format::NdJson).unwrap().len(), MAX_READINGS);
    assert_eq!(read(&lines(MAX_READINGS + 1).join("\n"), Format::NdJson), Err(Unreadable::TooMany));
    assert_eq!(read(&format!("[{}]", lines(MAX_READINGS + 1).join(",")), Format::Json), Err(Unreadable::TooMany));
}

fn raw_reading() -> impl Strategy<Value = RawReading> {
    let key = "[A-Za-z0-9._:~-]{1,20}";
    let value = ("-?[0-9]{1,15}", proptest::option::of("[0-9]{1,20}"), proptest::option::of(-3_i8..3));
    let value = value.prop_map(|(whole, decimals, exponent)| {
        let sign = if whole.starts_with('-') { "-" } else { "" };
        let digits = whole.trim_start_matches('-').trim_start_matches('0');
        let whole = format!("{sign}{}", if digits.is_empty() { "0" } else { digits });
        let decimals = decimals.map(|decimals| format!(".{decimals}")).unwrap_or_default();
        format!("{whole}{decimals}{}", exponent.map(|exponent| format!("e{exponent}")).unwrap_or_default())
    });
    let dimensions = proptest::collection::btree_map("[a-z._-]{1,10}", "[^\\x00-\\x1f]{1,20}", 0..4);
    let id = proptest::option::of("[^\\x00-\\x1f]{1,30}");
    (key, key, 0_i64..4_000_000_000, 0_i64..1_000_000, value, id, dimensions).prop_filter_map(
        "in the range of years",
        |(device, metric, seconds, micros, value, id, dimensions)| {
            let at = DateTime::from_timestamp_micros(seconds * 1_000_000 + micros)?;
            let ahead = at > now() + chrono::TimeDelta::days(366);
            let (device, metric) = (device.parse().ok()?, metric.parse().ok()?);
            (!ahead).then_some(RawReading { device, metric, at, value: value.into(), id, dimensions })
        },
    )
}

fn json_of(reading: &RawReading) -> String {
    let mut object = json!({"device": reading.device.to_string(), "metric": reading.metric.to_string(),
        "at": reading.at.to_rfc3339(), "value": "VALUE"});
    if let Some(id) = &reading.id {
        object["id"] = json!(id);
    }
    if !reading.dimensions.is_empty() {
        object["dimensions"] = json!(reading.dimensions);
    }
    object.to_string().replacen("\"VALUE\"", &reading.value, 1)
}

fn csv_of(readings: &[RawReading]) -> String {
    let names: std::collections::BTreeSet<_> = readings.iter().flat_map(|r| r.dimensions.keys().cloned()).collect();
    let mut csv = ::csv::Writer::from_writer(Vec::new());
    let fixed = ["value", "id", "device", "at", "metric"].map(str::to_owned);
    csv.write_record(fixed.into_iter().chain(names.iter().map(|name| format!("dimensions.{name}")))).unwrap();
    for reading in readings {
        let (device, metric) = (reading.device.to_string(), reading.metric.to_string());
        let id = reading.id.clone().unwrap_or_default();
        let fixed = [reading.value.to_string(), id, device, reading.at.to_rfc3339(), metric];
        let dimensions = names.iter().map(|name| reading.dimensions.get(name).cloned().unwrap_or_default());
        csv.write_record(fixed.into_iter().chain(dimensions)).unwrap();
    }
    String::from_utf8(csv.into_inner().unwrap()).unwrap()
}

fn readings_of(body: &str, format: Format) -> Vec<RawReading> {
    read(body, format).unwrap().into_iter().map(|item| item.reading.unwrap()).collect()
}

/// Any JSON value, nested.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        ".*".prop_map(|text| json!(text))
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            proptest::collection::btree_map(".*", inner, 0..4).prop_map(|fields| json!(fields)),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_readings_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Json, Format::NdJson, Format::Csv] {
            let _ = parse(&bytes, format, now());
        }
    }

    #[test]
    fn any_json_like_text_is_readings_or_refused(text in "[\\[\\]{}\":,\\\\ andvilueNI0-9é\n.-]{0,80}") {
        for text in [text.clone(), format!("[{text}]"), format!("{{\"readings\":[{text}]}}")] {
            if let Ok(items) = read(&text, Format::Json) {
                // What the splitter takes for a whole body is never less than what a JSON parser takes for one.
                prop_assert!(serde_json::from_str::<Vec<serde_json::Value>>(&text).is_ok_and(|v| v.len() == items.len())
                    || serde_json::from_str::<serde_json::Value>(&text).is_err() || text.contains("readings"));
            } else {
                prop_assert!(serde_json::from_str::<Vec<serde_json::Value>>(&text).is_err());
            }
        }
    }

    #[test]
    fn elements_are_those_that_a_json_parser_finds(values in proptest::collection::vec(any_json(), 0..5), pretty: bool) {
        let write = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        for body in [write(&json!(values)).unwrap(), write(&json!({"readings": values})).unwrap()] {
            let mut elements = Vec::new();
            let keep = |text| {
                elements.push(text);
                Ok(())
            };
            split::elements(&body, |_| None, |text| text, keep).unwrap();
            let parsed: Vec<serde_json::Value> = elements.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(&parsed, &values);
        }
    }

    #[test]
    fn the_three_formats_say_the_same(readings in proptest::collection::vec(raw_reading(), 1..5)) {
        let objects: Vec<_> = readings.iter().map(json_of).collect();
        prop_assert_eq!(&readings_of(&format!("[{}]", objects.join(",\n")), Format::Json), &readings);
        prop_assert_eq!(&readings_of(&objects.join("\r\n"), Format::NdJson), &readings);
        prop_assert_eq!(&readings_of(&csv_of(&readings), Format::Csv), &readings);
    }
}
