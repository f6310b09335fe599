//! Up to when the figures are complete.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{columnstore, leader};
use crate::database::Edition;

/// Key of the advisory lock that those share whose transactions write, but record no readings: "compare" in ASCII.
pub const RECORDS_NOTHING: i64 = 0x0063_6f6d_7061_7265;

/// An instant before which every reading recorded is committed, or never will be. To be asked for before the
/// transaction that reads the figures begins: within one, PostgreSQL shows activity as it was when first asked.
///
/// Sessions of roles whose activity this role may not see are not known to it; Meterbase's own all have its role.
///
/// With it, where there is a columnstore, what [`columnstore::conversions`] tells.
pub async fn horizon(db: &mut PgConnection, edition: Edition) -> sqlx::Result<(DateTime<Utc>, Option<String>)> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        include_str!("../../sql/rollups/horizon.sql").replace("{conversions}", columnstore::CONVERSIONS)
    });
    let columnstore = edition == Edition::Community;
    let others = [leader::LOCK, RECORDS_NOTHING];
    sqlx::query_as(AssertSqlSafe(SQL.as_str())).bind(others).bind(columnstore).fetch_one(db).await
}

/// Every reading recorded before this instant is in the figures that the transaction of `db` sees; `horizon` was taken
/// before it began. A change is pending from its transaction's start on, which is not after it recorded anything.
pub async fn fresh_through(db: &mut PgConnection, horizon: DateTime<Utc>) -> sqlx::Result<DateTime<Utc>> {
    let pending: Option<DateTime<Utc>> =
        sqlx::query_scalar("SELECT min(changed_at) FROM reading_change").fetch_one(db).await?;
    Ok(pending.map_or(horizon, |pending| pending.min(horizon)))
}
