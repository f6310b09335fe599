//! The figures as they should be: computed from the readings by plain SQL, without rollups, without TimescaleDB.

use sqlx::{AssertSqlSafe, PgConnection};

/// Subject and its key columns.
const SUBJECTS: [(&str, &str); 4] = [
    ("channel", "channel_id, customer_id, group_id, device_id, metric_id"),
    ("customer", "customer_id, metric_id"),
    ("group", "group_id, metric_id"),
    ("provider", "provider_id, metric_id"),
];

/// Suffix, unit of the bucket, billing column.
const PERIODS: [(&str, &str, &str); 3] =
    [("hourly", "hour", "billing_day"), ("daily", "day", "billing_day"), ("monthly", "month", "billing_month")];

/// Every row of every rollup is as it should be, and no row is missing. Tells how many rows there are.
pub async fn check(db: &mut PgConnection, when: &str) -> i64 {
    check_of(db, "reading", when).await
}

/// The same, computed from another table of readings; of rollups as far as they are kept.
pub async fn check_of(db: &mut PgConnection, readings: &str, when: &str) -> i64 {
    let mut total = 0;
    for (subject, keys) in SUBJECTS {
        for (period, unit, billing) in PERIODS {
            let (name, naive) = (format!("{subject}_{period}"), naive(readings, subject, keys, unit, billing));
            let kept = format!(
                "SELECT bucket, {billing}, {keys}, count, increment_sum, value_sum, value_min, value_max, \
                 first_ts, first_value, last_ts, last_value FROM {name}"
            );
            let since: Option<String> = sqlx::query_scalar("SELECT since::text FROM kept_from WHERE relation = $1")
                .bind(&name)
                .fetch_optional(&mut *db)
                .await
                .expect("what is kept");
            let dropped_not = format!("bucket >= '{}'::timestamptz", since.as_deref().unwrap_or("-infinity"));
            let differences = format!(
                "WITH kept AS MATERIALIZED ({kept} WHERE {dropped_not}),
                 naive AS MATERIALIZED (SELECT * FROM ({naive}) AS naive WHERE {dropped_not}), differences AS (
                    (SELECT 'should not be' AS what, k.* FROM (TABLE kept EXCEPT ALL TABLE naive) k)
                    UNION ALL (SELECT 'is missing', n.* FROM (TABLE naive EXCEPT ALL TABLE kept) n))
                 SELECT (SELECT count(*) FROM naive), array(SELECT d::text FROM differences d ORDER BY d::text LIMIT 10)"
            );
            // A plan that is kept misses rows of chunks that have left the columnstore since.
            let comparison = sqlx::query_as(AssertSqlSafe(differences)).persistent(false);
            let (rows, differences): (i64, Vec<String>) = comparison.fetch_one(&mut *db).await.expect("a comparison");
            assert!(differences.is_empty(), "{name} {when}:\n{}", differences.join("\n"));
            total += rows;
        }
    }
    total
}

fn naive(readings: &str, subject: &str, keys: &str, unit: &str, billing: &str) -> String {
    let day = if billing == "billing_month" {
        "make_date(extract(year FROM billing_day)::int, extract(month FROM billing_day)::int, 1)"
    } else {
        "billing_day"
    };
    let condition = if subject == "group" { "group_id <> 0" } else { "true" };
    format!(
        "SELECT date_trunc('{unit}', ts, 'UTC') AS bucket, {day} AS {billing}, {keys},
                count(*), sum(increment::numeric), sum(value::numeric), min(value), max(value),
                min(ts), (array_agg(value ORDER BY ts, value))[1],
                max(ts), (array_agg(value ORDER BY ts DESC, value DESC))[1]
         FROM {readings} JOIN (SELECT channel_id, provider_id, device_id, metric_id FROM channel) c USING (channel_id)
         WHERE {condition}
         GROUP BY 1, 2, {keys}"
    )
}
