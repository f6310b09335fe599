//! `meterbase demo` and `meterbase simulate`, the real binary: every figure that is served is what was sent.

use std::process::{Command, Output};

use meterbase::client::Client;
use meterbase::fleet::ledger::Ledger;
use meterbase::fleet::{Fleet, Plan};
use meterbase::simulation::{self, Pace};
use sqlx::ConnectOptions;

use crate::binary::{DataDir, meterbase, text};
use crate::harness::TestApp;

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the binary")).await.expect("its end")
}

pub async fn every_figure_of_a_fleet_is_right(app: TestApp) {
    // Summer time begins in Europe on 29 March 2026; the month ends.
    let fleet = Fleet::new(Plan::new(11, 60, 7, "2026-04-02".parse().unwrap()).unwrap());
    let client = Client::new(&app.base, &app.admin).unwrap();
    simulation::register(&client, &fleet).await.unwrap();
    simulation::send(&client, &fleet, Pace { batch: 500, connections: 4, rate: None }, |_| {}).await.unwrap();
    app.settle().await;
    for roster in &fleet.providers {
        let compared = simulation::compare(&client, &fleet, &Ledger::of(&fleet, roster)).await.unwrap();
        let wrong: Vec<_> = compared.iter().filter(|compared| !compared.is_right()).collect();
        assert!(wrong.is_empty(), "{} of {} are wrong; {:#?}", wrong.len(), compared.len(), wrong.first());
        assert!(compared.len() > 100, "only {} compared", compared.len());
    }
}

pub async fn a_demo_runs_once_and_again_and_goes_on_from_where_it_was(app: TestApp) {
    let place = DataDir::new(app.edition);
    let demo = |days: u32, until: &str| {
        let mut command = place.command(&format!("demo --once --devices 20 --days {days} --until {until}"));
        command.args(["--edition", &app.edition.to_string().to_lowercase()]);
        output(command)
    };
    let first = demo(3, "2026-03-31").await;
    let (shown, said) = (text(&first.stdout), text(&first.stderr));
    assert_eq!(first.status.code(), Some(0), "{said}");
    for part in
        ["each is exactly what was sent", "Providers by month", "lumen-iot", "✓", " 0 refused", "what the meters used"]
    {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    assert!(!shown.contains('✗') && !shown.contains(" 0 stored"), "{shown}");

    let again = demo(3, "2026-03-31").await;
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(text(&again.stdout).contains(" 0 stored"), "{}", text(&again.stdout));

    let later = demo(3, "2026-04-02").await;
    let said = text(&later.stderr);
    assert_eq!(later.status.code(), Some(0), "{said}");
    assert!(said.contains("2026-03-28 to 2026-04-02"), "{said}");
    assert_eq!(place.postmaster(), None);
}

pub async fn a_wrong_figure_is_said_loudly(app: TestApp) {
    let url = app.options.to_url_lossy().to_string();
    let simulate = || {
        let mut command = meterbase();
        let options = ["--devices", "12", "--days", "2", "--until", "2026-04-02", "--json"];
        command.arg("simulate").args(options).args(["--database-url", &url]);
        output(command)
    };
    let right = simulate().await;
    assert_eq!(right.status.code(), Some(0), "{}", text(&right.stderr));
    let result: serde_json::Value = serde_json::from_str(&text(&right.stdout)).unwrap();
    assert_eq!(result["verdicts"]["stored"], result["readings"]);
    assert!(result["figures"].as_u64() > Some(100), "{result}");

    let mut db = app.db().await;
    let tampered = "UPDATE reading SET increment = increment + 1 WHERE (channel_id, ts, event_key) IN (
        SELECT r.channel_id, r.ts, r.event_key FROM reading r JOIN channel USING (channel_id) JOIN metric m USING (metric_id)
        WHERE m.key = 'messages_up' ORDER BY r.ts LIMIT 1)";
    assert_eq!(sqlx::query(tampered).execute(&mut db).await.unwrap().rows_affected(), 1);
    let wrong = simulate().await;
    let said = text(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1), "{said}");
    assert!(said.contains("WRONG: lumen-iot provider lumen-iot"), "{said}");
}
