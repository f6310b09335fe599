//! Clients that post while things are killed: each a thread with an oracle of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use meterbase::fleet::random::Random;
use serde_json::Value;

use super::load::{INSTANTS, Reading, Sender, body};
use super::oracle::{Oracle, Verdict};
use super::wire::{Answer, Cut, Line};
use crate::binary::Patience;

/// How clients behave.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub clients: u32,
    /// Requests of a thousand that are cut off.
    pub cut: u64,
    /// A request that was sent whole on a connection must be answered.
    pub strict: bool,
}

impl Manner {
    pub const USUAL: Self = Self { clients: 4, cut: 0, strict: false };
}

/// Whom clients talk to, and how.
pub struct Door {
    /// `host:port` of each server that can be asked; a new connection goes to one of them.
    pub servers: Arc<Mutex<Vec<String>>>,
    pub key: String,
    pub provider: &'static str,
}

impl Door {
    pub fn path(&self) -> String {
        format!("/v1/readings?receipts=all&provider={}", self.provider)
    }

    pub fn servers(&self) -> MutexGuard<'_, Vec<String>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is counted of all clients, in requests.
#[derive(Default)]
pub struct Counts {
    pub acknowledged: AtomicU64,
    pub refused: AtomicU64,
    pub unanswered: AtomicU64,
    /// Readings of acknowledged requests.
    pub readings: AtomicU64,
}

/// Clients at work.
pub struct Load {
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    door: Arc<Door>,
    manner: Manner,
    counts: Arc<Counts>,
    stop: AtomicBool,
    /// What no client should ever meet.
    broken: Mutex<Vec<String>>,
}

/// How long a client lets go by after a request that came to nothing, so that it does not spend the machine on trying.
const PAUSE: Duration = Duration::from_millis(5);

impl Load {
    /// Starts clients, the load of this number on a database; their oracles are new files of `directory`.
    pub fn start(door: Arc<Door>, directory: &Path, load: i64, manner: Manner, seed: u64, start: i64) -> Self {
        let (counts, broken) = (Arc::new(Counts::default()), Mutex::default());
        let shared = Arc::new(Shared { door, manner, counts, stop: AtomicBool::new(false), broken });
        let begin = |number: u32| {
            let (shared, directory): (_, PathBuf) = (shared.clone(), directory.to_owned());
            let name = format!("load-{load}-client-{number}");
            std::thread::spawn(move || {
                let sender = Sender::new(seed, number, start, load * INSTANTS);
                let draw = Random::of(&[seed, number.into(), 1]);
                let oracle = Oracle::create(&directory, &name);
                Client { shared: &shared, sender, draw, oracle, line: Line::default(), requests: 0 }.run();
            })
        };
        Self { threads: (0..manner.clients).map(begin).collect(), shared: shared.clone() }
    }

    pub fn counts(&self) -> &Arc<Counts> {
        &self.shared.counts
    }

    /// Waits until so many more requests are acknowledged.
    pub async fn acknowledge(&self, more: u64) {
        self.more(more, "acknowledged requests", &self.shared.counts.acknowledged).await;
    }

    /// Waits until so many more requests are refused or get no answer.
    pub async fn fail(&self, more: u64) {
        self.more(more, "refused requests", &self.shared.counts.refused).await;
    }

    async fn more(&self, more: u64, what: &'static str, of: &AtomicU64) {
        let (end, mut patience) = (of.load(Ordering::Relaxed) + more, Patience::closely(what));
        while of.load(Ordering::Relaxed) < end && !self.is_broken() {
            patience.poll().await;
        }
    }

    pub fn is_broken(&self) -> bool {
        !self.shared.broken.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Lets every client end its request, and tells what none should have met.
    pub async fn end(self) -> Result<(), String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut patience = Patience::for_("the end of the clients");
        while !self.threads.iter().all(JoinHandle::is_finished) {
            patience.poll().await;
        }
        for thread in self.threads {
            thread.join().map_err(|_| "a client panicked".to_owned())?;
        }
        let broken = self.shared.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.first().map_or(Ok(()), |first| Err(first.clone()))
    }
}

struct Client<'s> {
    shared: &'s Shared,
    sender: Sender,
    draw: Random,
    oracle: Oracle,
    line: Line,
    requests: u64,
}

impl Client<'_> {
    fn run(mut self) {
        let mut again = None;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let readings = again.take().unwrap_or_else(|| self.sender.request());
            match self.post(&readings) {
                Ok(true) => {}
                Ok(false) => {
                    // Half of them are sent again as they are; the others must be stored whole or not at all.
                    again = self.draw.chance(500).then_some(readings);
                    std::thread::park_timeout(PAUSE);
                }
                Err(broken) => {
                    self.shared.broken.lock().unwrap_or_else(PoisonError::into_inner).push(broken);
                    return;
                }
            }
        }
    }

    /// Whether it was acknowledged.
    fn post(&mut self, readings: &[Reading]) -> Result<bool, String> {
        let (request, body) = (self.requests, body(readings));
        let (door, counts) = (&self.shared.door, &self.shared.counts);
        let Some(server) = self.server() else { return Ok(false) };
        self.requests += 1;
        self.oracle.sent(request, readings);
        let cut = self.cut(body.len());
        match self.line.post(&server, &door.path(), &door.key, &body, cut) {
            Answer::Whole { status: 200, body, .. } => {
                self.oracle.acknowledged(request, verdicts(&body, readings.len())?);
                counts.acknowledged.fetch_add(1, Ordering::Relaxed);
                counts.readings.fetch_add(readings.len() as u64, Ordering::Relaxed);
                Ok(true)
            }
            Answer::Whole { status: 503, head, body } => {
                self.oracle.refused(request, 503);
                counts.refused.fetch_add(1, Ordering::Relaxed);
                let is_told = head.to_ascii_lowercase().contains("\r\nretry-after: ");
                if is_told { Ok(false) } else { Err(format!("503 without Retry-After: {head}{body}")) }
            }
            Answer::Whole { head, body, .. } => Err(format!("{server} answered {head}{body}")),
            Answer::None { sent: true, why } if self.shared.manner.strict => Err(format!("{server}: {why}")),
            Answer::None { .. } => {
                counts.unanswered.fetch_add(1, Ordering::Relaxed);
                Ok(false)
            }
        }
    }

    /// The one that it is connected to while it wants to be asked, or any.
    fn server(&mut self) -> Option<String> {
        let servers = self.shared.door.servers().clone();
        if let Some(server) = self.line.server() {
            let stays = self.shared.manner.strict || (servers.iter().any(|s| s == server) && self.draw.chance(900));
            if stays {
                return Some(server.to_owned());
            }
        }
        servers.get(self.draw.below(servers.len() as u64) as usize).cloned()
    }

    fn cut(&mut self, body: usize) -> Option<Cut> {
        if !self.draw.chance(self.shared.manner.cut) {
            return None;
        }
        Some(match self.draw.below(4) {
            // In the head, or in the body.
            0 => Cut::Within(self.draw.below(body as u64 + 200) as usize),
            1 => Cut::Reset,
            2 => Cut::Close,
            _ => Cut::Unread,
        })
    }
}

/// The verdicts of an answer that lists all; they add up to what it says.
pub fn verdicts(body: &str, readings: usize) -> Result<Vec<Verdict>, String> {
    let wrong = || format!("an answer to {readings} readings: {body}");
    let answer: Value = serde_json::from_str(body).map_err(|_| wrong())?;
    let results = answer["results"].as_array().ok_or_else(wrong)?;
    let verdict = |(index, result): (usize, &Value)| {
        if result["index"].as_u64() != Some(index as u64) {
            return Err(wrong());
        }
        serde_json::from_value(result["status"].clone()).map_err(|_| wrong())
    };
    let verdicts: Vec<Verdict> = results.iter().enumerate().map(verdict).collect::<Result<_, _>>()?;
    let count = |of: Verdict| verdicts.iter().filter(|verdict| **verdict == of).count() as u64;
    let told = |name: &str| answer[name].as_u64();
    let adds_up = told("received") == Some(readings as u64)
        && verdicts.len() == readings
        && told("stored") == Some(count(Verdict::Stored))
        && told("duplicates") == Some(count(Verdict::Duplicate))
        && told("conflicts") == Some(count(Verdict::Conflict))
        && told("quarantined") == Some(count(Verdict::Quarantined))
        && told("rejected") == Some(count(Verdict::Rejected));
    if adds_up { Ok(verdicts) } else { Err(wrong()) }
}
