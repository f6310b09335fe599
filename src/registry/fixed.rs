//! What can no longer change: the figures of readings that are no longer kept.

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::PgConnection;

use crate::http::problem::{Code, Problem, Result};
use crate::rollup::retention::kept_from;

/// Refuses what changes from `at` on how readings of these devices are attributed, where some of theirs are older than
/// they are kept.
pub async fn refuse_for_devices(db: &mut PgConnection, at: DateTime<Utc>, devices: &[i32]) -> Result<()> {
    let Some(since) = kept_from(db, "reading").await?.filter(|since| at < *since) else { return Ok(()) };
    let older = sqlx::query_scalar(include_str!("../../sql/retention/devices_before.sql"));
    let older: bool = older.bind(devices).bind(since).fetch_one(db).await?;
    if older { Err(fixed(since)) } else { Ok(()) }
}

/// The same of the readings of a customer, and of those below it that inherit its time zone.
pub async fn refuse_for_customer(db: &mut PgConnection, at: DateTime<Utc>, customer_id: i32) -> Result<()> {
    let Some(since) = kept_from(db, "reading").await?.filter(|since| at < *since) else { return Ok(()) };
    let older = sqlx::query_scalar(include_str!("../../sql/retention/customer_before.sql"));
    let older: bool = older.bind(customer_id).bind(since).fetch_one(db).await?;
    if older { Err(fixed(since)) } else { Ok(()) }
}

fn fixed(since: DateTime<Utc>) -> Problem {
    let since = since.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let detail = format!(
        "readings before {since} are no longer kept, and their figures stay as they are; date it then or later"
    );
    Problem::new(Code::ReadingsDropped, detail)
}
