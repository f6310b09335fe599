//! One PostgreSQL cluster: made with `initdb`, started as a child process. It listens on a Unix socket
//! only, in a directory that only its owner can enter, so the operating system says who may connect.

use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::unistd::{User, geteuid};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::database::{self, Edition};
use crate::embedded::install::Install;
use crate::embedded::leftover;
pub use crate::embedded::running::Running;

/// Role and database of an embedded cluster.
pub const ROLE: &str = "meterbase";
pub const DATABASE: &str = "meterbase";

/// A cluster's place and what it runs on.
#[derive(Debug, Clone)]
pub struct Cluster {
    install: Install,
    /// PostgreSQL's data directory.
    pub(super) data: PathBuf,
    /// Directory of the socket. Its path must stay under 100 bytes, a limit of Unix sockets.
    sockets: PathBuf,
    /// Settings beyond those that every cluster has.
    settings: Vec<(String, String)>,
    /// Directory of the rotated log; without one everything goes to `postgres.log` beside the socket.
    logs: Option<PathBuf>,
    /// The unprivileged user to run as; none when this process is unprivileged itself.
    user: Option<User>,
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
    #[error("what a killed PostgreSQL left running does not end: processes {0:?}")]
    Leftover(Vec<i32>),
    #[error("cannot stop the PostgreSQL that was left running (process {pid}): {error}")]
    Signal { pid: i32, error: nix::errno::Errno },
}

impl Cluster {
    pub fn new(install: Install, data: PathBuf, sockets: PathBuf) -> Result<Self, ClusterError> {
        Ok(Self { install, data, sockets, settings: Vec::new(), logs: None, user: unprivileged_user()? })
    }

    /// Adds a setting of postgresql.conf.
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    pub fn settings(mut self, settings: impl IntoIterator<Item = (String, String)>) -> Self {
        self.settings.extend(settings);
        self
    }

    pub fn edition(self, edition: Edition) -> Self {
        self.setting("timescaledb.license", edition.license())
    }

    /// Keeps the log in a directory, a file per weekday, each overwritten after a week.
    pub fn logs(mut self, directory: PathBuf) -> Self {
        let own = [
            ("logging_collector", "on".to_owned()),
            ("log_directory", directory.display().to_string()),
            ("log_filename", "postgres-%a.log".to_owned()),
            ("log_truncate_on_rotation", "on".to_owned()),
            ("log_rotation_age", "1d".to_owned()),
            ("log_rotation_size", "0".to_owned()),
        ];
        self.settings.extend(own.map(|(name, value)| (name.to_owned(), value)));
        self.logs = Some(directory);
        self
    }

    /// How to connect to its database.
    pub fn options(&self) -> PgConnectOptions {
        options(&self.sockets)
    }

    /// Makes the cluster unless it is there, and starts it.
    pub async fn start(self) -> Result<Running, ClusterError> {
        self.directory(&self.sockets)?;
        if let Some(logs) = &self.logs {
            self.directory(logs)?;
        }
        leftover::clear(&self.data, &self.sockets).await?;
        if !self.data.join("PG_VERSION").exists() {
            self.initdb()?;
        }
        let child = self.postgres()?;
        Running::begin(self, child).await
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
        std::fs::rename(&fresh, &self.data).map_err(failed)?;
        let parent = self.data.parent().unwrap_or(Path::new("/"));
        std::fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)
    }

    /// Starts the server in a process group of its own, so that a Ctrl-C at the terminal reaches Meterbase alone,
    /// which then stops it in order.
    fn postgres(&self) -> Result<Child, ClusterError> {
        let failed = |error| ClusterError::File { path: self.log(), error };
        let log = std::fs::File::create(self.log()).map_err(failed)?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.data).arg("-k").arg(&self.sockets).args(["-p", PORT]);
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
        command.current_dir("/").env("LC_ALL", "C");
        // PGPORT, PGTZ and their like are meant for clients, but the server heeds them too.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// What the server says before its log is set up; everything where no directory for it was chosen.
    fn log(&self) -> PathBuf {
        self.sockets.join("postgres.log")
    }

    pub(super) fn last_log_lines(&self) -> String {
        let files = self.logs.as_ref().and_then(|logs| std::fs::read_dir(logs).ok()).into_iter().flatten();
        let files = files.filter_map(|entry| Some(entry.ok()?.path()));
        let newest = files.max_by_key(|path| path.metadata().and_then(|of| of.modified()).ok());
        let texts =
            [Some(self.log()), newest].into_iter().flatten().map(|path| std::fs::read(path).unwrap_or_default());
        let text: String = texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect();
        let lines: Vec<_> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// How to connect to the database of the cluster with this socket directory.
pub fn options(sockets: &Path) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass().ssl_mode(PgSslMode::Disable);
    database::prepared(options.socket(sockets).port(5432).username(ROLE).database(DATABASE))
}

/// Only part of the socket's name.
const PORT: &str = "5432";

/// Settings of every cluster. Durability settings are PostgreSQL's safe defaults, written out so that no
/// postgresql.conf can loosen them. The log is brought to disk as it is written, so that a small commit does not wait for all
/// that a large transaction has written before. Compiling a statement over many chunks takes far longer than running it: Meterbase's
/// own connections know, TimescaleDB's background workers have to be told here.
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
    ("wal_writer_delay", "5ms"),
    ("wal_writer_flush_after", "256kB"),
    ("jit", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// Whom to run PostgreSQL as when this process is root.
pub fn unprivileged_user() -> Result<Option<User>, ClusterError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let named = |name| User::from_name(name).ok().flatten();
    named("postgres").or_else(|| named("nobody")).map(Some).ok_or(ClusterError::NoUser)
}
