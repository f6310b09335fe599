//! What is kept for a time: rows that are older go.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// Rows that are deleted in one transaction.
const AT_ONCE: i64 = 10_000;

/// Rows that are kept for a time.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// What they are, for the log.
    pub what: &'static str,
    /// Deletes some that are older than so many seconds, its first parameter; at most so many, its second. The third are the
    /// most that are kept, where there is such a number.
    pub delete: &'static str,
    pub age: Duration,
    pub most: Option<i64>,
    /// How often it is looked for those that are older.
    pub look: Duration,
}

impl Kept {
    /// Deletes what is old until `stop`.
    pub async fn run(self, pool: PgPool, stop: CancellationToken) {
        let always = async {
            loop {
                if let Err(error) = self.forget(&pool).await {
                    tracing::warn!(%error, "{} could not be deleted", self.what);
                }
                tokio::time::sleep(self.look).await;
            }
        };
        stop.run_until_cancelled(always).await;
    }

    /// Deletes all that is old now.
    pub async fn forget(&self, pool: &PgPool) -> sqlx::Result<()> {
        loop {
            let delete = sqlx::query(self.delete).bind(self.age.as_secs_f64()).bind(AT_ONCE);
            let gone = self.most.into_iter().fold(delete, |delete, most| delete.bind(most)).execute(pool).await?;
            if gone.rows_affected() < AT_ONCE.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
