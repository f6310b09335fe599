//! Several readings at one instant: which is the first, which the last.

use serde_json::json;

use crate::harness::TestApp;

pub async fn of_readings_at_one_instant_the_lowest_is_first_and_the_highest_last(app: TestApp) {
    let key = app.provider("north", "UTC").await;
    let metric = json!({"name": "level", "unit": "m", "kind": "gauge", "scale": 0});
    app.put(&key, "/v1/metrics/level", metric).await.expect_status(201);
    let mut readings = Vec::new();
    // Whichever comes first, by number or in time: 5 is the lowest, 40 the highest.
    for (number, value) in [20, 5, 40, 30, 10].into_iter().enumerate() {
        let (customer, device) = (format!("c{number}"), format!("d{number}"));
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": customer})).await.expect_status(201);
        app.put(&key, &format!("/v1/devices/{device}"), json!({"customer": customer})).await.expect_status(201);
        readings.push(json!({"device": device, "metric": "level", "at": "2026-11-01T10:30:00Z", "value": value}));
    }
    app.post(&key, "/v1/readings", json!(readings)).await.expect_status(200);
    app.settle().await;
    for split in ["", "&by=kind", "&by=group"] {
        for bucket in ["hour", "day", "month", "total"] {
            let range = "from=2026-11-01&to=2026-12-01&stats=first,last";
            let path = format!("/v1/usage?metric=level&bucket={bucket}&{range}{split}");
            let answer = app.get(&key, &path).await.expect_status(200).json();
            let point = &answer["series"].as_array().unwrap().last().unwrap()["points"][0];
            assert_eq!((&point["first"], &point["last"]), (&json!("5"), &json!("40")), "{path}");
        }
    }
    for split in ["", "&by=kind", "&by=customer"] {
        let path = format!("/v1/usage?metric=level&bucket=day&from=2026-11-02&to=2026-11-03&fill=previous{split}");
        let answer = app.get(&key, &path).await.expect_status(200).json();
        let expected = if split == "&by=customer" { "20" } else { "40" };
        assert_eq!(answer["series"][0]["points"][0]["last"], expected, "{path}");
    }
}
