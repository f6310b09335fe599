//! Profiles: what devices send in their own language, and what they are told to do.

mod configs;
mod definitions;
mod payloads;
mod recognition;

use reqwest::Method;
use serde_json::{Value, json};

use self::{
    configs as profile_configs, definitions as profile_definitions, payloads as profile_payloads,
    recognition as profile_recognition,
};
use crate::harness::{Answer, Test, TestApp, topic};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(profile_definitions::{
            a_profile_is_made_changed_and_found_in_all_its_versions,
            a_profile_that_cannot_be_is_refused,
            units_are_converted_exactly_or_not_at_all,
            another_provider_s_profiles_and_metrics_are_not_there,
        }),
        topic!(profile_recognition::{
            the_profile_that_says_more_holds,
            a_profile_that_a_device_names_goes_before_any_other_and_stays,
            many_devices_at_once_have_models_and_profiles_too,
        }),
        topic!(profile_payloads::{
            telegrams_of_all_versions_become_the_readings_that_they_say,
            days_of_telegrams_add_up_in_both_tariffs_over_the_change_to_winter_time,
            a_change_of_a_profile_changes_no_stored_reading,
            each_reading_of_a_payload_gets_its_verdict,
            a_payload_that_cannot_be_read_is_refused_whole,
            a_payload_without_a_time_is_counted_once,
            csv_and_compressed_payloads_are_read_too,
        }),
        topic!(profile_configs::{
            a_configuration_is_told_once,
            a_device_that_waits_is_told_of_any_change,
            a_key_that_is_revoked_while_its_device_waits_is_told_nothing_more,
            what_a_device_acknowledges_and_reports_is_shown_beside_what_is_desired,
            a_key_of_a_part_speaks_for_the_devices_in_it_alone,
            what_cannot_be_acknowledged_is_refused,
        }),
    ]
}

/// A provider `north` with a customer in Amsterdam, its device `m1` of model `MB-050`, and the metrics `energy` (kWh) and
/// `gas` (m3), both registers; its key.
async fn north(app: &TestApp) -> String {
    let key = app.provider("north", "UTC").await;
    let customer = json!({"name": "Acme", "time_zone": "Europe/Amsterdam"});
    app.put(&key, "/v1/customers/acme", customer).await.expect_status(201);
    let device = json!({"customer": "acme", "model": "MB-050", "firmware": "5.0.2"});
    app.put(&key, "/v1/devices/m1", device).await.expect_status(201);
    for (metric, unit, kind) in [("energy", "kWh", "register"), ("gas", "m3", "register"), ("used", "kWh", "delta")] {
        let body = json!({"name": metric, "unit": unit, "kind": kind});
        app.put(&key, &format!("/v1/metrics/{metric}"), body).await.expect_status(201);
    }
    key
}

/// Two tariffs, and gas wherever it is.
fn p1() -> Value {
    json!({"name": "Smart meter", "match": {"model": "MB-0*"}, "format": "p1", "interval": "15m", "fields": [
        {"from": "1-0:1.8.1", "metric": "energy", "unit": "kWh", "dimensions": {"tariff": "low"}},
        {"from": "1-0:1.8.2", "metric": "energy", "unit": "kWh", "dimensions": {"tariff": "normal"}},
        {"from": "0-n:24.2.1", "device_type": 3, "metric": "gas", "unit": "m3", "optional": true}]})
}

/// The value with one field changed; null takes the field away.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = body.pointer_mut(parent).expect("the parent");
    match parent {
        Value::Array(fields) => fields[name.parse::<usize>().expect("a place")] = value,
        _ if value.is_null() => drop(parent.as_object_mut().expect("an object").remove(name)),
        _ => parent[name] = value,
    }
    body
}

async fn post(app: &TestApp, key: &str, query: &str, content_type: &str, payload: impl Into<reqwest::Body>) -> Answer {
    let request = app.client.request(Method::POST, format!("{}/v1/device/payload?receipts=all&{query}", app.base));
    Answer::of(request.bearer_auth(key).header("content-type", content_type).body(payload)).await
}

/// The device's readings, sorted: instant, metric, tariff, value and increment.
async fn stored(app: &TestApp, key: &str, device: &str) -> Vec<String> {
    let page = app.get(key, &format!("/v1/devices/{device}/readings?limit=1000")).await.expect_status(200).json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = page["items"].as_array().expect("items").iter().map(|item| {
        let parts = [&item["at"], &item["metric"], &item["dimensions"]["tariff"], &item["value"], &item["increment"]];
        parts.map(text).join(" ").replace("  ", " ")
    });
    let mut each: Vec<_> = each.collect();
    each.sort();
    each
}
