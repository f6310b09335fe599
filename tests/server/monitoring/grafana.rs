//! The dashboards for analysts: each of their queries runs, as a role that `meterbase sql-roles` made.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::analytics::{analyst, fleet, rows};
use crate::harness::TestApp;

/// The queries of a dashboard: of its variables, then of its panels, each by its title.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let variables = list(&dashboard["templating"]["list"]);
    let mut found: Vec<_> = variables.iter().map(|one| (text(&one["name"]), text(&one["query"]))).collect();
    for panel in list(&dashboard["panels"]) {
        let targets = list(&panel["targets"]);
        found.extend(targets.iter().map(|target| (text(&panel["title"]), text(&target["rawSql"]))));
    }
    found.retain(|(_, sql)| !sql.is_empty());
    found
}

/// What Grafana makes of a query: <https://grafana.com/docs/grafana/latest/datasources/postgres/#macros>
fn filled(sql: &str) -> String {
    let (from, to) = ("'2026-10-28T00:00:00Z'", "'2026-11-05T00:00:00Z'");
    let mut sql = sql.replace("$__timeFrom()", from).replace("$__timeTo()", to);
    while let Some(at) = sql.find("$__timeFilter(") {
        let column = at + "$__timeFilter(".len();
        let end = column + sql[column..].find(')').expect("an end of the macro");
        let between = format!("{} BETWEEN {from} AND {to}", &sql[column..end]);
        sql.replace_range(at..=end, &between);
    }
    for (variable, value) in [("provider", "northwind"), ("metric", "energy"), ("customer", "acme")] {
        sql = sql.replace(&format!("${{{variable}:sqlstring}}"), &format!("'{value}'"));
    }
    assert!(!sql.contains('$'), "what is not known here: {sql}");
    sql
}

pub async fn every_query_of_the_dashboards_runs_and_finds_something(app: TestApp) {
    fleet(&app).await;
    // They came in today, whatever day that is; the dashboard looks at days of the fleet.
    let mut own = app.db().await;
    sqlx::query("UPDATE accounting SET day = DATE '2026-11-02'").execute(&mut own).await.expect("an update");
    let mut db = analyst(&app, "northwind").await;
    let mut ran = 0;
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/dashboards");
    for entry in fs::read_dir(directory).expect("dashboards") {
        let path = entry.expect("a file").path();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).expect("its text")).expect("JSON");
        for (title, sql) in queries(&dashboard) {
            let found = rows(&mut db, &filled(&sql)).await.unwrap_or_else(|error| panic!("{title}: {error}: {sql}"));
            assert!(!found.is_empty(), "{title}: nothing is found by {sql}");
            assert!(!found.iter().flatten().any(|cell| cell.contains("secret")), "{title}: {found:?}");
            ran += 1;
        }
    }
    assert!(ran >= 10, "{ran}");
}
