//! Acknowledged means committed: the real server is posted to while it, PostgreSQL under it, the connections to it or its
//! disk fail, at moments drawn from a seed. What each client sent and was answered is in a file of its own (`oracle`); what is
//! stored must agree with those (`check`, `figures`), whatever happened. `make torture` does so for as long as one wants.

use std::sync::LazyLock;

use crate::harness::{Test, topic};

mod check;
mod clients;
pub mod endless;
mod faults;
mod figures;
mod finds;
mod load;
mod oracle;
mod retries;
pub mod room;
mod run;
mod stopping;
mod stored;
mod survives;
mod wire;
mod world;

use self::{finds as torture_finds, retries as torture_retries, stopping as torture_stopping, survives as torture};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(torture::{
            a_server_that_is_stopped_answers_everyone_and_another_takes_over,
            nothing_acknowledged_is_lost_or_doubled_when_a_process_that_stores_it_is_killed,
            nothing_acknowledged_is_lost_or_doubled_when_a_server_is_killed,
            nothing_acknowledged_is_lost_or_doubled_when_postgresql_is_killed,
            nothing_acknowledged_is_lost_or_doubled_when_postgresql_is_stopped_at_once,
            nothing_acknowledged_is_lost_or_doubled_when_the_disk_is_full,
            requests_whose_connection_is_cut_are_stored_whole_or_not_at_all,
            two_servers_on_a_database_lose_and_double_nothing_when_one_is_killed,
            when_postgresql_is_back_nobody_is_told_that_it_was_away,
        }),
        topic!(torture_finds::{
            registers_rise_with_their_instants_whoever_sends_them,
            what_is_lost_changed_or_there_in_part_is_found,
        }),
        topic!(torture_stopping::{
            a_stopping_server_answers_whoever_it_can_and_waits_for_nobody_longer_than_it_may,
            what_was_sent_whole_when_a_server_was_told_to_stop_is_answered,
        }),
        topic!(torture_retries::{whoever_repeats_until_there_is_an_answer_has_delivered_once}),
    ]
}

/// What all moments and readings are drawn from: METERBASE_TORTURE_SEED, or another one each time, which is told.
fn seed() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| {
        let given = std::env::var("METERBASE_TORTURE_SEED").ok();
        let given = given.map(|seed| seed.parse().expect("METERBASE_TORTURE_SEED is a number"));
        let seed = given.unwrap_or_else(|| chrono::Utc::now().timestamp_micros().cast_unsigned() % 1_000_000);
        println!("torture: METERBASE_TORTURE_SEED={seed} draws the same again");
        seed
    });
    *SEED
}
