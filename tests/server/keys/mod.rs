//! API keys: made, listed, rotated, revoked by API and command line; keys for a part of a provider; tokens for portals.

mod management;
mod parts;
mod portal;
mod posting;
pub mod world;

use crate::harness::{Test, topic};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(management::{
            a_key_is_made_changed_rotated_and_revoked,
            a_key_is_kept_by_admin_and_its_own_provider_alone,
            what_a_key_cannot_be_is_explained,
            commands_make_keys_of_parts_and_rotate_them,
        }),
        topic!(parts::{
            a_read_key_of_a_customer_sees_its_subtree_alone,
            figures_of_a_part_are_those_of_its_customers_at_their_time,
            what_concerns_all_of_a_provider_is_not_for_a_part,
        }),
        topic!(portal::{
            a_token_reads_one_customer_until_it_or_its_maker_ends,
            a_token_is_listed_and_ends_alone,
        }),
        topic!(posting::{
            readings_of_other_parts_have_the_verdict_of_unknown_devices,
            what_a_key_of_a_part_sent_never_counts_for_another_part,
        }),
    ]
}
