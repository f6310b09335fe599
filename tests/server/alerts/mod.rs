//! Alerts: what fires and resolves when, and that it is what usage says.

mod conditions;
mod judging;
mod keeping;
mod usage;
mod world;

use crate::harness::{Test, topic};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(judging::{
            a_threshold_fires_once_and_resolves_with_the_next_day,
            what_is_below_is_judged_when_its_period_has_ended,
            late_readings_make_ended_periods_fire_and_resolve,
            a_quota_tells_each_step_once_a_billing_month,
            what_is_not_fresh_is_not_judged,
            a_transition_is_whole_or_not_at_all_and_happens_once,
            a_server_judges_by_itself,
        }),
        topic!(conditions::{
            a_silent_device_is_told_until_it_sends_again,
            the_share_of_silent_devices_is_that_of_those_who_are_there,
            reviews_are_told_while_any_is_open,
            a_finished_day_that_misses_readings_is_told,
            what_other_kinds_cannot_be_is_explained,
        }),
        topic!(keeping::{
            an_alert_is_made_replaced_found_and_deleted,
            what_an_alert_cannot_be_is_explained,
            who_sees_a_part_sees_the_alerts_of_that_part,
        }),
        topic!(usage::{an_alert_tells_the_figures_of_usage}),
    ]
}
