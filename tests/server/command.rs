//! The command line, with the real binary: what is refused, and how.

use std::path::Path;

use meterbase::embedded::cluster::Cluster;
use meterbase::embedded::install;
use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::binary::{Serving, meterbase, refused, run, text};
use crate::harness::TestApp;

/// The URL of a test's database.
fn url(app: &TestApp) -> String {
    app.options.to_url_lossy().to_string()
}

pub async fn wrong_usage_is_said_in_a_sentence(_: TestApp) {
    refused(&["keys", "create", "--scope", "admin", "--provider", "north"], 2, "leave --provider out");
    refused(&["keys", "create", "--scope", "read"], 2, "name it with --provider");
    refused(&["keys", "create", "--scope", "king"], 2, "possible values: admin, provider, read, ingest");
    refused(&["keys", "create", "--scope", "admin", "--expires", "tomorrow"], 2, "90d");
    refused(&["keys", "create", "--scope", "admin", "--expires", "2001-01-01T00:00:00Z"], 2, "in the future");
    refused(&["serve", "--tls-cert", "cert.pem"], 2, "--tls-key");
    refused(&["serve", "--data-dir", "d", "--database-url", "postgres://u:secret@h/d"], 2, "exclude each other");
    refused(
        &["serve", "--keep-readings", "40d", "--keep-hourly", "30d"],
        2,
        "--keep-hourly must be at least --keep-readings, 40d",
    );
    refused(&["serve", "--keep-daily", "400d"], 2, "--keep-daily needs --keep-hourly");
    refused(&["serve", "--columnstore-after", "1d"], 2, "at least 7d, or never");
    refused(&["serve", "--colour"], 2, "--colour");
    refused(&[], 2, "Usage");
}

pub async fn a_database_that_cannot_be_used_is_said_in_a_sentence(app: TestApp) {
    let migrate = |url: &str, because: &str| refused(&["migrate", "--database-url", url], 1, because);
    migrate("mysql://u:secret@127.0.0.1/d", "must begin with postgres://");
    migrate("postgres://u:secret@127.0.0.1:1/d", "cannot connect to the database \"d\" as \"u\" at 127.0.0.1:1");
    migrate("postgres://u:secret@127.0.0.1:port/d", "the database URL cannot be used");
    migrate("postgres://u:secret@127.0.0.1/d?sslmode=perhaps", "the database URL cannot be used");
    let missing = url(&app).replace(app.options.get_database().expect("a database"), "missing");
    migrate(&missing, "\"missing\" does not exist");
}

pub async fn missing_rights_are_said_in_a_sentence(app: TestApp) {
    let mut db = app.db().await;
    let name = app.options.get_database().expect("a database").to_owned();
    let role = format!("{name}_poor_{}", app.edition.license());
    for statement in [format!("CREATE ROLE {role} LOGIN"), format!("CREATE DATABASE {role}")] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut db).await.expect("a statement");
    }
    let poor = app.options.clone().username(&role).database(&role).to_url_lossy().to_string();
    refused(&["migrate", "--database-url", &poor], 1, "may not create the extension timescaledb");

    let mut db = app.options.clone().database(&role).connect().await.expect("the database");
    sqlx::query("CREATE EXTENSION timescaledb").execute(&mut db).await.expect("the extension");
    refused(&["migrate", "--database-url", &poor], 1, "may not create the extension btree_gist");
    sqlx::query("CREATE EXTENSION btree_gist").execute(&mut db).await.expect("the extension");
    refused(&["migrate", "--database-url", &poor], 1, "may not create tables in the schema public");
    sqlx::query(AssertSqlSafe(format!("GRANT CREATE ON SCHEMA public TO {role}"))).execute(&mut db).await.expect("it");
    refused(&["migrate", "--database-url", &poor], 1, "may not have the schema analytics");
    let schema = AssertSqlSafe(format!("CREATE SCHEMA analytics AUTHORIZATION {role}"));
    sqlx::query(schema).execute(&mut db).await.expect("the schema");
    let output = run(&["migrate", "--database-url", &poor]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

pub async fn an_option_goes_before_the_environment(app: TestApp) {
    let migrate = |in_environment: &str| {
        let mut command = meterbase();
        command.arg("migrate").env("DATABASE_URL", in_environment);
        command
    };
    let output = migrate(&url(&app)).output().expect("the binary");
    assert!(text(&output.stderr).contains("the schema is current"), "{}", text(&output.stderr));
    let mut command = migrate("postgres://127.0.0.1:1/none");
    let output = command.args(["--database-url", &url(&app)]).output().expect("the binary");
    assert!(text(&output.stderr).contains("the schema is current"), "{}", text(&output.stderr));
}

pub async fn keys_for_nobody_are_refused(app: TestApp) {
    let create = ["keys", "create", "--scope", "read", "--database-url", &url(&app), "--provider"];
    refused(&[&create[..], &["nowhere"]].concat(), 1, "there is no provider nowhere");
    refused(&[&create[..], &["no/key"]].concat(), 2, "neither a key nor an id");
    let revoke = ["keys", "revoke", "0199d0a4-5b1e-7c42-9a6f-0d3a4c5b6e7f", "--database-url", &url(&app)];
    refused(&revoke, 1, "there is no key");
}

pub async fn what_cannot_be_listened_on_is_named(app: TestApp) {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    let serve = |listen: &str, because: &str| {
        refused(&["serve", "--listen", listen, "--database-url", &url(&app)], 1, because);
    };
    let holder = std::net::TcpListener::bind(&taken);
    serve(&taken, &format!("--listen {taken}: "));
    serve("nowhere", "--listen nowhere: ");
    drop(holder);
}

pub async fn https_is_served_with_the_given_certificate(app: TestApp) {
    let directory = tempfile::tempdir().expect("a directory");
    let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&cert, made.cert.pem()).expect("a file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
    let serve = |cert: &Path, key: &Path| {
        let mut command = meterbase();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &url(&app), "--tls-cert"]);
        command.arg(cert).arg("--tls-key").arg(key);
        command
    };
    let server = Serving::start(serve(&cert, &key));
    let port = server.url.strip_prefix("https://127.0.0.1:").expect("HTTPS on any port").to_owned();
    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).expect("a certificate");
    let client = reqwest::Client::builder().tls_certs_only([root]).build().expect("a client");
    let answer = client.get(format!("https://localhost:{port}/v1/providers")).bearer_auth(&app.admin).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    assert!(client.get(format!("http://localhost:{port}/healthz")).send().await.is_err());
    assert_eq!(server.end(Signal::SIGTERM), Some(0));

    let fails = |cert: &Path, key: &Path, because: &str| {
        let output = serve(cert, key).output().expect("the binary");
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(because), "{}", text(&output.stderr));
    };
    fails(&directory.path().join("none.pem"), &key, "--tls-cert");
    fails(&key, &key, "has no certificate in PEM form");
    fails(&cert, &cert, "--tls-key");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&key, other.signing_key.serialize_pem()).expect("a file");
    fails(&cert, &key, "cannot be used together");
}

pub async fn doctor_finds_what_is_wrong_and_says_how_to_mend_it(app: TestApp) {
    let doctor = |more: &[&str]| {
        let output = run(&[&["doctor", "--json", "--database-url", &url(&app)], more].concat());
        let findings: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let status = move |check: &str| {
            let finding = findings.iter().find(|finding| finding["check"] == check);
            finding.unwrap_or_else(|| panic!("{check} in {findings:?}"))["status"]
                .as_str()
                .expect("a status")
                .to_owned()
        };
        (output.status.code(), status)
    };
    app.provider("north", "Europe/Paris").await;
    app.provider("south", "Australia/Lord_Howe").await;
    // The tests' clusters run without fsync.
    let (code, status) = doctor(&[]);
    assert_eq!(code, Some(1));
    for check in ["postgresql", "timescaledb", "edition", "rights", "schema", "synchronous_commit", "data_checksums"] {
        assert_eq!(status(check), "ok", "{check}");
    }
    for check in ["workers", "connections", "clock", "time zones", "rollups", "keys"] {
        assert_eq!(status(check), "ok", "{check}");
    }
    // What is known of the release depends on the release.
    assert_ne!(status("wrong results"), "problem");
    assert_eq!(status("fsync"), "problem");
    let (_, status) = doctor(&["--query-connections", "900"]);
    assert_eq!(status("connections"), "warning");

    let mut db = app.db().await;
    sqlx::query("UPDATE refinery_schema_history SET version = version + 100")
        .execute(&mut db)
        .await
        .expect("an update");
    let (code, status) = doctor(&[]);
    assert_eq!((code, status("schema")), (Some(1), "problem".to_owned()));
    assert_eq!(run(&["migrate", "--database-url", &url(&app)]).status.code(), Some(1), "never over a newer schema");
}

pub async fn a_timescaledb_that_is_not_loaded_is_said_in_a_sentence(app: TestApp) {
    let data = crate::binary::DataDir::new(app.edition);
    let install = install::newest().expect("an installation");
    let cluster = Cluster::new(install, data.path().join("data"), data.path().join("run")).expect("a cluster");
    let running = cluster.setting("shared_preload_libraries", "").start().await.expect("a running cluster");
    let url = running.options().to_url_lossy().to_string();
    refused(&["migrate", "--database-url", &url], 1, "add it to shared_preload_libraries");
    let output = run(&["doctor", "--database-url", &url]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("problem  timescaledb"), "{}", text(&output.stdout));
    running.stop_in_order().await.expect("a clean stop");
}
