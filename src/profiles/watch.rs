//! Devices that wait for another configuration. Whatever changes one, on whichever server or by hand, is counted by the
//! database; each server looks there for the providers whose devices wait.

use sqlx::PgPool;

use crate::watch::{Look, Senders, Watch};

/// Where requests wait.
#[derive(Debug)]
pub struct ConfigWatch(Watch<i32, i64>);

/// What was counted of providers' changes.
struct Counts(PgPool);

impl ConfigWatch {
    /// Looks on connections of `pool`, one at a time.
    pub fn start(pool: PgPool) -> Self {
        Self(Watch::start(Counts(pool)))
    }

    /// Ready when more was counted of a provider's changes than `seen`. Never, where the server ends.
    pub async fn more_than(&self, provider_id: i32, seen: i64) {
        if let Some(mut count) = self.0.news(provider_id).await
            && count.wait_for(|count| *count > seen).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

impl Look<i32, i64> for Counts {
    const FAILED: &'static str = "devices that wait for another configuration could not be told of it";

    async fn look(&mut self, told: &Senders<i32, i64>) -> sqlx::Result<()> {
        let providers: Vec<i32> = told.keys().copied().collect();
        let counted: Vec<(i32, i64)> =
            sqlx::query_as(include_str!("../../sql/profiles/changes.sql")).bind(providers).fetch_all(&self.0).await?;
        for (provider_id, counted) in counted {
            if let Some(count) = told.get(&provider_id) {
                count.send_if_modified(|known| std::mem::replace(known, counted) != counted);
            }
        }
        Ok(())
    }
}
