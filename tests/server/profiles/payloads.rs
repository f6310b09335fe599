//! Payloads become readings.

use std::io::Write;

use chrono::{TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use meterbase::keys::Scope;
use serde_json::{Value, json};

use super::{north, p1, post, stored, with};
use crate::fixtures::{counts, verdicts};
use crate::harness::TestApp;

const VERSION_22: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version22");
const VERSION_42: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version42");
const VERSION_50: &[u8] = include_bytes!("../../../fuzz/seeds/telegram/version50");

/// A telegram of version 5 with its checksum, by long division.
fn telegram(stamp: &str, low: &str, normal: &str, gas: &str) -> Vec<u8> {
    let lines = [
        "/MTB5\\2MB-050".to_owned(),
        String::new(),
        "1-3:0.2.8(50)".to_owned(),
        format!("0-0:1.0.0({stamp})"),
        format!("1-0:1.8.1({low}*kWh)"),
        format!("1-0:1.8.2({normal}*kWh)"),
        "0-2:24.1.0(003)".to_owned(),
        format!("0-2:24.2.1({gas}*m3)"),
    ];
    let body = lines.join("\r\n") + "\r\n!";
    let bits = body.bytes().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let rest = bits.chain([false; 16]).fold(0_u32, |rest, bit| {
        let rest = rest << 1 | u32::from(bit);
        if rest >> 16 == 1 { rest ^ 0x1_8005 } else { rest }
    });
    format!("{body}{:04X}\r\n", (rest as u16).reverse_bits()).into_bytes()
}

/// Records of energy in Wh with their times.
fn samples() -> Value {
    json!({"name": "Samples", "match": {"model": "MB-0*"}, "format": "json", "records": "/samples",
        "time": {"from": "/t", "format": "rfc3339"}, "fields": [{"from": "/wh", "metric": "used", "unit": "Wh"}]})
}

/// One value without a time.
fn bare(metric: &str) -> Value {
    json!({"name": "Bare", "match": {"model": "MB-0*"}, "format": "json",
        "fields": [{"from": "/v", "metric": metric, "unit": "Wh"}]})
}

pub async fn telegrams_of_all_versions_become_the_readings_that_they_say(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    for model in ["MB-022", "MB-042"] {
        let device = json!({"customer": "acme", "model": model});
        app.put(&key, &format!("/v1/devices/{model}"), device).await.expect_status(201);
    }
    let ingest = app.key("north", Scope::Ingest).await;
    let first = post(&app, &ingest, "device=m1", "text/plain", VERSION_50).await.expect_status(200).json();
    assert_eq!((&first["profile"], &first["version"]), (&json!("meter"), &json!(1)));
    assert_eq!(counts(&first), [3, 3, 0, 0, 0, 0]);
    let lines: Vec<_> = first["results"].as_array().unwrap().iter().map(|result| &result["line"]).collect();
    assert_eq!(lines, [6, 7, 40]);
    let again = post(&app, &ingest, "device=m1", "text/plain", VERSION_50).await.expect_status(200).json();
    assert_eq!(counts(&again), [3, 0, 3, 0, 0, 0]);
    let expected = [
        "2026-10-31T23:10:00Z gas 12785.123 0.000",
        "2026-10-31T23:15:00Z energy low 12345.678 0.000",
        "2026-10-31T23:15:00Z energy normal 23456.789 0.000",
    ];
    assert_eq!(stored(&app, &key, "m1").await, expected);

    let sent = post(&app, &ingest, "device=MB-042", "text/plain; charset=us-ascii", VERSION_42).await;
    assert_eq!(counts(&sent.expect_status(200).json()), [3, 3, 0, 0, 0, 0]);
    let expected = [
        "2026-07-14T13:00:00Z gas 981.443 0.000",
        "2026-07-14T13:30:10Z energy low 1581.123 0.000",
        "2026-07-14T13:30:10Z energy normal 1435.706 0.000",
    ];
    assert_eq!(stored(&app, &key, "MB-042").await, expected);

    let query = "device=MB-022&at=2026-07-14T15:31:00%2B02:00";
    let sent = post(&app, &ingest, query, "text/plain", VERSION_22).await.expect_status(200).json();
    assert_eq!(counts(&sent), [3, 3, 0, 0, 0, 0]);
    let expected = [
        "2026-07-14T13:00:00Z gas 947.680 0.000",
        "2026-07-14T13:31:00Z energy low 608.400 0.000",
        "2026-07-14T13:31:00Z energy normal 490.342 0.000",
    ];
    assert_eq!(stored(&app, &key, "MB-022").await, expected);
}

pub async fn days_of_telegrams_add_up_in_both_tariffs_over_the_change_to_winter_time(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    // The clocks were put back from 3 to 2 on 25 October.
    for (stamp, low, normal, gas) in [
        ("261024234500S", "000100.000", "000200.000", "261024230000S)(00010.000"),
        ("261025000000S", "000100.100", "000200.000", "261025000000S)(00010.250"),
        ("261025023000S", "000100.350", "000200.000", "261025020000S)(00010.500"),
        ("261025023000W", "000100.950", "000200.000", "261025020000W)(00011.000"),
        ("261025235959W", "000100.950", "000201.250", "261025230000W)(00011.000"),
        ("261026000000W", "000101.000", "000201.500", "261026000000W)(00011.125"),
    ] {
        let payload = telegram(stamp, low, normal, gas);
        let sent = post(&app, &key, "device=m1", "text/plain", payload).await.expect_status(200).json();
        assert_eq!(counts(&sent), [3, 3, 0, 0, 0, 0], "{sent}");
    }
    app.settle().await;
    // Of the 25th 0.1 + 0.25 + 0.6 in the low tariff and 1.25 in the normal one, of the 26th 0.05 and 0.25.
    for (metric, sums) in [("energy", ["2.200", "0.300"]), ("gas", ["1.000", "0.125"])] {
        let query = format!("metric={metric}&scope=device:m1&bucket=day&from=2026-10-25&to=2026-10-27");
        let usage = app.get(&key, &format!("/v1/usage?{query}")).await.expect_status(200).json();
        let points = usage["series"][0]["points"].as_array().unwrap();
        let found: Vec<_> = points.iter().map(|point| point["sum"].as_str().unwrap()).collect();
        assert_eq!(found, sums, "{metric}");
    }
}

pub async fn a_change_of_a_profile_changes_no_stored_reading(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/profiles/bare", bare("energy")).await.expect_status(201);
    let first = post(&app, &key, "device=m1&at=2026-11-01T00:00:00Z", "application/json", "{\"v\": 1500}").await;
    assert_eq!(first.expect_status(200).json()["version"], 1);
    let doubled = with(bare("energy"), "/fields/0/multiplier", json!(2));
    app.put(&key, "/v1/profiles/bare", doubled).await.expect_status(200);
    let first = "2026-11-01T00:00:00Z energy 1.500 0.000";
    assert_eq!(stored(&app, &key, "m1").await, [first]);
    let second = post(&app, &key, "device=m1&at=2026-11-01T01:00:00Z", "application/json", "{\"v\": 1600}").await;
    assert_eq!(second.expect_status(200).json()["version"], 2);
    // 1,600 Wh twice.
    assert_eq!(stored(&app, &key, "m1").await, [first, "2026-11-01T01:00:00Z energy 3.200 1.700"]);
    app.delete(&key, "/v1/profiles/bare").await.expect_status(204);
    assert_eq!(stored(&app, &key, "m1").await.len(), 2);
}

pub async fn each_reading_of_a_payload_gets_its_verdict(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/profiles/samples", samples()).await.expect_status(201);
    let payload = json!({"samples": [
        {"t": "2026-11-01T00:15:00Z", "wh": 1500.4},
        {"t": "2026-11-01T00:15:00Z", "wh": "1500.40"},
        {"t": "2026-11-01T00:15:00Z", "wh": 1600},
        {"t": "2026-11-01T00:30:00", "wh": 1500},
        {"t": "2026-11-01T00:45:00Z"},
        {"t": "2026-11-01T01:00:00Z", "wh": true},
        {"t": "2026-11-01T01:15:00Z", "wh": 2500}]});
    let sent = post(&app, &key, "device=m1", "application/json", payload.to_string()).await.expect_status(200).json();
    assert_eq!(counts(&sent), [7, 2, 1, 1, 0, 3]);
    let expected = [
        "stored",
        "duplicate",
        "conflict value_differs",
        "rejected naive_time",
        "rejected missing_field",
        "rejected invalid_value",
        "stored",
    ];
    assert_eq!(verdicts(&sent), expected);
    // 1.5004 kWh, rounded to the metric's three decimals.
    let readings = ["2026-11-01T00:15:00Z used 1.500 1.500", "2026-11-01T01:15:00Z used 2.500 2.500"];
    assert_eq!(stored(&app, &key, "m1").await, readings);

    app.delete(&key, "/v1/devices/m1").await.expect_status(204);
    let later = json!({"samples": [{"t": (Utc::now() + TimeDelta::hours(1)).to_rfc3339(), "wh": 1}]});
    let sent = post(&app, &key, "device=m1", "application/json", later.to_string()).await.expect_status(200).json();
    assert_eq!(verdicts(&sent), ["quarantined device_unassigned"]);
    let sums = "SELECT sum(received)::bigint, sum(stored)::bigint, sum(quarantined)::bigint, sum(rejected)::bigint FROM accounting";
    let sums: (i64, i64, i64, i64) = sqlx::query_as(sums).fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(sums, (8, 2, 1, 3));
}

pub async fn a_payload_that_cannot_be_read_is_refused_whole(app: TestApp) {
    let key = north(&app).await;
    let none = post(&app, &key, "device=m1", "text/plain", VERSION_50).await.expect_status(409);
    assert_eq!(none.problem(), "no_profile");
    app.put(&key, "/v1/profiles/meter", p1()).await.expect_status(201);
    let damaged = String::from_utf8(VERSION_50.to_vec()).unwrap().replace("012345.678", "012345.679");
    let answer = post(&app, &key, "device=m1", "text/plain", damaged).await.expect_status(400);
    assert_eq!(answer.problem(), "unreadable_body");
    assert!(
        answer.json()["detail"].as_str().unwrap().starts_with("line 41: the checksum is CA8C, "),
        "{}",
        answer.text
    );
    for (query, content_type, status) in [
        ("device=m1", "application/json", 415),
        ("device=m1", "", 415),
        ("device=m2", "text/plain", 404),
        ("", "text/plain", 400),
        ("device=m1&at=2026-11-01T00:15:00", "text/plain", 400),
        ("device=m1&colour=red", "text/plain", 400),
    ] {
        post(&app, &key, query, content_type, VERSION_50).await.expect_status(status);
    }
    post(&app, &app.key("north", Scope::Read).await, "device=m1", "text/plain", VERSION_50).await.expect_status(403);
    let south = app.provider("south", "UTC").await;
    post(&app, &south, "device=m1", "text/plain", VERSION_50).await.expect_status(404);
    let large = vec![b' '; 1024 * 1024 + 1];
    let answer = post(&app, &key, "device=m1", "text/plain", large).await.expect_status(413);
    assert_eq!(answer.problem(), "payload_too_large");
    app.put(&key, "/v1/profiles/meter", samples()).await.expect_status(200);
    for payload in ["", "{", "{}", "{\"samples\": {}}", "[] []"] {
        let answer = post(&app, &key, "device=m1", "application/json", payload).await.expect_status(400);
        assert_eq!(answer.problem(), "unreadable_body", "{payload}");
    }
    let many = format!("{{\"samples\": [{}1]}}", "1,".repeat(50_000));
    post(&app, &key, "device=m1", "application/json", many).await.expect_status(413);
    assert_eq!(stored(&app, &key, "m1").await, [""; 0]);
}

pub async fn a_payload_without_a_time_is_counted_once(app: TestApp) {
    let key = north(&app).await;
    app.put(&key, "/v1/profiles/bare", bare("used")).await.expect_status(201);
    let send = async |query: &str| {
        let sent = post(&app, &key, query, "application/json", "{\"v\": 250}").await;
        verdicts(&sent.expect_status(200).json())
    };
    assert_eq!(send("device=m1").await, ["rejected missing_field"]);
    assert_eq!(send("device=m1&at=2026-11-01T00:15:00Z").await, ["stored"]);
    assert_eq!(send("device=m1&at=2026-11-01T00:15:00Z").await, ["duplicate"]);
    assert_eq!(stored(&app, &key, "m1").await, ["2026-11-01T00:15:00Z used 0.250 0.250"]);
    // A register adds nothing when it is read again.
    app.put(&key, "/v1/profiles/bare", bare("energy")).await.expect_status(200);
    assert_eq!(send("device=m1").await, ["stored"]);
    assert_eq!(send("device=m1").await, ["stored"]);
    let readings = stored(&app, &key, "m1").await;
    assert!(readings[1..].iter().all(|reading| reading.ends_with(" energy 0.250 0.000")), "{readings:?}");
    assert_eq!(readings.len(), 3);
}

pub async fn csv_and_compressed_payloads_are_read_too(app: TestApp) {
    let key = north(&app).await;
    let profile = json!({"name": "CSV", "match": {"model": "MB-0*"}, "format": "csv",
        "time": {"from": "when", "format": "unix_ms"}, "fields": [{"from": "Energy (Wh)", "metric": "used", "unit": "Wh"}]});
    app.put(&key, "/v1/profiles/csv", profile).await.expect_status(201);
    // 1793491200 is 2026-11-01T00:00:00Z.
    let payload = "Energy (Wh),when\r\n500,1793491200000\r\n,1793491260000\r\n750,1793491320000\r\n";
    let sent = post(&app, &key, "device=m1", "text/csv", payload).await.expect_status(200).json();
    assert_eq!(verdicts(&sent), ["stored", "rejected missing_field", "stored"]);
    assert_eq!(sent["results"][1]["line"], 3);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(payload.as_bytes()).unwrap();
    let request = app.client.post(format!("{}/v1/device/payload?device=m1", app.base)).bearer_auth(&key);
    let request = request.header("content-type", "text/csv").header("content-encoding", "gzip");
    let again = crate::harness::Answer::of(request.body(gzip.finish().unwrap())).await.expect_status(200).json();
    assert_eq!(counts(&again), [3, 0, 2, 0, 0, 1]);
    let readings = ["2026-11-01T00:00:00Z used 0.500 0.500", "2026-11-01T00:02:00Z used 0.750 0.750"];
    assert_eq!(stored(&app, &key, "m1").await, readings);
}
