//! `make torture`: all faults mixed, on one database after the other, for as long as one wants.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use meterbase::database::{self, Edition};
use meterbase::embedded::cluster::{Cluster, Running};
use meterbase::embedded::install::{self, Install};
use meterbase::fleet::random::Random;
use meterbase::keys::{self, Scope};
use meterbase::migrate;
use sqlx::ConnectOptions;

use super::check::Compared;
use super::clients::Manner;
use super::faults::Fault;
use super::room::Room;
use super::world::{Place, World};
use super::{run, seed};
use crate::binary::DataDir;

/// Faults of a round, after which everything is checked; and rounds of a database.
const FAULTS: usize = 5;
const ROUNDS: usize = 2;

/// Of a thousand requests so many are cut off.
const CUT: u64 = 30;

/// What was done so far.
#[derive(Default)]
struct Totals {
    rounds: usize,
    faults: usize,
    requests: usize,
    unanswered: usize,
    readings: u64,
    stored: usize,
}

/// How long METERBASE_TORTURE_FOR asks for, such as `10m`; none where it is not there.
pub fn asked() -> Option<Duration> {
    let text = std::env::var("METERBASE_TORTURE_FOR").ok()?;
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[split..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        unit => panic!("METERBASE_TORTURE_FOR={text}: {unit} is none of s, m and h"),
    };
    Some(Duration::from_secs(text[..split].parse::<u64>().expect("a number with s, m or h") * unit))
}

/// Ends with the first thing that is wrong, which stays for inspection; else with the time, or a Ctrl-C.
pub fn run(length: Duration) -> ExitCode {
    // The provider of TLS for the client; installing it twice is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let install = match install::newest() {
        Ok(install) => install,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let interrupted = stop.clone();
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            println!("torture: interrupted; ending this round");
            interrupted.store(true, Ordering::Relaxed);
        }
    });
    let (mut totals, end) = (Totals::default(), Instant::now() + length);
    let found = runtime.block_on(databases(&install, end, &stop, &mut totals));
    let Totals { rounds, faults, requests, unanswered, readings, stored } = totals;
    println!(
        "torture: {rounds} rounds, {faults} faults, {requests} requests, {unanswered} without a good answer, {readings} \
         readings acknowledged, {stored} stored, seed {}",
        seed()
    );
    match found {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            println!("torture: BROKEN: {wrong}");
            ExitCode::FAILURE
        }
    }
}

/// Another place and edition each time.
async fn databases(install: &Install, end: Instant, stop: &AtomicBool, totals: &mut Totals) -> Result<(), String> {
    for number in 0.. {
        let edition = install.editions[number % install.editions.len()];
        let seed = seed().wrapping_add(number as u64);
        match number / install.editions.len() % 3 {
            0 => rounds(World::new(edition, Place::Own, None, seed).await, end, stop, totals).await?,
            1 => match Room::open() {
                Some(room) => {
                    rounds(World::new(edition, Place::Small(room), None, seed).await, end, stop, totals).await?
                }
                None => println!(
                    "NOT tested: a full disk (this user may mount nothing here, not even for itself; root may)"
                ),
            },
            _ => {
                // Made after it, so that it goes before.
                let directory = DataDir::new(edition);
                let (cluster, admin) = somebodys(install, edition, &directory).await;
                let place = Place::Shared(Box::new(cluster.options()));
                rounds(World::new(edition, place, Some(&admin), seed).await, end, stop, totals).await?;
                cluster.stop().map_err(|error| error.to_string())?;
            }
        }
        if Instant::now() >= end || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}

/// A database that no server runs, and an admin key for it.
async fn somebodys(install: &Install, edition: Edition, directory: &DataDir) -> (Running, String) {
    let (data, sockets) = (directory.path().join("postgres"), directory.path().join("run"));
    let cluster = Cluster::new(install.clone(), data, sockets).expect("a cluster").edition(edition);
    let cluster = cluster.start().await.expect("a running cluster");
    let mut db = cluster.options().connect().await.expect("its database");
    let found = database::check(&mut db).await.expect("a usable database");
    migrate::run(&mut db, found.edition).await.expect("the schema");
    let admin = keys::create(&mut db, Scope::Admin, None, None, None).await.expect("a key").reveal();
    (cluster, admin)
}

/// Some rounds on a database, then its end.
async fn rounds(mut world: World, end: Instant, stop: &AtomicBool, totals: &mut Totals) -> Result<(), String> {
    let mut draw = Random::of(&[world.seed, 13]);
    let (mut found, mut compared) = (Ok(()), Compared::default());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let over = || Instant::now() >= end || stop.load(Ordering::Relaxed);
        match round(&mut world, &mut draw, over, totals).await {
            Ok(all) => compared = all,
            Err(wrong) => found = Err(wrong),
        }
        totals.rounds += 1;
        let place = match world.place {
            Place::Own => "a database of its own",
            Place::Small(_) => "a small filesystem",
            Place::Shared(_) => "two servers on a database",
        };
        println!(
            "torture: round {} ({} edition, {place}): {:.0} s, {} faults, {} readings acknowledged, {} stored",
            totals.rounds,
            world.data.edition,
            started.elapsed().as_secs_f64(),
            totals.faults,
            totals.readings,
            totals.stored + compared.stored
        );
        if found.is_err() || over() {
            break;
        }
    }
    totals.requests += compared.requests;
    totals.unanswered += compared.unanswered;
    totals.stored += compared.stored;
    world.end(found)
}

/// Some faults, then everything is checked.
async fn round(
    world: &mut World,
    draw: &mut Random,
    over: impl Fn() -> bool,
    totals: &mut Totals,
) -> Result<Compared, String> {
    let load = world.load(Manner { cut: CUT, ..Manner::USUAL });
    let counts = load.counts().clone();
    for _ in 0..FAULTS {
        if over() || load.is_broken() {
            break;
        }
        load.acknowledge(20 + draw.below(200)).await;
        let faults = Fault::of(world);
        let fault = faults[draw.below(faults.len() as u64) as usize];
        fault.strike(world, &load, draw).await;
        totals.faults += 1;
    }
    load.acknowledge(20).await;
    load.end().await?;
    totals.readings += counts.readings.load(Ordering::Relaxed);
    run::check_replayed(world).await
}
