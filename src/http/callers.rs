//! Who calls, asked of the database for many requests at once.
//!
//! Every request begins with its key, and a key that was revoked must not be taken from that moment on, on any server; so
//! nothing is remembered but which keys were used, which is noted once in a while. Instead the requests that come while
//! the database is being asked are asked about together: under load a statement serves many of them, and alone a request
//! waits for nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::core::entity::Ref;
use crate::database;
use crate::http::problem::{Code, Problem, Result};
use crate::keys::{self, Credential, Holder};

/// Where requests ask. What answers them ends with it.
#[derive(Debug)]
pub struct Callers(mpsc::Sender<Question>);

struct Question {
    shown: Credential,
    named: Option<Ref>,
    answer: oneshot::Sender<Result<Option<Holder>>>,
}

/// How long the database may take to tell who calls. A connection whose other end is gone without a word would be waited for
/// far longer, and all requests with it.
const PATIENCE: Duration = Duration::from_secs(10);

/// One is asked; another takes its place where that does not answer.
pub const CONNECTIONS: u32 = 2;

/// Most requests that one statement asks about, and that wait for the next one.
const MOST: usize = 1_000;

/// How often a server notes which keys were used.
pub const NOTING: Duration = Duration::from_secs(60);

impl Callers {
    /// Asks on connections of its own, one at a time, and notes after each `noting` which keys were used.
    pub fn start(options: &PgConnectOptions, noting: Duration) -> Self {
        // The question is always the same, and planned once: that takes longer than its answer.
        let options = options.clone().options([("plan_cache_mode", "force_generic_plan")]);
        // Who does not answer at all is told from who takes too long: the database gives up after the server has.
        let pool = database::pool(&options, "callers", CONNECTIONS, PATIENCE + Duration::from_secs(1));
        let (ask, mut asked) = mpsc::channel(MOST);
        let used = Arc::new(Mutex::new(Used::new()));
        tokio::spawn(note(pool.clone(), noting, Arc::downgrade(&used)));
        tokio::spawn(async move {
            let mut questions = Vec::new();
            while asked.recv_many(&mut questions, MOST).await > 0 {
                answer(&pool, std::mem::take(&mut questions), &used).await;
            }
        });
        Self(ask)
    }

    /// Who shows this, and the provider that the key and the name of one leave; none when it is no key's, or the key has expired
    /// or is revoked.
    pub async fn holder(&self, shown: Credential, named: Option<Ref>) -> Result<Option<Holder>> {
        let ended = || Problem::new(Code::Unavailable, "the server stops; send it again");
        let (answer, holder) = oneshot::channel();
        self.0.send(Question { shown, named, answer }).await.map_err(|_| ended())?;
        holder.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// Keys that were used since that was noted last, and when.
type Used = HashMap<i32, DateTime<Utc>>;

/// Notes which keys were used, until nobody uses any more: one statement for all of them.
async fn note(pool: PgPool, noting: Duration, used: Weak<Mutex<Used>>) {
    loop {
        tokio::time::sleep(noting).await;
        let Some(used) = used.upgrade() else { return };
        let since = std::mem::take(&mut *used.lock().unwrap_or_else(PoisonError::into_inner));
        if since.is_empty() {
            continue;
        }
        let (keys, instants): (Vec<i32>, Vec<DateTime<Utc>>) = since.into_iter().unzip();
        let noted = sqlx::query(include_str!("../../sql/keys/used.sql")).bind(keys).bind(instants).execute(&pool).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "which keys were used in the last minute is not noted");
        }
    }
}

async fn answer(pool: &PgPool, questions: Vec<Question>, used: &Mutex<Used>) {
    let asked: Vec<_> = questions.iter().map(|question| (&question.shown, question.named.as_ref())).collect();
    let mut tries = 0;
    let holders = loop {
        let found = timeout(PATIENCE, async { keys::holders(&mut *pool.acquire().await?, &asked).await });
        match found.await.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Err(error) if database::is_worth_another(&error, pool, &mut tries) => {}
            told => break told,
        }
    };
    // Who does not listen any more was broken off.
    match holders {
        Ok(holders) => {
            let now = Utc::now();
            let keys = holders.iter().flatten().filter(|holder| !holder.is_token).map(|holder| (holder.key_id, now));
            used.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
            for (question, holder) in questions.into_iter().zip(holders) {
                let _ = question.answer.send(Ok(holder));
            }
        }
        Err(error) => {
            let problem = Problem::from(error);
            for question in questions {
                let _ = question.answer.send(Err(problem.clone()));
            }
        }
    }
}
