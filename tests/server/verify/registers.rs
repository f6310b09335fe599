//! Registers: what they add and what is under suspicion follows from all that is stored of them.

use meterbase::keys::Scope;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{change_one, verify};
use crate::fixtures::{Metric, device, metric, north, send_csv, verdicts};
use crate::harness::TestApp;
use crate::naive_registers as naive;

/// What `m1` showed, and what each reading adds: a rollover, a jump that is accepted with a number, one that is dismissed,
/// a reset, a new meter, a slip, a slip that is repeated and cleared up two days later.
const LIFE: [(&str, &str, i64); 14] = [
    ("02T08", "99980.0", 0),
    ("02T09", "5.0", 250),
    ("02T10", "900.0", 35),
    ("02T11", "910.0", 100),
    ("02T12", "5000.0", 0),
    ("02T13", "5001.0", 10),
    ("02T14", "0.0", 0),
    ("02T15", "7.0", 70),
    ("02T17", "501.0", 40),
    ("02T18", "400.0", 0),
    ("02T19", "502.0", 10),
    ("02T23", "2000.0", 0),
    ("03T01", "2000.0", 0),
    ("04T01", "503.0", 10),
];

/// A five-digit register of `m1` with one decimal, at most 50.0 an hour, that lived through [`LIFE`]; `m2` only runs.
async fn filled(app: &TestApp) -> PgConnection {
    let ingest = north(app).await;
    let key = app.key("north", Scope::Provider).await;
    let mut db = app.db().await;
    device(&mut db, "north", "m2", &[("acme", "(,)")]).await;
    let total = Metric {
        kind: "register",
        scale: 1,
        rollover_at: Some(1_000_000),
        max_per_hour: Some(500),
        ..Metric::default()
    };
    metric(&mut db, "north", "total", total).await;
    let rows: String = LIFE.iter().map(|(at, value, _)| format!("m1,total,2026-03-{at}:00:00Z,{value}\n")).collect();
    let two = "m2,total,2026-03-02T08:00:00Z,100\nm2,total,2026-03-02T10:00:00Z,110\n";
    let answer = send_csv(app, &ingest, &format!("device,metric,at,value\n{rows}{two}")).await;
    assert!(verdicts(&answer).iter().all(|verdict| verdict.starts_with("stored")), "{answer}");
    let told = json!({"metric": "total", "at": "2026-03-02T16:00:00Z", "final": "10", "initial": "500"});
    app.post(&key, "/v1/devices/m1/replacements", told).await.expect_status(201);
    decide(app, &key, "900.0", "accept", json!({"increment": "3.5"})).await;
    decide(app, &key, "5000.0", "dismiss", json!({})).await;
    app.settle().await;
    db
}

async fn decide(app: &TestApp, key: &str, value: &str, verb: &str, body: Value) {
    let listed = app.get(key, "/v1/reviews?state=open").await.expect_status(200).json();
    let items = listed["items"].as_array().expect("reviews");
    let review = items.iter().find(|item| item["value"] == value).unwrap_or_else(|| panic!("{value}: {listed}"));
    let id = review["id"].as_str().expect("an id");
    app.post(key, &format!("/v1/reviews/{id}/{verb}"), body).await.expect_status(200);
}

/// The reading, or the review, of a device at an hour of March.
fn one(device: &str, at: &str) -> String {
    format!(
        "ts = '2026-03-{at}:00:00Z'
         AND channel_id = (SELECT channel_id FROM channel JOIN device USING (device_id) WHERE device.key = '{device}')"
    )
}

pub async fn registers_that_lived_through_everything_verify_clean(app: TestApp) {
    let mut db = filled(&app).await;
    let increments: Vec<i64> =
        sqlx::query_scalar("SELECT increment FROM reading ORDER BY channel_id, ts").fetch_all(&mut db).await.unwrap();
    let by_hand = LIFE.iter().map(|(.., increment)| *increment).chain([0, 100]);
    assert_eq!(increments, by_hand.collect::<Vec<_>>());
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM review WHERE suspect ORDER BY ts").fetch_all(&mut db).await.unwrap();
    assert_eq!(states, ["accepted", "dismissed", "explained", "withdrawn", "withdrawn", "withdrawn"]);
    assert_eq!(naive::check(&mut db).await, 6);
    assert_eq!(verify(&app, &["--only", "increments"]).expect_clean(), 16);
    verify(&app, &[]).expect_clean();
    // Days that begin amid a run of suspicious readings are as right by themselves.
    for day in ["2026-03-02", "2026-03-03", "2026-03-04"] {
        let next = day.replace("-04", "-05").replace("-03-03", "-03-04").replace("-03-02", "-03-03");
        let arguments = ["--only", "increments", "--from", day, "--to", &next];
        verify(&app, &arguments).expect_clean();
    }
    verify(&app, &["--only", "increments", "--sample", "100%"]).expect_clean();
}

/// Every difference of the increments' proof as `device instant column kept right`, in order of device and instant.
fn found(app: &TestApp, arguments: &[&str]) -> Vec<String> {
    let said = verify(app, &[&["--only", "increments"], arguments].concat());
    let (summary, lines) = said.lines.split_last().unwrap_or_else(|| panic!("no summary: {}", said.stderr));
    assert_eq!(said.code, Some(i32::from(!lines.is_empty())), "{:?}", said.lines);
    let readings: std::collections::BTreeSet<_> =
        lines.iter().map(|line| (line["device"].to_string(), line["at"].to_string())).collect();
    assert_eq!(summary["differences"], readings.len(), "each reading counts once");
    let line = |line: &Value| {
        assert_eq!([&line["relation"], &line["metric"], &line["customer"]], ["reading", "total", "acme"]);
        let part = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        let at = part("at").replace("2026-03-", "").replace(":00:00Z", "");
        [part("device"), at, part("column"), part("kept"), part("right")].join(" ")
    };
    lines.iter().map(line).collect()
}

pub async fn increments_and_reviews_of_registers_that_were_changed_by_hand_are_found(app: TestApp) {
    let mut db = filled(&app).await;
    let (m1, m2) = (|at| one("m1", at), |at| one("m2", at));
    change_one(&mut db, format!("UPDATE reading SET increment = 260 WHERE {}", m1("02T09"))).await;
    // What was accepted with 3.5 is under suspicion again, and adds nothing; what follows it is none the worse.
    change_one(&mut db, format!("DELETE FROM review WHERE {}", m1("02T10"))).await;
    // 104.0 between 100.0 and 110.0.
    let insert = "INSERT INTO reading (ts, value, increment, event_key, channel_id, customer_id, group_id, billing_day)
                  SELECT ts - interval '1 hour', 1040, 7, event_key, channel_id, customer_id, group_id, billing_day
                  FROM reading WHERE ";
    change_one(&mut db, format!("{insert}{}", m2("02T10"))).await;
    let increments = [
        "m1 02T09 increment 260 250",
        "m1 02T10 increment 35 0",
        "m2 02T09 increment 7 40",
        "m2 02T10 increment 100 60",
    ];
    let mut expected = increments.map(str::to_owned).to_vec();
    expected.insert(2, "m1 02T10 review.kind - jump".to_owned());
    assert_eq!(found(&app, &[]), expected);
    assert_eq!(naive::wrong_increments(&mut db).await, [(260, 250), (35, 0), (7, 40), (100, 60)]);

    assert_eq!(found(&app, &["--device", "m1"]), expected[..3]);
    assert_eq!(found(&app, &["--device", "m2", "--from", "2026-03-02", "--to", "2026-03-03"]), expected[3..]);
    assert_eq!(found(&app, &["--customer", "acme", "--sample", "100%"]), expected);
    assert_eq!(found(&app, &["--from", "2026-03-03"]), Vec::<String>::new());
    let words = super::command(&app, &["verify", "--only", "increments", "--device", "m1"]).output().unwrap();
    let words = crate::binary::text(&words.stdout);
    let first = "reading 2026-03-02T09:00:00Z billed 2026-03-02, provider north, customer acme, device m1, metric total: \
                 increment is 260, should be 250";
    assert_eq!(words.lines().next(), Some(first), "{words}");
}

pub async fn reviews_that_say_something_else_than_the_readings_are_found(app: TestApp) {
    let mut db = filled(&app).await;
    let mut set = async |what: &str, at: &str| {
        change_one(&mut db, format!("UPDATE review SET {what} WHERE {}", one("m1", at))).await;
    };
    set("accepting = 1, trusted_value = 9000", "02T12").await;
    set("suspect = false", "02T14").await;
    set("cleared = false", "02T18").await;
    // It is cleared up two days later.
    set("cleared = false, kind = 'decrease'", "02T23").await;
    // It was suspicious until the new meter was told.
    set("suspect = true", "02T19").await;
    let expected = [
        "m1 02T12 review.trusted_value 9000 9100",
        "m1 02T12 review.accepting 1 40900",
        "m1 02T14 review.kind - reset",
        "m1 02T18 review.cleared false true",
        "m1 02T19 review.kind jump -",
        "m1 02T23 review.kind decrease jump",
        "m1 02T23 review.cleared false true",
    ];
    assert_eq!(found(&app, &[]), expected);
    assert_eq!(found(&app, &["--from", "2026-03-02", "--to", "2026-03-03"]), expected);
    assert_eq!(naive::wrong_increments(&mut db).await, []);
}
