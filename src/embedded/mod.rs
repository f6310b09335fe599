//! The embedded database: a private PostgreSQL with TimescaleDB under a data directory, from the server binaries
//! that the machine has.
//!
//! One process at a time owns a data directory and runs its cluster; commands that come while a server owns it connect
//! to the running cluster. In reading order: `place` is the data directory's layout, `lock` who owns it, [`install`]
//! the binaries, [`cluster`] one PostgreSQL, `running` its life, `leftover` what a killed one left behind, `memory` its
//! settings, `supervisor` keeps it running, `writeback` brings its files to disk as they grow.

pub mod cluster;
pub mod install;
mod leftover;
mod lock;
mod memory;
mod place;
mod running;
mod supervisor;
#[cfg(target_os = "linux")]
mod writeback;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::database::Edition;
use crate::embedded::cluster::{Cluster, ClusterError};
use crate::embedded::install::{Install, NotInstalled};
use crate::embedded::lock::{Guest, Owner};
pub use crate::embedded::place::ELSEWHERE;
use crate::embedded::place::Place;
use crate::embedded::supervisor::Supervisor;

/// What a database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A server: it owns the database for as long as it runs, and there is one at a time.
    Server,
    /// A command that is done soon: it uses the database of the server that runs, or runs it for itself.
    Command,
}

/// An embedded database that runs.
#[derive(Debug)]
pub struct Embedded {
    place: Place,
    hold: Hold,
}

#[derive(Debug)]
enum Hold {
    /// This process runs the cluster.
    Owner { supervisor: Supervisor, role: Role, lock: Owner },
    /// Another process runs it.
    Guest(#[expect(dead_code, reason = "held, not read")] Guest),
}

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("{path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("the data directory {data_dir} is in use by {holder}; stop that first, or choose another --data-dir")]
    InUse { data_dir: PathBuf, holder: String },
    #[error("{holder} has the data directory {data_dir}, but its database cannot be reached: {error}")]
    Unreachable { data_dir: PathBuf, holder: String, error: sqlx::Error },
    #[error(
        "{link} points to {target}, where the database was and is no more; bring it back, or remove the link to begin with an empty one"
    )]
    Gone { link: PathBuf, target: PathBuf },
    #[error(
        "{path} cannot be entered by the user {user}, as whom PostgreSQL must run; open the way to it, or run as that user"
    )]
    Closed { path: PathBuf, user: String },
    #[error(
        "the data directory holds a database of PostgreSQL {found}, of which this machine has no installation with TimescaleDB; install it, or move the data with pg_dump"
    )]
    OtherMajor { found: String },
    #[error(
        "the data directory was made with the {made} edition of TimescaleDB and cannot run as {asked}; leave --edition out"
    )]
    OtherEdition { made: Edition, asked: Edition },
    #[error("the TimescaleDB in {bin} has no {edition} edition")]
    NoEdition { bin: PathBuf, edition: Edition },
    #[error(transparent)]
    NotInstalled(#[from] NotInstalled),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// How long to wait for another process: a command to be done, or a server to have started its database.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often to look whether another process is done.
const POLL: Duration = Duration::from_millis(100);

impl Embedded {
    /// Starts the database of a data directory, or finds it running. Makes it where there is none.
    pub async fn open(data_dir: &Path, edition: Option<Edition>, role: Role) -> Result<Self, EmbeddedError> {
        let place = Place::at(data_dir)?;
        let started = std::time::Instant::now();
        loop {
            if let Some(lock) = Owner::try_lock(&place, role)? {
                let supervisor = run(&place, edition).await?;
                return Ok(Self { place, hold: Hold::Owner { supervisor, role, lock } });
            }
            let holder = lock::holder(&place);
            if role == Role::Server && (holder.is_server() || started.elapsed() > PATIENCE) {
                return Err(EmbeddedError::InUse { data_dir: place.data_dir, holder: holder.to_string() });
            }
            if role == Role::Command {
                check_edition(&place, edition)?;
                match join(&place).await {
                    Ok(guest) => return Ok(Self { place, hold: Hold::Guest(guest) }),
                    Err(error) if started.elapsed() > PATIENCE => {
                        let (data_dir, holder) = (place.data_dir, holder.to_string());
                        return Err(EmbeddedError::Unreachable { data_dir, holder, error });
                    }
                    Err(_) => {}
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How to connect to it.
    pub fn options(&self) -> PgConnectOptions {
        cluster::options(&self.place.sockets())
    }

    /// The directory that everything of it is under, or linked from.
    pub fn data_dir(&self) -> &Path {
        &self.place.data_dir
    }

    /// Where PostgreSQL keeps its files.
    pub fn postgres_dir(&self) -> PathBuf {
        self.place.postgres()
    }

    /// Whether this process runs it.
    pub fn is_owner(&self) -> bool {
        matches!(self.hold, Hold::Owner { .. })
    }

    /// How to look at it with psql.
    pub fn psql(&self) -> String {
        format!("psql -h {} -U {} {}", self.place.sockets().display(), cluster::ROLE, cluster::DATABASE)
    }

    /// Stops it in order, if this process runs it.
    pub async fn close(self) -> Result<(), EmbeddedError> {
        if let Hold::Owner { supervisor, role, lock } = self.hold {
            // Commands that came to use this database get to finish; a server that stops does not wait for them.
            let no_guests = match role {
                Role::Command => lock::wait_for_guests(&self.place, PATIENCE).await?,
                Role::Server => None,
            };
            supervisor.stop().await?;
            drop(no_guests);
            drop(lock);
        }
        Ok(())
    }
}

/// Uses the cluster that another process runs.
async fn join(place: &Place) -> Result<Guest, sqlx::Error> {
    let guest = Guest::enter(place).map_err(sqlx::Error::Io)?;
    cluster::options(&place.sockets()).connect().await?.close().await?;
    Ok(guest)
}

/// Runs the cluster; this process owns the data directory.
async fn run(place: &Place, edition: Option<Edition>) -> Result<Supervisor, EmbeddedError> {
    place.prepare()?;
    let install = installation(place)?;
    let edition = settle_edition(place, &install, edition)?;
    let cluster = Cluster::new(install, place.postgres(), place.sockets())?
        .edition(edition)
        .logs(place.logs())
        .settings(memory::settings());
    Ok(Supervisor::start(cluster).await?)
}

/// The newest installation, or for a cluster that is there the one of its major version.
fn installation(place: &Place) -> Result<Install, EmbeddedError> {
    match std::fs::read_to_string(place.postgres().join("PG_VERSION")) {
        Ok(found) => {
            let found = found.trim().to_owned();
            install::all().into_iter().find(|i| i.major.to_string() == found).ok_or(EmbeddedError::OtherMajor { found })
        }
        Err(_) => Ok(install::newest()?),
    }
}

/// A data directory keeps the edition that it was made with. It can go from Apache to Community when asked to, but not
/// back: what Community compressed, Apache cannot read.
fn settle_edition(place: &Place, install: &Install, asked: Option<Edition>) -> Result<Edition, EmbeddedError> {
    let edition = match (place.edition(), asked) {
        (Some(made @ Edition::Community), Some(asked @ Edition::Apache)) => {
            return Err(EmbeddedError::OtherEdition { made, asked });
        }
        (_, Some(asked)) => asked,
        (Some(made), None) => made,
        (None, None) if install.editions.contains(&Edition::Community) => Edition::Community,
        (None, None) => Edition::Apache,
    };
    if !install.editions.contains(&edition) {
        return Err(EmbeddedError::NoEdition { bin: install.bin.clone(), edition });
    }
    place.note_edition(edition)?;
    Ok(edition)
}

/// For a database that another process runs.
fn check_edition(place: &Place, asked: Option<Edition>) -> Result<(), EmbeddedError> {
    match (place.edition(), asked) {
        (Some(made), Some(asked)) if made != asked => Err(EmbeddedError::OtherEdition { made, asked }),
        _ => Ok(()),
    }
}
