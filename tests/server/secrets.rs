//! Nothing that is secret is in a log. Keys, tokens, secrets of devices and passwords are noted wherever tests meet them: in what
//! they send and what is answered, and in what commands print. At the end of the run they are looked for in all that servers
//! and PostgreSQL logged.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tracing_subscriber::EnvFilter;

use crate::binary::{Serving, meterbase, run, text};
use crate::harness::{Answer, Test, TestApp, topic};
use crate::secrets;

/// All that this run has met.
static MET: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Where logs of this run are kept until its end.
static LOGS: OnceLock<PathBuf> = OnceLock::new();

/// `mb_<lookup>_<secret>`, in hexadecimal digits.
const LOOKUP: usize = 16;
const SECRET: usize = 64;

/// Shortest secret: what is shorter may stand in a log by chance.
const SHORTEST: usize = 16;

/// What comes before the one line in which a server may show a key.
const FIRST_KEY: &str = "The first admin key of this database, shown this once:";

/// Where a secret is in a log, with the line around it.
#[derive(Debug, PartialEq, Eq)]
pub struct Leak {
    pub file: String,
    pub line: usize,
    pub around: String,
}

pub fn topics() -> Vec<Vec<Test>> {
    vec![topic!(secrets::{
        a_secret_in_a_log_is_found_and_its_place_told,
        nothing_secret_is_logged_however_much_is_logged,
    })]
}

/// Keeps the logs of the run in a directory, and those of servers within this process there too.
pub fn begin(directory: &Path) {
    let logs = directory.join("logs");
    std::fs::create_dir_all(&logs).expect("a directory for logs");
    let file = File::create(logs.join("servers-of-tests.log")).expect("a file");
    // What the server says in all detail, and of others what they warn of.
    let filter = EnvFilter::new("info,sqlx=warn,refinery_core=warn,meterbase=trace,axum=trace,tower_http=debug");
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).init();
    LOGS.set(logs).expect("one run");
}

/// A file for a log that is to be looked at.
pub fn log(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let logs = LOGS.get().expect("a run that has begun");
    logs.join(format!("{name}-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Has a log that somebody else keeps looked at, as it is now.
pub fn keep(file: &Path) {
    if LOGS.get().is_some_and(|logs| file.starts_with(logs)) {
        return;
    }
    // What did not come so far has no log.
    let Ok(text) = std::fs::read(file) else { return };
    let name = file.file_stem().and_then(|name| name.to_str()).unwrap_or("log");
    std::fs::write(log(name), text).expect("a copy of a log");
}

/// Has all logs of PostgreSQL below a directory looked at.
pub fn keep_below(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => keep_below(&path),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|end| end == "log") => keep(&path),
            _ => {}
        }
    }
}

/// Notes what is secret in a text: keys and tokens wherever they stand, passwords in addresses of databases.
pub fn note(text: &str) {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("mb_") {
        let end = at + 3 + LOOKUP + 1 + SECRET;
        let Some(secret) = text.get(at + 3 + LOOKUP + 1..end) else { continue };
        if secret.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            found.push(secret);
        }
    }
    for (_, rest) in text.match_indices("postgresql://").map(|(at, scheme)| text.split_at(at + scheme.len())) {
        let user = rest.split(['@', '/', '\n']).next().unwrap_or_default();
        found.extend(user.split_once(':').map(|(_, password)| password));
    }
    note_all(found);
}

/// The same for what is sent with a request, and for each value of JSON in a field that is named as a secret.
pub fn note_request(request: &reqwest::Request) {
    let headers = request.headers().get_all("authorization").iter().chain(request.headers().get_all("cookie"));
    headers.filter_map(|value| value.to_str().ok()).for_each(note);
    if let Some(body) = request.body().and_then(reqwest::Body::as_bytes)
        && body.len() < 64 * 1024
        && let Ok(body) = serde_json::from_slice::<Value>(body)
    {
        note_fields(&body);
    }
}

/// The same for an answer.
pub fn note_answer(headers: &reqwest::header::HeaderMap, text: &str) {
    note(text);
    let cookies = headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let values = cookies.filter_map(|cookie| cookie.split(';').next()?.split_once('='));
    note_all(values.map(|(_, value)| value));
}

fn note_fields(body: &Value) {
    match body {
        Value::Object(fields) => {
            let named =
                fields.iter().filter(|(name, _)| ["secret", "password", "token", "key"].contains(&name.as_str()));
            named.filter_map(|(_, value)| value.as_str()).for_each(note);
            let own = fields.iter().filter(|(name, _)| ["secret", "password"].contains(&name.as_str()));
            note_all(own.filter_map(|(_, value)| value.as_str()));
            fields.values().for_each(note_fields);
        }
        Value::Array(items) => items.iter().for_each(note_fields),
        _ => {}
    }
}

fn note_all<'a>(found: impl IntoIterator<Item = &'a str>) {
    let found = found.into_iter().filter(|secret| secret.len() >= SHORTEST);
    MET.lock().unwrap_or_else(PoisonError::into_inner).extend(found.map(str::to_owned));
}

/// Looks for all that was met in all logs that were kept, and says where anything is. Whether nothing is anywhere.
pub fn none_was_logged() -> bool {
    let logs = LOGS.get().expect("a run that has begun");
    let met = MET.lock().unwrap_or_else(PoisonError::into_inner);
    let (leaks, bytes) = leaks_below(&Sought::new(&met), logs);
    println!("secrets looked for in logs: {} in {} kB; found: {}", met.len(), bytes / 1024, leaks.len());
    for leak in &leaks {
        println!("SECRET in {}, line {}: {}", leak.file, leak.line, leak.around);
    }
    leaks.is_empty()
}

/// In each file of a directory; with how many bytes were read.
fn leaks_below(sought: &Sought<'_>, directory: &Path) -> (Vec<Leak>, usize) {
    let (mut leaks, mut bytes) = (Vec::new(), 0);
    for entry in std::fs::read_dir(directory).expect("the logs") {
        let entry = entry.expect("a log");
        let text = std::fs::read(entry.path()).expect("a log");
        bytes += text.len();
        leaks.extend(sought.leaks(&entry.file_name().to_string_lossy(), &text));
    }
    (leaks, bytes)
}

/// Secrets by how they begin.
struct Sought<'a>(HashMap<[u8; SHORTEST], Vec<&'a str>>, Vec<bool>);

impl<'a> Sought<'a> {
    fn new(met: &'a BTreeSet<String>) -> Self {
        let mut sought = Self(HashMap::new(), vec![false; 1 << 16]);
        for secret in met {
            let begins = secret.as_bytes().first_chunk().expect("no shorter one is noted");
            sought.0.entry(*begins).or_default().push(secret);
            sought.1[usize::from(u16::from_be_bytes([begins[0], begins[1]]))] = true;
        }
        sought
    }

    /// A line of a log is told without the secret.
    fn leaks(&self, file: &str, text: &[u8]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        let mut may_show = false;
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let shown = String::from_utf8_lossy(line);
            if shown.trim() == FIRST_KEY {
                may_show = true;
            } else if may_show && shown.starts_with("mb_") && shown.trim().len() == 3 + LOOKUP + 1 + SECRET {
                may_show = false;
            } else if let Some(secret) = self.find(line) {
                let around = shown.replace(secret, "<secret>").chars().take(400).collect();
                leaks.push(Leak { file: file.to_owned(), line: number + 1, around });
            }
        }
        leaks
    }

    fn find(&self, line: &[u8]) -> Option<&'a str> {
        let places = line.windows(SHORTEST).enumerate();
        let likely = places.filter(|(_, part)| self.1[usize::from(u16::from_be_bytes([part[0], part[1]]))]);
        let mut found = likely.filter_map(|(at, part)| {
            let begins: &[u8; SHORTEST] = part.try_into().ok()?;
            self.0.get(begins)?.iter().copied().find(|secret| line[at..].starts_with(secret.as_bytes()))
        });
        found.next()
    }
}

pub async fn a_secret_in_a_log_is_found_and_its_place_told(_: TestApp) {
    let directory = tempfile::tempdir().expect("a directory");
    let (key, other) = (format!("mb_{}_{}", "0".repeat(LOOKUP), "5f".repeat(32)), "p4ssword-p4ssword");
    let met = BTreeSet::from([key[4 + LOOKUP..].to_owned(), other.to_owned()]);
    let told = |text: &str| {
        std::fs::write(directory.path().join("a.log"), text).expect("a log");
        let (leaks, bytes) = leaks_below(&Sought::new(&met), directory.path());
        assert_eq!(bytes, text.len());
        leaks.into_iter().map(|leak| format!("{}:{} {}", leak.file, leak.line, leak.around)).collect::<Vec<_>>()
    };
    assert_eq!(told(""), [""; 0]);
    assert_eq!(told(&format!("a\nkey mb_{}_...\n{}\n", "0".repeat(LOOKUP), &other[1..])), [""; 0]);
    assert_eq!(
        told(&format!("a\nb {key}{other}.\nc")),
        [format!("a.log:2 b mb_{}_<secret>{other}.", "0".repeat(LOOKUP))]
    );
    assert_eq!(told(&format!("{other}\n\n'{}", &key[4 + LOOKUP..])), ["a.log:1 <secret>", "a.log:3 '<secret>"]);
    // A first start shows one key, in one way.
    let first = told(&format!("{FIRST_KEY}\n\n{key}\n\n{key}\n"));
    assert_eq!(first, [format!("a.log:5 mb_{}_<secret>", "0".repeat(LOOKUP))]);
    assert_eq!(told(&format!("{key}\n")).len(), 1);
}

pub async fn nothing_secret_is_logged_however_much_is_logged(app: TestApp) {
    let database = app.options.get_database().expect("the test's database");
    let all = AssertSqlSafe(format!("ALTER DATABASE {database} SET log_statement = 'all'"));
    sqlx::query(all).execute(&mut app.db().await).await.expect("a setting");
    let url = app.options.to_url_lossy().to_string();
    let mut command = meterbase();
    command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &url]).env("RUST_LOG", "trace");
    let server = Serving::start(command);
    let app = TestApp { base: server.url.clone(), ..app };
    talk_of_secrets(&app, &url).await;
    let (own, met) = (server.log.clone(), MET.lock().unwrap_or_else(PoisonError::into_inner).clone());
    assert_eq!(server.end(Signal::SIGTERM), Some(0));
    let postgres = app.options.get_socket().expect("a socket").join("postgres.log");
    let sought = Sought::new(&met);
    for (log, says) in [(own, "TRACE"), (postgres, "INSERT INTO api_key")] {
        let text = std::fs::read(&log).expect("a log");
        assert!(String::from_utf8_lossy(&text).contains(says), "{} does not say {says}", log.display());
        assert_eq!(sought.leaks(&log.display().to_string(), &text), []);
    }
}

/// Whatever has a secret in it, as it should be and not.
async fn talk_of_secrets(app: &TestApp, url: &str) {
    let key = app.provider("north", "UTC").await;
    app.put(&key, "/v1/customers/acme", json!({"name": "Acme"})).await.expect_status(201);
    let made = app.post(&key, "/v1/keys", json!({"scope": "ingest"})).await.expect_status(201).json();
    let path = format!("/v1/keys/{}/rotate", made["id"].as_str().expect("an id"));
    app.post(&key, &path, json!({})).await.expect_status(200);
    let portal = app.post(&key, "/v1/portal-tokens", json!({"customer": "acme"})).await.expect_status(201).json();
    let body = json!({"customer": "acme", "expires_at": "2099-01-01T00:00:00Z", "uses": 2});
    let token = app.post(&key, "/v1/enrollment-tokens", body).await.expect_status(201).json()["token"].clone();
    let body = json!({"token": token, "serial": "S-1", "secret": "0123456789abcdef".repeat(4)});
    let enroll = async |body: &Value| Answer::of(app.client.post(format!("{}/v1/enroll", app.base)).json(body)).await;
    let own = enroll(&body).await.expect_status(202).json()["key"].as_str().expect("a key").to_owned();
    app.get(&own, "/v1/enroll").await.expect_status(202);
    let mut other = body.clone();
    other["secret"] = json!("fedcba9876543210".repeat(4));
    enroll(&other).await.expect_status(403);
    other["token"] = json!(own);
    enroll(&other).await.expect_status(403);
    // Where they do not belong.
    let shown = portal["token"].as_str().expect("a token");
    app.get(&format!("{shown}0"), "/v1/customers").await.expect_status(401);
    app.get(&key, &format!("/v1/customers?limit={own}")).await.expect_status(400);
    app.post(&key, "/v1/keys", json!({"scope": own, "secret": own})).await.expect_status(422);
    for arguments in
        [&["keys", "create", "--scope", "admin"][..], &["sql-roles", "create", "--all", "--name", "logged"]]
    {
        let arguments = [arguments, &["--database-url", url]].concat();
        let output = run(&arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout);
    }
    let role = text(&run(&["sql-roles", "list", "--json", "--database-url", url]).stdout);
    let role: Value = serde_json::from_str(&role).expect("JSON");
    run(&["sql-roles", "drop", role[0]["role"].as_str().expect("a role"), "--database-url", url]);
}
