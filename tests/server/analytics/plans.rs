//! Predicates of analysts reach the chunks and indexes: what EXPLAIN says of queries of the views. As in
//! `rollups::plans`, the plan that looks at the fewest rows wins.

use chrono::{Datelike, Utc};
use meterbase::database::Edition;
use serde_json::Value;
use sqlx::{ConnectOptions, PgConnection};

use super::{fleet, role, rows};
use crate::harness::TestApp;
use crate::rollups::plans::{chunks, scans, two_years};

/// Query, rollup, the rows of it that belong to what is asked, and the UTC buckets of the stretch that the days are in:
/// a quarter, or a year where it is long ago.
struct Question {
    sql: &'static str,
    rollup: &'static str,
    of: &'static str,
    quarter: [&'static str; 2],
    year: [&'static str; 2],
}

const QUARTER: [&str; 2] = ["2024-03-31", "2024-07-02"];
const YEAR: [&str; 2] = ["2023-12-31", "2025-01-02"];
const MONTHS: [&str; 2] = ["2023-12-01", "2025-02-01"];
const HOURS: [&str; 2] = ["2024-06-01", "2024-06-02"];
const OF_CUSTOMER: &str = "customer_id = (SELECT customer_id FROM customer WHERE key = 'customer-1-1')";

const QUESTIONS: [Question; 6] = [
    Question {
        sql: "analytics.customer_usage_daily WHERE customer = 'customer-1-1' AND metric = 'delta'
              AND day >= '2024-06-01' AND day < '2024-07-01'",
        rollup: "customer_daily",
        of: OF_CUSTOMER,
        quarter: QUARTER,
        year: YEAR,
    },
    Question {
        sql: "analytics.customer_usage_monthly WHERE customer = 'customer-1-1' AND metric = 'delta'
              AND month = '2024-06-01'",
        rollup: "customer_monthly",
        of: OF_CUSTOMER,
        quarter: MONTHS,
        year: MONTHS,
    },
    Question {
        sql: "analytics.customer_usage_hourly WHERE customer = 'customer-1-1' AND metric = 'delta'
              AND hour >= '2024-06-01' AND hour < '2024-06-02'",
        rollup: "customer_hourly",
        of: OF_CUSTOMER,
        quarter: HOURS,
        year: HOURS,
    },
    Question {
        sql: "analytics.provider_usage_daily WHERE metric = 'delta' AND day = '2024-06-15'",
        rollup: "provider_daily",
        of: "provider_id = (SELECT provider_id FROM provider WHERE key = 'provider-1')",
        quarter: QUARTER,
        year: YEAR,
    },
    Question {
        sql: "analytics.group_usage_daily WHERE device_group = 'group-1-1' AND metric = 'delta'
              AND day >= '2024-06-01' AND day < '2024-07-01'",
        rollup: "group_daily",
        of: "group_id = (SELECT group_id FROM device_group WHERE key = 'group-1-1')",
        quarter: QUARTER,
        year: YEAR,
    },
    Question {
        sql: "analytics.device_usage_daily WHERE device = 'device-1-1' AND metric = 'delta'
              AND day >= '2024-06-01' AND day < '2024-07-01'",
        rollup: "channel_daily",
        of: "device_id = (SELECT device_id FROM device WHERE key = 'device-1-1')",
        quarter: QUARTER,
        year: YEAR,
    },
];

/// Customers beside those of the fleet, so that one is a small part of them all.
const MORE_CUSTOMERS: &str = "
    INSERT INTO customer (uuid, provider_id, key, name)
    SELECT gen_random_uuid(), provider_id, 'further-' || n, 'F'
    FROM provider, generate_series(1, 100) AS n WHERE key = 'provider-1';
    INSERT INTO reading (ts, value, increment, channel_id, customer_id, billing_day)
    SELECT at, 1, 1, channel_id, customer_id, at::date
    FROM (SELECT min(channel_id) AS channel_id FROM channel JOIN metric USING (metric_id) WHERE key = 'delta') AS c,
         (SELECT customer_id FROM customer WHERE key LIKE 'further-%') AS f,
         generate_series(0, 91) AS day,
         LATERAL (SELECT timestamptz '2024-04-01 12:00Z' + day * interval '1 day' + customer_id * interval '1 second' AS at) AS t";

pub async fn predicates_reach_the_chunks_and_indexes(app: TestApp) {
    let mut owner = two_years(&app).await;
    sqlx::raw_sql(MORE_CUSTOMERS).execute(&mut owner).await.expect("more customers");
    app.settle().await;
    sqlx::raw_sql("ANALYZE").execute(&mut owner).await.expect("statistics");
    let mut db = role(&app, &["--provider", "provider-1"]).connect().await.expect("a connection");
    rows(&mut db, "SET enable_seqscan = off; SET seq_page_cost = 0; SET random_page_cost = 0; SET timezone = 'UTC'")
        .await
        .expect("settings");
    // As in `analytics::spans`.
    let is_quarter = Utc::now().year() - 2 <= 2024;
    for question in QUESTIONS {
        let plan = plan(&mut db, question.sql).await;
        let [from, to] = if is_quarter { question.quarter } else { question.year };
        let allowed = chunks(&mut owner, question.rollup, from, to).await;
        let whole = chunks(&mut owner, question.rollup, "-infinity", "infinity").await;
        // A chunk of months holds a year.
        let can_tell = allowed.len() < whole.len() || question.rollup.ends_with("monthly");
        assert!(can_tell, "{}: too few chunks to tell", question.sql);
        let rows = format!(
            "SELECT count(*) FROM {} WHERE {} AND bucket >= '{from}' AND bucket < '{to}'",
            question.rollup, question.of
        );
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_one(&mut owner).await.expect("a count");
        let mut read = 0;
        let scans = scans(&plan);
        for scan in scans.iter().filter(|scan| allowed.contains(&scan.chunk) || scan.rows > 0) {
            assert!(allowed.contains(&scan.chunk), "{}: {} is not of its range\n{scans:#?}", question.sql, scan.chunk);
            assert_ne!(scan.node, "Seq Scan", "{}\n{scans:#?}", question.sql);
            read += scan.rows;
        }
        // On the Community edition there is an index by time too, which is as good where an owner is not one of many.
        let is_one_of_many = question.rollup == "customer_daily";
        let most = if app.edition == Edition::Apache || is_one_of_many { rows } else { i64::MAX };
        assert!(read > 0 && read <= most, "{}: {read} rows read, {rows} are its own\n{scans:#?}", question.sql);
    }
}

/// Readings are found by the channels of the devices that a customer owned.
pub async fn readings_of_a_customer_are_looked_up_in_their_chunks(app: TestApp) {
    fleet(&app).await;
    let mut owner = app.db().await;
    sqlx::raw_sql("VACUUM ANALYZE").execute(&mut owner).await.expect("statistics");
    let mut db = role(&app, &["--provider", "northwind"]).connect().await.expect("a connection");
    rows(&mut db, "SET enable_seqscan = off; SET seq_page_cost = 0; SET random_page_cost = 0").await.expect("settings");
    let sql = "analytics.readings WHERE customer = 'acme-south' AND at >= '2026-10-30Z' AND at < '2026-10-31Z'";
    let plan = plan(&mut db, sql).await;
    let allowed = chunks(&mut owner, "reading", "2026-10-30", "2026-10-31").await;
    let scans = scans(&plan);
    assert!(scans.iter().all(|scan| allowed.contains(&scan.chunk)), "{scans:#?}");
    // One device with a reading each hour.
    assert_eq!(scans.iter().map(|scan| scan.rows).sum::<i64>(), 24, "{scans:#?}");
}

async fn plan(db: &mut PgConnection, sql: &str) -> Value {
    let sql = format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT * FROM {sql}");
    let found = rows(db, &sql).await.expect("a plan");
    serde_json::from_str(&found[0][0]).expect("JSON")
}
