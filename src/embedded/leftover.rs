//! What a killed PostgreSQL, or a killed Meterbase, left behind in a data directory.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::embedded::cluster::ClusterError;

/// How long an orderly shutdown of a leftover may take before it is ended at once (it recovers at the next start).
const ORDERLY: Duration = Duration::from_secs(60);

/// How long backends may take to notice that their server has gone.
const NOTICE: Duration = Duration::from_secs(5);

/// How long processes may take to end after SIGQUIT, which ends them without ceremony.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Ends what still runs on this data directory, and removes stale lock files of PostgreSQL. Only the owner of the data
/// directory may call it: whatever runs there then is a leftover.
pub async fn clear(data: &Path, sockets: &Path) -> Result<(), ClusterError> {
    if !Path::new("/proc/self/cwd").exists() {
        // PostgreSQL itself refuses to start over another one.
        return Ok(());
    }
    let there = processes(data);
    let postmaster = postmaster(data).filter(|pid| there.contains(pid));
    if let Some(pid) = postmaster {
        tracing::warn!(%pid, "stopping the PostgreSQL that was left running here");
        signal(&[pid], Signal::SIGINT)?;
    } else if !there.is_empty() {
        tracing::warn!(processes = there.len(), "waiting for what a killed PostgreSQL left running here");
    }
    let patience = if postmaster.is_some() { ORDERLY } else { NOTICE };
    if !gone(data, patience).await {
        signal(&processes(data), Signal::SIGQUIT)?;
        if !gone(data, AT_ONCE).await {
            return Err(ClusterError::Leftover(processes(data).iter().map(|pid| pid.as_raw()).collect()));
        }
    }
    remove_stale(&data.join("postmaster.pid"))?;
    remove_stale(&sockets.join(".s.PGSQL.5432.lock"))
}

/// The server's process id as postmaster.pid has it. By itself it proves nothing: the file outlives a crash, and the
/// number may be another program's by now.
fn postmaster(data: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok().map(Pid::from_raw)
}

/// PostgreSQL's processes on this data directory: it is their working directory.
fn processes(data: &Path) -> Vec<Pid> {
    let Ok(data) = data.canonicalize() else { return Vec::new() };
    let all = std::fs::read_dir("/proc").into_iter().flatten();
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}"));
        let program = link("exe").ok().and_then(|exe| Some(exe.file_name()?.to_str()?.to_owned()));
        // "postgres (deleted)" after an upgrade of the package.
        program.is_some_and(|name| name.starts_with("postgres")) && link("cwd").is_ok_and(|cwd| cwd == data)
    })
    .map(Pid::from_raw)
    .collect()
}

async fn gone(data: &Path, limit: Duration) -> bool {
    let started = Instant::now();
    while !processes(data).is_empty() {
        if started.elapsed() > limit {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

/// A process that ended meanwhile is what was wanted.
fn signal(pids: &[Pid], with: Signal) -> Result<(), ClusterError> {
    for pid in pids {
        match kill(*pid, with) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
            Err(error) => return Err(ClusterError::Signal { pid: pid.as_raw(), error }),
        }
    }
    Ok(())
}

/// PostgreSQL takes a stale file for a running server when its number is in use again by another program of the same
/// user, as after the restart of a container.
fn remove_stale(path: &Path) -> Result<(), ClusterError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ClusterError::File { path: path.to_owned(), error })
        }
        _ => Ok(()),
    }
}
