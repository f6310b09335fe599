//! What left the quarantine, and how, is counted in the transaction in which it does.

use std::collections::BTreeMap;

use sqlx::PgConnection;

/// How many readings left, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Left {
    pub stored: i64,
    pub duplicates: i64,
    pub expired: i64,
    pub deleted: i64,
}

/// By provider and API key, 0 for none.
pub type LeftByKey = BTreeMap<(i32, i32), Left>;

/// Adds them to the accounts of the keys that sent them.
pub async fn count(db: &mut PgConnection, left: &LeftByKey) -> sqlx::Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../../sql/quarantine/left.sql"))
        .bind(left.keys().map(|(provider, _)| *provider).collect::<Vec<_>>())
        .bind(left.keys().map(|(_, key)| *key).collect::<Vec<_>>())
        .bind(left.values().map(|left| left.stored).collect::<Vec<_>>())
        .bind(left.values().map(|left| left.duplicates).collect::<Vec<_>>())
        .bind(left.values().map(|left| left.expired).collect::<Vec<_>>())
        .bind(left.values().map(|left| left.deleted).collect::<Vec<_>>())
        .execute(db)
        .await
        .map(drop)
}
