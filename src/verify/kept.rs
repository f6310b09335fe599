//! From when on readings and rollups are kept, as one snapshot sees it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::rollup::definition::ROLLUPS;
use crate::rollup::retention::kept_from;

/// What nothing was dropped of is not in it.
#[derive(Debug, Clone, Default)]
pub struct Kept(HashMap<String, DateTime<Utc>>);

impl Kept {
    pub async fn read(db: &mut PgConnection) -> sqlx::Result<Self> {
        let mut kept = HashMap::new();
        for relation in ROLLUPS.iter().map(|rollup| rollup.name.as_str()).chain(["reading"]) {
            if let Some(since) = kept_from(db, relation).await? {
                kept.insert(relation.to_owned(), since);
            }
        }
        Ok(Self(kept))
    }

    /// Whether all of a relation from an instant on is kept.
    pub fn holds(&self, relation: &str, from: DateTime<Utc>) -> bool {
        self.0.get(relation).is_none_or(|since| *since <= from)
    }
}
