//! Bodies: formats, encodings, limits, and what is told about those that cannot be read.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::fixtures::{counts, north, send, verdicts};
use crate::harness::{Answer, TestApp};

const MIB: usize = 1024 * 1024;

async fn send_encoded(app: &TestApp, key: &str, encoding: &str, body: Vec<u8>) -> Answer {
    let request = app.client.post(format!("{}/v1/readings", app.base)).bearer_auth(key);
    Answer::of(request.header("content-type", "text/csv").header("content-encoding", encoding).body(body)).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn csv(minutes: std::ops::Range<usize>) -> Vec<u8> {
    let row = |minute| format!("m1,energy,2026-03-01T{:02}:{:02}:00Z,1\n", minute / 60, minute % 60);
    format!("device,metric,at,value\n{}", minutes.map(row).collect::<String>()).into_bytes()
}

pub async fn encoded_bodies_are_decoded(app: TestApp) {
    let key = north(&app).await;
    let answer = send_encoded(&app, &key, "gzip", gzip(&csv(0..100))).await.expect_status(200);
    assert_eq!(counts(&answer.json())[..2], [100, 100]);
    let zstd = zstd::encode_all(&csv(100..300)[..], 19).unwrap();
    let answer = send_encoded(&app, &key, "zstd", zstd).await.expect_status(200);
    assert_eq!(counts(&answer.json())[..2], [200, 200]);
    // A gzip file of several members is all of them.
    let whole = csv(300..400);
    let members = [gzip(&whole[..1000]), gzip(&whole[1000..])].concat();
    let answer = send_encoded(&app, &key, "gzip", members).await.expect_status(200);
    assert_eq!(counts(&answer.json())[..2], [100, 100]);
}

pub async fn a_body_that_is_not_what_it_says_is_refused_whole(app: TestApp) {
    let key = north(&app).await;
    let whole = gzip(&csv(0..1000));
    let cases = [("gzip", whole[..whole.len() / 2].to_vec()), ("gzip", csv(0..10)), ("zstd", whole)];
    for (encoding, body) in cases {
        let answer = send_encoded(&app, &key, encoding, body).await.expect_status(400);
        assert_eq!(answer.problem(), "unreadable_body");
    }
    for encoding in ["br", "deflate", "gzip, gzip"] {
        let answer = send_encoded(&app, &key, encoding, csv(0..1)).await.expect_status(415);
        assert_eq!(answer.problem(), "unsupported_media_type");
    }
    for content_type in ["text/plain", "application/xml", ""] {
        let answer = send(&app, &key, content_type, "[]").await.expect_status(415);
        assert_eq!(answer.problem(), "unsupported_media_type");
    }
    for (content_type, body) in [
        ("application/json", "[{\"device\": \"m1\""),
        ("application/json", ""),
        ("application/json", "{\"reading\": []}"),
        ("application/x-ndjson", "\n\n"),
        ("text/csv", "device;metric;at;value\n"),
    ] {
        let answer = send(&app, &key, content_type, body).await.expect_status(400);
        assert_eq!(answer.problem(), "unreadable_body", "{body}");
    }
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(stored, 0);
}

pub async fn a_body_over_the_limits_is_refused_whole(app: TestApp) {
    let key = north(&app).await;
    let spaces = |bytes: usize| [b"[".to_vec(), vec![b' '; bytes], b"]".to_vec()].concat();
    send(&app, &key, "application/json", spaces(32 * MIB - 2)).await.expect_status(200);
    let answer = send(&app, &key, "application/json", spaces(32 * MIB - 1)).await.expect_status(413);
    assert_eq!(answer.problem(), "payload_too_large");
    // A few kilobytes that would become gigabytes.
    let bomb = zstd::encode_all(std::io::Read::take(std::io::repeat(b' '), 2048 * MIB as u64), 1).unwrap();
    assert!(bomb.len() < MIB);
    assert_eq!(send_encoded(&app, &key, "zstd", bomb).await.expect_status(413).problem(), "payload_too_large");
    let bomb = gzip(&spaces(100 * MIB));
    assert_eq!(send_encoded(&app, &key, "gzip", bomb).await.expect_status(413).problem(), "payload_too_large");

    let line = json!({"device": "m1", "metric": "energy", "at": "2026-03-01T00:00:00Z", "value": 1}).to_string();
    let lines = vec![line; 50_001];
    let answer = send(&app, &key, "application/x-ndjson", lines.join("\n")).await.expect_status(413);
    assert_eq!(answer.problem(), "payload_too_large");
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(stored, 0);
    let answer = send(&app, &key, "application/x-ndjson", lines[1..].join("\n")).await.expect_status(200).json();
    assert_eq!(counts(&answer), [50_000, 1, 49_999, 0, 0, 0]);
}

pub async fn ndjson_lines_fail_alone_and_are_told_by_number(app: TestApp) {
    let key = north(&app).await;
    let line = |minute| {
        format!("{{\"device\":\"m1\",\"metric\":\"energy\",\"at\":\"2026-03-01T00:{minute}:00Z\",\"value\":1}}")
    };
    let body = format!(
        "\u{FEFF}{}\r\n\n{}\n{{\"device\":\n{}",
        line("00"),
        line("01").replace(":1}", ":1,\"x\":1}"),
        line("02")
    );
    let answer = send(&app, &key, "application/x-ndjson; charset=utf-8", body).await.expect_status(200).json();
    assert_eq!(verdicts(&answer), ["stored", "rejected unknown_field", "rejected invalid_json", "stored"]);
    let lines: Vec<_> = answer["results"].as_array().unwrap().iter().map(|result| &result["line"]).collect();
    assert_eq!(lines, [1, 3, 4, 5]);
}

pub async fn only_what_is_asked_for_is_a_parameter(app: TestApp) {
    let key = north(&app).await;
    for query in ["receipts=some", "receipts=all&receipts=all", "verbose=1"] {
        let request = app.client.post(format!("{}/v1/readings?{query}", app.base)).bearer_auth(&key);
        let answer = Answer::of(request.header("content-type", "application/json").body("[]")).await.expect_status(400);
        assert_eq!(answer.problem(), "invalid_parameter", "{query}");
    }
    let request = app.client.post(format!("{}/v1/readings", app.base)).header("content-type", "application/json");
    assert_eq!(Answer::of(request.body("[]")).await.expect_status(401).problem(), "unauthorized");
}

pub async fn what_another_program_wrote_is_told_by_its_name(app: TestApp) {
    let key = north(&app).await;
    let utf16 = |text: &str| [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        (
            "text/csv",
            b"device;metric;at;value\nm1;energy;2026-03-01T00:00:00Z;1,5\n".to_vec(),
            "separated by semicolons",
        ),
        ("text/csv", b"device\tmetric\tat\tvalue\n".to_vec(), "separated by tabs"),
        ("text/csv", b"device,metric,at,value\rm1,energy,".to_vec(), "lines end in CR alone"),
        ("text/csv", utf16("device,metric,at,value\n"), "the body is UTF-16"),
        ("application/json", b"[\n\xC3(]".to_vec(), "not valid UTF-8 at byte 2, counted from 0, which is in line 2"),
        ("application/json", b"{\"device\": \"m1\"}".to_vec(), "put a single reading into an array"),
    ];
    for (content_type, body, told) in cases {
        let answer = send(&app, &key, content_type, body).await.expect_status(400);
        assert_eq!(answer.problem(), "unreadable_body");
        assert!(answer.text.contains(told), "{}", answer.text);
    }
    let marked = [b"\xEF\xBB\xBF".to_vec(), csv(0..3)].concat();
    let crlf = String::from_utf8(marked).unwrap().replace('\n', "\r\n");
    let answer = send(&app, &key, "text/csv", crlf).await.expect_status(200).json();
    assert_eq!(counts(&answer)[..2], [3, 3]);
}

pub async fn however_long_what_is_wrong_it_is_told_in_short(app: TestApp) {
    /// Longest answer about one thing, in bytes.
    const SHORT: usize = 3000;
    let key = north(&app).await;
    let header = "device,metric,at,value\n";
    let commas = send(&app, &key, "text/csv", format!("{header}{}", ",".repeat(32 * MIB - header.len()))).await;
    let commas = commas.expect_status(200);
    assert_eq!(verdicts(&commas.json()), ["rejected invalid_row"]);
    assert!(commas.text.len() < SHORT, "{}", commas.text.len());
    let answer = send(&app, &key, "text/csv", ",".repeat(MIB)).await.expect_status(413);
    assert!(answer.text.contains("1048577 columns; at most 256 are allowed"), "{}", answer.text);

    let long = format!("\"{}\"", "a".repeat(MIB));
    let reading = format!("{{\"device\": {long}, \"dimensions\": {long}}}");
    for (body, code) in [(&long, "invalid_json"), (&reading, "missing_field")] {
        let answer = send(&app, &key, "application/x-ndjson", body.clone()).await.expect_status(200);
        assert_eq!(verdicts(&answer.json()), [format!("rejected {code}")]);
        assert!(answer.text.len() < SHORT, "{}", answer.text.len());
    }
    // Of the registry's bodies too, and of parameters.
    for body in [long.clone(), format!("{{\"name\": [{long}]}}"), format!("{{{long}: 1}}")] {
        let request = app.client.put(format!("{}/v1/customers/new", app.base)).bearer_auth(&key);
        let answer = Answer::of(request.header("content-type", "application/json").body(body)).await;
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        assert!(answer.text.len() < 2 * SHORT, "{}", answer.text.len());
    }
    let parameters = |number: usize| (0..number).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
    for (number, told) in [(64, "there is no parameter"), (65, "more than 64 parameters")] {
        let request = app.client.get(format!("{}/v1/customers?{}", app.base, parameters(number))).bearer_auth(&key);
        let answer = Answer::of(request).await.expect_status(400);
        assert!(answer.text.contains(told), "{}", answer.text);
    }
}
