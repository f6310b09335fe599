//! Ingest keys for a device, a group or a customer.

use serde_json::{Value, json};

use crate::fixtures::{counts, send_csv, verdicts};
use crate::harness::TestApp;
use crate::keys::world;

/// Sends a reading of each device at an instant, told by a minute so that each is new; gives the answer.
async fn send(app: &TestApp, key: &str, minute: u32, readings: &[(&str, &str)]) -> Value {
    let row = |(device, day): &(&str, &str)| format!("{device},energy,2026-{day}T01:{minute:02}:00Z,1000\n");
    let rows: String = readings.iter().map(row).collect();
    send_csv(app, key, &format!("device,metric,at,value\n{rows}")).await
}

const READINGS: [(&str, &str); 6] = [
    ("in-acme", "03-16"),
    ("in-sub", "03-16"),
    ("mover", "03-16"),
    ("mover", "01-16"),
    ("foreign", "03-16"),
    ("nowhere", "03-16"),
];

pub async fn readings_of_other_parts_have_the_verdict_of_unknown_devices(app: TestApp) {
    let all = world::north(&app).await;
    for (minute, part, stored) in [
        (1, json!({"device": "in-acme"}), vec![0]),
        (2, json!({"group": "acme-group"}), vec![0]),
        (3, json!({"customer": "acme"}), vec![0, 1, 2]),
        (4, json!({"device": "mover"}), vec![2, 3]),
    ] {
        let mut body = part.clone();
        body["scope"] = json!("ingest");
        let key = world::key(&app, &all, body).await;
        let answer = send(&app, &key, minute, &READINGS).await;
        let expected: Vec<_> = (0..READINGS.len())
            .map(|place| if stored.contains(&place) { "stored" } else { "quarantined unknown_device" })
            .collect();
        assert_eq!(verdicts(&answer), expected, "{part}");
        // In every word but the name.
        let nowhere = answer["results"][5]["detail"].as_str().unwrap();
        for (place, (device, _)) in READINGS.iter().enumerate().filter(|(place, _)| !stored.contains(place)) {
            let detail = answer["results"][place]["detail"].as_str().unwrap();
            assert_eq!(detail.replace(device, "nowhere"), nowhere);
        }
        // Again it is what it was.
        let again = send(&app, &key, minute, &READINGS).await;
        assert_eq!(counts(&again), [6, 0, stored.len() as u64, 0, 6 - stored.len() as u64, 0]);
    }
}

/// Tries all that is due again, until nothing is.
async fn replay(app: &TestApp) {
    while app.ingest.replayer().due().await.unwrap().is_some() {}
}

/// Values of a device's readings of the days that are sent here.
async fn values(app: &TestApp, key: &str, device: &str) -> Vec<String> {
    let path = format!("/v1/devices/{device}/readings?from=2026-03-16&to=2026-03-17");
    let page = app.get(key, &path).await.expect_status(200).json();
    page["items"].as_array().unwrap().iter().map(|item| item["value"].as_str().unwrap().to_owned()).collect()
}

pub async fn what_a_key_of_a_part_sent_never_counts_for_another_part(app: TestApp) {
    let all = world::north(&app).await;
    let acme = world::key(&app, &all, json!({"scope": "ingest", "customer": "acme"})).await;
    let row =
        |device: &str, value: u32| format!("device,metric,at,value\n{device},energy,2026-03-16T00:00:00Z,{value}\n");
    for device in ["foreign", "to-other", "to-acme"] {
        assert_eq!(counts(&send_csv(&app, &acme, &row(device, 7)).await), [1, 0, 0, 0, 1, 0]);
    }
    // What it sent keeps nobody else's reading out, of the same value or another, wherever that waits.
    assert_eq!(counts(&send_csv(&app, &all, &row("foreign", 5)).await), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&send_csv(&app, &all, &row("to-other", 7)).await), [1, 0, 0, 0, 1, 0]);
    let waiting = app.get(&all, "/v1/quarantine").await.expect_status(200).json();
    assert_eq!(waiting["items"].as_array().unwrap().len(), 4);
    let detail = waiting["items"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("in the part of the provider that the key is for"), "{detail}");

    for (device, customer) in [("to-other", "other"), ("to-acme", "acme-sub")] {
        app.put(&all, &format!("/v1/devices/{device}"), json!({"customer": customer})).await.expect_status(201);
    }
    replay(&app).await;
    app.call(&all, reqwest::Method::POST, "/v1/quarantine/replay", None).await.expect_status(200);
    assert_eq!(values(&app, &all, "foreign").await, ["5"]);
    assert_eq!(values(&app, &all, "to-other").await, ["7"]);
    assert_eq!(values(&app, &all, "to-acme").await, ["7"]);
    // The two that are left are of the key for acme.
    let left = app.get(&all, "/v1/quarantine").await.expect_status(200).json();
    let left: Vec<_> = left["items"].as_array().unwrap().iter().map(|item| item["reading"]["device"].clone()).collect();
    assert_eq!(left, ["foreign", "to-other"]);
    // When one of them comes to belong there at that time, it is stored.
    let body = json!({"customer": "acme", "at": "2026-03-01T00:00:00Z"});
    app.post(&all, "/v1/devices/to-other/moves", body).await.expect_status(200);
    replay(&app).await;
    let left = app.get(&all, "/v1/quarantine").await.expect_status(200).json();
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
}
