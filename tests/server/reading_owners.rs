//! Owners and billing days are those as of the reading.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::fixtures::{counts, customer, device, north, send_csv, send_json, verdicts};
use crate::harness::TestApp;

/// Zones, and days around which their clocks change: an hour, half an hour, a quarter; Apia once skipped a whole day.
const CHANGES: [(&str, &str, &[&str]); 4] = [
    ("paris", "Europe/Paris", &["2026-03-29", "2026-10-25", "2027-01-01"]),
    ("kathmandu", "Asia/Kathmandu", &["1986-01-01", "2026-03-29"]),
    ("st-johns", "America/St_Johns", &["1988-04-03", "2006-10-29", "2026-03-08", "2026-11-01"]),
    ("apia", "Pacific/Apia", &["2011-12-30", "2011-09-24", "2020-09-27", "2021-04-04"]),
];

pub async fn billing_days_are_the_owner_s_calendar_days(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    let mut csv = "device,metric,at,value\n".to_owned();
    for (name, zone, days) in CHANGES {
        customer(&mut db, "north", name, zone).await;
        device(&mut db, "north", name, &[(name, "(,)")]).await;
        for day in days {
            let noon: DateTime<Utc> = format!("{day}T12:00:00Z").parse().unwrap();
            // Three days, in steps that meet whole and half hours and the seconds around midnight.
            let steps = (-144..144).map(|step| noon + TimeDelta::minutes(step * 15));
            for at in steps.flat_map(|at| [at - TimeDelta::microseconds(1), at, at + TimeDelta::seconds(7)]) {
                csv += &format!("{name},energy,{},1\n", at.to_rfc3339());
            }
        }
    }
    let answer = send_csv(&app, &key, &csv).await;
    assert_eq!(counts(&answer)[..2], [13 * 288 * 3; 2]);
    let (days, wrong): (i64, i64) = sqlx::query_as(
        "SELECT count(DISTINCT (zone, billing_day)), count(*) FILTER (WHERE billing_day <> (ts AT TIME ZONE zone)::date)
         FROM reading JOIN (SELECT customer_id, time_zone::text AS zone FROM customer) AS c USING (customer_id)",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    assert_eq!(wrong, 0);
    assert!(days > 13 * 3, "{days}");
}

pub async fn a_moved_device_s_readings_belong_to_the_owner_of_their_time(app: TestApp) {
    let key = north(&app).await;
    let mut db = app.db().await;
    customer(&mut db, "north", "apia", "Pacific/Apia").await;
    let group = "INSERT INTO device_group (uuid, provider_id, customer_id, key, name)
        SELECT gen_random_uuid(), provider_id, customer_id, 'roof', 'roof' FROM customer WHERE key = 'acme'";
    sqlx::query(group).execute(&mut db).await.unwrap();
    let owners =
        [("acme", "(,2026-03-10 12:00Z)"), ("apia", "[2026-03-10 12:00Z,2026-03-20Z)"), ("acme", "[2026-04-01Z,)")];
    device(&mut db, "north", "m2", &owners).await;
    let group = "UPDATE assignment a SET group_id = (SELECT group_id FROM device_group)
        FROM customer c WHERE c.customer_id = a.customer_id AND c.key = 'acme' AND lower_inf(a.during)";
    sqlx::query(group).execute(&mut db).await.unwrap();

    let times = [
        "1970-01-01T00:00:00Z",
        "2026-03-10T11:59:59.999999Z",
        "2026-03-10T12:00:00Z",
        "2026-03-19T23:59:59Z",
        "2026-03-20T00:00:00Z",
        "2026-03-31T23:59:59Z",
        "2026-04-01T00:00:00Z",
    ];
    let sent: Vec<_> =
        times.iter().map(|at| json!({"device": "m2", "metric": "energy", "at": at, "value": 1})).collect();
    let answer = send_json(&app, &key, &json!(sent)).await;
    let (stored, unassigned) = ("stored", "quarantined device_unassigned");
    assert_eq!(verdicts(&answer), [stored, stored, stored, stored, unassigned, unassigned, stored]);
    let stamps: Vec<(String, bool, String)> = sqlx::query_as(
        "SELECT c.key::text, group_id <> 0, billing_day::text FROM reading JOIN customer c USING (customer_id) ORDER BY ts",
    )
    .fetch_all(&mut db)
    .await
    .unwrap();
    let expected = [
        ("acme", true, "1970-01-01"),
        ("acme", true, "2026-03-10"),
        ("apia", false, "2026-03-11"),
        ("apia", false, "2026-03-20"),
        ("acme", false, "2026-04-01"),
    ];
    assert_eq!(stamps, expected.map(|(customer, group, day)| (customer.to_owned(), group, day.to_owned())));
}
