//! Tests against a real PostgreSQL with TimescaleDB: one throwaway cluster per edition that the machine has, the same
//! tests on each. `cargo test --test server -- apache::` runs one edition, `... -- readings` one topic.

mod customers;
mod devices;
mod harness;
mod metrics;
mod moves;
mod providers;
mod readings;
mod stored;
mod time_zones;
mod trees;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(vec![
        harness::topic!(providers::{
            a_provider_is_made_replaced_and_found,
            only_admin_keys_keep_providers,
            unknown_parameters_and_fields_are_errors,
        }),
        harness::topic!(customers::{
            a_customer_is_made_replaced_and_found,
            a_parent_can_be_named_by_id_and_must_be_there,
        }),
        harness::topic!(devices::{a_device_is_made_replaced_and_found}),
        harness::topic!(moves::{
            a_move_in_the_past_takes_the_readings_along,
            any_series_of_moves_leaves_stamps_that_the_assignments_say,
            a_change_of_owner_by_put_is_a_move_as_of_now,
            a_device_is_retired_and_put_into_service_again,
            a_move_that_cannot_be_is_refused,
        }),
        harness::topic!(trees::{
            a_tree_has_sub_customers_groups_and_numbers_of_devices,
            a_chain_of_a_thousand_levels_is_shown,
        }),
        harness::topic!(time_zones::{
            a_customer_without_a_zone_has_the_nearest_above,
            no_change_above_moves_the_billing_days_of_readings,
            the_provider_s_zone_is_fixed_by_those_who_inherit_it,
        }),
        harness::topic!(metrics::{
            a_metric_is_made_replaced_and_found,
            settings_of_registers_are_exact_and_positive,
        }),
        harness::topic!(readings::{
            each_trouble_is_explained_and_harms_no_neighbour,
        }),
    ])
}
