//! Roles of analysts: made, listed and dropped with the command.

use meterbase::analytics::VIEWS;
use meterbase::embedded::cluster::Cluster;
use meterbase::embedded::install;
use meterbase::{migrate, rollup};
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use super::{fleet, role, rows, url};
use crate::binary::{DataDir, refused, run, text};
use crate::harness::TestApp;

async fn execute(db: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(db).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn list(url: &str) -> Value {
    let output = run(&["sql-roles", "list", "--json", "--database-url", url]);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

pub async fn a_role_is_made_listed_and_dropped(app: TestApp) {
    fleet(&app).await;
    let url = url(&app);
    let name = app.options.get_database().expect("a database").to_owned();
    let limits = ["--statement-timeout", "7s", "--connections", "2"];
    let edition = app.edition.license();
    let options = role(&app, &[&["--provider", "northwind", "--name", edition][..], &limits].concat());
    assert_eq!(options.get_username(), format!("{name}_{edition}"));
    let mut db = options.connect().await.expect("a connection");
    let settings = "SELECT current_setting('statement_timeout'), current_setting('default_transaction_read_only'),
        current_setting('search_path'), current_setting('temp_file_limit')";
    assert_eq!(rows(&mut db, settings).await.expect("rows"), [["7s", "on", "analytics", "4GB"]]);
    assert_eq!(rows(&mut db, "SELECT count(*) FROM customers").await.expect("rows"), [["4"]]);
    let second = options.connect().await.expect("a second connection");
    let third = options.connect().await.expect_err("a third connection");
    assert_eq!(third.as_database_error().and_then(|e| e.code()).as_deref(), Some("53300"));

    let listed = list(&url);
    assert_eq!(listed[0]["role"], options.get_username());
    assert_eq!((&listed[0]["provider"], &listed[0]["usable"]), (&"northwind".into(), &true.into()));
    assert_eq!((&listed[0]["connections"], &listed[0]["connected"]), (&2.into(), &2.into()));
    drop(second);
    let create = ["sql-roles", "create", "--database-url", &url, "--all", "--name", edition];
    refused(&create, 1, "already");
    let output = run(&["sql-roles", "drop", options.get_username(), "--database-url", &url]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(rows(&mut db, "SELECT 1").await.is_err(), "its connections are ended");
    assert!(options.connect().await.is_err());
    assert_eq!(list(&url), Value::Array(Vec::new()));
    refused(&["sql-roles", "drop", options.get_username(), "--database-url", &url], 1, "no role");
}

/// A database that asks everybody but its superuser for a password.
pub async fn the_password_that_is_printed_is_asked_for(app: TestApp) {
    let data = DataDir::new(app.edition);
    let hba = data.path().join("hba.conf");
    std::fs::write(&hba, "local all meterbase trust\nlocal all all scram-sha-256\n").expect("a file");
    let install = install::newest().expect("an installation");
    let cluster = Cluster::new(install, data.path().join("data"), data.path().join("run")).expect("a cluster");
    let cluster = cluster.edition(app.edition).setting("hba_file", hba.display().to_string()).setting("fsync", "off");
    let running = cluster.setting("log_statement", "all").start().await.expect("a running cluster");
    let url = running.options().to_url_lossy().to_string();
    let output = run(&["sql-roles", "create", "--all", "--database-url", &url]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let options: PgConnectOptions = printed.parse().expect("a URL");
    let mut db = options.connect().await.expect("the password lets in");
    assert_eq!(rows(&mut db, "SELECT count(*) FROM providers").await.expect("rows"), [["0"]]);
    options.clone().password("another one").connect().await.expect_err("another password does not");
    let password = printed.split(['@', ':']).nth(2).expect("a password").to_owned();
    assert_eq!(password.len(), 40);
    let log = std::fs::read_to_string(data.path().join("run/postgres.log")).expect("the log");
    assert!(log.contains("CREATE ROLE") && !log.contains(&password));

    let file = data.path().join("password");
    std::fs::write(&file, "chosen-by-hand-0123\nsecond line\n").expect("a file");
    let output = run(&[
        "sql-roles",
        "create",
        "--all",
        "--database-url",
        &url,
        "--password-file",
        file.to_str().expect("a path"),
    ]);
    assert!(!text(&output.stdout).contains("chosen"), "{}", text(&output.stdout));
    let options: PgConnectOptions = text(&output.stdout).parse().expect("a URL");
    options.clone().connect().await.expect_err("not without a password");
    options.password("chosen-by-hand-0123").connect().await.expect("the chosen password lets in");
    std::fs::write(&file, "short").expect("a file");
    let short =
        ["sql-roles", "create", "--all", "--database-url", &url, "--password-file", file.to_str().expect("a path")];
    refused(&short, 1, "16 to 128 characters");
    running.stop_in_order().await.expect("a clean stop");
}

pub async fn what_cannot_be_made_is_said_in_a_sentence(app: TestApp) {
    let url = url(&app);
    let create = ["sql-roles", "create", "--database-url", &url];
    refused(&create, 2, "--provider PROVIDER, or --all");
    refused(&[&create[..], &["--all", "--provider", "north"]].concat(), 2, "leave --provider out");
    refused(&[&create[..], &["--all", "--name", "Anna!"]].concat(), 2, "a-z, 0-9 and _");
    refused(&[&create[..], &["--provider", "nowhere"]].concat(), 1, "there is no provider nowhere");
    refused(&[&create[..], &["--all", "--connections", "0"]].concat(), 2, "--connections");
    refused(&[&create[..], &["--all", "--statement-timeout", "0s"]].concat(), 2, "more than nothing");
}

pub async fn servers_go_on_as_a_role_that_owns_little(app: TestApp) {
    let name = format!("{}_poor_{}", app.options.get_database().expect("a database"), app.edition.license());
    let mut db = app.db().await;
    execute(&mut db, &format!("CREATE ROLE {name} LOGIN")).await;
    execute(&mut db, &format!("CREATE DATABASE {name} OWNER {name}")).await;
    let (rich, poor) = (app.options.clone().database(&name), app.options.clone().database(&name).username(&name));
    let mut superuser = rich.connect().await.expect("the database");
    execute(&mut superuser, "CREATE EXTENSION timescaledb").await;
    let [rich, poor_url] = [&rich, &poor].map(|options| options.to_url_lossy().to_string());
    assert!(run(&["migrate", "--database-url", &poor_url]).status.success());
    let mut server = poor.connect().await.expect("the database");
    let create = ["sql-roles", "create", "--all", "--database-url"];
    refused(&[&create[..], &[&poor_url]].concat(), 1, "CREATEROLE");
    execute(&mut db, &format!("ALTER ROLE {name} CREATEROLE")).await;
    refused(&[&create[..], &[&poor_url]].concat(), 1, "pg_advisory_lock");
    assert_eq!(list(&poor_url), Value::Array(Vec::new()), "nothing is left of what was refused");
    let output = run(&[&create[..], &[&rich]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = run(&[&create[..], &[&poor_url]].concat());
    assert!(output.status.success(), "all is closed now: {}", text(&output.stderr));

    migrate::run(&mut server, app.edition).await.expect("the schema is current");
    const READINGS: &str = "
        INSERT INTO provider (uuid, key, name) VALUES (gen_random_uuid(), 'north', 'N');
        INSERT INTO customer (uuid, provider_id, key, name) SELECT gen_random_uuid(), provider_id, 'acme', 'A' FROM provider;
        INSERT INTO device (uuid, provider_id, key) SELECT gen_random_uuid(), provider_id, 'm1' FROM provider;
        INSERT INTO assignment (provider_id, device_id, customer_id, during)
        SELECT provider_id, device_id, customer_id, '(,)' FROM device JOIN customer USING (provider_id);
        INSERT INTO metric (uuid, provider_id, key, name, unit, kind)
        SELECT gen_random_uuid(), provider_id, 'energy', 'E', 'kWh', 'delta' FROM provider;
        INSERT INTO channel (provider_id, device_id, metric_id)
        SELECT provider_id, device_id, metric_id FROM device JOIN metric USING (provider_id);
        INSERT INTO reading (ts, value, increment, channel_id, customer_id, billing_day)
        SELECT '2026-11-01 10:00Z', 1500, 1500, channel_id, customer_id, '2026-11-01' FROM channel CROSS JOIN customer";
    execute(&mut server, READINGS).await;
    rollup::refresh(&mut server, app.edition).await.expect("a refresh");
    let options: PgConnectOptions = text(&output.stdout).parse().expect("a URL");
    let mut analyst = options.connect().await.expect("a connection");
    let used = rows(&mut analyst, "SELECT used FROM customer_usage_daily").await.expect("rows");
    assert_eq!(used, [["1.500"]]);
}

pub async fn views_come_back_with_their_readers_when_rollups_are_made_anew(app: TestApp) {
    fleet(&app).await;
    let mut db = app.db().await;
    let options = role(&app, &["--provider", "northwind"]);
    let sum = "SELECT count(*), sum(used) FROM analytics.device_usage_monthly WHERE metric = 'energy'";
    let mut analyst = options.connect().await.expect("a connection");
    let before = rows(&mut analyst, sum).await.expect("rows");
    execute(&mut db, "UPDATE rollup_generation SET fingerprint = 'of another version'").await;
    migrate::run(&mut db, app.edition).await.expect("rollups made anew");
    app.settle().await;
    assert_eq!(rows(&mut analyst, sum).await.expect("rows"), before);
    for (view, _) in VIEWS {
        rows(&mut analyst, &format!("SELECT count(*) FROM analytics.{view}")).await.expect("a view that may be read");
    }
}
