//! What is in the database, read row by row.

use std::collections::HashMap;

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::load::Identity;

/// A stored reading.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Row {
    pub device: String,
    pub metric: String,
    /// Milliseconds since 1970.
    pub at: i64,
    pub value: i64,
    pub increment: i64,
    pub customer: String,
    pub billing_day: NaiveDate,
}

/// All of a provider's.
pub struct Stored {
    pub rows: HashMap<Identity, Row>,
    /// Values in quarantine, as they were sent.
    pub quarantine: HashMap<Identity, Vec<String>>,
}

const ROWS: &str = "
    SELECT d.key::text AS device, m.key::text AS metric, (extract(epoch FROM r.ts) * 1000)::bigint AS at,
           r.value, r.increment, c.key::text AS customer, r.billing_day
    FROM reading r
    JOIN channel USING (channel_id)
    JOIN device d USING (device_id)
    JOIN metric m USING (metric_id)
    JOIN customer c ON c.customer_id = r.customer_id
    JOIN provider p ON p.provider_id = d.provider_id
    WHERE p.key = $1::text";

const QUARANTINE: &str = "
    SELECT device, metric, (extract(epoch FROM ts) * 1000)::bigint, value
    FROM quarantine JOIN provider p USING (provider_id)
    WHERE p.key = $1::text";

impl Stored {
    /// Fails where anything is there twice.
    pub async fn read(db: &mut PgConnection, provider: &str) -> Result<Self, String> {
        let (mut rows, mut quarantine) = (HashMap::new(), HashMap::<_, Vec<String>>::new());
        // Read as they are: an index that a crash has harmed must not hide anything.
        sqlx::query("SET enable_indexscan = off").execute(&mut *db).await.expect("a setting");
        sqlx::query("SET enable_indexonlyscan = off").execute(&mut *db).await.expect("a setting");
        sqlx::query("SET enable_bitmapscan = off").execute(&mut *db).await.expect("a setting");
        let all: Vec<Row> = sqlx::query_as(ROWS).bind(provider).fetch_all(&mut *db).await.map_err(text)?;
        for row in all {
            let identity = (row.device.clone(), row.metric.clone(), row.at);
            if let Some(other) = rows.insert(identity, row.clone()) {
                return Err(format!("stored twice: {row:?} and {other:?}"));
            }
        }
        let all: Vec<(String, String, i64, String)> =
            sqlx::query_as(QUARANTINE).bind(provider).fetch_all(&mut *db).await.map_err(text)?;
        for (device, metric, at, value) in all {
            let kept = quarantine.entry((device, metric, at)).or_default();
            if kept.contains(&value) {
                return Err(format!("twice in quarantine: {value} at {at}"));
            }
            kept.push(value);
        }
        sqlx::query("RESET ALL").execute(db).await.expect("a setting");
        Ok(Self { rows, quarantine })
    }
}

fn text(error: sqlx::Error) -> String {
    error.to_string()
}
