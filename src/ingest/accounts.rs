//! What becomes of readings is counted, by key and day, in the transaction that stores them.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::ingest::quarantine::keep::ByKey;
use crate::ingest::queue::Batch;
use crate::ingest::verdict::{Status, Verdict};

/// Readings by [`Status`], in its order, and the requests that they came in.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    verdicts: [i64; 5],
    requests: i64,
    /// Of the quarantined, those that are new there.
    kept: i64,
}

/// Adds requests, whose verdicts come one after the other, to the accounts of the keys that sent them; `kept` are the
/// readings that are new in quarantine.
pub async fn count(
    db: &mut PgConnection,
    batches: &[&Batch],
    verdicts: &[Option<Verdict>],
    kept: &ByKey,
) -> sqlx::Result<()> {
    let mut accounts: BTreeMap<(i32, i32), Account> = BTreeMap::new();
    let mut verdicts = verdicts.iter();
    for batch in batches {
        let account = accounts.entry((batch.provider_id, batch.key_id.unwrap_or(0))).or_default();
        account.requests += i64::from(batch.is_first());
        for verdict in verdicts.by_ref().take(batch.readings.len()).flatten() {
            account.verdicts[verdict.status() as usize] += 1;
        }
    }
    for (key, number) in kept {
        accounts.entry(*key).or_default().kept += number;
    }
    let column = |status: Status| accounts.values().map(|a| a.verdicts[status as usize]).collect::<Vec<_>>();
    sqlx::query(include_str!("../../sql/ingest/count.sql"))
        .bind(accounts.keys().map(|(provider, _)| *provider).collect::<Vec<_>>())
        .bind(accounts.keys().map(|(_, key)| *key).collect::<Vec<_>>())
        .bind(column(Status::Stored))
        .bind(column(Status::Duplicate))
        .bind(column(Status::Conflict))
        .bind(column(Status::Quarantined))
        .bind(column(Status::Rejected))
        .bind(accounts.values().map(|a| a.requests).collect::<Vec<_>>())
        .bind(accounts.values().map(|a| a.kept).collect::<Vec<_>>())
        .execute(db)
        .await
        .map(drop)
}
