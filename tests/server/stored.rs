//! Readings put into the database by plain SQL, for tests of what happens to them there.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

/// A reading's stamps: instant, key of the customer, key of the group, billing day.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Stamp {
    pub ts: DateTime<Utc>,
    pub customer: String,
    pub group: Option<String>,
    pub billing_day: NaiveDate,
}

/// Stores a reading of a device at each instant, stamped with the owner at that instant. There must be one.
pub async fn store(db: &mut PgConnection, device: &str, metric: &str, instants: &[DateTime<Utc>]) {
    let channel = "INSERT INTO channel (provider_id, device_id, metric_id)
        SELECT provider_id, device_id, metric_id FROM device d JOIN metric m USING (provider_id)
        WHERE d.key = $1::text AND m.key = $2::text ON CONFLICT DO NOTHING";
    sqlx::query(channel).bind(device).bind(metric).execute(&mut *db).await.unwrap();
    let readings = "INSERT INTO reading (ts, value, increment, channel_id, customer_id, group_id, billing_day)
        SELECT t.ts, 1000, 1000, ch.channel_id, a.customer_id, coalesce(a.group_id, 0),
               greatest(k.first_day, billing_day(t.ts, k.time_zone))
        FROM unnest($3::timestamptz[]) AS t (ts)
        JOIN assignment a ON a.during @> t.ts
        CROSS JOIN customer_calendars(ARRAY[a.customer_id]) AS k
        JOIN device d USING (device_id)
        JOIN channel ch USING (device_id)
        JOIN metric m USING (metric_id)
        WHERE d.key = $1::text AND m.key = $2::text AND t.ts >= k.since AND t.ts < k.until";
    let stored = sqlx::query(readings).bind(device).bind(metric).bind(instants).execute(db).await.unwrap();
    assert_eq!(stored.rows_affected(), instants.len() as u64);
}

/// The stamps of a device's readings, oldest first.
pub async fn stamps(db: &mut PgConnection, device: &str) -> Vec<Stamp> {
    let stamps = r#"SELECT r.ts, c.key::text AS customer, g.key::text AS "group", r.billing_day
        FROM reading r
        JOIN channel ch USING (channel_id)
        JOIN device d USING (device_id)
        JOIN customer c ON c.customer_id = r.customer_id
        LEFT JOIN device_group g ON g.group_id = r.group_id
        WHERE d.key = $1::text
        ORDER BY r.ts, ch.channel_id"#;
    sqlx::query_as(stamps).bind(device).fetch_all(db).await.unwrap()
}
