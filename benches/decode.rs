//! What decoding costs: nanoseconds a reading, for a body of each format. `cargo bench --bench decode`

use std::hint::black_box;
use std::time::Instant;

use meterbase::core::reading::{self, Format};

/// Readings in a body.
const READINGS: usize = 5_000;

/// Bodies decoded in a row; the fastest row counts, for others were disturbed.
const BODIES: usize = 20;
const ROWS: usize = 15;

fn main() {
    let now = "2026-11-21T12:00:00Z".parse().expect("a time");
    for (name, format, body) in bodies() {
        let row = || {
            let started = Instant::now();
            for _ in 0..BODIES {
                let items = reading::parse(black_box(body.as_bytes()), format, now).expect("a body");
                assert_eq!(items.len(), READINGS);
            }
            started.elapsed().as_nanos() as usize / (BODIES * READINGS)
        };
        let fastest = (0..ROWS).map(|_| row()).min().expect("rows");
        println!("{name:<28} {fastest:>5} ns a reading, {} bytes a reading", body.len() / READINGS);
    }
}

/// Name, format and text of each body.
fn bodies() -> Vec<(&'static str, Format, String)> {
    let time =
        |n: usize| format!("2026-11-{:02}T{:02}:{:02}:{:02}Z", n / 86_400 % 20 + 1, n / 3600 % 24, n / 60 % 60, n % 60);
    let object = |n: usize| {
        let (at, value) = (time(n * 10), format!("{}.{:03}", n * 37 % 900, n % 1000));
        format!(r#"{{"device":"meter-{n:06}","metric":"energy","at":"{at}","value":{value}}}"#)
    };
    let objects: Vec<_> = (0..READINGS).map(object).collect();
    let spaced = |n: usize| object(n).replace("\":", "\": ").replace(",\"", ", \"");
    let rich = |n: usize| object(n).replace('}', &format!(r#","id":"evt-{n}","dimensions":{{"tariff":"peak"}}}}"#));
    let row = |n: usize| format!("meter-{n:06},energy,{},{}.{:03}\n", time(n * 10), n * 37 % 900, n % 1000);
    vec![
        ("JSON", Format::Json, format!("{{\"readings\":[{}]}}", objects.join(","))),
        ("JSON with spaces", Format::Json, format!("[{}]", (0..READINGS).map(spaced).collect::<Vec<_>>().join(", "))),
        ("NDJSON", Format::NdJson, objects.join("\n")),
        ("NDJSON, id and dimensions", Format::NdJson, (0..READINGS).map(rich).collect::<Vec<_>>().join("\n")),
        ("CSV", Format::Csv, format!("device,metric,at,value\n{}", (0..READINGS).map(row).collect::<String>())),
    ]
}
