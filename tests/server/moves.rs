//! Moves of devices, and the readings that go with them.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use meterbase::database::Edition;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::harness::TestApp;
use crate::stored::{self, Stamp};

/// Customers in zones with another day most of the time, each with a group; a metric; a device of `paris`.
async fn fleet(app: &TestApp) -> String {
    let key = app.provider("north", "UTC").await;
    for (customer, zone) in ZONES {
        app.put(&key, &format!("/v1/customers/{customer}"), json!({"name": customer, "time_zone": zone})).await;
        let body = json!({"name": "Group", "customer": customer});
        app.put(&key, &format!("/v1/groups/{customer}-group"), body).await.expect_status(201);
    }
    app.put(&key, "/v1/metrics/energy", json!({"name": "Energy", "unit": "kWh", "kind": "delta"})).await;
    let body = json!({"customer": "paris", "group": "paris-group"});
    app.put(&key, "/v1/devices/m1", body).await.expect_status(201);
    key
}

const ZONES: [(&str, &str); 3] = [("paris", "Europe/Paris"), ("apia", "Pacific/Apia"), ("kathmandu", "Asia/Kathmandu")];

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Every six hours of ten days.
fn instants() -> Vec<DateTime<Utc>> {
    (0..40).map(|i| at("2026-03-25T03:30:00Z") + Duration::hours(6 * i)).collect()
}

/// What the assignments, as the API shows them, say about instants: the naive way.
fn expected(assignments: &Value, instants: &[DateTime<Utc>]) -> Vec<Stamp> {
    let bound = |value: &Value| value.as_str().map(at);
    let holds = |a: &Value, ts| bound(&a["from"]).is_none_or(|f| f <= ts) && bound(&a["to"]).is_none_or(|t| ts < t);
    let stamp = |ts: &DateTime<Utc>| {
        let owners: Vec<_> = assignments.as_array().unwrap().iter().filter(|a| holds(a, *ts)).collect();
        assert_eq!(owners.len(), 1, "{ts} has one owner: {assignments}");
        let customer = owners[0]["customer"].as_str().unwrap();
        let zone: Tz = ZONES.iter().find(|(key, _)| *key == customer).unwrap().1.parse().unwrap();
        let group = owners[0]["group"].as_str().map(str::to_owned);
        Stamp { ts: *ts, customer: customer.to_owned(), group, billing_day: ts.with_timezone(&zone).date_naive() }
    };
    instants.iter().map(stamp).collect()
}

async fn audited(db: &mut PgConnection) -> Vec<(String, Value, Value)> {
    let audit =
        "SELECT entity, before, after FROM audit WHERE action = 'device.move' AND key_id IS NOT NULL ORDER BY audit_id";
    sqlx::query_as(audit).fetch_all(db).await.unwrap()
}

pub async fn a_move_in_the_past_takes_the_readings_along(app: TestApp) {
    let key = fleet(&app).await;
    let mut db = app.db().await;
    stored::store(&mut db, "m1", "energy", &instants()).await;
    let before = stored::stamps(&mut db, "m1").await;

    let body = json!({"customer": "apia", "group": "apia-group", "at": "2026-03-29T03:30:00+02:00"});
    let answer = app.post(&key, "/v1/devices/m1/moves", body.clone()).await.expect_status(200).json();
    assert_eq!(
        answer["assignments"],
        json!([
            {"customer": "paris", "group": "paris-group", "from": null, "to": "2026-03-29T01:30:00Z"},
            {"customer": "apia", "group": "apia-group", "from": "2026-03-29T01:30:00Z", "to": null},
        ])
    );
    let after = stored::stamps(&mut db, "m1").await;
    assert_eq!(after, expected(&answer["assignments"], &instants()));
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!(answer["reattributed"], changed);
    assert_eq!(changed, 24, "the readings from 29 March, 03:30 UTC on");
    let list = app.get(&key, "/v1/devices/m1/assignments").await.expect_status(200).json();
    assert_eq!(list, json!({"items": answer["assignments"], "next": null}));

    let audit = audited(&mut db).await;
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0].0, "m1");
    assert_eq!(audit[0].1, json!([{"customer": "paris", "group": "paris-group", "from": null, "to": null}]));
    assert_eq!(audit[0].2, answer["assignments"]);

    // The same again changes nothing and is not audited again.
    let again = app.post(&key, "/v1/devices/m1/moves", body).await.expect_status(200).json();
    assert_eq!((&again["reattributed"], &again["assignments"]), (&json!(0), &answer["assignments"]));
    assert_eq!(audited(&mut db).await.len(), 1);
}

pub async fn any_series_of_moves_leaves_stamps_that_the_assignments_say(app: TestApp) {
    let key = fleet(&app).await;
    let mut db = app.db().await;
    app.put(&key, "/v1/metrics/power", json!({"name": "Power", "unit": "kW", "kind": "gauge"})).await;
    stored::store(&mut db, "m1", "energy", &instants()).await;
    stored::store(&mut db, "m1", "power", &instants()).await;
    app.put(&key, "/v1/devices/other", json!({"customer": "paris"})).await;
    stored::store(&mut db, "other", "energy", &instants()).await;
    let others = stored::stamps(&mut db, "other").await;

    // customer, group, at, how many assignments there are afterwards
    let moves = [
        ("apia", Some("apia-group"), "2026-03-30T00:00:00Z", 2),
        ("kathmandu", None, "2026-04-01T00:00:00Z", 3),
        // Within apia's time: kathmandu's is dropped.
        ("paris", None, "2026-03-31T12:00:00Z", 3),
        // Another group of the same customer is another owner.
        ("paris", Some("paris-group"), "2026-04-02T00:00:00Z", 4),
        // Where apia begins, back to what was before: both become one.
        ("paris", Some("paris-group"), "2026-03-30T00:00:00Z", 1),
        // Before all readings.
        ("kathmandu", Some("kathmandu-group"), "2020-01-01T00:00:00Z", 2),
        ("kathmandu", Some("kathmandu-group"), "2026-01-01T00:00:00Z", 2),
        ("kathmandu", Some("kathmandu-group"), "1970-01-01T00:00:00Z", 2),
        ("apia", None, "2026-04-03T21:30:00Z", 3),
    ];
    let mut twice: Vec<_> = instants().into_iter().flat_map(|ts| [ts, ts]).collect();
    twice.sort();
    for (customer, group, at, number) in moves {
        let body = json!({"customer": customer, "group": group, "at": at});
        let before = stored::stamps(&mut db, "m1").await;
        let answer = app.post(&key, "/v1/devices/m1/moves", body.clone()).await.expect_status(200).json();
        let after = stored::stamps(&mut db, "m1").await;
        assert_eq!(answer["assignments"].as_array().unwrap().len(), number, "{body}: {answer}");
        assert_eq!(after, expected(&answer["assignments"], &twice), "{body}");
        let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert_eq!(answer["reattributed"], changed, "{body}");
    }
    assert_eq!(stored::stamps(&mut db, "other").await, others, "nobody moved that one");
}

pub async fn a_change_of_owner_by_put_is_a_move_as_of_now(app: TestApp) {
    let key = fleet(&app).await;
    let mut db = app.db().await;
    // A clock that runs ahead has sent something already.
    let ahead = Utc::now() + Duration::days(2);
    let all = [at("2026-03-25T03:30:00Z"), DateTime::from_timestamp_micros(ahead.timestamp_micros()).unwrap()];
    stored::store(&mut db, "m1", "energy", &all).await;

    let device = app.put(&key, "/v1/devices/m1", json!({"customer": "apia"})).await.expect_status(200).json();
    assert_eq!((&device["customer"], &device["group"]), (&json!("apia"), &json!(null)));
    let list = app.get(&key, "/v1/devices/m1/assignments").await.json();
    let moved = at(list["items"][1]["from"].as_str().unwrap());
    assert!((Utc::now() - moved).num_minutes() < 5 && moved <= Utc::now());
    assert_eq!(stored::stamps(&mut db, "m1").await, expected(&list["items"], &all));
    assert_eq!(audited(&mut db).await.len(), 1);
    // A new name alone is no move.
    app.put(&key, "/v1/devices/m1", json!({"customer": "apia", "name": "Meter"})).await.expect_status(200);
    assert_eq!(app.get(&key, "/v1/devices/m1/assignments").await.json(), list);
}

pub async fn a_device_is_retired_and_put_into_service_again(app: TestApp) {
    let key = fleet(&app).await;
    app.delete(&key, "/v1/devices/m1").await.expect_status(204);
    let retired = app.get(&key, "/v1/devices/m1").await.expect_status(200).json();
    app.delete(&key, "/v1/devices/m1").await.expect_status(204);
    assert_eq!(app.get(&key, "/v1/devices/m1").await.json(), retired, "retiring again is harmless");
    assert_eq!((&retired["customer"], &retired["group"]), (&json!("paris"), &json!("paris-group")));
    let list = app.get(&key, "/v1/devices/m1/assignments").await.json();
    assert_eq!(list["items"][0]["to"], retired["retired_at"]);
    let audit = "SELECT count(*) FROM audit WHERE action = 'device.retire' AND entity = 'm1'";
    assert_eq!(sqlx::query_scalar::<_, i64>(audit).fetch_one(&mut app.db().await).await.unwrap(), 1);

    let answer = app.post(&key, "/v1/devices/m1/moves", json!({"customer": "apia"})).await.expect_status(409);
    assert_eq!(answer.problem(), "device_retired");
    for (retired, number) in [("", 0), ("?retired=false", 0), ("?retired=true", 1), ("?retired=any", 1)] {
        let list = app.get(&key, &format!("/v1/devices{retired}")).await.expect_status(200).json();
        assert_eq!(list["items"].as_array().unwrap().len(), number, "{retired}");
    }
    app.get(&key, "/v1/devices?retired=maybe").await.expect_status(400);

    let body = json!({"customer": "paris", "group": "paris-group"});
    let back = app.put(&key, "/v1/devices/m1", body).await.expect_status(200).json();
    assert_eq!(back["retired_at"], json!(null));
    assert_eq!(back["id"], retired["id"]);
    let list = app.get(&key, "/v1/devices/m1/assignments").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "out of service in between");
    assert!(at(list["items"][0]["to"].as_str().unwrap()) < at(list["items"][1]["from"].as_str().unwrap()));
    assert_eq!(list["items"][1]["to"], json!(null));
}

pub async fn a_move_that_cannot_be_is_refused(app: TestApp) {
    let key = fleet(&app).await;
    let cases = [
        (json!({"customer": "nobody"}), 404, "/customer"),
        (json!({"customer": "apia", "group": "nothing"}), 404, "/group"),
        (json!({"customer": "apia", "group": "paris-group"}), 409, "/group"),
        (json!({"customer": "apia", "at": "2026-03-29T03:30:00"}), 422, "/at"),
        (json!({"customer": "apia", "at": "2026-03-29"}), 422, "/at"),
        (json!({"customer": "apia", "at": (Utc::now() + Duration::hours(1)).to_rfc3339()}), 422, "/at"),
        (json!({"group": "apia-group"}), 422, "/customer"),
    ];
    for (body, status, pointer) in cases {
        let answer = app.post(&key, "/v1/devices/m1/moves", body.clone()).await.expect_status(status);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    app.post(&key, "/v1/devices/nothing/moves", json!({"customer": "apia"})).await.expect_status(404);
    let list = app.get(&key, "/v1/devices/m1/assignments").await.json();
    assert_eq!(list["items"], json!([{"customer": "paris", "group": "paris-group", "from": null, "to": null}]));
}

/// On Community only: elsewhere nothing is compressed.
pub async fn a_move_reaches_compressed_readings_however_many(app: TestApp) {
    if app.edition != Edition::Community {
        return;
    }
    let mut db = app.db().await;
    // For the connections that the server has yet to make.
    let limit = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET
        timescaledb.max_tuples_decompressed_per_dml_transaction = 5', current_database()); END $$";
    sqlx::raw_sql(limit).execute(&mut db).await.unwrap();
    let key = fleet(&app).await;
    stored::store(&mut db, "m1", "energy", &instants()).await;
    sqlx::raw_sql("SELECT compress_chunk(c) FROM show_chunks('reading') c").execute(&mut db).await.unwrap();

    let body = json!({"customer": "apia", "at": "2026-03-26T00:00:00Z"});
    let answer = app.post(&key, "/v1/devices/m1/moves", body).await.expect_status(200).json();
    assert_eq!(answer["reattributed"], 36, "all but the four of 25 March");
    assert_eq!(stored::stamps(&mut db, "m1").await, expected(&answer["assignments"], &instants()));
}
