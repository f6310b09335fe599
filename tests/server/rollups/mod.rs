//! Rollups: whatever happens to readings, the figures are those of a naive recomputation.

pub mod appended;
pub mod catalog;
pub mod columnstore;
pub mod freshness;
pub mod kept;
pub mod late;
pub mod naive;
pub mod plans;
pub mod refreshing;
pub mod retention;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use self::{
    appended as rollups_appended, catalog as rollups_catalog, columnstore as rollups_columnstore,
    freshness as rollups_freshness, kept as rollups_kept, late as rollups_late, plans as rollups_plans,
    refreshing as rollups_refreshing, retention as rollups_retention,
};
use crate::harness::{Test, TestApp, topic};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(rollups_refreshing::{
            figures_follow_whatever_happens_to_readings,
            what_somebody_refreshed_is_not_added_again,
            copied_readings_are_followed_like_inserted_ones,
            refreshers_beside_each_other_and_writers_do_no_harm,
            a_refresher_that_is_killed_leaves_nothing_behind,
            a_refresher_in_the_background_follows_and_hands_over,
        }),
        topic!(rollups_freshness::{
            what_is_not_committed_is_not_promised,
            who_compares_figures_with_readings_holds_up_no_promise,
            a_promise_holds_while_others_write_and_refresh,
        }),
        topic!(rollups_plans::{
            a_question_reads_only_the_chunks_of_its_range_and_the_rows_of_its_scope,
            one_device_s_owners_are_looked_up,
            raw_readings_and_the_ones_beside_a_reading_are_looked_up_in_their_chunks,
        }),
        topic!(rollups_columnstore::{
            compressed_readings_change_like_others_and_their_figures_follow,
            truncated_readings_leave_no_figures,
            the_columnstore_s_time_can_be_changed,
            figures_hold_while_chunks_are_converted,
        }),
        topic!(rollups_retention::{
            dropping_readings_older_than_forty_days_changes_no_figure,
            chunks_dropped_by_hand_change_no_figure,
            what_is_no_longer_kept_cannot_change,
            figures_that_cannot_follow_keep_their_owner_and_day,
            retention_broken_off_anywhere_is_taken_up_again,
            each_level_is_kept_for_its_own_time,
            verify_and_rebuild_leave_what_was_dropped_alone,
            a_register_goes_on_from_the_last_reading_that_was_dropped,
        }),
        topic!(rollups_kept::{
            a_question_about_what_was_dropped_is_refused,
            readings_that_were_dropped_are_not_listed_as_none,
            gaps_are_filled_with_levels_from_before_what_is_kept,
        }),
        topic!(rollups_appended::{
            readings_are_added_without_being_read,
            readings_of_many_devices_are_added_without_being_read,
            what_comes_in_beside_live_readings_is_followed_too,
            readings_that_commit_late_are_not_passed_over,
            readings_of_subtransactions_and_restored_ones_are_added_once,
            sums_that_no_bigint_holds_are_right,
            owners_and_days_of_a_channel_in_an_hour_are_kept_apart,
            of_added_readings_at_one_instant_the_lowest_is_first_and_the_highest_last,
            what_came_in_and_went_before_it_was_followed_leaves_no_figures,
            what_a_rebuild_has_counted_already_is_not_added_again,
            a_refresher_that_is_killed_while_it_adds_counts_nothing_twice,
            copied_and_inserted_readings_of_a_transaction_are_all_followed,
        }),
        topic!(rollups_late::{
            late_readings_are_followed_in_the_chunks_of_their_time_alone,
            what_late_readings_cost_is_in_proportion,
            late_readings_and_whole_refreshes_do_not_undo_each_other,
            what_somebody_refreshed_of_some_levels_is_followed_in_all,
        }),
        topic!(rollups_catalog::{
            rollups_are_what_the_edition_offers,
            applying_again_changes_nothing,
            a_changed_definition_is_made_anew_from_the_readings,
            changed_triggers_are_replaced_also_where_readings_are_gone,
            a_database_can_change_its_edition,
            dropping_old_readings_keeps_their_figures,
            a_month_of_one_device_is_read_from_few_chunks,
        }),
    ]
}

/// Ranges that hold changes of clocks: Paris, St John's and Apia in spring and autumn, and the day that Apia skipped.
const RANGES: [(&str, &str); 4] = [
    ("2025-03-28T00:00:00Z", "2025-04-07T00:00:00Z"),
    ("2025-10-25T00:00:00Z", "2025-11-03T00:00:00Z"),
    ("2011-12-29T00:00:00Z", "2012-01-02T00:00:00Z"),
    ("2025-12-31T00:00:00Z", "2026-01-02T00:00:00Z"),
];

/// Registers the fleet, and makes what is random the same in every run. The connection is to be kept.
pub async fn fleet(app: &TestApp) -> PgConnection {
    let mut db = app.db().await;
    sqlx::raw_sql(include_str!("fleet.sql")).execute(&mut db).await.expect("the fleet");
    sqlx::query("SELECT setseed(0.25)").execute(&mut db).await.expect("a seed");
    db
}

pub async fn insert(db: &mut PgConnection, count: i32, from: DateTime<Utc>, to: DateTime<Utc>) {
    let insert = sqlx::query(include_str!("readings.sql")).bind(count).bind(from).bind(to);
    insert.execute(db).await.expect("readings");
}

/// Readings in all ranges, and around now.
async fn insert_everywhere(db: &mut PgConnection, count: i32) {
    for (from, to) in RANGES {
        insert(db, count, from.parse().unwrap(), to.parse().unwrap()).await;
    }
    let now = Utc::now();
    insert(db, count, now - TimeDelta::days(40), now + TimeDelta::hours(3)).await;
    insert(db, count, now - TimeDelta::hours(5), now).await;
}

async fn run(db: &mut PgConnection, sql: &'static str) {
    let done = sqlx::raw_sql(sql).execute(db).await.expect(sql);
    assert!(done.rows_affected() > 0, "changed nothing: {sql}");
}
