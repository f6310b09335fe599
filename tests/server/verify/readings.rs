//! What readings carry, and whose figures are looked at.

use meterbase::keys::Scope;
use serde_json::json;
use sqlx::PgConnection;

use super::{change_one, verify};
use crate::fixtures::{Metric, customer, device, metric, send_json};
use crate::harness::TestApp;

/// Two customers in other zones, a device that moves between them, deltas, a gauge and a register.
pub async fn filled(app: &TestApp) -> PgConnection {
    let mut db = app.db().await;
    app.provider("north", "UTC").await;
    app.provider("south", "UTC").await;
    customer(&mut db, "north", "acme", "Europe/Paris").await;
    customer(&mut db, "north", "globex", "Pacific/Apia").await;
    customer(&mut db, "south", "acme", "UTC").await;
    device(&mut db, "north", "m1", &[("acme", "(,2026-03-02T12:00:00Z)"), ("globex", "[2026-03-02T12:00:00Z,)")]).await;
    device(&mut db, "north", "m2", &[("globex", "(,)")]).await;
    device(&mut db, "south", "m1", &[("acme", "(,)")]).await;
    for (key, kind) in [("energy", "delta"), ("power", "gauge"), ("meter", "register")] {
        for provider in ["north", "south"] {
            metric(&mut db, provider, key, Metric { kind, scale: 0, ..Metric::default() }).await;
        }
    }
    for (provider, devices) in [("north", &["m1", "m2"][..]), ("south", &["m1"])] {
        let key = app.key(provider, Scope::Ingest).await;
        let readings: Vec<_> = devices
            .iter()
            .flat_map(|device| ["energy", "power", "meter"].map(|metric| (device, metric)))
            .flat_map(|(device, metric)| {
                (0..16).map(move |n| {
                    let at = format!("2026-03-{:02}T{:02}:30:00Z", 1 + n / 4, n % 4 * 6);
                    json!({"device": device, "metric": metric, "at": at, "value": 100 + n * 3})
                })
            })
            .collect();
        send_json(app, &key, &json!(readings)).await;
    }
    app.settle().await;
    db
}

const ONE: &str = "(channel_id, ts) = (SELECT c.channel_id, timestamptz '{ts}'
    FROM channel c JOIN device d USING (device_id) JOIN metric m USING (metric_id) JOIN provider p ON p.provider_id = c.provider_id
    WHERE p.key = 'north' AND d.key = '{device}' AND m.key = '{metric}')";

fn one(device: &str, metric: &str, ts: &str) -> String {
    ONE.replace("{device}", device).replace("{metric}", metric).replace("{ts}", ts)
}

pub async fn readings_that_carry_something_wrong_are_found(app: TestApp) {
    let mut db = filled(&app).await;
    // 3 rows of 48 readings a proof, and the rollups.
    assert_eq!(verify(&app, &["--only", "stamps"]).expect_clean(), 144);
    assert_eq!(verify(&app, &["--only", "increments"]).expect_clean(), 144);
    verify(&app, &[]).expect_clean();

    let set = |what: &str, which: String| format!("UPDATE reading SET {what} WHERE {which}");
    let globex = "customer_id = (SELECT customer_id FROM customer WHERE key = 'globex')";
    change_one(&mut db, set(globex, one("m1", "energy", "2026-03-02T06:30:00Z"))).await;
    change_one(&mut db, set("billing_day = '2026-03-03'", one("m1", "energy", "2026-03-03T12:30:00Z"))).await;
    change_one(&mut db, set("increment = 7", one("m2", "energy", "2026-03-01T00:30:00Z"))).await;
    change_one(&mut db, set("increment = 1", one("m2", "power", "2026-03-01T06:30:00Z"))).await;
    let found = verify(&app, &["--only", "stamps"]);
    // Half past noon in UTC is half past one of the next day in Apia.
    let expected = ["reading billing_day 2026-03-03 2026-03-04", "reading customer globex acme"];
    assert_eq!(found.differences(), expected, "{:?}", found.lines);
    let found = verify(&app, &["--only", "increments"]);
    assert_eq!(found.differences(), ["reading increment 1 0", "reading increment 7 100"]);
    assert_eq!(found.lines[0]["device"], "m2");

    // Rollups follow what readings carry, so these are what the readings say.
    verify(&app, &["--only", "rollups"]).expect_clean();
}

pub async fn only_what_is_named_is_compared(app: TestApp) {
    let mut db = filled(&app).await;
    change_one(
        &mut db,
        format!("UPDATE reading SET increment = 7 WHERE {}", one("m2", "energy", "2026-03-01T00:30:00Z")),
    )
    .await;
    app.settle().await;
    let differences = |arguments: &[&str]| {
        let said = verify(&app, arguments);
        (said.code, said.summary()["differences"].as_u64().expect("a number"))
    };
    assert_eq!(differences(&["--provider", "north"]), (Some(1), 1));
    assert_eq!(differences(&["--provider", "south"]), (Some(0), 0));
    assert_eq!(differences(&["--customer", "globex"]), (Some(1), 1));
    assert_eq!(differences(&["--provider", "north", "--customer", "acme"]), (Some(0), 0));
    assert_eq!(differences(&["--device", "m2"]), (Some(1), 1));
    assert_eq!(differences(&["--provider", "north", "--device", "m1"]), (Some(0), 0));
    assert_eq!(differences(&["--from", "2026-03-02"]), (Some(0), 0));

    for (arguments, code, because) in [
        (&["--customer", "nobody"][..], 1, "there is no customer nobody"),
        (&["--provider", "west"], 1, "there is no provider west"),
        (&["--customer", "acme"], 2, "name one with --provider"),
        (&["--customer", "acme", "--device", "m1"], 2, "cannot be used with"),
        (&["--from", "2026-03-02", "--to", "2026-03-01"], 2, "--from must be before --to"),
        (&["--sample", "5"], 2, "1% to 100%"),
    ] {
        let said = verify(&app, arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(because), "{arguments:?}: {}", said.stderr);
    }
}
