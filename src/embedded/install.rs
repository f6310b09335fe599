//! Server installations of PostgreSQL with TimescaleDB on this machine.

use std::path::{Path, PathBuf};

use crate::database::{Edition, POSTGRES_MAJORS};

/// A server installation that has TimescaleDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Where `postgres`, `initdb` and `pg_ctl` are.
    pub bin: PathBuf,
    /// Major version of PostgreSQL.
    pub major: u32,
    /// Editions that can be started from it.
    pub editions: Vec<Edition>,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "no PostgreSQL {} to {} with TimescaleDB is installed on this machine; run scripts/install-timescaledb.sh, or set DATABASE_URL",
    POSTGRES_MAJORS.start(),
    POSTGRES_MAJORS.end()
)]
pub struct NotInstalled;

/// The newest usable installation.
pub fn newest() -> Result<Install, NotInstalled> {
    all().into_iter().max_by_key(|install| install.major).ok_or(NotInstalled)
}

/// All usable installations.
pub fn all() -> Vec<Install> {
    candidates().into_iter().filter_map(|bin| inspect(&bin)).collect()
}

/// Where distributions and PostgreSQL's own build put the server.
fn candidates() -> Vec<PathBuf> {
    let versions = POSTGRES_MAJORS.flat_map(|major| {
        [
            format!("/usr/lib/postgresql/{major}/bin"),
            format!("/usr/pgsql-{major}/bin"),
            format!("/usr/lib/postgresql{major}/bin"),
        ]
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<_> = std::env::split_paths(&path).collect();
    versions.map(PathBuf::from).chain([PathBuf::from("/usr/local/pgsql/bin")]).chain(on_path).collect()
}

/// Asks the `postgres` binary for its version and looks for the extension in its directories.
fn inspect(bin: &Path) -> Option<Install> {
    if !["postgres", "initdb", "pg_ctl"].iter().all(|program| bin.join(program).is_file()) {
        return None;
    }
    let version = std::process::Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let version = String::from_utf8(version.stdout).ok()?;
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    let major = version.split(") ").nth(1)?.split(['.', ' ']).next()?.parse().ok()?;
    if !POSTGRES_MAJORS.contains(&major) {
        return None;
    }
    let libraries = library_directory(bin, major)?;
    let modules: Vec<_> =
        std::fs::read_dir(libraries).ok()?.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    if !modules.iter().any(|name| name == "timescaledb.so") {
        return None;
    }
    // Only the Community edition has the module with the features under the Timescale licence.
    let community = modules.iter().any(|name| name.starts_with("timescaledb-tsl-"));
    let editions = if community { vec![Edition::Apache, Edition::Community] } else { vec![Edition::Apache] };
    Some(Install { bin: bin.to_owned(), major, editions })
}

/// `pg_config` is not part of every server package, so the usual places beside `bin` are tried first.
fn library_directory(bin: &Path, major: u32) -> Option<PathBuf> {
    let root = bin.parent()?;
    let usual = [root.join("lib"), root.join("lib/postgresql"), root.join(format!("lib/postgresql{major}"))];
    if let Some(found) = usual.into_iter().find(|dir| dir.join("timescaledb.so").is_file()) {
        return Some(found);
    }
    let output = std::process::Command::new(bin.join("pg_config")).arg("--pkglibdir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}
