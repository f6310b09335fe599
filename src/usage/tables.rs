//! Where the figures of a rollup are read.
//!
//! A continuous aggregate gives what is materialised of it together with what its source makes of the time since, and so on
//! down to readings. Where nothing of that time is asked for, its rows are read from where they are materialised: the
//! planner looks at one table instead of all of these, and rows pass through fewer hands.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::database::Edition;

/// What is materialised of each rollup, as one snapshot sees it.
#[derive(Debug)]
pub struct Tables(HashMap<String, Materialized>);

#[derive(Debug, sqlx::FromRow)]
struct Materialized {
    rollup: String,
    name: String,
    /// All buckets before are there.
    until: DateTime<Utc>,
}

impl Tables {
    pub async fn read(db: &mut PgConnection, edition: Edition) -> sqlx::Result<Self> {
        let tables: Vec<Materialized> = match edition {
            Edition::Apache => Vec::new(),
            Edition::Community => {
                sqlx::query_as(include_str!("../../sql/usage/materialized.sql")).fetch_all(db).await?
            }
        };
        Ok(Self(tables.into_iter().map(|table| (table.rollup.clone(), table)).collect()))
    }

    /// The relation that has a rollup's buckets before `end`.
    pub fn of<'a>(&'a self, rollup: &'a str, end: DateTime<Utc>) -> &'a str {
        self.0.get(rollup).filter(|table| end <= table.until).map_or(rollup, |table| table.name.as_str())
    }
}
