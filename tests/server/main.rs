//! Tests against a real PostgreSQL with TimescaleDB: one throwaway cluster per edition that the machine has, the same
//! tests on each. `cargo test --test server -- apache::` runs one edition, `... -- readings` one topic.

mod active_devices;
mod alerts;
mod analytics;
mod audit;
mod bench;
mod billing_months;
mod binary;
mod calendars;
mod certificates;
mod command;
mod completeness;
mod connections;
mod copied;
mod customers;
mod demo;
mod devices;
mod embedded;
mod enroll;
mod events;
mod fixtures;
mod fleet;
mod gauges;
mod groups;
mod harness;
mod import;
mod ingest;
mod isolation;
mod keys;
mod limits;
mod meter_usage;
mod meters;
mod metrics;
mod migrations;
mod monitoring;
mod moves;
mod naive_registers;
mod pages;
mod profiles;
mod providers;
mod random_fleets;
mod raw_readings;
mod reading_bodies;
mod reading_owners;
mod reading_troubles;
mod readings;
mod registered;
mod registers;
mod replacements;
mod reviews;
mod rollups;
mod schema;
mod secrets;
mod session;
mod smart_meters;
mod stored;
mod time_zones;
mod torture;
mod trees;
mod usage;
mod usage_ties;
mod verify;
mod walk;
mod webhooks;
mod zone_changes;
use std::process::ExitCode;
fn main() -> ExitCode {
    if let Some(length) = torture::endless::asked() {
        return torture::endless::run(length);
    }
    let mut topics = vec![
        harness::topic!(providers::{
            a_provider_is_made_replaced_and_found,
            only_admin_keys_keep_providers,
            unknown_parameters_and_fields_are_errors,
            a_provider_s_own_key_sees_its_provider_alone,
        }),
        harness::topic!(isolation::{
            another_provider_s_entities_are_not_found,
            the_scope_of_a_key_decides_what_it_may_do_in_the_registry,
            callers_who_come_at_once_are_told_apart,
        }),
        harness::topic!(walk::{
            what_is_another_provider_s_is_as_if_it_were_not,
            what_is_outside_of_a_key_s_part_is_as_if_it_were_not,
        }),
        harness::topic!(audit::{
            every_change_of_the_registry_has_an_entry,
            what_changes_nothing_has_no_entry,
            decisions_about_readings_have_entries,
            the_audit_is_filtered_and_shown_to_whom_it_concerns,
            entries_stay_as_they_were_written,
            commands_have_entries_too,
        }),
        harness::topic!(session::{
            a_browser_signs_in_and_out,
            a_cookie_stands_for_its_key,
            a_session_ends_with_its_key_on_every_server,
            a_token_of_a_portal_signs_in_to_its_subtree_alone,
            pages_of_other_sites_change_nothing,
            over_tls_the_cookie_stays_on_tls,
        }),
        harness::topic!(connections::{who_goes_away_while_a_transaction_begins_leaves_none}),
        harness::topic!(pages::{
            the_dashboard_is_made_of_files_that_say_what_they_are,
            browsers_are_told_what_pages_may_not_do,
            the_document_says_that_a_session_is_as_good_as_a_key,
        }),
        harness::topic!(customers::{
            a_customer_is_made_replaced_and_found,
            a_parent_can_be_named_by_id_and_must_be_there,
            lists_are_walked_page_by_page,
            a_search_finds_text_in_keys_and_names_as_it_is,
            a_customer_cannot_be_above_itself,
            two_changes_at_once_cannot_make_a_cycle,
            only_a_customer_that_never_had_anything_is_deleted,
            what_a_customer_cannot_be_is_explained,
            the_database_names_the_constraint_of_an_unknown_time_zone,
        }),
        harness::topic!(groups::{
            a_group_is_made_replaced_found_and_deleted,
            a_group_that_had_devices_stays_with_its_customer,
            groups_are_listed_by_customer_and_kind,
        }),
        harness::topic!(devices::{
            a_device_is_made_replaced_and_found,
            devices_are_listed_by_owner_kind_and_text,
            a_page_walk_over_many_devices_finds_each_once,
            a_group_must_be_one_of_the_customer,
            many_devices_at_once_get_an_answer_each,
            ten_thousand_devices_go_in_at_once_and_not_one_more,
            of_many_that_make_the_same_device_one_does,
        }),
        harness::topic!(moves::{
            a_move_in_the_past_takes_the_readings_along,
            any_series_of_moves_leaves_stamps_that_the_assignments_say,
            a_change_of_owner_by_put_is_a_move_as_of_now,
            a_device_is_retired_and_put_into_service_again,
            a_move_that_cannot_be_is_refused,
            a_move_reaches_compressed_readings_however_many,
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
        harness::topic!(zone_changes::{
            days_follow_each_other_over_a_change,
            those_who_inherit_follow_a_change,
            a_move_takes_the_days_of_the_new_owner_s_calendar,
            put_and_the_history_of_time_zones_agree,
            a_change_of_time_zone_that_cannot_be_is_refused,
        }),
        harness::topic!(billing_months::{
            months_begin_on_the_day_of_whose_they_are,
            the_ends_of_a_billing_month_are_told,
            active_devices_of_a_billing_month_are_distinct,
            billing_months_are_those_of_the_days_of_a_changed_time_zone,
        }),
        harness::topic!(calendars::{
            a_day_starts_at_the_same_instant_in_sql,
            calendars_of_any_history_are_the_same_in_sql,
        }),
        harness::topic!(metrics::{
            a_metric_is_made_replaced_and_found,
            an_expected_interval_is_answered_in_one_text,
            settings_of_registers_are_exact_and_positive,
            kind_and_scale_are_fixed_once_there_are_readings,
            metrics_are_listed_by_key,
        }),
        harness::topic!(reading_bodies::{
            a_body_over_the_limits_is_refused_whole,
            a_body_that_is_not_what_it_says_is_refused_whole,
            encoded_bodies_are_decoded,
            ndjson_lines_fail_alone_and_are_told_by_number,
            only_what_is_asked_for_is_a_parameter,
            what_another_program_wrote_is_told_by_its_name,
            however_long_what_is_wrong_it_is_told_in_short,
        }),
        harness::topic!(reading_owners::{
            a_moved_device_s_readings_belong_to_the_owner_of_their_time,
            billing_days_are_the_owner_s_calendar_days,
        }),
        harness::topic!(reading_troubles::{
            a_batch_that_the_database_gives_up_is_tried_again,
            a_lost_connection_stores_nothing_and_is_told,
            requests_are_not_kept_waiting_for_who_sends_them,
        }),
        harness::topic!(registers::{
            any_order_of_posting_gives_the_same_increments,
            registers_posted_from_several_connections_agree,
            the_largest_registers_do_not_overflow,
            the_reading_before_is_found_however_long_ago,
            whatever_happens_to_registers_their_increments_are_what_all_of_it_says,
        }),
        harness::topic!(reviews::{
            a_jump_adds_nothing_until_it_is_accepted,
            an_unexplained_decrease_waits_and_a_reset_does_not,
            a_slip_is_withdrawn_when_the_register_goes_on_from_before_it,
            a_reading_inserted_between_two_others_makes_no_spike_and_no_loss,
            what_cannot_be_decided_is_told,
            reviews_are_walked_page_by_page,
            another_rule_holds_for_readings_from_then_on,
        }),
        harness::topic!(replacements::{
            a_new_meter_goes_on_from_where_the_old_one_ended,
            readings_and_replacements_come_in_any_order,
            a_meter_may_begin_with_a_replacement,
            a_replacement_that_cannot_be_is_refused,
            a_register_goes_on_from_the_last_reading_that_was_dropped,
        }),
        harness::topic!(raw_readings::{
            a_reading_comes_out_as_it_is_stored,
            pages_ndjson_and_csv_say_the_same,
            ranges_are_half_open_and_days_are_the_owner_s,
            what_cannot_be_listed_is_told,
        }),
        harness::topic!(readings::{
            a_repetition_changes_nothing,
            an_event_id_tells_readings_of_one_instant_apart,
            concurrent_posts_of_the_same_readings_count_once,
            dimensions_make_channels,
            each_trouble_is_explained_and_harms_no_neighbour,
            providers_do_not_see_each_other,
            values_are_exact_to_the_scale,
        }),
        harness::topic!(bench::{
            every_workload_is_stored_whole_and_compared,
            figures_that_are_measured_are_those_that_were_sent,
            figures_that_are_not_what_was_acknowledged_fail_the_measurement,
            a_flood_and_who_is_beside_it_are_stored_whole,
            a_measurement_that_loses_a_reading_fails,
            a_measurement_that_is_broken_off_leaves_nothing_behind,
            what_a_killed_measurement_leaves_behind_is_cleared_by_the_next,
        }),
        harness::topic!(demo::{
            every_figure_of_a_fleet_is_right,
            a_demo_runs_once_and_again_and_goes_on_from_where_it_was,
            a_wrong_figure_is_said_loudly,
        }),
        harness::topic!(smart_meters::{days_of_smart_meters_are_what_they_used_and_it_is_said_when_they_are_not}),
        harness::topic!(fleet::{
            what_a_fleet_sends_is_stored_once_under_its_owner_and_day,
            a_fleet_goes_on_where_it_ended_and_no_other_takes_its_place,
        }),
        harness::topic!(import::{
            an_interrupted_import_goes_on_and_names_the_bad_row,
            importing_again_finds_duplicates_and_a_clean_file_is_a_success,
            a_file_that_the_options_do_not_fit_is_wrong_usage,
        }),
        harness::topic!(certificates::{
            a_certificate_stands_for_the_key_that_names_it,
            a_subject_stands_for_a_key_as_its_certificates_are_renewed,
            keys_of_certificates_are_checked,
            certificates_are_read_again_and_both_versions_of_tls_are_spoken,
            plain_http_is_spoken_beside_tls_on_this_machine_alone,
        }),
        harness::topic!(command::{
            wrong_usage_is_said_in_a_sentence,
            a_database_that_cannot_be_used_is_said_in_a_sentence,
            missing_rights_are_said_in_a_sentence,
            an_option_goes_before_the_environment,
            keys_for_nobody_are_refused,
            what_cannot_be_listened_on_is_named,
            https_is_served_with_the_given_certificate,
            doctor_finds_what_is_wrong_and_says_how_to_mend_it,
            a_timescaledb_that_is_not_loaded_is_said_in_a_sentence,
        }),
        harness::topic!(embedded::{
            it_starts_serves_and_stops_in_order,
            what_was_acknowledged_survives_the_kill_of_the_server,
            what_was_acknowledged_survives_the_kill_of_server_and_database,
            postgresql_is_started_again_when_it_is_killed,
            a_stale_pid_file_and_an_interrupted_initdb_are_no_obstacle,
            keys_are_made_while_a_server_runs_and_while_none_does,
            commands_together_share_the_database_that_one_of_them_started,
            an_expired_key_is_refused,
            a_data_directory_keeps_its_edition,
            a_database_of_another_postgresql_is_not_touched,
            a_long_path_gets_a_short_socket,
            root_puts_the_database_where_postgresql_can_enter,
            an_ordinary_user_runs_it_too,
            doctor_finds_an_embedded_database_in_order,
        }),
        harness::topic!(limits::{
            a_provider_whose_readings_pile_up_is_told_to_send_slower_and_others_are_not,
            bodies_over_the_memory_are_refused_and_it_comes_back,
            connections_over_the_limit_are_told_so_at_once,
            connections_that_ask_for_nothing_are_closed,
            requests_over_the_limit_are_told_so_and_health_is_not,
            slow_bodies_are_cut_off,
            the_answer_to_a_large_body_that_is_refused_arrives,
        }),
        harness::topic!(copied::{
            readings_go_into_their_chunk_and_the_figures_follow,
            readings_that_another_server_stored_are_told_from_new_ones,
            readings_find_their_way_when_their_chunk_was_converted_or_dropped,
            nothing_is_copied_where_it_would_not_be_found,
        }),
        harness::topic!(random_fleets::{any_fleet_s_figures_are_those_of_a_naive_recomputation}),
        harness::topic!(schema::{
            the_schema_is_as_committed,
            the_views_for_analysts_stay_as_they_are,
            everything_has_a_comment,
            constraints_have_chosen_names,
        }),
        harness::topic!(migrations::{
            every_migration_keeps_the_data_of_the_version_before,
            a_database_of_a_later_version_is_left_alone,
        }),
        harness::topic!(completeness::{
            a_channel_knows_its_earliest_reading,
            a_period_is_final_when_late_readings_are_no_longer_awaited,
            expected_readings_are_counted_over_moves_zones_and_intervals,
            nothing_is_expected_of_what_is_not_known_yet,
            what_was_received_is_told_beside_what_was_expected,
        }),
        harness::topic!(active_devices::{
            active_devices_of_a_month_are_not_the_sum_of_its_days,
            active_devices_are_counted_in_the_columnstore_too,
            parts_of_a_customer_share_the_devices_that_moved_between_them,
        }),
        harness::topic!(gauges::{
            a_level_goes_on_into_months_without_a_reading,
            levels_over_any_bucket_and_scope_are_those_of_the_readings,
            the_maximum_of_a_month_is_that_of_its_readings,
        }),
        harness::topic!(registered::{
            devices_after_each_other_are_never_two_at_once,
            registered_devices_are_the_most_at_any_instant,
            registered_devices_stand_beside_readings_of_any_kind_of_metric,
        }),
        harness::topic!(usage::{
            a_customer_counts_with_its_subtree_and_splits_into_sub_customers,
            a_range_within_months_counts_its_days_alone,
            active_devices_are_distinct_over_the_period,
            days_and_months_are_those_of_each_owner,
            gauges_have_levels_and_gaps_can_be_filled,
            hours_add_up_to_local_days_in_any_zone,
            late_readings_correct_the_figures,
            questions_that_make_no_sense_are_told_so,
            usage_as_csv_has_the_same_figures,
            usage_of_another_provider_is_not_there,
            usage_splits_by_group_device_and_kind,
        }),
        harness::topic!(usage_ties::{of_readings_at_one_instant_the_lowest_is_first_and_the_highest_last}),
    ];
    topics.extend(alerts::topics());
    topics.extend(analytics::topics());
    topics.extend(ingest::topics());
    topics.extend(keys::topics());
    topics.extend(profiles::topics());
    topics.extend(enroll::topics());
    topics.extend(rollups::topics());
    topics.extend(monitoring::topics());
    topics.extend(secrets::topics());
    topics.extend(torture::topics());
    topics.extend(events::topics());
    topics.extend(verify::topics());
    topics.extend(webhooks::topics());
    if meters::directory().is_some() {
        topics.push(harness::topic!(meters::{every_row_of_a_real_meter_is_stored_exactly_or_explained}));
        topics.push(harness::topic!(meter_usage::{
            illinois_electricity_equals_the_publishers_bills,
            illinois_electricity_equals_the_publishers_days,
            illinois_gas_equals_the_publishers_days,
            uk_electricity_has_days_of_23_and_25_hours,
        }));
    } else {
        println!("NOT tested: real meters (their files are not here; METERBASE_TEST_DATA says where they are)");
    }
    harness::run(topics)
}
