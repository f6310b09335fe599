//! The chunks that live readings go to: rows are copied straight into them.
//!
//! A COPY into `reading` finds the chunk of each row, and writes rows one by one, for there are triggers to be told of
//! them. Straight into a chunk it takes half the time. What the triggers would have noted is noted in one go by
//! `readings_copied`, which also looks whether it was right to copy there: a chunk that has been converted or dropped
//! since it was remembered makes the flush fail, and it is done again through `reading`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Most chunks that are remembered; one more, and all are forgotten.
const MOST: usize = 1_000;

/// What is remembered of the chunks of `reading`, by their start.
#[derive(Default)]
pub struct Chunks(Mutex<BTreeMap<DateTime<Utc>, Chunk>>);

#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Chunk {
    /// With its schema, quoted.
    pub name: String,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Chunks {
    /// The chunk that readings of an instant are copied into; none where they have to go through `reading`.
    pub async fn find(&self, db: &mut PgConnection, at: DateTime<Utc>) -> sqlx::Result<Option<Chunk>> {
        let known = self.known().range(..=at).next_back().map(|(_, chunk)| chunk.clone());
        if let Some(known) = known.filter(|chunk| chunk.holds(at)) {
            return Ok(Some(known));
        }
        let found: Option<Chunk> =
            sqlx::query_as(include_str!("../../sql/ingest/chunk.sql")).bind(at).fetch_optional(db).await?;
        if let Some(found) = &found {
            let mut known = self.known();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(found.since, found.clone());
        }
        Ok(found)
    }

    /// They are no longer as they were.
    pub fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<DateTime<Utc>, Chunk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chunk {
    pub fn holds(&self, at: DateTime<Utc>) -> bool {
        self.since <= at && at < self.until
    }
}
