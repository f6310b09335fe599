//! What comes in of customers that somebody listens to is counted, in the transaction that stores it. Where nobody does,
//! there is nothing to count, and no statement for it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};

use sqlx::PgConnection;

use crate::ingest::directory::Remembered;
use crate::ingest::resolve::Row;
use crate::ingest::verdict::{Status, Verdict};

/// Of each customer, those that somebody listens to and that it is, or is below of.
pub type Listened = HashMap<i32, Vec<i32>>;

/// Readings stored, duplicates and conflicts, by provider and customer.
pub type Came = BTreeMap<(i32, i32), [i64; 3]>;

impl Remembered {
    /// Which of the customers in `listened` these count for. The caller keeps the registry as it is.
    pub async fn listened(
        &self,
        db: &mut PgConnection,
        listened: &[i32],
        customers: impl Iterator<Item = i32>,
    ) -> sqlx::Result<Listened> {
        if listened.is_empty() {
            return Ok(Listened::new());
        }
        let customers: HashSet<i32> = customers.collect();
        let unknown: Vec<i32> = {
            let above = self.above();
            customers.iter().copied().filter(|id| !above.contains_key(id)).collect()
        };
        if !unknown.is_empty() {
            let above: Vec<(i32, Vec<i32>)> =
                sqlx::query_as(include_str!("../../sql/ingest/above.sql")).bind(unknown).fetch_all(db).await?;
            self.above().extend(above);
        }
        let known = self.above();
        let heard = |id: i32| {
            let above = known.get(&id).into_iter().flatten().copied();
            (id, above.filter(|above| listened.contains(above)).collect::<Vec<_>>())
        };
        Ok(customers.into_iter().map(heard).filter(|(_, heard)| !heard.is_empty()).collect())
    }

    fn above(&self) -> MutexGuard<'_, HashMap<i32, Vec<i32>>> {
        self.above.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts rows, each of which has its verdict, for the customers that are listened to.
pub fn tally<'r, 'a: 'r>(
    listened: &Listened,
    rows: impl Iterator<Item = &'r Row<'a>>,
    verdicts: &[Option<Verdict>],
) -> Came {
    let mut came = Came::new();
    if listened.is_empty() {
        return came;
    }
    for row in rows {
        let heard = listened.get(&row.owner.customer_id).into_iter().flatten();
        let Some(verdict) = &verdicts[row.index] else { continue };
        for customer_id in heard {
            let counts = came.entry((row.provider_id, *customer_id)).or_default();
            // What has an owner is none of the others.
            if let Some(count) = counts.get_mut(verdict.status() as usize) {
                *count += 1;
            }
        }
    }
    came
}

/// Adds them to what is told of the minute.
pub async fn count(db: &mut PgConnection, came: &Came) -> sqlx::Result<()> {
    if came.is_empty() {
        return Ok(());
    }
    let column = |status: Status| came.values().map(|counts| counts[status as usize]).collect::<Vec<_>>();
    sqlx::query(include_str!("../../sql/ingest/count_listened.sql"))
        .bind(came.keys().map(|(provider, _)| *provider).collect::<Vec<_>>())
        .bind(came.keys().map(|(_, customer)| *customer).collect::<Vec<_>>())
        .bind(column(Status::Stored))
        .bind(column(Status::Duplicate))
        .bind(column(Status::Conflict))
        .execute(db)
        .await
        .map(drop)
}
