//! Devices that wait for another configuration. Whatever changes one, on whichever server or by hand, is counted by the
//! database; each server looks there once a second for the providers whose devices wait, with one statement for all.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// How often it is looked whether something changed.
const LOOK: Duration = Duration::from_secs(1);

/// Most requests that wait to be told where to wait.
const MOST: usize = 1_000;

/// Where requests ask. What answers them ends with it.
#[derive(Debug)]
pub struct ConfigWatch(mpsc::Sender<Question>);

#[derive(Debug)]
struct Question {
    provider_id: i32,
    answer: oneshot::Sender<watch::Receiver<i64>>,
}

/// What was counted of each provider whose devices wait.
type Counts = HashMap<i32, watch::Sender<i64>>;

impl ConfigWatch {
    /// Looks on connections of `pool`, one at a time.
    pub fn start(pool: PgPool) -> Self {
        let (ask, asked) = mpsc::channel(MOST);
        tokio::spawn(run(pool, asked));
        Self(ask)
    }

    /// Ready when more was counted of a provider's changes than `seen`. Never, where the server ends.
    pub async fn more_than(&self, provider_id: i32, seen: i64) {
        let (answer, count) = oneshot::channel();
        let asked = self.0.send(Question { provider_id, answer }).await.is_ok();
        if asked
            && let Ok(mut count) = count.await
            && count.wait_for(|count| *count > seen).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

async fn run(pool: PgPool, mut asked: mpsc::Receiver<Question>) {
    let (mut counts, mut next) = (Counts::new(), Instant::now());
    loop {
        let question = if counts.is_empty() {
            asked.recv().await.map(Some)
        } else {
            tokio::select! {
                question = asked.recv() => question.map(Some),
                () = sleep_until(next) => Some(None),
            }
        };
        match question {
            Some(Some(Question { provider_id, answer })) => {
                let count = counts.entry(provider_id).or_insert_with(|| watch::Sender::new(0));
                // Who does not listen any more was broken off.
                let _ = answer.send(count.subscribe());
            }
            Some(None) => {
                counts.retain(|_, count| !count.is_closed());
                if let Err(error) = look(&pool, &counts).await {
                    tracing::warn!(%error, "devices that wait for another configuration could not be told of it");
                }
                next = Instant::now() + LOOK;
            }
            None => return,
        }
    }
}

async fn look(pool: &PgPool, counts: &Counts) -> sqlx::Result<()> {
    let providers: Vec<i32> = counts.keys().copied().collect();
    let counted: Vec<(i32, i64)> =
        sqlx::query_as(include_str!("../../sql/profiles/changes.sql")).bind(providers).fetch_all(pool).await?;
    for (provider_id, counted) in counted {
        if let Some(count) = counts.get(&provider_id) {
            count.send_if_modified(|known| std::mem::replace(known, counted) != counted);
        }
    }
    Ok(())
}
