//! News of providers that somebody waits for. Each server looks once a second, with one statement for all of them, however
//! many wait.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// How often it is looked for news.
const LOOK: Duration = Duration::from_secs(1);

/// Most requests that wait to be told where to wait.
const MOST: usize = 1_000;

/// Where those ask who wait. What answers them ends with it.
#[derive(Debug)]
pub struct Watch<T>(mpsc::Sender<Question<T>>);

#[derive(Debug)]
struct Question<T> {
    provider_id: i32,
    answer: oneshot::Sender<watch::Receiver<T>>,
}

/// What tells the news of each provider that somebody waits for.
pub type Senders<T> = HashMap<i32, watch::Sender<T>>;

/// What looks for news; those of a provider are the default ones before the first look.
pub trait Look<T>: Send + 'static {
    /// What the log says where it could not.
    const FAILED: &'static str;

    /// Tells what is new of these providers; of none where the last who waited is gone.
    fn look(&mut self, told: &Senders<T>) -> impl Future<Output = sqlx::Result<()>> + Send;
}

impl<T: Default + Send + Sync + 'static> Watch<T> {
    /// Looks for as long as this is kept, where somebody waits.
    pub fn start(look: impl Look<T>) -> Self {
        let (ask, asked) = mpsc::channel(MOST);
        tokio::spawn(run(look, asked));
        Self(ask)
    }

    /// The news of a provider; none where the server ends.
    pub async fn news(&self, provider_id: i32) -> Option<watch::Receiver<T>> {
        let (answer, news) = oneshot::channel();
        self.0.send(Question { provider_id, answer }).await.ok()?;
        news.await.ok()
    }
}

async fn run<T: Default, L: Look<T>>(mut look: L, mut asked: mpsc::Receiver<Question<T>>) {
    let (mut told, mut next) = (Senders::new(), Instant::now());
    loop {
        let question = if told.is_empty() {
            asked.recv().await.map(Some)
        } else {
            tokio::select! {
                question = asked.recv() => question.map(Some),
                () = sleep_until(next) => Some(None),
            }
        };
        match question {
            Some(Some(Question { provider_id, answer })) => {
                let news = told.entry(provider_id).or_default();
                // Who does not wait any more was broken off.
                let _ = answer.send(news.subscribe());
            }
            Some(None) => {
                told.retain(|_, news| !news.is_closed());
                if let Err(error) = look.look(&told).await {
                    tracing::warn!(%error, "{}", L::FAILED);
                }
                next = Instant::now() + LOOK;
            }
            None => return,
        }
    }
}
