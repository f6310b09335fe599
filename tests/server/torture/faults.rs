//! What can happen.

use std::os::unix::process::CommandExt;
use std::process::Command;

use meterbase::embedded::{cluster, install};
use meterbase::fleet::random::Random;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::clients::Load;
use super::world::{Place, World};
use crate::binary::{Patience, text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// kill -9 of a server, which is started again.
    Server,
    /// kill -9 of a process of PostgreSQL that stores readings; all others are ended by that too.
    Backend,
    /// kill -9 of PostgreSQL's first process.
    Postmaster,
    /// `pg_ctl stop -m immediate`
    ImmediateStop,
    /// No space is left where the database is, for a while.
    FullDisk,
    /// The same, and PostgreSQL's log needs space too: it panics, and cannot come back before there is some.
    FullLog,
    /// A server is asked to stop; another one takes its place.
    Takeover,
}

impl Fault {
    /// Those that can happen to a world.
    pub fn of(world: &World) -> &'static [Self] {
        match world.place {
            Place::Own => &[Self::Server, Self::Backend, Self::Postmaster, Self::ImmediateStop, Self::Takeover],
            Place::Small(_) => &[Self::FullDisk, Self::FullLog, Self::Server, Self::Backend, Self::Postmaster],
            Place::Shared(_) => &[Self::Server, Self::Takeover],
        }
    }

    /// Makes it happen; when this returns its cause is gone.
    pub async fn strike(self, world: &mut World, load: &Load, draw: &mut Random) {
        let number = draw.below(world.servers.len() as u64) as usize;
        match self {
            Self::Server => {
                world.kill_server(number);
                world.start_server(number);
            }
            Self::Backend => kill_backend(world, draw).await,
            Self::Postmaster => {
                // It may be on its way up still from the time before; then it is killed there.
                let pid = postmaster(world).await;
                kill(pid, Signal::SIGKILL).expect("a running PostgreSQL");
            }
            Self::ImmediateStop => stop_immediately(world).await,
            Self::FullDisk => fill(world, load, draw, false).await,
            Self::FullLog => fill(world, load, draw, true).await,
            Self::Takeover => take_over(world, number),
        }
    }
}

async fn kill_backend(world: &World, draw: &mut Random) {
    // One that is at work, if there is one just now.
    const BACKENDS: &str = "SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'meterbase ingest'
        ORDER BY state = 'active' DESC, pid LIMIT 2";
    let mut patience = Patience::for_("a process that stores readings");
    let pids: Vec<i32> = loop {
        let mut db = world.db().await;
        match sqlx::query_scalar(BACKENDS).fetch_all(&mut db).await {
            Ok(pids) if !pids.is_empty() => break pids,
            // The database may be on its way up still, and a server too.
            _ => patience.poll().await,
        }
    };
    let pid = pids[draw.below(pids.len() as u64) as usize];
    match kill(Pid::from_raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(error) => panic!("process {pid}: {error}"),
    }
}

async fn postmaster(world: &World) -> Pid {
    let file = world.cluster().expect("a cluster of the server's own").join("postgres/postmaster.pid");
    let mut patience = Patience::for_("a running PostgreSQL");
    loop {
        let told = std::fs::read_to_string(&file).ok().and_then(|text| text.lines().next()?.parse().ok());
        // The file may be older than a process of that number.
        if let Some(pid) = told.map(Pid::from_raw).filter(|pid| is_postgres(*pid)) {
            return pid;
        }
        patience.poll().await;
    }
}

fn is_postgres(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
}

async fn stop_immediately(world: &World) {
    let pid = postmaster(world).await;
    let install = install::newest().expect("an installation");
    let mut command = Command::new(install.bin.join("pg_ctl"));
    // It does not wait: whoever supervises PostgreSQL may start it again before pg_ctl looks whether it has gone.
    command.current_dir("/").args(["stop", "-m", "immediate", "-W", "-D"]);
    command.arg(world.cluster().expect("a cluster of the server's own").join("postgres"));
    if let Some(user) = cluster::unprivileged_user().expect("a user for PostgreSQL") {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let output = command.output().expect("pg_ctl");
    assert!(output.status.success(), "{}", text(&output.stderr));
    another_postmaster(world, pid).await;
}

async fn fill(world: &World, load: &Load, draw: &mut Random, with_log: bool) {
    let Place::Small(room) = &world.place else { panic!("only a small filesystem is filled") };
    let mut db = world.db().await;
    room.fill();
    if with_log {
        // A new file of the log each time, until there is no space for one.
        const NEXT: &str = "SELECT pg_current_xact_id()::text, pg_switch_wal()::text";
        while sqlx::query(NEXT).execute(&mut db).await.is_ok() {}
    }
    load.fail(5 + draw.below(40)).await;
    room.clear();
}

/// Where servers share a database the new one is there first, and whoever is connected to the old one gets an answer.
fn take_over(world: &mut World, number: usize) {
    let old = world.servers[number].take().expect("a server");
    let gone = super::world::address(&old);
    let is_shared = matches!(world.place, Place::Shared(_));
    if is_shared {
        world.start_server(number);
    }
    world.door.servers().retain(|server| *server != gone);
    assert_eq!(old.end(Signal::SIGTERM), Some(0), "a server that was asked to stop");
    if !is_shared {
        world.start_server(number);
    }
}

/// Kills PostgreSQL, and waits until it has been started again.
pub async fn restart_postgresql(world: &World) {
    let pid = postmaster(world).await;
    kill(pid, Signal::SIGKILL).expect("a running PostgreSQL");
    another_postmaster(world, pid).await;
    world.db().await;
}

async fn another_postmaster(world: &World, before: Pid) {
    let mut patience = Patience::for_("another PostgreSQL");
    while postmaster(world).await == before {
        patience.poll().await;
    }
}
