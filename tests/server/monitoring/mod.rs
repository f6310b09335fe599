//! What monitoring sees: `/metrics`, and what is made of it.

mod faults;
mod grafana;
mod page;
mod prometheus;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use meterbase::database::Database;
use meterbase::server::{ServeConfig, Server};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use self::{faults as monitoring_faults, grafana as monitoring_grafana, page as monitoring_page};
use crate::harness::{Test, TestApp, topic};

pub fn topics() -> Vec<Vec<Test>> {
    if !is_installed("promtool") {
        println!("NOT tested: metrics by Prometheus' own rules (promtool is not installed)");
    }
    if !is_installed("prometheus") {
        println!("NOT tested: alerts by a real Prometheus (it is not installed)");
    }
    let mut topics = vec![topic!(monitoring_page::{
        every_metric_is_described_and_labelled_as_listed,
        metrics_have_a_listener_of_their_own,
        the_database_s_figures_are_those_of_its_tables,
        what_only_the_database_knows_is_not_told_while_it_is_away,
    })];
    topics.push(topic!(monitoring_faults::{each_alert_fires_and_ends}));
    topics.push(topic!(monitoring_grafana::{every_query_of_the_dashboards_runs_and_finds_something}));
    topics
}

/// Whether a program is there.
fn is_installed(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// How a server on the test's database is run that has its metrics apart and asks for them all the time.
fn config() -> ServeConfig {
    ServeConfig {
        listen: "127.0.0.1:0".to_owned(),
        listen_metrics: Some("127.0.0.1:0".to_owned()),
        metrics_every: Duration::from_millis(50),
        query_connections: 4,
        ingest_connections: 2,
        refresh_interval: Duration::from_millis(100),
        drain_timeout: Duration::from_secs(1),
        ..ServeConfig::default()
    }
}

async fn serve(app: &TestApp, config: &ServeConfig) -> Server {
    Server::start(config, &Database::at(app.options.clone())).await.expect("a server")
}

/// The page of a server's metrics.
async fn metrics(app: &TestApp, server: &Server) -> String {
    let answer = app.client.get(server.metrics_url()).send().await.expect("metrics");
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.expect("metrics")
}

/// The value of a metric without labels; none where it is not told.
fn value(page: &str, name: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(line.parse().expect("a number"))
}

/// A line such as `name{label="value",...} 1`: name, labels.
fn sample(line: &str) -> (&str, BTreeMap<&str, &str>) {
    let (series, _value) = line.rsplit_once(' ').expect("a value");
    let Some((name, labels)) = series.split_once('{') else { return (series, BTreeMap::new()) };
    let labels = labels.strip_suffix("\"}").expect("an end of labels");
    (name, labels.split("\",").map(|label| label.split_once("=\"").expect("a label")).collect())
}

/// Takes the test's database away from those who would connect, and from those who are; or gives it back.
async fn let_in(app: &TestApp, letting: bool) {
    let mut db = app.options.clone().database("postgres").connect().await.expect("the cluster");
    let name = app.options.get_database().expect("the test's database");
    let change = AssertSqlSafe(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {letting}"));
    sqlx::query(change).execute(&mut db).await.expect("a change of the database");
    if !letting {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(end).bind(name).execute(&mut db).await.expect("an end of connections");
    }
    db.close().await.expect("a close");
}
