//! What is no longer kept.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// From which instant on `relation` (`reading`, or the name of a rollup) is kept; none while nothing of it was dropped.
/// What lies before is gone or about to be: nothing may be recomputed from it.
pub async fn kept_from(db: &mut PgConnection, relation: &str) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar(include_str!("../../sql/retention/kept_from.sql")).bind(relation).fetch_optional(db).await
}
