//! All that reads what callers send, given what nobody should send: changed bodies by the thousand, and bodies made to
//! hurt. What must hold of each is in `fuzz/checks`, which cargo-fuzz uses too.

mod allocation;
#[path = "../../fuzz/checks/mod.rs"]
mod checks;
mod hostile;
mod mutation;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use mutation::Mutator;

/// Changed inputs of each target; METERBASE_FUZZ_INPUTS sets another number.
const INPUTS: usize = 3000;

/// The inputs that a target begins with, each under its name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = fs::read_dir(&directory).expect("seeds").map(|file| file.expect("a file").path());
    let mut seeds: Vec<_> =
        files.map(|path| (path.display().to_string(), fs::read(path).expect("a readable file"))).collect();
    // In the same order on every machine.
    seeds.sort();
    seeds
}

/// Seeds of bodies, encoded, alone and one behind the other.
fn encoded(encode: impl Fn(&[u8]) -> Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let bodies = ["json", "ndjson", "csv"].into_iter().flat_map(seeds);
    let mut encoded: Vec<_> = bodies.map(|(name, body)| (name, encode(&body))).collect();
    let behind: Vec<_> = encoded.iter().take(3).flat_map(|(_, frame)| frame.clone()).collect();
    // A frame to be skipped: RFC 8878, section 3.1.2.
    let skipped = [b"\x50\x2A\x4D\x18\x04\0\0\0skip", behind.as_slice()].concat();
    encoded.extend([("frames".to_owned(), behind), ("a skipped frame".to_owned(), skipped)]);
    encoded.push(("spaces".to_owned(), encode(&vec![b' '; 1024 * 1024])));
    encoded
}

/// Checks the seeds and what becomes of them.
fn fuzz(target: &str, seeds: Vec<(String, Vec<u8>)>) {
    assert!(seeds.len() > 3, "{target}: {} seeds", seeds.len());
    for (name, seed) in &seeds {
        check(target, name, seed);
    }
    let inputs = std::env::var("METERBASE_FUZZ_INPUTS").map_or(INPUTS, |number| number.parse().expect("a number"));
    let mut mutator = Mutator::new(target, seeds.into_iter().map(|(_, seed)| seed).collect());
    for number in 0..inputs {
        let input = mutator.next();
        check(target, &format!("input {number}"), &input);
    }
}

/// What goes wrong is told with the input, to be kept as a seed.
fn check(target: &str, name: &str, input: &[u8]) {
    let run = AssertUnwindSafe(|| {
        checks::run(target, input);
        allocation::check(target, input);
    });
    if let Err(panic) = catch_unwind(run) {
        eprintln!("{target}, {name}, of {} bytes: b\"{}\"", input.len(), input.escape_ascii());
        resume_unwind(panic);
    }
}

#[test]
fn any_json_is_read_as_serde_json_reads_it_or_refused() {
    fuzz("json", seeds("json"));
}

#[test]
fn any_lines_are_read_as_serde_json_reads_them_or_refused() {
    fuzz("ndjson", seeds("ndjson"));
}

#[test]
fn any_csv_is_read_as_the_same_in_json_or_refused() {
    fuzz("csv", seeds("csv"));
}

#[test]
fn any_gzip_is_decoded_within_the_limits_or_refused() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        std::io::Write::write_all(&mut encoder, bytes).and_then(|()| encoder.finish()).expect("memory")
    };
    fuzz("gzip", [seeds("gzip"), encoded(gzip)].concat());
}

#[test]
fn any_zstd_is_decoded_within_the_limits_or_refused() {
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).expect("memory");
    fuzz("zstd", [seeds("zstd"), encoded(zstd)].concat());
}

#[test]
fn any_decimal_is_what_its_digits_say_or_refused() {
    fuzz("decimal", seeds("decimal"));
}

#[test]
fn any_time_is_read_the_same_in_either_way_or_refused() {
    fuzz("instant", seeds("instant"));
}

#[test]
fn any_telegram_is_read_as_its_lines_say_or_refused() {
    fuzz("telegram", seeds("telegram"));
}

#[test]
fn any_pointer_leads_where_serde_json_finds_it() {
    fuzz("pointer", seeds("pointer"));
}
