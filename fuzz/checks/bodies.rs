//! Bodies: as many items as elements, each where it is, what serde_json makes of it or a short reason; and the same
//! readings in any format.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use meterbase::core::reading::{self, Format, Item, RawReading, Unreadable};
use serde_json::json;
use serde_json::value::RawValue;

use super::{decimals, plain};

/// Longest detail, in bytes, whatever the input.
const LONGEST_DETAIL: usize = 1000;

pub fn check(bytes: &[u8], format: Format) {
    let read = reading::parse(bytes, format, now());
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)).ok();
    let elements = text.and_then(|text| elements(text, format));
    match &read {
        Ok(items) => {
            let text = text.expect("only UTF-8 is read");
            assert!(items.len() <= reading::MAX_READINGS && items.len() <= text.len());
            items.iter().for_each(check_item);
            check_lines(text, format, items);
            if let Some(elements) = elements {
                check_elements(items, &elements, format);
            }
            check_other_formats(items);
        }
        Err(Unreadable::Body(told)) => {
            assert!(told.len() < LONGEST_DETAIL, "{} bytes", told.len());
            // A header may be wrong in many ways; an array of JSON and lines cannot.
            assert!(elements.is_none() || format == Format::Csv, "{told}");
        }
        Err(Unreadable::TooMany) => assert!(bytes.len() > reading::MAX_READINGS),
        Err(Unreadable::TooManyColumns(columns)) => {
            assert!(format == Format::Csv && (reading::csv::MAX_COLUMNS + 1..=bytes.len() + 1).contains(columns));
        }
        Err(Unreadable::NoRoom) => panic!("there was room"),
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_243_200, 0).expect("a time")
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.split('\n').enumerate().map(|(before, line)| (before + 1, line));
    lines.filter(|(_, line)| !line.bytes().all(|byte| byte.is_ascii_whitespace()))
}

/// The texts of the readings, by other means; none where these cannot say, or there is nothing.
fn elements(text: &str, format: Format) -> Option<Vec<&str>> {
    match format {
        Format::NdJson => Some(lines(text).map(|(_, line)| line).collect()).filter(|lines: &Vec<_>| !lines.is_empty()),
        Format::Csv => {
            let lines: Vec<_> = lines(text).map(|(_, line)| line.strip_suffix('\r').unwrap_or(line)).collect();
            Some(lines.get(1..)?.to_vec())
        }
        Format::Json => {
            let bare = serde_json::from_str::<Vec<&RawValue>>(text).ok();
            // A map keeps the last of equal names.
            let readings = || serde_json::from_str::<BTreeMap<&str, Vec<&RawValue>>>(text).ok()?.remove("readings");
            let is_single = text.matches("\"readings\"").count() == 1;
            let only = || readings().filter(|_| is_single && is_object_of_one(text));
            bare.or_else(only).map(|elements| elements.into_iter().map(RawValue::get).collect())
        }
    }
}

fn is_object_of_one(text: &str) -> bool {
    serde_json::from_str::<BTreeMap<&str, &RawValue>>(text).is_ok_and(|fields| fields.len() == 1)
}

/// Each item has the number of its line.
fn check_lines(text: &str, format: Format, items: &[Item]) {
    let told: Vec<_> = items.iter().map(|item| item.line).collect();
    let numbers = lines(text).map(|(number, _)| Some(number));
    let expected: Vec<_> = match format {
        Format::Json => vec![None; items.len()],
        Format::NdJson => numbers.collect(),
        Format::Csv => numbers.skip(1).collect(),
    };
    assert_eq!(told, expected);
}

fn check_item(item: &Item) {
    match &item.reading {
        Ok(reading) => {
            decimals::check(&reading.value);
            assert!(decimals::scaled(&reading.value, 0, false).is_some(), "{}", reading.value);
        }
        Err(reason) => {
            assert!(!reason.detail.is_empty() && reason.detail.len() < LONGEST_DETAIL, "{} bytes", reason.detail.len());
        }
    }
}

/// The one pass reads what serde_json reads, and cells are those of another reader of CSV.
fn check_elements(items: &[Item], elements: &[&str], format: Format) {
    assert_eq!(items.len(), elements.len());
    for (item, element) in items.iter().zip(elements) {
        if format == Format::Csv {
            check_cells(element);
        } else {
            assert_eq!(item.reading.as_ref().ok(), plain::reading(element, now()).as_ref(), "{element:?}");
        }
    }
}

fn check_cells(row: &str) {
    let Some(cells) = reading::csv::cells(row) else { return };
    // Elsewhere the one ends a row, and the other is left out where a row begins.
    if row.contains('\r') || row.starts_with('\u{FEFF}') {
        return;
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row.as_bytes());
    let record = reader.records().next().expect("a row").expect("UTF-8");
    assert_eq!(record.iter().collect::<Vec<_>>(), cells, "{row:?}");
}

/// The readings can be written in any format, and are read as they were.
fn check_other_formats(items: &[Item]) {
    let readings: Vec<_> = items.iter().filter_map(|item| item.reading.as_ref().ok()).cloned().collect();
    let objects: Vec<_> = readings.iter().map(object).collect();
    assert_eq!(read(&format!("[{}]", objects.join(",")), Format::Json), readings);
    if readings.is_empty() {
        return;
    }
    assert_eq!(read(&objects.join("\r\n"), Format::NdJson), readings);
    // A cell can hold no line break, and an empty one is none.
    let cells =
        |reading: &RawReading| reading.id.iter().chain(reading.dimensions.values()).cloned().collect::<Vec<_>>();
    let is_csv = |reading: &&RawReading| !cells(reading).iter().any(|cell| cell.contains('\n') || cell.is_empty());
    // A table of every reading by every dimension has a limit.
    let readings: Vec<_> = readings.iter().filter(is_csv).take(10).cloned().collect();
    assert_eq!(read(&csv_of(&readings), Format::Csv), readings);
}

fn read(body: &str, format: Format) -> Vec<RawReading> {
    let items = reading::parse(body.as_bytes(), format, now()).expect("a body");
    items.into_iter().map(|item| item.reading.expect("a reading")).collect()
}

fn object(reading: &RawReading) -> String {
    json!({"device": reading.device.to_string(), "metric": reading.metric.to_string(), "at": reading.at.to_rfc3339(),
        "value": reading.value.as_str(), "id": reading.id, "dimensions": reading.dimensions})
    .to_string()
}

fn csv_of(readings: &[RawReading]) -> String {
    let names: BTreeSet<_> = readings.iter().flat_map(|reading| reading.dimensions.keys()).collect();
    let mut csv = csv::Writer::from_writer(Vec::new());
    let fixed = ["value", "id", "device", "at", "metric"].map(str::to_owned);
    let header = fixed.into_iter().chain(names.iter().map(|name| format!("dimensions.{name}")));
    csv.write_record(header).expect("memory");
    for reading in readings {
        let (device, metric) = (reading.device.to_string(), reading.metric.to_string());
        let id = reading.id.clone().unwrap_or_default();
        let fixed = [reading.value.to_string(), id, device, reading.at.to_rfc3339(), metric];
        let dimensions = names.iter().map(|name| reading.dimensions.get(*name).cloned().unwrap_or_default());
        csv.write_record(fixed.into_iter().chain(dimensions)).expect("memory");
    }
    String::from_utf8(csv.into_inner().expect("memory")).expect("UTF-8")
}
