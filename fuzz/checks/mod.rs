//! What must hold of every input, whatever it is. Shared by the fuzz targets and by `tests/decoding`.

mod bodies;
mod decimals;
mod encoded;
mod plain;
mod pointers;
mod telegrams;

use meterbase::core::instant;
use meterbase::core::reading::Format;
use meterbase::ingest::decode::Encoding;

/// Panics where something does not hold.
pub fn run(target: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes);
    match (target, text) {
        ("json", _) => bodies::check(bytes, Format::Json),
        ("ndjson", _) => bodies::check(bytes, Format::NdJson),
        ("csv", _) => bodies::check(bytes, Format::Csv),
        ("gzip", _) => encoded::check(bytes, Encoding::Gzip),
        ("zstd", _) => encoded::check(bytes, Encoding::Zstd),
        ("decimal", Ok(text)) => decimals::check(text),
        ("instant", Ok(text)) => check_instant(text),
        ("telegram", _) => telegrams::check(bytes),
        ("pointer", Ok(text)) => pointers::check(text),
        ("decimal" | "instant" | "pointer", Err(_)) => {}
        _ => panic!("there is no target {target}"),
    }
}

/// The way that most times are read agrees with the general one.
fn check_instant(text: &str) {
    assert_eq!(instant::parse(text), instant::parse_with_offset(text).map(|at| at.to_utc()));
    if let Ok(at) = instant::parse(text) {
        assert_eq!(instant::parse(&at.to_rfc3339()), Ok(at));
    }
}
