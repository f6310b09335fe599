//! The quarantine: what cannot be stored yet is kept, and stored as soon as it can be, once.

use std::time::Duration;

use meterbase::keys::Scope;
use meterbase::limits::Limits;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::fixtures::{Metric, customer, device, metric, north, send_csv, send_json, verdicts};
use crate::harness::TestApp;
use crate::stored::stamps;

/// Device, metric, value and code of what is in quarantine, as the API lists it.
pub async fn listed(app: &TestApp, key: &str, path: &str) -> Vec<[String; 4]> {
    let page = app.get(key, path).await.expect_status(200).json();
    let items = page["items"].as_array().expect("items").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let item = |item: &Value| {
        let reading = &item["reading"];
        [text(&reading["device"]), text(&reading["metric"]), text(&reading["value"]), text(&item["code"])]
    };
    items.map(item).collect()
}

/// Tries again all that became storable, as servers do in the background; tells how many readings were tried.
pub async fn replay_due(app: &TestApp) -> u64 {
    let mut tried = 0;
    while let Some(replayed) = app.ingest.replayer().due().await.expect("a replay") {
        tried += replayed.tried();
    }
    tried
}

/// Over all accounts: kept, stored, duplicates, expired and deleted; and what is in quarantine, which is the first less the
/// others.
pub async fn balance(db: &mut PgConnection) -> [i64; 6] {
    let sums: (i64, i64, i64, i64, i64) = sqlx::query_as(
        "SELECT coalesce(sum(kept), 0)::bigint, coalesce(sum(replayed_stored), 0)::bigint,
                coalesce(sum(replayed_duplicates), 0)::bigint, coalesce(sum(expired), 0)::bigint,
                coalesce(sum(deleted), 0)::bigint FROM accounting",
    )
    .fetch_one(&mut *db)
    .await
    .unwrap();
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM quarantine").fetch_one(&mut *db).await.unwrap();
    let counted = "SELECT coalesce(sum(readings), 0)::bigint FROM quarantine_size";
    let counted: i64 = sqlx::query_scalar(counted).fetch_one(&mut *db).await.unwrap();
    let (kept, stored, duplicates, expired, deleted) = sums;
    assert_eq!(there, counted);
    assert_eq!(there, kept - stored - duplicates - expired - deleted);
    [kept, stored, duplicates, expired, deleted, there]
}

fn reading(device: &str, metric: &str, at: &str, value: &str) -> Value {
    json!({"device": device, "metric": metric, "at": at, "value": value})
}

pub async fn what_is_unknown_is_listed_as_it_came_with_its_reason(app: TestApp) {
    north(&app).await;
    let key = app.key("north", Scope::Provider).await;
    let name = "UPDATE api_key SET name = 'gateway-7' WHERE key_id = (SELECT max(key_id) FROM api_key) RETURNING uuid";
    let id: uuid::Uuid = sqlx::query_scalar(name).fetch_one(&mut app.db().await).await.unwrap();
    let sent = json!([
        {"device": "m7", "metric": "energy", "at": "2026-03-01T01:00:00+01:00", "value": "1.50", "id": "a",
         "dimensions": {"tariff": "peak"}},
        {"device": "m1", "metric": "water", "at": "2026-03-02T00:00:00Z", "value": "2.5e1"},
        {"device": "m7", "metric": "water", "at": "2026-03-03T00:00:00Z", "value": -3},
    ]);
    let unknown = ["quarantined unknown_device", "quarantined unknown_metric", "quarantined unknown_device"];
    assert_eq!(verdicts(&send_json(&app, &key, &sent).await), unknown);

    let page = app.get(&key, "/v1/quarantine").await.expect_status(200).json();
    let first = &page["items"][0];
    let reading = json!({"device": "m7", "metric": "energy", "at": "2026-03-01T00:00:00Z", "value": "1.50", "id": "a",
        "dimensions": {"tariff": "peak"}});
    assert_eq!((&first["reading"], &first["code"]), (&reading, &json!("unknown_device")));
    assert!(first["detail"].as_str().unwrap().starts_with("there is no device m7: "), "{first}");
    assert_eq!(first["key_name"], "gateway-7");
    assert_eq!(first["key_id"], json!(id));
    assert!(first["received_at"].is_string());
    assert_eq!(page["items"][1]["reading"]["value"], "2.5e1");
    assert_eq!(page["next"], json!(null));

    let values = async |parameters: &str| {
        let listed = listed(&app, &key, &format!("/v1/quarantine?{parameters}")).await;
        listed.into_iter().map(|[_, _, value, _]| value).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(values("").await, "1.50 2.5e1 -3");
    assert_eq!(values("device=m7").await, "1.50 -3");
    assert_eq!(values("metric=water").await, "2.5e1 -3");
    assert_eq!(values("code=unknown_metric").await, "2.5e1");
    assert_eq!(values("from=2026-03-02T00:00:00Z").await, "2.5e1 -3");
    assert_eq!(values("from=2026-03-01&to=2026-03-03").await, "1.50 2.5e1");
    assert_eq!(values("device=m7&metric=water&code=unknown_device").await, "-3");
    assert_eq!(values("device=nobody").await, "");
    let first = app.get(&key, "/v1/quarantine?limit=2").await.expect_status(200).json();
    let next = first["next"].as_str().unwrap();
    assert_eq!(values(&format!("limit=2&cursor={next}")).await, "-3");

    for wrong in ["code=bad", "device=a%20b", "from=soon", "from=2026-03-02&to=2026-03-01", "cursor=zz", "state=x"] {
        app.get(&key, &format!("/v1/quarantine?{wrong}")).await.expect_status(400);
    }
    let answer = app.call(&key, reqwest::Method::POST, "/v1/quarantine/replay?limit=5", None).await;
    answer.expect_status(400);
    app.delete(&key, "/v1/quarantine?cursor=31").await.expect_status(400);
}

pub async fn a_quarantine_is_its_provider_s_own(app: TestApp) {
    let ingest = north(&app).await;
    let south = app.provider("south", "UTC").await;
    let (read, north) = (app.key("north", Scope::Read).await, app.key("north", Scope::Provider).await);
    send_json(&app, &ingest, &json!([reading("m7", "energy", "2026-03-01T00:00:00Z", "1")])).await;
    send_json(&app, &south, &json!([reading("m7", "energy", "2026-03-01T00:00:00Z", "2")])).await;
    let value = async |key: &str, path: &str| listed(&app, key, path).await.concat()[2].clone();
    assert_eq!(value(&read, "/v1/quarantine").await, "1");
    assert_eq!(value(&south, "/v1/quarantine").await, "2");
    assert_eq!(value(&app.admin, "/v1/quarantine?provider=south").await, "2");
    app.get(&app.admin, "/v1/quarantine").await.expect_status(400);
    app.get(&north, "/v1/quarantine?provider=south").await.expect_status(404);
    app.get(&ingest, "/v1/quarantine").await.expect_status(403);
    for key in [&read, &ingest] {
        app.delete(key, "/v1/quarantine").await.expect_status(403);
        app.call(key, reqwest::Method::POST, "/v1/quarantine/replay", None).await.expect_status(403);
    }
    // A device of the same key elsewhere cures nothing.
    app.put(&south, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    app.put(&south, "/v1/devices/m7", json!({"customer": "acme"})).await.expect_status(201);
    assert_eq!(replay_due(&app).await, 1);
    assert_eq!(app.delete(&north, "/v1/quarantine").await.expect_status(200).json(), json!({"deleted": 1}));
    assert_eq!(listed(&app, &south, "/v1/quarantine").await.concat()[3], "unknown_metric");
    assert_eq!(balance(&mut app.db().await).await, [2, 0, 0, 0, 1, 1]);
}

/// Registers in each way there is what readings wait for, and looks at their owners, days, increments and figures.
pub async fn what_is_registered_gets_the_readings_that_waited_for_it(app: TestApp) {
    north(&app).await;
    let key = app.key("north", Scope::Provider).await;
    let mut db = app.db().await;
    customer(&mut db, "north", "apia", "Pacific/Apia").await;
    let devices = ["m7", "m8", "m9"];
    let of = |device: &str| {
        // Midnight in Paris is 23:00 UTC; in Apia, at +13:00, it is 11:00.
        let times = [("2026-03-09T23:30:00Z", 100), ("2026-03-10T10:59:00Z", 110), ("2026-03-10T12:00:00Z", 125)];
        times.map(|(at, value)| reading(device, "water", at, &value.to_string()))
    };
    let sent: Vec<Value> = devices.iter().flat_map(|device| of(device)).collect();
    assert_eq!(verdicts(&send_json(&app, &key, &json!(sent)).await), ["quarantined unknown_device"; 9]);

    app.put(&key, "/v1/devices/m7", json!({"customer": "acme"})).await.expect_status(201);
    // Registered, and moved before the readings are tried: each belongs to the owner of its instant.
    let back = json!({"customer": "apia", "at": "2026-03-10T11:00:00Z"});
    app.post(&key, "/v1/devices/m7/moves", back).await.expect_status(200);
    let many = json!([{"key": "m8", "customer": "acme"}, {"key": "m10", "customer": "acme"}]);
    app.post(&key, "/v1/devices", many).await.expect_status(200);
    device(&mut db, "north", "m9", &[("apia", "(,2026-03-10 11:00Z)"), ("apia", "[2026-03-10 13:00Z,)")]).await;
    // Nothing was tried in the requests themselves; now the metric is missing.
    assert!(listed(&app, &key, "/v1/quarantine").await.iter().all(|[_, _, _, code]| code == "unknown_device"));
    assert_eq!((replay_due(&app).await, replay_due(&app).await), (9, 0));
    assert!(listed(&app, &key, "/v1/quarantine").await.iter().all(|[_, _, _, code]| code == "unknown_metric"));
    let water = json!({"name": "Water", "unit": "m3", "kind": "register", "scale": 1});
    app.put(&key, "/v1/metrics/water", water).await.expect_status(201);
    assert_eq!((replay_due(&app).await, replay_due(&app).await), (9, 0));
    let left = listed(&app, &key, "/v1/quarantine").await;
    assert_eq!(left, [["m9", "water", "125", "device_unassigned"].map(str::to_owned)]);

    let told = async |db: &mut PgConnection, device: &str| {
        let stamps = stamps(db, device).await;
        stamps.iter().map(|s| format!("{} {}", s.customer, s.billing_day)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(told(&mut db, "m7").await, "acme 2026-03-10, acme 2026-03-10, apia 2026-03-11");
    assert_eq!(told(&mut db, "m8").await, "acme 2026-03-10, acme 2026-03-10, acme 2026-03-10");
    assert_eq!(told(&mut db, "m9").await, "apia 2026-03-10, apia 2026-03-10");
    let increments: Vec<i64> = sqlx::query_scalar(
        "SELECT increment FROM reading JOIN channel USING (channel_id) JOIN device d USING (device_id) ORDER BY d.key, ts",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    assert_eq!(increments, [0, 100, 150, 0, 100, 150, 0, 100]);

    // Whoever gets the device for that time cures the last one.
    let back = json!({"customer": "acme", "at": "2026-03-10T11:00:00Z"});
    app.post(&key, "/v1/devices/m9/moves", back).await.expect_status(200);
    assert_eq!(replay_due(&app).await, 1);
    assert_eq!(told(&mut db, "m9").await, "apia 2026-03-10, apia 2026-03-10, acme 2026-03-10");
    assert_eq!(balance(&mut db).await, [9, 9, 0, 0, 0, 0]);

    app.settle().await;
    let usage = "/v1/usage?scope=customer:acme&metric=water&bucket=day&from=2026-03-10&to=2026-03-11&stats=sum,count";
    let usage = app.get(&key, usage).await.expect_status(200).json();
    // m7: 10.0; m8: 10.0 and 15.0; m9: 15.0.
    let point = &usage["series"][0]["points"][0];
    assert_eq!((&point["sum"], &point["count"]), (&json!("50.0"), &json!(6)));
}

pub async fn a_reading_that_is_sent_again_is_in_quarantine_once(app: TestApp) {
    let key = north(&app).await;
    let provider = app.key("north", Scope::Provider).await;
    let at = "2026-03-01T00:00:00Z";
    let again = json!([reading("m7", "energy", at, "9"), reading("m7", "energy", at, "9")]);
    for _ in 0..2 {
        assert_eq!(verdicts(&send_json(&app, &key, &again).await), ["quarantined unknown_device"; 2]);
    }
    assert_eq!(balance(&mut app.db().await).await, [1, 0, 0, 0, 0, 1]);
    // Written otherwise, and with other values: each is kept beside the first.
    let others = json!(["9.0", "10", "1"].map(|value| reading("m7", "energy", at, value)));
    assert_eq!(verdicts(&send_json(&app, &key, &others).await), ["quarantined unknown_device"; 3]);
    app.put(&provider, "/v1/devices/m7", json!({"customer": "acme"})).await.expect_status(201);
    let later = json!([reading("m7", "energy", "2026-03-02T00:00:00Z", "7")]);
    assert_eq!(verdicts(&send_json(&app, &key, &later).await), ["stored"]);
    assert_eq!(replay_due(&app).await, 4);
    let left = ["10", "1"].map(|value| ["m7", "energy", value, "value_differs"].map(str::to_owned));
    assert_eq!(listed(&app, &provider, "/v1/quarantine").await, left);
    let page = app.get(&provider, "/v1/quarantine").await.expect_status(200).json();
    let detail = page["items"][0]["detail"].as_str().unwrap();
    assert_eq!(
        detail,
        "the reading at 2026-03-01T00:00:00Z is stored with the value 9.000, which stands; 10.000 was sent"
    );
    assert_eq!(balance(&mut app.db().await).await, [4, 1, 1, 0, 0, 2]);
    assert_eq!(verdicts(&send_json(&app, &key, &again).await), ["duplicate"; 2]);
    let values: Vec<i64> =
        sqlx::query_scalar("SELECT value FROM reading ORDER BY ts").fetch_all(&mut app.db().await).await.unwrap();
    assert_eq!(values, [9000, 7000]);
    // Trying it again by hand changes nothing.
    let answer = app.call(&provider, reqwest::Method::POST, "/v1/quarantine/replay", None).await.expect_status(200);
    let nothing = json!({"tried": 2, "stored": 0, "duplicates": 0, "conflicts": 2, "quarantined": 0, "rejected": 0,
        "waiting": 2, "next": null});
    assert_eq!(answer.json(), nothing);
}

pub async fn what_still_cannot_be_stored_stays_with_its_new_reason(app: TestApp) {
    let key = north(&app).await;
    let provider = app.key("north", Scope::Provider).await;
    let mut db = app.db().await;
    let gone = "INSERT INTO kept_from (relation, since) VALUES ('reading', '2026-02-01T00:00:00Z')";
    let csv = "device,metric,at,value\nm1,heat,2026-03-01T00:00:00Z,1.25\nm1,heat,2026-03-02T00:00:00Z,1e18\n\
               m1,heat,2026-01-01T00:00:00Z,1\nm1,heat,2026-03-03T00:00:00Z,4\n";
    assert_eq!(verdicts(&send_csv(&app, &key, csv).await), ["quarantined unknown_metric"; 4]);
    sqlx::query(gone).execute(&mut db).await.unwrap();
    let put = async |strict: bool| {
        let heat = json!({"name": "Heat", "unit": "kWh", "kind": "delta", "scale": 1, "strict": strict});
        app.put(&provider, "/v1/metrics/heat", heat).await
    };
    put(true).await.expect_status(201);
    assert_eq!((replay_due(&app).await, replay_due(&app).await), (4, 0));
    let codes = async || {
        let listed = listed(&app, &provider, "/v1/quarantine").await;
        listed.into_iter().map(|[_, _, value, code]| format!("{value} {code}")).collect::<Vec<_>>()
    };
    assert_eq!(codes().await, ["1.25 too_many_decimals", "1e18 out_of_range", "1 beyond_retention"]);

    put(false).await.expect_status(200);
    let replay = async |parameters: &str| {
        let path = format!("/v1/quarantine/replay?{parameters}");
        app.call(&provider, reqwest::Method::POST, &path, None).await.expect_status(200).json()
    };
    let answer = replay("code=too_many_decimals&metric=heat").await;
    let stored = json!({"tried": 1, "stored": 1, "duplicates": 0, "conflicts": 0, "quarantined": 0, "rejected": 0,
        "waiting": 2, "next": null});
    assert_eq!(answer, stored);
    let answer = replay("from=2026-03-01").await;
    assert_eq!((&answer["tried"], &answer["rejected"], &answer["waiting"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(codes().await, ["1e18 out_of_range", "1 beyond_retention"]);
    // 1.25 is rounded half to even.
    let values: Vec<i64> =
        sqlx::query_scalar("SELECT value FROM reading ORDER BY ts").fetch_all(&mut db).await.unwrap();
    assert_eq!(values, [12, 40]);
    assert_eq!(balance(&mut db).await, [4, 2, 0, 0, 0, 2]);
}

pub async fn deleting_is_by_what_is_named_and_audited(app: TestApp) {
    let key = north(&app).await;
    let provider = app.key("north", Scope::Provider).await;
    let csv = "device,metric,at,value\nm7,energy,2026-03-01T00:00:00Z,1\nm7,energy,2026-03-02T00:00:00Z,2\n\
               m8,energy,2026-03-02T00:00:00Z,3\nm1,water,2026-03-02T00:00:00Z,4\n";
    send_csv(&app, &key, csv).await;
    let delete = async |parameters: &str| {
        let path = format!("/v1/quarantine?{parameters}");
        app.delete(&provider, &path).await.expect_status(200).json()["deleted"].as_i64().unwrap()
    };
    assert_eq!(delete("device=nobody").await, 0);
    assert_eq!(delete("device=m7&from=2026-03-02").await, 1);
    assert_eq!(delete("code=unknown_metric").await, 1);
    let values = listed(&app, &provider, "/v1/quarantine").await;
    assert_eq!(values.iter().map(|[_, _, value, _]| value.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(delete("").await, 2);
    let audited: Vec<(String, Value)> = sqlx::query_as(
        "SELECT action || ' ' || entity, before FROM audit WHERE action LIKE 'quarantine.%' ORDER BY audit_id",
    )
    .fetch_all(&mut app.db().await)
    .await
    .unwrap();
    let expected = [
        json!({"device": "m7", "from": "2026-03-02T00:00:00Z", "readings": 1}),
        json!({"code": "unknown_metric", "readings": 1}),
        json!({"readings": 2}),
    ];
    assert_eq!(audited, expected.map(|before| ("quarantine.delete quarantine".to_owned(), before)));
    assert_eq!(balance(&mut app.db().await).await, [4, 0, 0, 0, 4, 0]);
}

pub async fn a_quarantine_that_is_full_says_so_and_keeps_what_it_has(app: TestApp) {
    let key = north(&app).await;
    let provider = app.key("north", Scope::Provider).await;
    let south = app.provider("south", "UTC").await;
    let server = crate::limits::serve(&app, Limits { quarantine_readings: 2, ..Limits::default() }).await;
    let send = async |key: &str, rows: &[(&str, i32)]| {
        let rows: String =
            rows.iter().map(|(device, value)| format!("{device},energy,2026-03-01T00:00:00Z,{value}\n")).collect();
        let request = app.client.post(format!("{}/v1/readings?receipts=all", server.url())).bearer_auth(key);
        let request = request.header("content-type", "text/csv").body(format!("device,metric,at,value\n{rows}"));
        crate::harness::Answer::of(request).await.expect_status(200).json()
    };
    let (kept, full) = ("quarantined unknown_device", "rejected quarantine_full");
    assert_eq!(verdicts(&send(&key, &[("m7", 1)]).await), [kept]);
    let answer = send(&key, &[("m8", 2), ("m9", 3), ("m7", 1), ("m8", 2), ("m9", 3), ("m1", 5)]).await;
    assert_eq!(verdicts(&answer), [kept, full, kept, kept, full, "stored"]);
    let detail = answer["results"][1]["detail"].as_str().unwrap();
    assert!(detail.starts_with("there is no device m9, and the quarantine has the 2 readings that it may"), "{detail}");
    assert_eq!(verdicts(&send(&key, &[("m7", 1), ("m8", 3)]).await), [kept, full]);
    // Another provider's is its own.
    assert_eq!(verdicts(&send(&south, &[("m9", 1), ("m8", 1)]).await), [kept, kept]);
    app.delete(&provider, "/v1/quarantine?device=m7").await.expect_status(200);
    assert_eq!(verdicts(&send(&key, &[("m9", 3), ("m9", 4)]).await), [kept, full]);
    let refused = "SELECT sum(rejected)::bigint, sum(quarantined)::bigint, sum(received)::bigint FROM accounting
                   JOIN provider USING (provider_id) WHERE key = 'north'";
    let counted: (i64, i64, i64) = sqlx::query_as(refused).fetch_one(&mut app.db().await).await.unwrap();
    assert_eq!(counted, (4, 6, 11));
    let metrics = app.client.get(format!("{}/metrics", server.url())).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("meterbase_limit_items{limit=\"quarantine_readings\"} 2"), "{metrics}");
    server.stop().await.unwrap();
    assert_eq!(balance(&mut app.db().await).await, [5, 0, 0, 0, 1, 4]);
}

pub async fn what_was_in_quarantine_long_enough_goes_and_is_counted(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    let csv = "device,metric,at,value\nm7,energy,2026-03-01T00:00:00Z,1\nm7,energy,2026-03-02T00:00:00Z,2\n";
    send_csv(&app, &key, csv).await;
    let earlier = "UPDATE quarantine SET recorded_at = recorded_at - interval '2 days' WHERE value = '1'";
    sqlx::query(earlier).execute(&mut db).await.unwrap();
    let day = Duration::from_secs(86_400);
    app.ingest.replayer().tidy(day * 3).await.unwrap();
    assert_eq!(balance(&mut db).await, [2, 0, 0, 0, 0, 2]);
    app.ingest.replayer().tidy(day).await.unwrap();
    assert_eq!(balance(&mut db).await, [2, 0, 0, 1, 0, 1]);
    assert_eq!(replay_due(&app).await, 0);
    // What was registered without anybody being told is found then too.
    let mut quiet = app.db().await;
    sqlx::query("SET session_replication_role = replica").execute(&mut quiet).await.unwrap();
    device(&mut quiet, "north", "m7", &[("acme", "(,)")]).await;
    assert_eq!(replay_due(&app).await, 0);
    app.ingest.replayer().tidy(day).await.unwrap();
    assert_eq!(replay_due(&app).await, 1);
    metric(&mut db, "north", "water", Metric { kind: "gauge", ..Metric::default() }).await;
    assert_eq!(balance(&mut db).await, [2, 1, 0, 1, 0, 0]);
}
