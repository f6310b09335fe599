//! Clusters, databases and the server under test.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Trial};
use meterbase::app::{self, App};
use meterbase::database::{self, Edition};
use meterbase::embedded::cluster::{Cluster, Running};
use meterbase::embedded::install;
use meterbase::events::EventWatch;
use meterbase::http::callers::Callers;
use meterbase::ingest::Ingest;
use meterbase::keys::{self, Scope};
use meterbase::limits::{Guards, Limits};
use meterbase::profiles::ConfigWatch;
use meterbase::rollup::columnstore;
use meterbase::server::{Drain, Peer};
use meterbase::webhooks::Reach;
use meterbase::{migrate, observe};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::OnceCell;

use crate::binary::Patience;

use crate::secrets;

/// A test: a name and what it does with a server of its own.
pub type Test = (String, fn(TestApp) -> BoxFuture<'static, ()>);

/// The tests of a module, by name: `topic!(module::{test, ...})`. A test that is not listed is dead code, which clippy
/// refuses.
macro_rules! topic {
    ($module:ident::{$($test:ident),* $(,)?}) => {
        vec![$((
            concat!(stringify!($module), "::", stringify!($test)).to_owned(),
            (|app| Box::pin($module::$test(app))) as fn($crate::harness::TestApp) -> futures::future::BoxFuture<'static, ()>,
        )),*]
    };
}
pub(crate) use topic;

/// A server on a database of its own, and an admin key for it.
pub struct TestApp {
    pub edition: Edition,
    /// Connects to the test's database.
    pub options: PgConnectOptions,
    /// `http://127.0.0.1:port`
    pub base: String,
    pub admin: String,
    pub client: reqwest::Client,
    /// Where its readings are stored.
    pub ingest: Arc<Ingest>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

static METRICS: LazyLock<metrics_exporter_prometheus::PrometheusHandle> =
    LazyLock::new(|| observe::start_metrics().expect("the first recorder of the process"));

/// Runs the tests on each edition that the machine has.
pub fn run(topics: Vec<Vec<Test>>) -> ExitCode {
    let arguments = Arguments::from_args();
    // The provider of TLS for the client; installing it twice is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let install = match install::newest() {
        Ok(install) => install,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let directory = tempfile::Builder::new().prefix("meterbase-test-").tempdir().expect("a temporary directory");
    open_to_all(&directory);
    secrets::begin(directory.path());
    let tests: Vec<Test> = topics.into_iter().flatten().collect();
    let mut clusters = Vec::new();
    let mut trials = Vec::new();
    for edition in &install.editions {
        let name = edition.to_string().to_lowercase();
        let place = directory.path().join(&name);
        let cluster = Cluster::new(install.clone(), place.join("data"), place.join("run")).expect("a cluster");
        let running = runtime.block_on(quick(cluster).edition(*edition).start()).expect("a running cluster");
        let options = running.options();
        let template = Arc::new(OnceCell::new());
        clusters.push(running);
        for (test, body) in tests.clone() {
            let (handle, options, edition) = (runtime.handle().clone(), options.clone(), *edition);
            let template = template.clone();
            trials.push(Trial::test(format!("{name}::{test}"), move || {
                handle.block_on(template.get_or_init(|| make_template(&options, edition)));
                let database = handle.block_on(fresh_database(&options, Some(TEMPLATE)));
                let own = database.clone();
                // On this thread: a test that waits for a process must not keep a worker, with other tests' tasks, from work.
                let test =
                    AssertUnwindSafe(|| handle.block_on(async { body(TestApp::serve(own, edition).await).await }));
                let outcome = std::panic::catch_unwind(test);
                handle.block_on(drop_database(&options, &database));
                outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                Ok(())
            }));
        }
    }
    stop_with_ctrl_c(&runtime, &clusters);
    let conclusion = libtest_mimic::run(&arguments, trials);
    let ran: Vec<_> = install.editions.iter().map(|e| format!("{e} edition")).collect();
    println!("editions tested: {} of TimescaleDB on PostgreSQL {}", ran.join(", "), install.major);
    if !install.editions.contains(&Edition::Community) {
        println!("NOT tested: Community edition (this machine has no TimescaleDB Community)");
    }
    for cluster in clusters {
        cluster.stop().expect("a clean stop");
    }
    for edition in &install.editions {
        secrets::keep_below(&directory.path().join(edition.to_string().to_lowercase()).join("run"));
    }
    if secrets::none_was_logged() { conclusion.exit_code() } else { ExitCode::FAILURE }
}

/// The clusters are in process groups of their own, which a Ctrl-C at the terminal does not reach.
fn stop_with_ctrl_c(runtime: &tokio::runtime::Runtime, clusters: &[Running]) {
    let pids: Vec<_> = clusters.iter().map(|cluster| Pid::from_raw(cluster.pid().cast_signed())).collect();
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            for pid in pids {
                let _ = kill(pid, Signal::SIGINT);
            }
            std::process::exit(130);
        }
    });
}

/// A throwaway cluster need not survive a power cut.
fn quick(cluster: Cluster) -> Cluster {
    cluster.setting("fsync", "off").setting("full_page_writes", "off").setting("max_connections", "300")
}

/// As root the cluster runs as another user, who must be able to pass through.
fn open_to_all(directory: &tempfile::TempDir) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// Conversions to the columnstore would wait for a test's locks, and the test for them.
const NO_POLICIES: &str = "SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE proc_name = 'policy_compression'";

/// The database that tests begin with copies of: making the schema takes ten times as long.
const TEMPLATE: &str = "migrated";

/// Makes the template. Who copies it must be alone with it, so nobody can connect to it: neither does TimescaleDB.
async fn make_template(cluster: &PgConnectOptions, edition: Edition) {
    let mut postgres = cluster.clone().database("postgres").connect().await.expect("the cluster");
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {TEMPLATE}"))).execute(&mut postgres).await.expect("a template");
    let mut db = cluster.clone().database(TEMPLATE).connect().await.expect("the template");
    prepare(&mut db, edition).await;
    db.close().await.expect("a close");
    let closed = AssertSqlSafe(format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"));
    sqlx::query(closed).execute(&mut postgres).await.expect("a template for nobody");
    let alone = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1::text";
    let mut patience = Patience::for_("the template to be left");
    while sqlx::query_scalar::<_, i64>(alone).bind(TEMPLATE).fetch_one(&mut postgres).await.expect("a count") > 0 {
        patience.poll().await;
    }
    postgres.close().await.expect("a close");
}

/// Brings a database to where a server starts on it.
async fn prepare(db: &mut PgConnection, edition: Edition) {
    database::check(db).await.expect("a usable database");
    migrate::run(db, edition).await.expect("the schema");
    if edition == Edition::Community {
        columnstore::apply(db, Some(columnstore::DEFAULT_AFTER)).await.expect("a columnstore");
        sqlx::query(NO_POLICIES).execute(db).await.expect("policies that rest");
    }
}

impl TestApp {
    /// A server on a database that is prepared.
    async fn serve(options: PgConnectOptions, edition: Edition) -> Self {
        let mut db = options.connect().await.expect("the test's database");
        let found = database::check(&mut db).await.expect("a usable database");
        assert_eq!(found.edition, edition);
        let admin = keys::create(&mut db, Scope::Admin, None, None, None).await.expect("a key").reveal();
        secrets::note(&admin);
        let pool = database::pool(&options, "ingest", 4, app::INGEST_TIMEOUT);
        let (ingest, writers) =
            Ingest::start(pool.clone(), pool, meterbase::ingest::Settings::default(), &Limits::default());
        tokio::spawn(writers.ended());
        let ingest = Arc::new(ingest);
        let query = database::pool(&options, "query", 4, app::QUERY_TIMEOUT);
        let app = App {
            callers: Arc::new(Callers::start(&options, Duration::from_millis(50))),
            config_watch: Arc::new(ConfigWatch::start(query.clone())),
            event_watch: Arc::new(EventWatch::start(query.clone(), edition)),
            query,
            ingest: ingest.clone(),
            edition,
            webhook_reach: Arc::new(Reach { private: true, networks: Vec::new() }),
            late_horizon: chrono::Duration::days(30),
            guards: Guards::new(Limits::default()),
            drain: Drain::default(),
            issuer: None,
            metrics: observe::Metrics { recorder: METRICS.clone(), gathered: Arc::default(), found, is_apart: false },
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let router = app::router(app).into_make_service_with_connect_info::<Peer>();
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        let client = reqwest::Client::builder().timeout(Duration::from_secs(120)).build().expect("a client");
        Self { edition, options, base, admin, client, ingest }
    }

    /// A connection to the test's database.
    pub async fn db(&self) -> PgConnection {
        self.options.connect().await.expect("the test's database")
    }

    /// Another database on the same cluster, with nothing in it.
    pub async fn empty_database(&self) -> PgConnectOptions {
        fresh_database(&self.options, None).await
    }

    /// Does something with a server on another database of the cluster, which is dropped then.
    pub async fn on_database(&self, database: PgConnectOptions, body: impl AsyncFnOnce(Self)) {
        let mut db = database.connect().await.expect("the database");
        prepare(&mut db, self.edition).await;
        db.close().await.expect("a close");
        body(Self::serve(database.clone(), self.edition).await).await;
        drop_database(&self.options, &database).await;
    }

    /// Brings the rollups up to all that is committed.
    pub async fn settle(&self) {
        let mut db = self.db().await;
        meterbase::rollup::refresh(&mut db, self.edition).await.expect("a refresh");
        db.close().await.expect("a close");
    }

    /// A key of a provider that is there.
    pub async fn key(&self, provider: &str, scope: Scope) -> String {
        let mut db = self.db().await;
        let id = sqlx::query_scalar("SELECT provider_id FROM provider WHERE key = $1::text").bind(provider);
        let id: i32 = id.fetch_one(&mut db).await.expect("the provider");
        let key = keys::create(&mut db, scope, Some(id), None, None).await.expect("a key").reveal();
        secrets::note(&key);
        key
    }

    /// A provider with a key of scope `provider`, which is returned.
    pub async fn provider(&self, key: &str, time_zone: &str) -> String {
        let body = serde_json::json!({"name": key, "time_zone": time_zone});
        self.call(&self.admin, Method::PUT, &format!("/v1/providers/{key}"), Some(body)).await.expect_status(201);
        self.key(key, Scope::Provider).await
    }

    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.call(key, Method::GET, path, None).await
    }

    pub async fn put(&self, key: &str, path: &str, body: Value) -> Answer {
        self.call(key, Method::PUT, path, Some(body)).await
    }

    pub async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.call(key, Method::POST, path, Some(body)).await
    }

    pub async fn delete(&self, key: &str, path: &str) -> Answer {
        self.call(key, Method::DELETE, path, None).await
    }

    /// The keys of a list's items, page by page to the end. `next` and the `Link` header must say the same.
    pub async fn walk(&self, key: &str, path: &str) -> Vec<String> {
        let (mut found, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let answer = self.get(key, &path).await.expect_status(200);
            let page = answer.json();
            let items = page["items"].as_array().expect("items");
            found.extend(items.iter().map(|item| item["key"].as_str().expect("a key").to_owned()));
            let link = answer.headers.get("link").map(|link| link.to_str().expect("a header of text"));
            let link =
                link.map(|link| link.strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")).expect(link));
            assert_eq!(link.is_some(), page["next"].is_string(), "{page}");
            if let (Some(link), Some(cursor)) = (link, page["next"].as_str()) {
                assert!(link.contains(&format!("cursor={cursor}")), "{link}");
                assert!(!items.is_empty());
            }
            next = link.map(str::to_owned);
        }
        found
    }

    pub async fn call(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let (client, request) = request.build_split();
        let request = request.expect("a request");
        secrets::note_request(&request);
        let response = client.execute(request).await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("its body");
        secrets::note_answer(&headers, &text);
        Self { status, headers, text }
    }

    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The code of the problem that this is.
    #[track_caller]
    pub fn problem(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        let kind = self.json()["type"].as_str().expect("a type").to_owned();
        kind.strip_prefix("/problems/").expect("a page").to_owned()
    }
}

/// A database of its own for each test, on the edition's cluster; with nothing in it unless it is a copy of another.
async fn fresh_database(cluster: &PgConnectOptions, copy_of: Option<&str>) -> PgConnectOptions {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut db = cluster.clone().database("postgres").connect().await.expect("the cluster");
    let copy_of = copy_of.map(|template| format!("TEMPLATE {template}")).unwrap_or_default();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name} {copy_of}"));
    sqlx::query(create).execute(&mut db).await.expect("a database");
    db.close().await.expect("a close");
    cluster.clone().database(&name)
}

/// Ends what is left of a test: its server's connections, and TimescaleDB's work in its database.
async fn drop_database(cluster: &PgConnectOptions, database: &PgConnectOptions) {
    let name = database.get_database().expect("the test's database");
    let mut db = cluster.clone().database("postgres").connect().await.expect("the cluster");
    let drop = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::query(drop).execute(&mut db).await.expect("a drop");
    db.close().await.expect("a close");
}
