//! A simulated fleet against the server: what it sent is what is stored, and what is served.

use std::collections::BTreeMap;

use meterbase::client::{Client, Verdicts};
use meterbase::fleet::ledger::{Bucket, Ledger, Level};
use meterbase::fleet::{Fleet, Plan};
use meterbase::simulation::{self, Pace};
use sqlx::PgConnection;

use crate::harness::TestApp;

/// Batches small enough that several are under way at once.
const PACE: Pace = Pace { batch: 300, connections: 4, rate: None };

/// Summer time begins in Europe on 29 March 2026; the month ends.
fn fleet(devices: u32) -> Fleet {
    Fleet::new(Plan::new(11, devices, 7, "2026-04-02".parse().unwrap()).unwrap())
}

/// (readings, sum of increments, devices) by (entity, metric, day).
type Totals = BTreeMap<(String, String, String), (i64, String, i64)>;

/// Straight from the readings, by plain SQL.
async fn stored(db: &mut PgConnection, provider: &str) -> Totals {
    type Row = (String, String, String, i64, String, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.key::text, m.key::text, r.billing_day::text, count(*), sum(r.increment)::text,
                count(DISTINCT ch.device_id)
         FROM provider p
         JOIN customer c USING (provider_id)
         CROSS JOIN LATERAL customer_subtree(c.customer_id) AS s (customer_id)
         JOIN reading r ON r.customer_id = s.customer_id
         JOIN channel ch USING (channel_id)
         JOIN metric m USING (metric_id)
         WHERE p.key = $1::text
         GROUP BY 1, 2, 3",
    )
    .bind(provider)
    .fetch_all(db)
    .await
    .unwrap();
    rows.into_iter().map(|(c, m, day, count, sum, devices)| ((c, m, day), (count, sum, devices))).collect()
}

fn sent(ledger: &Ledger<'_>) -> Totals {
    let catalog = ledger.roster().catalog;
    let mut totals = Totals::new();
    for (place, metric) in catalog.metrics.iter().enumerate() {
        for ((customer, day), figures) in ledger.series(place, Level::Customer, Bucket::Day) {
            let key = (catalog.customers[customer].key.to_owned(), metric.key.to_owned(), day);
            totals.insert(key, (figures.count as i64, figures.sum.to_string(), figures.active.len() as i64));
        }
    }
    totals
}

pub async fn what_a_fleet_sends_is_stored_once_under_its_owner_and_day(app: TestApp) {
    let fleet = fleet(60);
    let client = Client::new(&app.base, &app.admin).unwrap();
    simulation::register(&client, &fleet).await.unwrap();
    let report = simulation::send(&client, &fleet, PACE, |_| {}).await.unwrap();
    assert_eq!(report.refused, []);
    let readings: u64 = fleet.providers.iter().map(|roster| Ledger::of(&fleet, roster).readings).sum();
    assert_eq!(report.verdicts.stored, readings);
    assert_eq!(report.verdicts.stored + report.verdicts.duplicates, report.verdicts.received);
    let mut db = app.db().await;
    for roster in &fleet.providers {
        assert_eq!(stored(&mut db, roster.catalog.key).await, sent(&Ledger::of(&fleet, roster)));
    }

    // A second time nothing changes.
    simulation::register(&client, &fleet).await.unwrap();
    let again = simulation::send(&client, &fleet, PACE, |_| {}).await.unwrap().verdicts;
    let received = report.verdicts.received;
    assert_eq!(again, Verdicts { received, duplicates: received, ..Verdicts::default() });
    for roster in &fleet.providers {
        assert_eq!(stored(&mut db, roster.catalog.key).await, sent(&Ledger::of(&fleet, roster)));
    }
}

pub async fn a_fleet_goes_on_where_it_ended_and_no_other_takes_its_place(app: TestApp) {
    let client = Client::new(&app.base, &app.admin).unwrap();
    let first = fleet(12);
    simulation::register(&client, &first).await.unwrap();
    let later = Plan::new(11, 12, 3, "2026-04-09".parse().unwrap()).unwrap();
    let settled = simulation::settle(&client, later).await.unwrap();
    assert_eq!((settled.from, settled.until), (first.plan.from, later.until));

    let other = Plan { seed: 12, ..later };
    let error = simulation::settle(&client, other).await.unwrap_err().to_string();
    assert!(error.contains("seed 11, 12 devices"), "{error}");

    app.put(&app.admin, "/v1/providers/cirrus-cloud", serde_json::json!({"name": "Cirrus"})).await.expect_status(200);
    let error = simulation::settle(&client, later).await.unwrap_err().to_string();
    assert!(error.contains("cirrus-cloud is there"), "{error}");
}
