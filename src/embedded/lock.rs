//! Who owns a data directory. The operating system lets go of a lock when its process ends, however it ends.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::embedded::place::Place;
use crate::embedded::{EmbeddedError, POLL, Role};

/// The right to run the cluster; one process has it.
#[derive(Debug)]
pub struct Owner(#[expect(dead_code, reason = "held, not read")] File);

/// Use of a cluster that another process runs; many can have it. A command that runs a cluster for itself waits for
/// its guests before it stops it.
#[derive(Debug)]
pub struct Guest(#[expect(dead_code, reason = "held, not read")] File);

/// What the owner wrote about itself.
pub struct Holder(Option<(u32, String)>);

impl Owner {
    /// The lock, unless another process has it.
    pub fn try_lock(place: &Place, role: Role) -> Result<Option<Self>, EmbeddedError> {
        let path = place.lock();
        let failed = |error| EmbeddedError::File { path: path.clone(), error };
        let mut file = open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let role = if role == Role::Server { "server" } else { "command" };
        file.set_len(0).and_then(|()| writeln!(file, "{} {role}", std::process::id())).map_err(failed)?;
        Ok(Some(Self(file)))
    }
}

impl Guest {
    pub fn enter(place: &Place) -> io::Result<Self> {
        let file = open(&place.guests())?;
        file.try_lock_shared()?;
        Ok(Self(file))
    }
}

/// Returns when no other process uses the cluster any more, with what keeps new ones out until it is dropped; with
/// nothing when `limit` is over.
pub async fn wait_for_guests(place: &Place, limit: Duration) -> Result<Option<File>, EmbeddedError> {
    let path = place.guests();
    let failed = |error| EmbeddedError::File { path: path.clone(), error };
    let file = open(&path).map_err(failed)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if started.elapsed() > limit => return Ok(None),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(POLL).await,
        }
    }
}

/// Who has the lock, as it says itself.
pub fn holder(place: &Place) -> Holder {
    let text = std::fs::read_to_string(place.lock()).unwrap_or_default();
    Holder(text.trim().split_once(' ').and_then(|(pid, role)| Some((pid.parse().ok()?, role.to_owned()))))
}

impl Holder {
    pub fn is_server(&self) -> bool {
        self.0.as_ref().is_some_and(|(_, role)| role == "server")
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((pid, role)) => write!(f, "another Meterbase ({role}, process {pid})"),
            None => write!(f, "another Meterbase"),
        }
    }
}

/// Locking needs the file open for writing on some file systems. It is never removed: a lock on a removed file
/// would keep nobody out.
fn open(path: &std::path::Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}
