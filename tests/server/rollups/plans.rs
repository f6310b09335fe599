//! Statements read the chunks of their range and the rows of what they are about: checked by what EXPLAIN says of the
//! very statements. On a database as small as this, reading all of a chunk's few pages is as good as any plan; so pages
//! cost nothing here and sequential scans are discouraged, and the plan that looks at the fewest rows wins.

use std::collections::BTreeSet;

use chrono::{DateTime, Months, Utc};
use meterbase::http::access::Tenant;
use meterbase::usage;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{fleet, insert, run};
use crate::harness::TestApp;

/// A scan of a chunk, as EXPLAIN ANALYZE tells of it.
#[derive(Debug)]
pub struct Scan {
    pub chunk: String,
    pub node: String,
    /// Rows that it looked at.
    pub rows: i64,
}

/// Question, rollup, the rows of it that belong to what is asked, and the UTC buckets that can hold its days.
const QUESTIONS: [(&str, &str, &str, [&str; 2]); 8] = [
    (
        "scope=customer:customer-1-1&bucket=day&from=2024-01-01&to=2025-01-01",
        "customer_daily",
        "customer_id = (SELECT customer_id FROM customer WHERE key = 'customer-1-1')",
        ["2023-12-31", "2025-01-02"],
    ),
    (
        "scope=provider&bucket=month&from=2024-02-01&to=2024-10-01",
        "provider_monthly",
        "provider_id = (SELECT provider_id FROM provider WHERE key = 'provider-1')",
        ["2024-01-01", "2024-11-01"],
    ),
    (
        "scope=group:group-1-1&bucket=day&from=2024-06-01&to=2024-07-01",
        "group_daily",
        "group_id = (SELECT group_id FROM device_group WHERE key = 'group-1-1')",
        ["2024-05-31", "2024-07-02"],
    ),
    (
        "scope=device:device-1-1&bucket=day&from=2024-06-01&to=2024-07-01",
        "channel_daily",
        "device_id = (SELECT device_id FROM device WHERE key = 'device-1-1')",
        ["2024-05-31", "2024-07-02"],
    ),
    (
        "scope=customer:customer-1-1&by=device&bucket=day&from=2024-06-01&to=2024-07-01",
        "channel_daily",
        "customer_id = (SELECT customer_id FROM customer WHERE key = 'customer-1-1')",
        ["2024-05-31", "2024-07-02"],
    ),
    (
        "by=customer&bucket=day&stats=active_devices&from=2024-06-15&to=2024-06-16",
        "channel_daily",
        "customer_id IN (SELECT customer_id FROM customer WHERE key LIKE 'customer-1-%')",
        ["2024-06-14", "2024-06-17"],
    ),
    (
        "by=customer&bucket=month&stats=active_devices&from=2024-06-01&to=2024-07-01",
        "channel_monthly",
        "customer_id IN (SELECT customer_id FROM customer WHERE key LIKE 'customer-1-%')",
        ["2024-05-01", "2024-08-01"],
    ),
    (
        "scope=group:group-1-1&bucket=month&stats=active_devices&from=2024-06-01&to=2024-07-01",
        "channel_monthly",
        "group_id = (SELECT group_id FROM device_group WHERE key = 'group-1-1')",
        ["2024-05-01", "2024-08-01"],
    ),
];

/// Devices beside those of the fleet, so that one device or customer is a small part of them all.
const MORE_DEVICES: &str = "
    WITH made AS (
        INSERT INTO device (uuid, provider_id, key)
        SELECT gen_random_uuid(), provider_id, 'further-' || provider_id || '-' || n
        FROM provider, generate_series(1, 250) AS n
        RETURNING provider_id, device_id)
    INSERT INTO channel (provider_id, device_id, metric_id)
    SELECT provider_id, device_id, metric_id FROM made JOIN metric USING (provider_id)";

/// Two years of readings, most of them in the month that most questions are about.
pub async fn two_years(app: &TestApp) -> PgConnection {
    let mut db = fleet(app).await;
    run(&mut db, MORE_DEVICES).await;
    let first: DateTime<Utc> = "2023-07-01T00:00:00Z".parse().unwrap();
    for month in 0..24 {
        let from = first + Months::new(month);
        insert(&mut db, 200, from, from + Months::new(1)).await;
    }
    insert(&mut db, 5_000, "2024-05-28T00:00:00Z".parse().unwrap(), "2024-07-04T00:00:00Z".parse().unwrap()).await;
    app.settle().await;
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut db).await.expect("statistics");
    const LARGE: &str = "SET enable_seqscan = off; SET seq_page_cost = 0; SET random_page_cost = 0";
    sqlx::raw_sql(LARGE).execute(&mut db).await.expect("settings");
    db
}

pub async fn a_question_reads_only_the_chunks_of_its_range_and_the_rows_of_its_scope(app: TestApp) {
    let mut db = two_years(&app).await;
    let tenant: Tenant =
        sqlx::query_as("SELECT provider_id, key::text, time_zone::text FROM provider WHERE key = 'provider-1'")
            .fetch_one(&mut db)
            .await
            .expect("the provider");
    for (question, rollup, of, [from, to]) in QUESTIONS {
        let plans = usage::plans(&mut db, &tenant, &format!("metric=delta&{question}")).await.expect("plans");
        assert_eq!(plans.len(), 1, "{question}");
        let scans = scans(&plans[0]);
        let allowed = chunks(&mut db, rollup, from, to).await;
        let whole = chunks(&mut db, rollup, "-infinity", "infinity").await;
        assert!(allowed.len() < whole.len(), "{question}: too few chunks to tell");
        assert!(!scans.is_empty(), "{question}");
        for scan in &scans {
            // Not even readings, in case something were not materialised yet: on the Community edition all of these times are.
            assert!(allowed.contains(&scan.chunk), "{question}: {} is not of its range\n{:#}", scan.chunk, plans[0]);
            assert_ne!(scan.node, "Seq Scan", "{question}\n{:#}", plans[0]);
        }
        let rows = format!("SELECT count(*) FROM {rollup} WHERE {of} AND bucket >= '{from}' AND bucket < '{to}'");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&mut db).await.expect("a count");
        let read: i64 = scans.iter().map(|scan| scan.rows).sum();
        assert!(read > 0 && read <= rows, "{question}: {read} rows read, {rows} are its own\n{:#}", plans[0]);
    }
}

pub async fn raw_readings_and_the_ones_beside_a_reading_are_looked_up_in_their_chunks(app: TestApp) {
    let mut db = two_years(&app).await;
    let page = "'{1}', '2024-06-10', 0, 0, '2024-06-20', 100, NULL";
    let beside = "'{1}', '{2024-06-15}', '{0}', '2024-06-10', '2024-06-20'";
    let types = "integer[], timestamptz[], bigint[], timestamptz, timestamptz";
    let statements = [
        (
            include_str!("../../../sql/ingest/raw/readings.sql"),
            "integer[], timestamptz, integer, bigint, timestamptz, bigint, integer[]",
            page,
        ),
        (include_str!("../../../sql/ingest/register_before.sql"), types, beside),
        (include_str!("../../../sql/ingest/register_after.sql"), types, beside),
    ];
    let allowed = chunks(&mut db, "reading", "2024-06-10", "2024-06-20 00:00:00.000001").await;
    for (sql, types, values) in statements {
        let sql = format!("DEALLOCATE ALL; PREPARE asked ({types}) AS {sql}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await.expect("a statement");
        let explain = format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE asked ({values})");
        let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_one(&mut db).await.expect("a plan");
        let plan: Value = serde_json::from_str(&sqlx::Row::get_unchecked::<String, _>(&rows, 0)).expect("JSON");
        let scans = scans(&plan);
        assert!(!scans.is_empty(), "{plan:#}");
        for scan in scans {
            assert!(allowed.contains(&scan.chunk), "{} is not of the range\n{plan:#}", scan.chunk);
            assert_eq!(scan.node, "Index Scan", "{plan:#}");
        }
    }
}

/// The Community edition's skip scan seems cheap to it, and would go through the assignments of all devices.
pub async fn one_device_s_owners_are_looked_up(app: TestApp) {
    let mut db = fleet(&app).await;
    run(&mut db, MORE_DEVICES).await;
    const ASSIGNED: &str = "
        INSERT INTO assignment (provider_id, device_id, customer_id, during)
        SELECT d.provider_id, d.device_id, (SELECT min(customer_id) FROM customer AS c WHERE c.provider_id = d.provider_id), '[,)'
        FROM device AS d WHERE d.key::text LIKE 'further-%'";
    run(&mut db, ASSIGNED).await;
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut db).await.expect("statistics");
    const ONE: &str = "
        PREPARE asked (integer, integer[], text, uuid) AS {};
        EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE asked (1, NULL, 'further-1-7', NULL)";
    let sql = ONE.replace("{}", include_str!("../../../sql/usage/device.sql"));
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut db).await.expect("a plan");
    let plan: Value = serde_json::from_str(&sqlx::Row::get_unchecked::<String, _>(&row, 0)).expect("JSON");
    let assignments = scans_of(&plan, |name| name == "assignment");
    assert!(!assignments.is_empty(), "{plan:#}");
    for scan in assignments {
        assert!(scan.rows <= 1, "{plan:#}");
    }
}

/// The scans of chunks in a plan, those aside that were planned and not done.
pub fn scans(plan: &Value) -> Vec<Scan> {
    scans_of(plan, |name| name.starts_with("_hyper_"))
}

fn scans_of(plan: &Value, is_meant: impl Fn(&str) -> bool) -> Vec<Scan> {
    let mut found = Vec::new();
    let mut nodes = vec![&plan[0]["Plan"]];
    while let Some(node) = nodes.pop() {
        nodes.extend(node["Plans"].as_array().into_iter().flatten());
        let Some(chunk) = node["Relation Name"].as_str().filter(|name| is_meant(name)) else { continue };
        let number = |name: &str| node[name].as_f64().unwrap_or(0.0);
        if number("Actual Loops") == 0.0 {
            continue;
        }
        let rows = number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
        found.push(Scan {
            chunk: chunk.to_owned(),
            node: node["Node Type"].as_str().unwrap_or_default().to_owned(),
            rows: (rows * number("Actual Loops")) as i64,
        });
    }
    found
}

/// The chunks of a hypertable or continuous aggregate that hold a part of a range.
pub async fn chunks(db: &mut PgConnection, name: &str, from: &str, to: &str) -> BTreeSet<String> {
    let sql = format!(
        "SELECT chunk_name::text FROM timescaledb_information.chunks
         WHERE range_start < '{to}' AND range_end > '{from}' AND hypertable_name IN ('{name}',
            (SELECT materialization_hypertable_name FROM timescaledb_information.continuous_aggregates WHERE view_name = '{name}'))"
    );
    let names: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(db).await.expect("chunks");
    names.into_iter().collect()
}
