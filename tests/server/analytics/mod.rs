//! Analysts' SQL: the views, the questions of docs/sql.md, and what a role cannot reach.

pub mod figures;
pub mod foreign;
pub mod plans;
pub mod questions;
pub mod roles;

use meterbase::keys::{self, Scope};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use self::{
    figures as analytics_figures, foreign as analytics_foreign, plans as analytics_plans,
    questions as analytics_questions, roles as analytics_roles,
};
use crate::binary::{run, text};
use crate::harness::{Test, TestApp, topic};

pub fn topics() -> Vec<Vec<Test>> {
    vec![
        topic!(analytics_figures::{
            every_view_of_figures_says_what_the_api_says,
            levels_and_registers_say_what_the_api_says,
            raw_readings_are_those_of_the_api,
        }),
        topic!(analytics_questions::{the_page_s_ten_questions_are_answered}),
        topic!(analytics_foreign::{
            whatever_is_tried_shows_no_other_provider,
            no_view_shows_a_row_of_another_provider,
            who_is_no_analyst_sees_nothing_and_all_see_all,
        }),
        topic!(analytics_plans::{
            predicates_reach_the_chunks_and_indexes,
            readings_of_a_customer_are_looked_up_in_their_chunks,
        }),
        topic!(analytics_roles::{
            a_role_is_made_listed_and_dropped,
            the_password_that_is_printed_is_asked_for,
            what_cannot_be_made_is_said_in_a_sentence,
            servers_go_on_as_a_role_that_owns_little,
            views_come_back_with_their_readers_when_rollups_are_made_anew,
        }),
    ]
}

/// The URL of a test's database.
pub fn url(app: &TestApp) -> String {
    app.options.to_url_lossy().to_string()
}

/// Makes a role with the command, and tells how to connect as it.
pub fn role(app: &TestApp, of: &[&str]) -> PgConnectOptions {
    let output = run(&[&["sql-roles", "create", "--database-url", &url(app)], of].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).parse().expect("a URL")
}

pub async fn analyst(app: &TestApp, provider: &str) -> PgConnection {
    role(app, &["--provider", provider]).connect().await.expect("a connection as an analyst")
}

/// The rows of a statement, each as texts; null as `-`.
pub async fn rows(db: &mut PgConnection, sql: &str) -> sqlx::Result<Vec<Vec<String>>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(db).await?;
    let cells = |row: &sqlx::postgres::PgRow| {
        (0..row.len()).map(|at| row.get_unchecked::<Option<String>, _>(at).unwrap_or("-".to_owned())).collect()
    };
    Ok(rows.iter().map(cells).collect())
}

/// Two providers with the same keys of metrics and other figures: of `northwind` the customers acme, with acme-north in
/// Paris and acme-south in Kathmandu below it, and globex, whose months begin on the 5th; of `secret` everything is named so.
pub async fn fleet(app: &TestApp) -> String {
    let north = provider(app, "northwind", "").await;
    provider(app, "secret", "secret-").await;
    let mut db = app.db().await;
    // All came a minute after their instant, but for two of acme-north's meter.
    const RECORDED: &str = "
        UPDATE reading SET recorded_at = ts + CASE WHEN d.key = 'm1' AND ts IN ('2026-10-30 05:00Z', '2026-10-31 06:00Z')
                                                   THEN ts - '2026-10-28 00:00Z' ELSE interval '1 minute' END
        FROM channel AS c JOIN device AS d USING (device_id) WHERE c.channel_id = reading.channel_id";
    sqlx::raw_sql(RECORDED).execute(&mut db).await.expect("an update");
    db.close().await.expect("a close");
    app.settle().await;
    north
}

async fn provider(app: &TestApp, provider: &str, prefix: &str) -> String {
    let key = app.provider(provider, "Europe/Paris").await;
    let made = async |path: &str, body: Value| {
        app.put(&key, &format!("/v1/{path}"), body).await.expect_status(201);
    };
    let own = |key: &str| format!("{prefix}{key}");
    for (metric, body) in [
        ("energy", json!({"name": "Energy", "unit": "kWh", "kind": "delta", "expected_interval": "1h"})),
        ("meter", json!({"name": "Meter", "unit": "kWh", "kind": "register", "scale": 2, "max_per_hour": 100})),
        ("level", json!({"name": "Level", "unit": "m", "kind": "gauge", "scale": 1})),
    ] {
        made(&format!("metrics/{metric}"), body).await;
    }
    made(&format!("customers/{}", own("acme")), json!({"name": own("Acme")})).await;
    for (customer, zone) in [("acme-north", "Europe/Paris"), ("acme-south", "Asia/Kathmandu")] {
        let body = json!({"name": own(customer), "parent": own("acme"), "time_zone": zone});
        made(&format!("customers/{}", own(customer)), body).await;
    }
    let body = json!({"name": own("Globex"), "billing_anchor": 5});
    made(&format!("customers/{}", own("globex")), body).await;
    made(&format!("groups/{}", own("roof")), json!({"name": own("Roof"), "customer": own("acme-north")})).await;
    made(&format!("devices/{}", own("m1")), json!({"customer": own("acme-north"), "group": own("roof")})).await;
    for (device, customer) in [("m2", "acme-south"), ("m3", "globex"), ("m4", "acme"), ("m5", "globex")] {
        made(&format!("devices/{}", own(device)), json!({"customer": own(customer)})).await;
    }
    let mut db = app.db().await;
    let id: i32 = sqlx::query_scalar("SELECT provider_id FROM provider WHERE key = $1::text")
        .bind(provider)
        .fetch_one(&mut db)
        .await
        .expect("the provider");
    let gateway = keys::create(&mut db, Scope::Ingest, Some(id), Some(&own("gateway")), None).await.expect("a key");
    let of: i64 = if prefix.is_empty() { 1 } else { 1000 };
    let readings: Vec<_> = readings().into_iter().map(|r| r.json(prefix, of)).collect();
    let answer = app.post(&gateway.reveal(), "/v1/readings", json!(readings)).await.expect_status(200).json();
    assert_eq!(answer["quarantined"], 3, "{answer}");
    let moved = json!({"customer": own("globex"), "at": "2026-11-02T12:00:00+01:00"});
    app.post(&key, &format!("/v1/devices/{}/moves", own("m1")), moved).await.expect_status(200);
    key
}

/// A reading that is posted.
#[derive(Debug, Clone)]
pub struct Posted {
    pub device: &'static str,
    pub metric: &'static str,
    pub at: chrono::DateTime<chrono::Utc>,
    /// The value, in thousandths.
    pub units: i64,
}

/// Those of `northwind`: hours of four meters around the end of October, of which one ends with it, a register that
/// jumps, a level, and three that nobody knows.
pub fn readings() -> Vec<Posted> {
    let instant = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().expect("an instant");
    let mut posted = Vec::new();
    let first = instant("2026-10-29T00:00:00Z");
    for hour in 0..156 {
        let at = first + chrono::TimeDelta::hours(hour);
        for (number, device) in ["m1", "m2", "m3", "m4"].into_iter().enumerate() {
            let number = number as i64 + 1;
            let silent = device == "m4" && hour >= 48 || device == "m3" && (100..103).contains(&hour);
            if !silent {
                posted.push(Posted { device, metric: "energy", at, units: (hour * 7919 * number) % 10_007 });
            }
        }
    }
    let single = |device, metric, at: &str, units| Posted { device, metric, at: instant(at), units };
    posted.extend([
        single("m3", "meter", "2026-11-01T10:00:00Z", 100_000),
        single("m3", "meter", "2026-11-01T11:00:00Z", 112_340),
        single("m3", "meter", "2026-11-01T12:00:00Z", 9_112_340),
        single("m2", "level", "2026-11-01T18:00:00Z", 1_500),
        single("m2", "level", "2026-11-01T19:00:00Z", 2_000),
        single("m2", "level", "2026-11-02T17:59:59Z", -3_100),
        single("x9", "energy", "2026-11-01T00:00:00Z", 1_000),
        single("x9", "energy", "2026-11-01T01:00:00Z", 1_000),
        single("m2", "heat", "2026-11-01T02:00:00Z", 1_000),
    ]);
    posted
}

impl Posted {
    fn json(&self, prefix: &str, times: i64) -> Value {
        let units = i128::from(self.units * times);
        let metric = if self.metric == "heat" { format!("{prefix}heat") } else { self.metric.to_owned() };
        json!({"device": format!("{prefix}{}", self.device), "metric": metric, "at": self.at,
               "value": crate::usage::thousandths(units)})
    }
}
