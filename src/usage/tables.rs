//! Where the figures of a rollup are read.
//!
//! A continuous aggregate gives what is materialised of it together with what its source makes of the time since, and so on
//! down to readings. Where nothing of that time is asked for, its rows are read from where they are materialised: the
//! planner looks at one table instead of all of these, and rows pass through fewer hands.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::database::Edition;
use crate::rollup::Stores;

/// What is materialised of each rollup, as one snapshot sees it.
#[derive(Debug)]
pub struct Tables(Stores);

impl Tables {
    pub async fn read(db: &mut PgConnection, edition: Edition) -> sqlx::Result<Self> {
        match edition {
            Edition::Apache => Ok(Self(Stores::default())),
            Edition::Community => Stores::read(db).await.map(Self),
        }
    }

    /// The relation that has a rollup's buckets before `end`.
    pub fn of<'a>(&'a self, rollup: &'a str, end: DateTime<Utc>) -> &'a str {
        self.0.of(rollup).filter(|store| end <= store.until).map_or(rollup, |store| store.name.as_str())
    }
}
