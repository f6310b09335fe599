//! Where an embedded database lies.
//!
//! ```text
//! <data dir>/lock, guests       who owns it, who uses it
//! <data dir>/cluster/postgres   PostgreSQL's data directory
//! <data dir>/cluster/run        its socket, unless the path is too long for one
//! <data dir>/cluster/log        its log, a file per weekday
//! <data dir>/cluster/edition    edition of TimescaleDB that it was made with
//! ```
//!
//! `cluster` is a link to a directory under `/var/lib/meterbase` where this process is root and the unprivileged user
//! that PostgreSQL must run as cannot enter the data directory.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use crate::database::Edition;
use crate::embedded::{EmbeddedError, cluster};

#[derive(Debug)]
pub struct Place {
    /// Absolute.
    pub data_dir: PathBuf,
}

/// Where clusters go whose data directory PostgreSQL cannot enter.
pub const ELSEWHERE: &str = "/var/lib/meterbase";

/// Longest path of a socket, in bytes, that every system takes, with the name that PostgreSQL gives it.
const LONGEST_SOCKET: usize = 100;
const SOCKET_NAME: &str = "/.s.PGSQL.5432";

fn failed(path: &Path) -> impl FnOnce(io::Error) -> EmbeddedError {
    let path = path.to_owned();
    |error| EmbeddedError::File { path, error }
}

impl Place {
    /// A data directory; made when it is missing.
    pub fn at(data_dir: &Path) -> Result<Self, EmbeddedError> {
        fs::create_dir_all(data_dir).map_err(failed(data_dir))?;
        let data_dir = data_dir.canonicalize().map_err(failed(data_dir))?;
        Ok(Self { data_dir })
    }

    pub fn lock(&self) -> PathBuf {
        self.data_dir.join("lock")
    }

    pub fn guests(&self) -> PathBuf {
        self.data_dir.join("guests")
    }

    fn cluster_link(&self) -> PathBuf {
        self.data_dir.join("cluster")
    }

    /// The directory of the cluster, links followed.
    fn cluster(&self) -> PathBuf {
        let link = self.cluster_link();
        link.canonicalize().unwrap_or(link)
    }

    pub fn postgres(&self) -> PathBuf {
        self.cluster().join("postgres")
    }

    pub fn logs(&self) -> PathBuf {
        self.cluster().join("log")
    }

    /// The directory of the socket.
    pub fn sockets(&self) -> PathBuf {
        match fs::read_to_string(self.socket_note()) {
            Ok(path) => PathBuf::from(path.trim_end_matches('\n')),
            Err(_) => self.cluster().join("run"),
        }
    }

    /// Names the directory of the socket where it is not `run`.
    fn socket_note(&self) -> PathBuf {
        self.cluster().join("socket-directory")
    }

    /// The edition that the cluster was made with; none before that.
    pub fn edition(&self) -> Option<Edition> {
        let note = fs::read_to_string(self.cluster().join("edition")).ok()?;
        [Edition::Apache, Edition::Community].into_iter().find(|edition| edition.license() == note.trim())
    }

    pub fn note_edition(&self, edition: Edition) -> Result<(), EmbeddedError> {
        let path = self.cluster().join("edition");
        fs::write(&path, format!("{}\n", edition.license())).map_err(failed(&path))
    }

    /// Makes the directories that are not PostgreSQL's own. Only the owner of the data directory may.
    pub fn prepare(&self) -> Result<(), EmbeddedError> {
        let user = cluster::unprivileged_user()?;
        let link = self.cluster_link();
        if link.symlink_metadata().is_err() {
            match &user {
                Some(user) if !can_enter(user, &self.data_dir) => self.make_elsewhere(user)?,
                _ => make_open_directory(&link)?,
            }
        }
        if let Err(error) = link.metadata() {
            let target = fs::read_link(&link).map_err(|_| failed(&link)(error))?;
            return Err(EmbeddedError::Gone { link, target });
        }
        if let Some(user) = user.as_ref().filter(|user| !can_enter(user, &self.cluster())) {
            return Err(EmbeddedError::Closed { path: self.cluster(), user: user.name.clone() });
        }
        self.choose_sockets(user.as_ref())
    }

    /// The cluster's directory in a place that its user can enter, and a link to it.
    fn make_elsewhere(&self, user: &User) -> Result<(), EmbeddedError> {
        make_open_directory(Path::new(ELSEWHERE))?;
        let target = Path::new(ELSEWHERE).join(random_name(ELSEWHERE)?);
        make_open_directory(&target)?;
        let note = target.join("data-directory");
        fs::write(&note, self.data_dir.as_os_str().as_bytes()).map_err(failed(&note))?;
        tracing::info!(
            data_dir = %self.data_dir.display(), database = %target.display(), user = user.name,
            "the user that PostgreSQL must run as cannot enter the data directory: the database is elsewhere, with a link to it"
        );
        symlink(&target, self.cluster_link()).map_err(failed(&self.cluster_link()))
    }

    /// A directory in the temporary one takes the socket when the path would be too long.
    fn choose_sockets(&self, user: Option<&User>) -> Result<(), EmbeddedError> {
        let usual = self.cluster().join("run");
        let note = self.socket_note();
        if usual.as_os_str().len() + SOCKET_NAME.len() <= LONGEST_SOCKET {
            return match fs::remove_file(&note) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&note)(error)),
                _ => Ok(()),
            };
        }
        let uid = user.map_or_else(nix::unistd::geteuid, |user| user.uid);
        if note.exists() && is_private(&self.sockets(), uid) {
            return Ok(());
        }
        // A random name: nobody else can have made a directory of that name to listen in.
        let sockets = Path::new("/tmp").join(format!("meterbase-{}", random_name("/tmp")?));
        fs::write(&note, format!("{}\n", sockets.display())).map_err(failed(&note))
    }
}

/// Whether a directory is one that only this user can enter.
fn is_private(directory: &Path, uid: Uid) -> bool {
    directory.symlink_metadata().is_ok_and(|of| of.is_dir() && of.uid() == uid.as_raw() && of.mode() & 0o077 == 0)
}

/// A directory that everybody can pass through.
fn make_open_directory(path: &Path) -> Result<(), EmbeddedError> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed(path))?;
    // The mode above goes through the umask.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(failed(path))
}

fn random_name(parent: &str) -> Result<String, EmbeddedError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| failed(Path::new(parent))(error.into()))?;
    Ok(hex::encode(bytes))
}

/// Whether a user may pass through a directory and all above it, by their permission bits.
fn can_enter(user: &User, directory: &Path) -> bool {
    directory.ancestors().all(|directory| {
        let Ok(of) = directory.metadata() else { return false };
        let bit = match () {
            () if of.uid() == user.uid.as_raw() => 0o100,
            () if of.gid() == user.gid.as_raw() => 0o010,
            () => 0o001,
        };
        of.mode() & bit != 0
    })
}
