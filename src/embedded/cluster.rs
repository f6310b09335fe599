//! One PostgreSQL cluster: made with `initdb`, run as a child process, stopped cleanly. It listens on a Unix socket
//! only, in a directory that only its owner can enter, so the operating system says who may connect.

use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use sqlx::postgres::PgConnectOptions;

use crate::database::{self, Edition};
use crate::embedded::install::Install;

/// Role and database of an embedded cluster.
const ROLE: &str = "meterbase";
const DATABASE: &str = "meterbase";

/// A cluster's place and what it runs on.
#[derive(Debug, Clone)]
pub struct Cluster {
    install: Install,
    /// PostgreSQL's data directory.
    data: PathBuf,
    /// Directory of the socket. Its path must stay under 100 bytes, a limit of Unix sockets.
    sockets: PathBuf,
    /// Settings beyond those that every cluster has.
    settings: Vec<(String, String)>,
    /// The unprivileged user to run as; none when this process is unprivileged itself.
    user: Option<User>,
}

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Running {
    cluster: Cluster,
    child: Child,
}

#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{program} failed: {output}")]
    Program { program: &'static str, output: String },
    #[error("PostgreSQL ended at its start ({status}): {log}")]
    Ended { status: ExitStatus, log: String },
    #[error("PostgreSQL was not ready within {0:?}: {1}")]
    NotReady(Duration, String),
    #[error("PostgreSQL refuses to run as root, and this machine has no user `postgres` or `nobody` to run it as")]
    NoUser,
}

/// How long a start may take: recovery after a crash replays at most `max_wal_size`.
const START_LIMIT: Duration = Duration::from_secs(300);

impl Cluster {
    pub fn new(install: Install, data: PathBuf, sockets: PathBuf) -> Result<Self, ClusterError> {
        Ok(Self { install, data, sockets, settings: Vec::new(), user: unprivileged_user()? })
    }

    /// Adds a setting of postgresql.conf.
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    pub fn edition(self, edition: Edition) -> Self {
        self.setting("timescaledb.license", edition.license())
    }

    /// How to connect to its database.
    pub fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass();
        database::prepared(options.socket(&self.sockets).port(5432).username(ROLE).database(DATABASE))
    }

    /// Makes the cluster unless it is there, and starts it.
    pub async fn start(self) -> Result<Running, ClusterError> {
        self.directory(&self.sockets)?;
        if !self.data.join("PG_VERSION").exists() {
            self.initdb()?;
        }
        let child = self.postgres()?;
        let mut running = Running { cluster: self, child };
        running.wait_until_ready().await?;
        running.create_database().await?;
        Ok(running)
    }

    /// A directory that only the cluster's user can enter.
    fn directory(&self, path: &Path) -> Result<(), ClusterError> {
        let failed = |error| ClusterError::File { path: path.to_owned(), error };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        match &self.user {
            Some(user) => chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(failed),
            None => Ok(()),
        }
    }

    /// `initdb` into a directory beside, renamed when it is complete: an interrupted one leaves nothing behind.
    fn initdb(&self) -> Result<(), ClusterError> {
        let fresh = self.data.with_extension("new");
        let failed = |error| ClusterError::File { path: fresh.clone(), error };
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).map_err(failed)?;
        }
        self.directory(&fresh)?;
        let output = self
            .command("initdb")
            .args(["--encoding=UTF8", "--locale=C", "--auth=trust", "--data-checksums", "--username", ROLE, "--pgdata"])
            .arg(&fresh)
            .output()
            .map_err(failed)?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(ClusterError::Program { program: "initdb", output });
        }
        std::fs::rename(&fresh, &self.data).map_err(failed)
    }

    /// Starts the server in a process group of its own, so that a Ctrl-C at the terminal reaches Meterbase alone,
    /// which then stops it in order.
    fn postgres(&self) -> Result<Child, ClusterError> {
        let failed = |error| ClusterError::File { path: self.log(), error };
        let log = std::fs::File::options().create(true).append(true).open(self.log()).map_err(failed)?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.data).arg("-k").arg(&self.sockets);
        for (name, value) in
            STANDING_SETTINGS.iter().copied().chain(self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())))
        {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log).process_group(0);
        command.spawn().map_err(|error| ClusterError::File { path: self.install.bin.join("postgres"), error })
    }

    /// One of PostgreSQL's programs, run as the unprivileged user.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.install.bin.join(program));
        command.current_dir("/").env("LC_ALL", "C").env_remove("PGDATA");
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    fn log(&self) -> PathBuf {
        self.sockets.join("postgres.log")
    }

    fn last_log_lines(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_else(|e| e.to_string());
        let lines: Vec<_> = log.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// Settings of every cluster. Durability settings are PostgreSQL's safe defaults, written out so that no
/// postgresql.conf can loosen them.
const STANDING_SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("shared_preload_libraries", "timescaledb"),
    ("timescaledb.telemetry_level", "off"),
    ("timescaledb.max_background_workers", "16"),
    ("max_worker_processes", "32"),
    ("max_locks_per_transaction", "512"),
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("max_wal_size", "4GB"),
    ("wal_compression", "on"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

impl Running {
    pub fn options(&self) -> PgConnectOptions {
        self.cluster.options()
    }

    /// Whether the server process is still there; its exit status once it has ended.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A fast shutdown: connections are ended, everything is written, the process has gone when this returns.
    pub fn stop(mut self) -> io::Result<ExitStatus> {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT)?;
        self.child.wait()
    }

    async fn wait_until_ready(&mut self) -> Result<(), ClusterError> {
        let started = Instant::now();
        let maintenance = self.cluster.options().database("postgres");
        loop {
            let failed = |error| ClusterError::File { path: self.cluster.data.clone(), error };
            if let Some(status) = self.child.try_wait().map_err(failed)? {
                return Err(ClusterError::Ended { status, log: self.cluster.last_log_lines() });
            }
            use sqlx::{ConnectOptions, Connection};
            match maintenance.connect().await {
                Ok(connection) => return connection.close().await.or(Ok(())),
                Err(error) if started.elapsed() > START_LIMIT => {
                    return Err(ClusterError::NotReady(START_LIMIT, error.to_string()));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn create_database(&self) -> Result<(), ClusterError> {
        use sqlx::{ConnectOptions, Connection};
        let failed = |error: sqlx::Error| ClusterError::Program { program: "createdb", output: error.to_string() };
        let mut db = self.options().database("postgres").connect().await.map_err(failed)?;
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'meterbase')")
            .fetch_one(&mut db)
            .await
            .map_err(failed)?;
        if !there {
            sqlx::query("CREATE DATABASE meterbase").execute(&mut db).await.map_err(failed)?;
        }
        db.close().await.map_err(failed)
    }
}

/// Whom to run PostgreSQL as when this process is root.
fn unprivileged_user() -> Result<Option<User>, ClusterError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let named = |name| User::from_name(name).ok().flatten();
    named("postgres").or_else(|| named("nobody")).map(Some).ok_or(ClusterError::NoUser)
}
