//! Raw readings out: pages, NDJSON and CSV say the same.

use meterbase::keys::Scope;
use serde_json::{Value, json};

use crate::fixtures::{Metric, counts, metric, north, send_csv, send_json};
use crate::harness::{Answer, TestApp};

const PATH: &str = "/v1/devices/m1/readings";

async fn get(app: &TestApp, key: &str, query: &str, accept: &str) -> Answer {
    let request = app.client.get(format!("{}{PATH}?{query}", app.base)).bearer_auth(key);
    Answer::of(request.header("accept", accept)).await
}

/// Follows `next` to the end.
async fn pages(app: &TestApp, key: &str, query: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(app, key, &format!("{query}{cursor}"), "application/json").await.expect_status(200);
        let json = page.json();
        items.extend(json["items"].as_array().unwrap().clone());
        match json["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
        assert!(page.headers["link"].to_str().unwrap().ends_with("; rel=\"next\""));
    }
}

pub async fn pages_ndjson_and_csv_say_the_same(app: TestApp) {
    let key = north(&app).await;
    metric(&mut app.db().await, "north", "total", Metric { kind: "register", scale: 1, ..Metric::default() }).await;
    let rows = (0..300).map(|n| {
        let metric = if n % 3 == 0 { "total" } else { "energy" };
        let (id, tariff) =
            (if n % 7 == 0 { format!("e{n}") } else { String::new() }, ["", "peak", "off, at night"][n % 3]);
        format!("m1,{metric},2026-03-{:02}T{:02}:00:00.25Z,{n}.5,{id},\"{tariff}\"\n", n / 24 + 1, n % 24 / 4 * 4)
    });
    let csv = format!("device,metric,at,value,id,dimensions.tariff\n{}", rows.collect::<String>());
    assert_eq!(counts(&send_csv(&app, &key, &csv).await)[0], 300);
    let read = app.key("north", Scope::Read).await;

    let stored: (i64, i64) = sqlx::query_as("SELECT count(*), sum(value)::bigint FROM reading")
        .fetch_one(&mut app.db().await)
        .await
        .unwrap();
    let items = pages(&app, &read, "limit=7").await;
    assert_eq!(items.len() as i64, stored.0);
    assert!(items.is_sorted_by_key(|item| item["at"].as_str().unwrap().to_owned()));
    assert_eq!(pages(&app, &read, "limit=1000").await, items);

    let ndjson = get(&app, &read, "", "application/x-ndjson").await.expect_status(200);
    assert_eq!(ndjson.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = ndjson.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, items);

    let answer = get(&app, &read, "", "text/csv").await.expect_status(200);
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, ["at", "value", "increment", "recorded_at", "id", "metric", "dimensions.tariff"]);
    for (row, item) in reader.records().zip(&items) {
        let row = row.unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let expected = ["at", "value", "increment", "recorded_at", "id", "metric"].map(|name| text(&item[name]));
        let expected = expected.into_iter().chain([text(&item["dimensions"]["tariff"])]);
        assert_eq!(row.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

pub async fn a_reading_comes_out_as_it_is_stored(app: TestApp) {
    let key = north(&app).await;
    metric(&mut app.db().await, "north", "total", Metric { kind: "register", scale: 1, ..Metric::default() }).await;
    let sent = json!([
        {"device": "m1", "metric": "total", "at": "2026-03-01T01:00:00+01:00", "value": 7},
        {"device": "m1", "metric": "total", "at": "2026-03-01T01:00:00Z", "value": 9.25},
        {"device": "m1", "metric": "energy", "at": "2026-03-01T01:00:00.000001Z", "value": "-0.5", "id": "e1",
            "dimensions": {"tariff": "peak"}},
    ]);
    send_json(&app, &key, &sent).await;
    let read = app.key("north", Scope::Read).await;
    let mut items = pages(&app, &read, "").await;
    for item in &mut items {
        let recorded_at = item.as_object_mut().unwrap().remove("recorded_at").unwrap();
        let recorded_at: chrono::DateTime<chrono::Utc> = recorded_at.as_str().unwrap().parse().unwrap();
        assert!((chrono::Utc::now() - recorded_at).num_minutes() < 60);
    }
    let expected = json!([
        {"metric": "total", "at": "2026-03-01T00:00:00Z", "value": "7.0", "increment": "0.0"},
        {"metric": "total", "at": "2026-03-01T01:00:00Z", "value": "9.2", "increment": "2.2"},
        {"metric": "energy", "at": "2026-03-01T01:00:00.000001Z", "value": "-0.500", "increment": "-0.500", "id": "e1",
            "dimensions": {"tariff": "peak"}},
    ]);
    assert_eq!(json!(items), expected);
}

pub async fn ranges_are_half_open_and_days_are_the_owner_s(app: TestApp) {
    let key = north(&app).await;
    let times = ["2026-03-28T22:59:59Z", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z"];
    let sent: Vec<_> =
        times.iter().map(|at| json!({"device": "m1", "metric": "energy", "at": at, "value": 1})).collect();
    send_json(&app, &key, &json!(sent)).await;
    let read = app.key("north", Scope::Read).await;
    let cases = [
        ("from=2026-03-29&to=2026-03-30", &times[1..3]),
        ("from=2026-03-28T23:00:00Z&to=2026-03-29T22:00:00Z", &times[1..3]),
        ("from=2026-03-29T00:00:00%2B01:00&metric=energy", &times[1..]),
        ("to=2026-03-29", &times[..1]),
        ("from=2026-03-29&to=2026-03-29", &[]),
    ];
    for (query, expected) in cases {
        let items = pages(&app, &read, &format!("{query}&limit=1")).await;
        let found: Vec<_> = items.iter().map(|item| item["at"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
        let lines = get(&app, &read, query, "application/x-ndjson").await.expect_status(200).text;
        assert_eq!(lines.lines().count(), expected.len(), "{query}");
    }
}

pub async fn what_cannot_be_listed_is_told(app: TestApp) {
    let ingest = north(&app).await;
    let read = app.key("north", Scope::Read).await;
    let cases = [
        ("from=2026-03-29T00:00:00", "application/json", 400, "invalid_parameter"),
        ("from=2026-03-29&to=2026-03-28", "application/json", 400, "invalid_parameter"),
        ("from=-9999-01-01", "application/json", 400, "invalid_parameter"),
        ("cursor=zz", "application/json", 400, "invalid_parameter"),
        ("cursor=2f", "application/json", 400, "invalid_parameter"),
        ("limit=0", "application/json", 400, "invalid_parameter"),
        ("limit=5", "text/csv", 400, "invalid_parameter"),
        ("metric=water", "application/json", 404, "not_found"),
        ("metric=a%20b", "application/json", 400, "invalid_parameter"),
        ("", "application/xml", 406, "not_acceptable"),
    ];
    for (query, accept, status, code) in cases {
        assert_eq!(get(&app, &read, query, accept).await.expect_status(status).problem(), code, "{query}");
    }
    assert_eq!(get(&app, &ingest, "", "*/*").await.expect_status(403).problem(), "forbidden");
    let south = app.provider("south", "UTC").await;
    assert_eq!(get(&app, &south, "", "*/*").await.expect_status(404).problem(), "not_found");
    // A device without readings has an empty list in every format.
    assert_eq!(get(&app, &read, "", "*/*").await.json(), json!({"items": [], "next": null}));
    assert_eq!(get(&app, &read, "", "text/csv").await.text, "at,value,increment,recorded_at,id,metric\n");
    assert_eq!(get(&app, &read, "", "application/x-ndjson").await.text, "");
}
