//! Chunks of readings that somebody dropped by hand.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sqlx::{Connection, PgConnection};

use super::enforce::seal;
use crate::database::Edition;

/// Takes notice of chunks that went since the last time: the figures made from them stay, and nothing is recomputed
/// from what was before. Comes before anything is followed. Forgets the changes that cannot be followed any more.
pub async fn notice(db: &mut PgConnection, edition: Edition) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    let (oldest, known): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) =
        sqlx::query_as(include_str!("../../../sql/retention/oldest_chunk.sql")).fetch_one(&mut *transaction).await?;
    if oldest == known {
        return transaction.rollback().await;
    }
    if known.is_some_and(|known| oldest.is_none_or(|oldest| oldest > known)) {
        // Where all are gone, today's readings are still taken.
        let today = Utc::now().duration_trunc(TimeDelta::days(1)).unwrap_or_default();
        let since = oldest.unwrap_or(today);
        tracing::warn!(
            %since,
            "chunks of reading were dropped by hand; their figures stay, and older readings are no longer taken"
        );
        sqlx::query(include_str!("../../../sql/retention/keep.sql"))
            .bind("reading")
            .bind(since)
            .execute(&mut *transaction)
            .await?;
        seal(&mut transaction, edition, "reading").await?;
        let forgotten: i64 = sqlx::query_scalar(include_str!("../../../sql/retention/forget_dropped.sql"))
            .fetch_one(&mut *transaction)
            .await?;
        if forgotten > 0 {
            tracing::warn!(
                hours = forgotten,
                "readings changed in these hours before they were dropped; their figures do not show it"
            );
        }
    }
    sqlx::query(include_str!("../../../sql/retention/know_oldest_chunk.sql"))
        .bind(oldest)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
