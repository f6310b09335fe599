//! Tests against a real PostgreSQL with TimescaleDB: one throwaway cluster per edition that the machine has, the same
//! tests on each. `cargo test --test server -- apache::` runs one edition, `... -- readings` one topic.

mod customers;
mod devices;
mod harness;
mod metrics;
mod providers;
mod readings;

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
        harness::topic!(metrics::{
            a_metric_is_made_replaced_and_found,
            settings_of_registers_are_exact_and_positive,
        }),
        harness::topic!(readings::{
            each_trouble_is_explained_and_harms_no_neighbour,
        }),
    ])
}
