//! From when on readings and rollups are kept, as one snapshot sees it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// By relation: `reading`, or the name of a rollup. What is kept for ever is not in it.
#[derive(Debug, Clone, Default)]
pub struct Kept(HashMap<String, DateTime<Utc>>);

impl Kept {
    pub async fn read(db: &mut PgConnection) -> sqlx::Result<Self> {
        let rows: Vec<(String, DateTime<Utc>)> =
            sqlx::query_as(include_str!("../../../sql/retention/all_kept.sql")).fetch_all(db).await?;
        Ok(Self(rows.into_iter().collect()))
    }

    /// From when on a relation is kept; none where it is for ever.
    pub fn since(&self, relation: &str) -> Option<DateTime<Utc>> {
        self.0.get(relation).copied()
    }

    /// Whether all of a relation from an instant on is kept.
    pub fn holds(&self, relation: &str, from: DateTime<Utc>) -> bool {
        self.since(relation).is_none_or(|since| since <= from)
    }
}
