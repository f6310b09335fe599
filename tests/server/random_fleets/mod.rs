//! Random fleets: whatever happens to them, every figure is that of a naive recomputation.
//!
//! A seed makes two providers and a series of steps. All goes through the API, or through SQL by hand. What should come
//! of it is kept in memory, day by day arithmetic included, and shares no code with the server. After some steps every
//! row of the rollups, the raw readings, and the answers to many random questions are compared with it.
//!
//! `METERBASE_TEST_SEED` adds a seed, `METERBASE_TEST_ROUNDS` takes that many times as many (1 when absent).

mod answers;
mod calendar;
mod comparison;
mod dice;
mod fleet;
mod holdings;
mod questions;
mod registers;
mod sending;
mod series;
mod steps;

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use crate::harness::TestApp;
use crate::rollups::naive;
use dice::Dice;
use fleet::Provider;
use sending::Window;
use steps::Background;

/// Seeds of each run.
const SEEDS: u64 = 3;

/// Steps of a fleet, and after how many of them everything is compared.
const STEPS: usize = 40;
const COMPARED_EVERY: usize = 10;

/// Questions to each provider when everything is compared.
const QUESTIONS: usize = 40;

/// Tells on a failure where it happened, so that it can be had again.
struct Whereabouts {
    seed: u64,
    step: usize,
    doing: &'static str,
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, step, doing } = self;
            eprintln!("random fleet METERBASE_TEST_SEED={seed}, step {step}: {doing}");
        }
    }
}

struct Fleet {
    dice: Dice,
    providers: Vec<Provider>,
    windows: Vec<Window>,
    background: Option<Background>,
}

pub async fn any_fleet_s_figures_are_those_of_a_naive_recomputation(app: TestApp) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let own = number("METERBASE_TEST_SEED");
    let rounds = number("METERBASE_TEST_ROUNDS").unwrap_or(1);
    for seed in own.into_iter().chain(1..=SEEDS * rounds) {
        let database = app.empty_database().await;
        app.on_database(database, async |app| drive(&app, seed).await).await;
    }
}

async fn drive(app: &TestApp, seed: u64) {
    let mut whereabouts = Whereabouts { seed, step: 0, doing: "registering" };
    let mut dice = Dice::new(seed);
    let windows = sending::windows(&mut dice);
    let mut providers = Vec::new();
    for name in ["north", "south"] {
        let mut provider = Provider::random(&mut dice, name.to_owned());
        provider.register(app).await;
        providers.push(provider);
    }
    let mut fleet = Fleet { dice, providers, windows, background: None };
    let mut db = app.db().await;
    for step in 1..=STEPS {
        whereabouts.step = step;
        fleet.step(app, &mut db, &mut whereabouts.doing).await;
        if step % COMPARED_EVERY == 0 {
            fleet.compare(app, &mut db, &mut whereabouts.doing).await;
        }
    }
    db.close().await.expect("a close");
}

impl Fleet {
    async fn step(&mut self, app: &TestApp, db: &mut PgConnection, doing: &mut &'static str) {
        let Self { dice, providers, windows, background } = self;
        let place = dice.below(providers.len());
        let provider = &mut providers[place];
        match dice.below(100) {
            0..47 => {
                *doing = "sending readings";
                let size = dice.of(&[1, 5, 40, 150]);
                let batch = provider.random_batch(dice, windows, size);
                provider.post(app, dice, &batch).await;
            }
            47..51 => {
                *doing = "deciding about a reading";
                provider.decide(app, dice).await;
            }
            51..56 => {
                *doing = "replacing a meter";
                provider.replace_meter(app, dice).await;
            }
            56..67 => {
                *doing = "moving a device";
                provider.random_move(app, dice, windows).await;
            }
            67..71 => {
                *doing = "retiring a device";
                provider.retire(app, dice).await;
            }
            71..76 => {
                *doing = "deleting by hand";
                provider.delete_by_hand(dice, db).await;
            }
            76..81 => {
                *doing = "updating by hand";
                provider.update_by_hand(dice, db).await;
            }
            81..85 => {
                *doing = "refreshing";
                app.settle().await;
            }
            85..91 => {
                *doing = "killing a refresh";
                steps::killed_refresh(app, db, dice.below(30)).await;
            }
            _ => match background.take() {
                Some(one) if dice.percent(50) => {
                    *doing = "killing the refresher's connection";
                    Background::kill(db).await;
                    *background = Some(one);
                }
                Some(one) => {
                    *doing = "stopping the refresher";
                    one.stop().await;
                }
                None => {
                    *doing = "starting a refresher";
                    *background = Some(Background::start(app));
                }
            },
        }
    }

    async fn compare(&mut self, app: &TestApp, db: &mut PgConnection, doing: &mut &'static str) {
        *doing = "comparing rollups";
        if let Some(background) = self.background.take() {
            background.stop().await;
        }
        let settled: DateTime<Utc> =
            sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *db).await.expect("a time");
        app.settle().await;
        if self.dice.percent(40) {
            crate::rollups::refreshing::refresh_all(app).await;
        }
        naive::check(db, "of a random fleet").await;
        for provider in &self.providers {
            *doing = "comparing readings";
            provider.compare_readings(app).await;
            *doing = "comparing usage";
            for number in 0..QUESTIONS {
                let question = provider.random_question(&mut self.dice, &self.windows);
                provider.ask(app, &question, settled).await;
                if number % 8 == 0 {
                    provider.ask_for_csv(app, &question).await;
                }
            }
        }
    }
}
