//! A database, the servers on it, and what is registered there.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveTime, TimeDelta, Utc};
use meterbase::database::Edition;
use meterbase::embedded::cluster;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use super::clients::{Door, Load, Manner};
use super::load::{CUSTOMERS, DEVICES, METRICS};
use super::room::Room;
use crate::binary::{DataDir, Patience, Serving, meterbase};
use crate::harness::{Answer, TestApp};

pub const PROVIDER: &str = "north";

/// Where the database is.
pub enum Place {
    /// In a data directory of its server, which runs it.
    Own,
    /// The same on a small filesystem.
    Small(Room),
    /// Somebody else runs it.
    Shared(Box<PgConnectOptions>),
}

pub struct World {
    pub place: Place,
    pub data: DataDir,
    /// None for one that was killed.
    pub servers: Vec<Option<Serving>>,
    pub door: Arc<Door>,
    pub client: reqwest::Client,
    pub admin: String,
    /// Milliseconds since 1970 from which readings are that are not late.
    pub start: i64,
    pub seed: u64,
    loads: i64,
    logs: usize,
}

impl World {
    /// A server, or two where the database is shared, and what is registered.
    pub async fn new(edition: Edition, place: Place, admin: Option<&str>, seed: u64) -> Self {
        let data = DataDir::new(edition);
        std::fs::create_dir(data.path().join("oracles")).expect("a directory");
        // All of it is in the past: instants do not get as far as two days.
        let midnight = Utc::now().date_naive().and_time(NaiveTime::MIN).and_utc();
        let start = (midnight - TimeDelta::days(2)).timestamp_millis();
        let key = admin.unwrap_or_default().to_owned();
        let door = Door { servers: Arc::default(), key: key.clone(), provider: PROVIDER };
        let client = client();
        let number = if matches!(place, Place::Shared(_)) { 2 } else { 1 };
        let servers = (0..number).map(|_| None).collect();
        let mut world =
            Self { place, data, servers, door: Arc::new(door), client, admin: key, start, seed, loads: 0, logs: 0 };
        for number in 0..number {
            world.start_server(number);
        }
        if admin.is_none() {
            world.admin = world.server(0).first_key().to_owned();
            let servers = world.door.servers.clone();
            world.door = Arc::new(Door { servers, key: world.admin.clone(), provider: PROVIDER });
        }
        world.register(PROVIDER).await;
        world
    }

    /// A server or two on the database of a test, which it shares with others.
    pub async fn shared(app: &TestApp, seed: u64) -> Self {
        Self::new(app.edition, Place::Shared(Box::new(app.options.clone())), Some(&app.admin), seed).await
    }

    /// A server with a database of its own.
    pub async fn own(app: &TestApp, seed: u64) -> Self {
        Self::new(app.edition, Place::Own, None, seed).await
    }

    pub async fn register(&self, provider: &str) {
        let put = async |path: String, body: Value| {
            let answer = self.call(Method::PUT, &path, Some(body)).await;
            assert!([200, 201].contains(&answer.status), "{path}: {}", answer.text);
        };
        put(format!("/v1/providers/{provider}"), json!({"name": provider, "time_zone": "UTC"})).await;
        for (key, kind) in METRICS {
            let body = json!({"name": key, "unit": "kWh", "kind": kind});
            put(format!("/v1/metrics/{key}?provider={provider}"), body).await;
        }
        for (key, parent, zone) in CUSTOMERS {
            let body = json!({"name": key, "parent": parent, "time_zone": zone});
            put(format!("/v1/customers/{key}?provider={provider}"), body).await;
        }
        for (key, customer) in DEVICES {
            put(format!("/v1/devices/{key}?provider={provider}"), json!({"customer": customer})).await;
        }
    }

    /// Asks the first server that is there.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let server = self.servers.iter().flatten().next().expect("a server");
        let mut request = self.client.request(method, format!("{}{path}", server.url)).bearer_auth(&self.admin);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    pub fn server(&self, number: usize) -> &Serving {
        self.servers[number].as_ref().expect("a server")
    }

    /// Starts the server of this number, and lets clients know.
    pub fn start_server(&mut self, number: usize) {
        self.logs += 1;
        let log = self.data.path().join(format!("server-{number}-{}.log", self.logs));
        let server = Serving::start_logged(self.serve_command(), &log);
        self.door.servers().push(address(&server));
        self.servers[number] = Some(server);
    }

    /// Kills the server of this number; clients find out by themselves.
    pub fn kill_server(&mut self, number: usize) {
        let server = self.servers[number].take().expect("a server");
        let gone = address(&server);
        assert_eq!(server.end(Signal::SIGKILL), None);
        self.door.servers().retain(|server| *server != gone);
    }

    fn serve_command(&self) -> Command {
        // A start that opens many connections at once is not what is tested here.
        let mut command = self.command("serve --listen 127.0.0.1:0 --query-connections 8 --drain-timeout 20s");
        if !matches!(self.place, Place::Shared(_)) {
            command.args(["--edition", &self.data.edition.to_string().to_lowercase()]);
        }
        // The shortest time that is not another setting altogether: freshness is awaited often here.
        command.args(["--refresh-interval", "500ms"]);
        command
    }

    /// A sub-command on the database.
    pub fn command(&self, arguments: &str) -> Command {
        let arguments = arguments.split(' ');
        match &self.place {
            Place::Own => {
                let mut command = meterbase();
                command.args(arguments).arg("--data-dir").arg(self.data.database());
                command
            }
            Place::Small(room) => {
                let mut command = room.inside(&meterbase());
                command.args(arguments).arg("--data-dir").arg(room.path().join("data"));
                command
            }
            Place::Shared(options) => {
                let mut command = meterbase();
                command.args(arguments).args(["--database-url", options.to_url_lossy().as_str()]);
                command
            }
        }
    }

    /// PostgreSQL's own directory, where a server runs it, as it is seen from here.
    pub fn cluster(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Own => Some(self.data.database().join("cluster")),
            Place::Small(room) => Some(room.seen().join("data/cluster")),
            Place::Shared(_) => None,
        }
    }

    pub fn options(&self) -> PgConnectOptions {
        match (&self.place, self.cluster()) {
            (Place::Shared(options), _) => PgConnectOptions::clone(options),
            (_, Some(cluster)) => cluster::options(&cluster.join("run")),
            (_, None) => unreachable!("a database of its own has a directory"),
        }
    }

    /// A connection to the database, when it can be had.
    pub async fn db(&self) -> PgConnection {
        let mut patience = Patience::for_("a connection to the database");
        loop {
            match self.options().connect().await {
                Ok(db) => return db,
                Err(_) => patience.poll().await,
            }
        }
    }

    /// Clients at work on this.
    pub fn load(&mut self, manner: Manner) -> Load {
        let (load, directory) = (self.loads, self.oracles());
        self.loads += 1;
        let seed = self.seed.wrapping_add(load.cast_unsigned());
        Load::start(self.door.clone(), &directory, load, manner, seed, self.start)
    }

    pub fn oracles(&self) -> PathBuf {
        self.data.path().join("oracles")
    }

    /// Ends the servers in order. What was found to be wrong goes on from here; then everything stays where it is.
    pub fn end(mut self, found: Result<(), String>) -> Result<(), String> {
        let ended: Vec<_> = self.servers.iter_mut().filter_map(Option::take).map(|s| s.end(Signal::SIGTERM)).collect();
        let found = match ended.iter().find(|status| **status != Some(0)) {
            Some(status) => found.and(Err(format!("a server ended with {status:?}"))),
            None => found,
        };
        found.map_err(|wrong| format!("{wrong}\n{}", self.keep()))
    }

    /// Leaves everything as it is.
    fn keep(&mut self) -> String {
        self.data.keep();
        format!("seed {}; left for inspection: {}", self.seed, self.data.path().display())
    }
}

/// What a test did not expect stays too.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("torture: {}", self.keep());
        }
    }
}

/// `host:port`
pub fn address(server: &Serving) -> String {
    server.url.trim_start_matches("http://").to_owned()
}

fn client() -> reqwest::Client {
    // No connections that are kept: a server that was told to stop would wait for them.
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(60)).pool_max_idle_per_host(0);
    builder.build().expect("a client")
}
