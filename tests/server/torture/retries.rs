//! A client that sends again what failed or was not answered, until it has an answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use meterbase::fleet::random::Random;

use super::clients::{Door, verdicts};
use super::load::{Reading, Sender, body};
use super::stored::{Row, Stored};
use super::wire::{Answer, Cut, Line};
use super::world::{PROVIDER, World};
use super::{figures, seed};
use crate::binary::Patience;
use crate::harness::TestApp;

const CLIENTS: u32 = 3;

/// Requests of each client.
const REQUESTS: usize = 40;

/// Delivers requests in their order, cutting connections in so many of a thousand cases; counts those that have an answer.
fn deliver(door: &Door, requests: &[Vec<Reading>], cut: u64, seed: u64, done: &AtomicUsize) {
    let (mut line, mut draw) = (Line::default(), Random::of(&[seed, 3]));
    for readings in requests {
        let body = body(readings);
        loop {
            let server = door.servers().first().cloned();
            let cut = draw.chance(cut).then(|| match draw.below(2) {
                0 => Cut::Within(draw.below(body.len() as u64) as usize),
                _ => Cut::Reset,
            });
            match server.map(|server| line.post(&server, &door.path(), &door.key, &body, cut)) {
                Some(Answer::Whole { status: 200, body, .. }) => {
                    verdicts(&body, readings.len()).expect("an answer that adds up");
                    break;
                }
                Some(Answer::Whole { status, head, body }) => assert_eq!(status, 503, "{head}{body}"),
                Some(Answer::None { .. }) | None => {}
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Clients that deliver their requests, each in a thread.
struct Delivery {
    threads: Vec<std::thread::JoinHandle<()>>,
    done: Arc<AtomicUsize>,
}

impl Delivery {
    fn start(world: &World, provider: &'static str, cut: u64) -> Self {
        let done = Arc::new(AtomicUsize::new(0));
        let begin = |number: u32| {
            let mut sender = Sender::new(world.seed, number, world.start, 0);
            let requests: Vec<_> = (0..REQUESTS).map(|_| sender.request()).collect();
            let (done, seed) = (done.clone(), world.seed + u64::from(number));
            let door = Door { servers: world.door.servers.clone(), key: world.door.key.clone(), provider };
            std::thread::spawn(move || deliver(&door, &requests, cut, seed, &done))
        };
        Self { threads: (0..CLIENTS).map(begin).collect(), done: done.clone() }
    }

    async fn answered(&self, requests: usize) {
        let mut patience = Patience::closely("answers");
        while self.done.load(Ordering::Relaxed) < requests {
            assert!(!self.threads.iter().all(|thread| thread.is_finished()), "a client gave up");
            patience.poll().await;
        }
    }

    async fn end(self) {
        let mut patience = Patience::for_("the end of a delivery");
        while !self.threads.iter().all(|thread| thread.is_finished()) {
            patience.poll().await;
        }
        self.threads.into_iter().for_each(|thread| thread.join().expect("a client that ended well"));
    }
}

/// What is stored, in an order.
fn sorted(stored: Stored) -> (BTreeMap<String, String>, BTreeMap<String, Vec<String>>) {
    let row = |row: Row| (format!("{} {} {}", row.device, row.metric, row.at), format!("{row:?}"));
    let rows = stored.rows.into_values().map(row).collect();
    let waiting = stored.quarantine.into_iter().map(|(identity, mut values)| {
        values.sort();
        (format!("{identity:?}"), values)
    });
    (rows, waiting.collect())
}

pub async fn whoever_repeats_until_there_is_an_answer_has_delivered_once(app: TestApp) {
    let mut world = World::shared(&app, seed()).await;
    let mut draw = Random::of(&[world.seed, 11]);
    let troubled = Delivery::start(&world, PROVIDER, 300);
    let all = CLIENTS as usize * REQUESTS;
    troubled.answered(1 + draw.below(all as u64 / 2) as usize).await;
    world.kill_server(0);
    world.start_server(0);
    troubled.end().await;

    const CLEAN: &str = "south";
    world.register(CLEAN).await;
    Delivery::start(&world, CLEAN, 0).end().await;

    let mut db = world.db().await;
    let troubled_stored = Stored::read(&mut db, PROVIDER).await.expect("what is stored");
    let clean_stored = Stored::read(&mut db, CLEAN).await.expect("what is stored");
    assert!(clean_stored.rows.len() > all, "{} readings", clean_stored.rows.len());
    for (provider, stored) in [(PROVIDER, &troubled_stored), (CLEAN, &clean_stored)] {
        figures::usage(&world, provider, stored).await.unwrap_or_else(|wrong| panic!("{provider}: {wrong}"));
    }
    assert_eq!(figures::told(&world, PROVIDER).await, figures::told(&world, CLEAN).await);
    assert_eq!(sorted(troubled_stored), sorted(clean_stored));
    world.end(Ok(())).unwrap_or_else(|wrong| panic!("{wrong}"));
}
