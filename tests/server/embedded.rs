//! The embedded database, with the real binary: its life, and its death in all ways.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;

use meterbase::database::Edition;
use meterbase::embedded::install;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::json;

use crate::binary::{DataDir, Patience, Serving, meterbase, ordinary_user, text};
use crate::harness::{Answer, TestApp};

/// Stores a provider: the answer acknowledges it.
async fn put_provider(app: &TestApp, server: &Serving, key: &str, name: &str) {
    let request = app.client.request(Method::PUT, format!("{}/v1/providers/{name}", server.url));
    let answer = Answer::of(request.bearer_auth(key).json(&json!({"name": name}))).await;
    answer.expect_status(201);
}

async fn list_providers(app: &TestApp, server: &Serving, key: &str) -> Answer {
    Answer::of(app.client.get(format!("{}/v1/providers?limit=1000", server.url)).bearer_auth(key)).await
}

/// Keys of all providers.
async fn providers(app: &TestApp, server: &Serving, key: &str) -> Vec<String> {
    let list = list_providers(app, server, key).await.expect_status(200).json();
    let items = list["items"].as_array().expect("a list").iter();
    items.map(|item| item["key"].as_str().expect("a key").to_owned()).collect()
}

async fn get(app: &TestApp, server: &Serving, path: &str) -> Option<u16> {
    Some(app.client.get(format!("{}{path}", server.url)).send().await.ok()?.status().as_u16())
}

fn is_running(pid: Pid) -> bool {
    kill(pid, None).is_ok()
}

pub async fn it_starts_serves_and_stops_in_order(app: TestApp) {
    let data = DataDir::new(app.edition);
    let server = data.serve();
    assert_eq!(get(&app, &server, "/healthz").await, Some(200));
    assert_eq!(get(&app, &server, "/readyz").await, Some(200));
    put_provider(&app, &server, server.first_key(), "north").await;
    let postmaster = data.postmaster().expect("a running PostgreSQL");

    let second = data.serve_command().output().expect("the binary");
    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert!(said.contains("is in use by") && said.contains(&server.pid().to_string()), "{said}");

    assert_eq!(server.end(Signal::SIGTERM), Some(0));
    assert!(!is_running(postmaster));
    assert_eq!(data.postmaster(), None);

    let again = data.serve();
    assert!(!again.said.iter().any(|line| line.starts_with("mb_")), "only the first start makes a key");
    assert_eq!(again.end(Signal::SIGINT), Some(0));
}

pub async fn what_was_acknowledged_survives_the_kill_of_the_server(app: TestApp) {
    let data = DataDir::new(app.edition);
    let server = data.serve();
    let key = server.first_key().to_owned();
    put_provider(&app, &server, &key, "north").await;
    let postmaster = data.postmaster();
    assert_eq!(server.end(Signal::SIGKILL), None);

    let server = data.serve();
    assert_ne!(data.postmaster(), postmaster);
    put_provider(&app, &server, &key, "south").await;
    assert_eq!(providers(&app, &server, &key).await, ["north", "south"]);
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}

pub async fn what_was_acknowledged_survives_the_kill_of_server_and_database(app: TestApp) {
    let data = DataDir::new(app.edition);
    let server = data.serve();
    let key = server.first_key().to_owned();
    put_provider(&app, &server, &key, "north").await;
    let postmaster = data.postmaster().expect("a running PostgreSQL");
    assert_eq!(server.end(Signal::SIGKILL), None);
    // A server that went down in order would be no test of recovery: it is killed as well, if it is still there.
    let _ = kill(postmaster, Signal::SIGKILL);

    let server = data.serve();
    assert_eq!(providers(&app, &server, &key).await, ["north"]);
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}

pub async fn postgresql_is_started_again_when_it_is_killed(app: TestApp) {
    let data = DataDir::new(app.edition);
    let server = data.serve();
    let key = server.first_key().to_owned();
    for round in 0..3 {
        let name = format!("p{round}");
        put_provider(&app, &server, &key, &name).await;
        let postmaster = data.postmaster().expect("a running PostgreSQL");
        kill(postmaster, Signal::SIGKILL).expect("PostgreSQL");
        let mut patience = Patience::for_("another PostgreSQL");
        while data.postmaster().is_none_or(|pid| pid == postmaster) {
            patience.poll().await;
        }
        // Requests meanwhile are told to come again; then all is as before.
        let mut patience = Patience::for_("the providers");
        loop {
            let list = list_providers(&app, &server, &key).await;
            if list.status != 503 {
                assert_eq!(list.expect_status(200).json()["items"].as_array().map(Vec::len), Some(round + 1));
                break;
            }
            patience.poll().await;
        }
    }
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}

pub async fn a_stale_pid_file_and_an_interrupted_initdb_are_no_obstacle(app: TestApp) {
    let data = DataDir::new(app.edition);
    std::fs::create_dir_all(data.database().join("cluster/postgres.new/base")).expect("a directory");
    std::fs::write(data.database().join("cluster/postgres.new/PG_VERSION"), "15\n").expect("a file");
    assert_eq!(data.serve().end(Signal::SIGTERM), Some(0));

    // The number is in use by another program: this test.
    let stale = format!("{}\n{}\n", std::process::id(), data.database().join("cluster/postgres").display());
    let pid_file = data.database().join("cluster/postgres/postmaster.pid");
    std::fs::write(&pid_file, stale).expect("a file");
    if let Some(user) = ordinary_user() {
        chown(&pid_file, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("a new owner");
    }
    let server = data.serve();
    assert_eq!(get(&app, &server, "/readyz").await, Some(200));
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}

pub async fn keys_are_made_while_a_server_runs_and_while_none_does(app: TestApp) {
    let data = DataDir::new(app.edition);
    let edition = app.edition.to_string().to_lowercase();
    let made = data.run(&format!("keys create --scope admin --edition {edition}"));
    assert!(made.status.success(), "{}", text(&made.stderr));
    let before = text(&made.stdout);
    assert_eq!(data.postmaster(), None, "a command that started PostgreSQL stops it");

    let server = data.serve();
    assert!(!server.said.iter().any(|line| line.starts_with("mb_")), "there is a key already");
    put_provider(&app, &server, &before, "north").await;
    let made = data.run("keys create --scope read --provider north --name reader");
    assert!(made.status.success(), "{}", text(&made.stderr));
    let during = text(&made.stdout);
    assert_eq!(list_providers(&app, &server, &during).await.status, 200);

    let listed = data.run("keys list --json --provider north");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed[0]["name"], "reader");
    let id = listed[0]["id"].as_str().expect("an id");
    assert!(data.run(&format!("keys revoke {id}")).status.success());
    assert_eq!(list_providers(&app, &server, &during).await.status, 401);
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}

pub async fn commands_together_share_the_database_that_one_of_them_started(app: TestApp) {
    let data = DataDir::new(app.edition);
    let edition = app.edition.to_string().to_lowercase();
    let start = || {
        let mut command = data.command(&format!("keys create --scope admin --edition {edition}"));
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("the binary")
    };
    let together: Vec<_> = (0..4).map(|_| start()).collect();
    for command in together {
        let done = command.wait_with_output().expect("its end");
        assert!(done.status.success(), "{}", text(&done.stderr));
        assert!(text(&done.stdout).starts_with("mb_"));
    }
    let listed: serde_json::Value = serde_json::from_slice(&data.run("keys list --json").stdout).expect("JSON");
    assert_eq!(listed.as_array().expect("a list").len(), 4);
    assert_eq!(data.postmaster(), None);
}

pub async fn an_expired_key_is_refused(app: TestApp) {
    let data = DataDir::new(app.edition);
    let server = data.serve();
    let end = (chrono::Utc::now() + chrono::Duration::seconds(3)).to_rfc3339();
    let made = data.run(&format!("keys create --scope admin --expires {end}"));
    assert!(made.status.success(), "{}", text(&made.stderr));
    let key = text(&made.stdout);
    assert_eq!(list_providers(&app, &server, &key).await.status, 200);
    let mut patience = Patience::for_("the key's end");
    while list_providers(&app, &server, &key).await.status != 401 {
        patience.poll().await;
    }
}

pub async fn a_data_directory_keeps_its_edition(app: TestApp) {
    let data = DataDir::new(app.edition);
    assert_eq!(data.serve().end(Signal::SIGTERM), Some(0));
    // Without the option it is what it was.
    let server = Serving::start(data.command("serve --listen 127.0.0.1:0"));
    assert!(server.said.join("").contains(&format!("{} edition", app.edition)), "{:?}", server.said);
    assert_eq!(server.end(Signal::SIGTERM), Some(0));

    let other = |edition| data.command(&format!("serve --listen 127.0.0.1:0 --edition {edition}"));
    if app.edition == Edition::Community {
        let refused = other("apache").output().expect("the binary");
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stderr).contains("was made with the"), "{}", text(&refused.stderr));
    } else if install::newest().expect("an installation").editions.contains(&Edition::Community) {
        let server = Serving::start(other("community"));
        assert_eq!(get(&app, &server, "/readyz").await, Some(200));
        assert_eq!(server.end(Signal::SIGTERM), Some(0));
    }
}

pub async fn a_database_of_another_postgresql_is_not_touched(app: TestApp) {
    let data = DataDir::new(app.edition);
    let postgres = data.database().join("cluster/postgres");
    std::fs::create_dir_all(&postgres).expect("a directory");
    std::fs::write(postgres.join("PG_VERSION"), "11\n").expect("a file");
    let refused = data.serve_command().output().expect("the binary");
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("PostgreSQL 11"), "{}", text(&refused.stderr));
    assert!(install::all().iter().all(|install| install.major != 11));
}

pub async fn a_long_path_gets_a_short_socket(app: TestApp) {
    let data = DataDir::new(app.edition);
    let deep = data.path().join("a".repeat(60)).join("b".repeat(60));
    let mut command = meterbase();
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("METERBASE_DATA_DIR", &deep);
    let server = Serving::start(command);
    let note = std::fs::read_to_string(deep.join("cluster/socket-directory")).expect("a note");
    let sockets = std::path::Path::new(note.trim());
    assert_eq!(sockets.metadata().expect("a directory").permissions().mode() & 0o777, 0o700);
    let made =
        meterbase().args(["keys", "create", "--scope", "admin", "--data-dir"]).arg(&deep).output().expect("the binary");
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
    std::fs::remove_dir_all(sockets).expect("the directory");
}

pub async fn root_puts_the_database_where_postgresql_can_enter(app: TestApp) {
    if ordinary_user().is_none() {
        return;
    }
    let data = DataDir::new(app.edition);
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o700)).expect("permissions");
    let server = data.serve();
    assert_eq!(get(&app, &server, "/readyz").await, Some(200));
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
    let target = data.database().join("cluster").canonicalize().expect("a link");
    assert!(target.starts_with("/var/lib/meterbase"), "{}", target.display());
    std::fs::remove_dir_all(&target).expect("the database");

    let gone = data.serve_command().output().expect("the binary");
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains("is no more"), "{}", text(&gone.stderr));
}

pub async fn an_ordinary_user_runs_it_too(app: TestApp) {
    let Some(user) = ordinary_user() else { return };
    let data = DataDir::new(app.edition);
    let home = data.path().join("home");
    std::fs::create_dir(&home).expect("a directory");
    chown(&home, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("a new owner");
    // The build's own directory may be closed to that user.
    let binary = data.path().join("meterbase");
    let built = env!("CARGO_BIN_EXE_meterbase");
    if std::fs::hard_link(built, &binary).is_err() {
        std::fs::copy(built, &binary).expect("a copy");
    }
    let command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&binary);
        command.args(arguments).arg("--data-dir").arg(home.join("data")).current_dir(&home).env_remove("DATABASE_URL");
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        command
    };
    let server = Serving::start(command(&["serve", "--listen", "127.0.0.1:0"]));
    put_provider(&app, &server, server.first_key(), "north").await;
    let made = command(&["keys", "create", "--scope", "ingest", "--provider", "north"]).output().expect("the binary");
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert_eq!(server.end(Signal::SIGINT), Some(0));
}

pub async fn doctor_finds_an_embedded_database_in_order(app: TestApp) {
    let data = DataDir::new(app.edition);
    let server = data.serve();
    for json in ["", " --json"] {
        let output = data.run(&format!("doctor{json}"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        assert!(!text(&output.stdout).contains("problem"), "{}", text(&output.stdout));
    }
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
}
