//! Where a continuous aggregate keeps what of it is materialised: a hypertable of its own.

use std::collections::HashMap;

use sqlx::PgConnection;

/// The hypertable of a rollup.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Store {
    pub rollup: String,
    /// Its name with its schema, as SQL has it.
    pub name: String,
}

/// By rollup, as one snapshot sees them; none where rollups are plain hypertables.
#[derive(Debug, Default)]
pub struct Stores(HashMap<String, Store>);

impl Stores {
    pub async fn read(db: &mut PgConnection) -> sqlx::Result<Self> {
        let stores: Vec<Store> = sqlx::query_as(include_str!("../../sql/rollups/stores.sql")).fetch_all(db).await?;
        Ok(stores.into_iter().collect())
    }

    pub fn of(&self, rollup: &str) -> Option<&Store> {
        self.0.get(rollup)
    }
}

impl FromIterator<Store> for Stores {
    fn from_iter<I: IntoIterator<Item = Store>>(stores: I) -> Self {
        Self(stores.into_iter().map(|store| (store.rollup.clone(), store)).collect())
    }
}
