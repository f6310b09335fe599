//! News of providers, or of parts of them, that somebody waits for. Each server looks once a second, with one statement for
//! all of them, however many wait.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// How often it is looked for news.
const LOOK: Duration = Duration::from_secs(1);

/// Most requests that wait to be told where to wait.
const MOST: usize = 1_000;

/// Where those ask who wait. What answers them ends with it.
#[derive(Debug)]
pub struct Watch<K, T>(mpsc::Sender<Question<K, T>>);

#[derive(Debug)]
struct Question<K, T> {
    of: K,
    answer: oneshot::Sender<watch::Receiver<T>>,
}

/// What tells the news of each provider, or part, that somebody waits for.
pub type Senders<K, T> = HashMap<K, watch::Sender<T>>;

/// What looks for news; they are the default ones before the first look.
pub trait Look<K, T>: Send + 'static {
    /// What the log says where it could not.
    const FAILED: &'static str;

    /// Tells what is new of these; of none where the last who waited is gone.
    fn look(&mut self, told: &Senders<K, T>) -> impl Future<Output = sqlx::Result<()>> + Send;
}

impl<K: Eq + Hash + Send + Sync + 'static, T: Default + Send + Sync + 'static> Watch<K, T> {
    /// Looks for as long as this is kept, where somebody waits.
    pub fn start(look: impl Look<K, T>) -> Self {
        let (ask, asked) = mpsc::channel(MOST);
        tokio::spawn(run(look, asked));
        Self(ask)
    }

    /// The news of one; none where the server ends.
    pub async fn news(&self, of: K) -> Option<watch::Receiver<T>> {
        let (answer, news) = oneshot::channel();
        self.0.send(Question { of, answer }).await.ok()?;
        news.await.ok()
    }
}

async fn run<K: Eq + Hash, T: Default, L: Look<K, T>>(mut look: L, mut asked: mpsc::Receiver<Question<K, T>>) {
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
            Some(Some(Question { of, answer })) => {
                let news = told.entry(of).or_default();
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
