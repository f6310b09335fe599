//! What becomes of readings that are not simply stored.

mod accounting;
pub mod quarantine;
mod rates;
mod replays;

use crate::harness::{Test, topic};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(accounting::{
            accounts_are_listed_by_day_and_key,
            accounts_of_any_traffic_add_up,
            minutes_are_those_of_the_accounts_and_go_after_some_hours,
        }),
        topic!(quarantine::{
            a_quarantine_is_its_provider_s_own,
            a_quarantine_that_is_full_says_so_and_keeps_what_it_has,
            a_reading_that_is_sent_again_is_in_quarantine_once,
            deleting_is_by_what_is_named_and_audited,
            what_is_registered_gets_the_readings_that_waited_for_it,
            what_is_unknown_is_listed_as_it_came_with_its_reason,
            what_still_cannot_be_stored_stays_with_its_new_reason,
            what_was_in_quarantine_long_enough_goes_and_is_counted,
        }),
        topic!(rates::{
            a_key_that_sends_too_fast_is_told_when_to_go_on,
            keys_have_the_server_s_rate_unless_they_have_their_own,
            more_readings_than_a_burst_are_to_be_sent_in_parts,
            readings_that_are_refused_because_too_many_wait_cost_the_key_nothing,
        }),
        topic!(replays::{
            a_replay_that_is_broken_off_anywhere_neither_loses_nor_doubles_a_reading,
            servers_replay_by_themselves_and_go_on_where_another_ended,
        }),
    ]
}
