//! Tests against a real PostgreSQL with TimescaleDB: one throwaway cluster per edition that the machine has, the same
//! tests on each. `cargo test --test server -- apache::` runs one edition, `... -- readings` one topic.

mod harness;
mod providers;

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::run(vec![harness::topic!(providers::{
        a_provider_is_made_replaced_and_found,
        only_admin_keys_keep_providers,
        unknown_parameters_and_fields_are_errors,
    })])
}
