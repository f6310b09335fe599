//! Replays of a large quarantine: in parts, by any number of servers, whatever happens to them.

use chrono::{TimeDelta, TimeZone, Utc};
use meterbase::keys::Scope;
use meterbase::limits::Limits;
use meterbase::server::Server;
use serde_json::json;
use sqlx::PgConnection;

use crate::binary::Patience;
use crate::fixtures::{counts, north, send_csv};
use crate::harness::TestApp;
use crate::ingest::quarantine::balance;

const READINGS: i64 = 12_000;

/// Sends readings of two devices that are not there, the values of which are 1, 2, 3 and so on, then registers both.
async fn large_quarantine(app: &TestApp) {
    let key = north(app).await;
    let start = Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).unwrap();
    let row = |n: i64| {
        let (device, at) = (["m7", "m8"][n as usize % 2], start + TimeDelta::minutes(n));
        format!("{device},energy,{},{n}\n", at.to_rfc3339())
    };
    let rows: String = (1..=READINGS).map(row).collect();
    let answer = send_csv(app, &key, &format!("device,metric,at,value\n{rows}")).await;
    assert_eq!(counts(&answer)[4], READINGS as u64);
    let provider = app.key("north", Scope::Provider).await;
    let devices = json!([{"key": "m7", "customer": "acme"}, {"key": "m8", "customer": "acme"}]);
    app.post(&provider, "/v1/devices", devices).await.expect_status(200);
    // Whoever registers them waits for none of it.
    assert_eq!(balance(&mut app.db().await).await, [READINGS, 0, 0, 0, 0, READINGS]);
}

/// Readings that are stored, and the sum of what they add.
async fn stored(db: &mut PgConnection) -> (i64, i64) {
    let all = "SELECT count(*), coalesce(sum(increment), 0)::bigint FROM reading";
    sqlx::query_as(all).fetch_one(db).await.unwrap()
}

const ALL: (i64, i64) = (READINGS, READINGS * (READINGS + 1) / 2 * 1000);

/// Whether nothing is left to be tried again.
async fn is_done(db: &mut PgConnection) -> bool {
    sqlx::query_scalar("SELECT NOT EXISTS (SELECT FROM quarantine_due)").fetch_one(db).await.unwrap()
}

pub async fn a_replay_that_is_broken_off_anywhere_neither_loses_nor_doubles_a_reading(app: TestApp) {
    large_quarantine(&app).await;
    let cutting = async {
        let (mut db, mut patience) = (app.db().await, Patience::for_("connections to cut"));
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'meterbase ingest' AND query ~ $1";
        // In the middle of each of its steps.
        for step in ["keep_stamping", "due_readings", "quarantine.take", "COPY|ingest.insert", "remove", "left"] {
            while sqlx::query_scalar::<_, i64>(cut).bind(step).fetch_one(&mut db).await.unwrap() == 0
                && !is_done(&mut db).await
            {
                patience.poll().await;
            }
        }
    };
    tokio::join!(replay(&app), replay(&app), cutting);
    let mut db = app.db().await;
    assert_eq!(stored(&mut db).await, ALL);
    assert_eq!(balance(&mut db).await, [READINGS, READINGS, 0, 0, 0, 0]);
}

/// Tries again whatever is due until nothing is.
async fn replay(app: &TestApp) {
    let (mut db, mut patience) = (app.db().await, Patience::for_("the end of the replays"));
    while !is_done(&mut db).await {
        // Where its connection was cut it is told so, and goes on.
        let _broken = app.ingest.replayer().due().await;
        patience.poll().await;
    }
}

pub async fn servers_replay_by_themselves_and_go_on_where_another_ended(app: TestApp) {
    large_quarantine(&app).await;
    let first = crate::limits::serve(&app, Limits::default()).await;
    let second = crate::limits::serve(&app, Limits::default()).await;
    let (mut db, mut patience) = (app.db().await, Patience::for_("the first readings"));
    while stored(&mut db).await.0 == 0 {
        patience.poll().await;
    }
    first.stop().await.unwrap();
    let mut patience = Patience::for_("the end of the replays");
    while !is_done(&mut db).await {
        patience.poll().await;
    }
    assert_eq!(stored(&mut db).await, ALL);
    assert_eq!(balance(&mut db).await, [READINGS, READINGS, 0, 0, 0, 0]);
    let mut patience = Patience::for_("metrics of the quarantine");
    for name in ["meterbase_quarantine_readings ", "meterbase_quarantine_replayed_readings_total{verdict=\"stored\"} "]
    {
        while !metrics(&app, &second).await.contains(name) {
            patience.poll().await;
        }
    }
    second.stop().await.unwrap();
}

async fn metrics(app: &TestApp, server: &Server) -> String {
    app.client.get(server.metrics_url()).send().await.unwrap().text().await.unwrap()
}
