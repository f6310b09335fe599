//! Events are kept for a time; what webhooks were told of them goes with them.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// How long an event is kept.
pub const AGE: Duration = Duration::from_secs(30 * 86_400);

/// Most events of a provider that are kept.
const MOST: i64 = 1_000_000;

/// How often it is looked for what is old.
const LOOK: Duration = Duration::from_secs(3600);

/// Events that are deleted in one transaction.
const AT_ONCE: i64 = 10_000;

/// Deletes what is old until `stop`.
pub async fn run(pool: PgPool, stop: CancellationToken) {
    let always = async {
        loop {
            if let Err(error) = forget(&pool).await {
                tracing::warn!(%error, "old events could not be deleted");
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    stop.run_until_cancelled(always).await;
}

/// Deletes what is older than [`AGE`], and the oldest of providers that have more than so many.
pub async fn forget(pool: &PgPool) -> sqlx::Result<()> {
    loop {
        let gone = sqlx::query(include_str!("../../sql/events/forget.sql"))
            .bind(AGE.as_secs_f64())
            .bind(AT_ONCE)
            .bind(MOST)
            .execute(pool)
            .await?;
        if gone.rows_affected() < AT_ONCE.unsigned_abs() {
            return Ok(());
        }
    }
}
