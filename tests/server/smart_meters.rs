//! Smart meters that register themselves, by the real binary: their days are what they used, and it is noticed when one is not.

use std::process::Output;

use serde_json::{Value, json};
use sqlx::ConnectOptions;

use crate::binary::{meterbase, text};
use crate::harness::TestApp;

/// Clocks were changed on 26 October 2025 and 29 March 2026.
async fn simulate(app: &TestApp) -> (Output, Value) {
    let url = app.options.to_url_lossy().to_string();
    let options = ["--devices", "3", "--days", "2", "--until", "2026-04-02", "--meters", "--json"];
    let mut command = meterbase();
    command.arg("simulate").args(options).args(["--database-url", &url]);
    let output = tokio::task::spawn_blocking(move || command.output().expect("the binary")).await.expect("its end");
    let result = serde_json::from_str(&text(&output.stdout));
    let result = result.unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    (output, result)
}

/// `day readings of low tariff / of gas` of a meter, as they were served.
fn readings(result: &Value, meter: &str) -> Vec<String> {
    let days = result["meters"]["days"].as_array().expect("days").iter().filter(|day| day["meter"] == meter);
    let count = |day: &Value, at: usize| day["figures"][at]["served"][1].to_string();
    days.map(|day| format!("{} {}/{}", day["day"].as_str().expect("a day"), count(day, 0), count(day, 2))).collect()
}

pub async fn days_of_smart_meters_are_what_they_used_and_it_is_said_when_they_are_not(app: TestApp) {
    let (first, result) = simulate(&app).await;
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    // Reported each hour over the 25 hours of a day in October, each half hour over the 23 of one in March; gas each hour, or
    // every five minutes.
    let days = ["2025-10-25 24/24", "2025-10-26 25/25", "2025-10-27 24/24"];
    let hourly = ["2026-03-28 48/24", "2026-03-29 46/23", "2026-03-30 48/24"];
    let often = ["2026-03-28 48/48", "2026-03-29 46/46", "2026-03-30 48/48"];
    assert_eq!(readings(&result, "MB022-2603"), [days, hourly].concat());
    assert_eq!(readings(&result, "MB042-2603"), [days, hourly].concat());
    assert_eq!(readings(&result, "MB050-2603"), [days, often].concat());
    let meters = &result["meters"];
    assert_eq!((&meters["waited"], &meters["intervals"]), (&json!(3 * 24 * 3), &json!([3600, 1800])));
    assert_eq!(meters["verdicts"]["quarantined"], meters["waited"]);

    // Three registers of each meter end where the first telegram and all that was used say.
    let mut db = app.db().await;
    let span = "SELECT (max(value) - min(value))::bigint, sum(increment)::bigint FROM reading JOIN channel USING (channel_id)
        JOIN metric USING (metric_id) WHERE metric.key = 'gas' AND reading.ts > '2025-10-01' GROUP BY channel_id ORDER BY 1";
    let spans: Vec<(i64, i64)> = sqlx::query_as(span).fetch_all(&mut db).await.expect("registers");
    assert!(spans.len() == 3 && spans.iter().all(|(span, added)| span == added && *span > 0), "{spans:?}");

    // They enroll once more and send the same.
    let (again, result) = simulate(&app).await;
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert_eq!(result["meters"]["verdicts"]["stored"], 0);

    let tampered = "UPDATE reading SET increment = increment + 1 WHERE (channel_id, ts, event_key) IN (
        SELECT r.channel_id, r.ts, r.event_key FROM reading r JOIN channel USING (channel_id) JOIN metric m USING (metric_id)
        WHERE m.key = 'electricity_normal' ORDER BY r.ts LIMIT 1)";
    assert_eq!(sqlx::query(tampered).execute(&mut db).await.expect("an update").rows_affected(), 1);
    let (wrong, _) = simulate(&app).await;
    let said = text(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    let told = said.lines().filter(|line| line.starts_with("WRONG: MB0")).collect::<Vec<_>>();
    assert!(
        told.len() == 1 && told[0].contains("2025-10-25 electricity_normal: served 0.001 of 24 readings"),
        "{said}"
    );
}
