//! What processes take of the machine, as `/proc` tells it, and processes of the measurement's own.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use sqlx::PgConnection;
use tokio::process::{Child, Command};

use crate::cli::Failure;

/// Clock ticks of a second in `/proc`: USER_HZ, which Linux has fixed.
const TICKS: f64 = 100.0;

/// How long a process may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process took since its start, in seconds of processor time, and its parent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    parent: u32,
    own: f64,
    /// Of children that have ended.
    ended: f64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// See proc_pid_stat(5); the name, in parentheses, may have any characters.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
        let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / TICKS);
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(11)? + seconds(12)?,
            ended: seconds(13)? + seconds(14)?,
        })
    }
}

/// Seconds of processor time that a process took; none where there is none.
pub fn cpu(pid: u32) -> Option<f64> {
    Stat::of(pid).map(|stat| stat.own)
}

/// Seconds of processor time that this process took.
pub fn own_cpu() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
    })
}

/// Seconds of processor time that all processes of the machine took.
pub fn machine_cpu() -> Option<f64> {
    busy(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// See proc_stat(5): user, nice, system; idle and waiting are left out; interrupts, and what other guests stole.
fn busy(stat: &str) -> Option<f64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let times: Option<Vec<f64>> = line.split_ascii_whitespace().map(|ticks| ticks.parse().ok()).collect();
    let times = times?;
    Some((times.iter().take(3).sum::<f64>() + times.iter().skip(5).take(3).sum::<f64>()) / TICKS)
}

/// Memory that a process holds, and the most that it ever held, in MiB.
pub fn memory(pid: u32) -> Option<(f64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some((field(&status, "VmRSS")? / 1024.0, field(&status, "VmHWM")? / 1024.0))
}

/// A value in KiB.
fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// PostgreSQL's first process, where it runs on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Postmaster(u32);

impl Postmaster {
    pub async fn of(db: &mut PgConnection) -> sqlx::Result<Option<Self>> {
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(db).await?;
        let is_postgres = |pid: u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("postgres"))
        };
        let backend = backend.cast_unsigned();
        let parent = Stat::of(backend).filter(|_| is_postgres(backend)).map(|stat| stat.parent);
        Ok(parent.filter(|pid| is_postgres(*pid)).map(Self))
    }

    /// Seconds of processor time that it and its processes took, those that have ended too.
    pub fn cpu(self) -> Option<f64> {
        let first = Stat::of(self.0)?;
        let pids =
            std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let children = pids.filter_map(Stat::of).filter(|stat| stat.parent == self.0);
        Some(first.own + first.ended + children.map(|stat| stat.own).sum::<f64>())
    }
}

/// A process that ends with this one's work, at the latest when it is dropped.
#[derive(Debug)]
pub struct Helper {
    name: &'static str,
    child: Child,
}

impl Helper {
    /// In a group of its own: a Ctrl-C at the terminal reaches whoever started it, who ends it.
    pub fn start(name: &'static str, mut command: Command) -> Result<Self, Failure> {
        #[cfg(target_os = "linux")]
        end_with_parent(&mut command);
        let started = command.process_group(0).kill_on_drop(true).spawn();
        let child = started.map_err(|error| Failure::Failed(format!("cannot start {name}: {error}")))?;
        Ok(Self { name, child })
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    pub fn stdout(&mut self) -> Option<tokio::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Whether it has ended of its own accord.
    pub fn has_ended(&mut self) -> std::io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Ends it in order.
    pub async fn stop(mut self) -> Result<(), Failure> {
        let failed = |what: String| Failure::Failed(format!("{} {what}", self.name));
        if let Some(pid) = self.child.id() {
            kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM)?;
        }
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(ended) if ended.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(()),
            Ok(Ok(status)) => Err(failed(format!("ended with {status}"))),
            Ok(Err(error)) => Err(failed(format!("cannot be waited for: {error}"))),
            Err(_) => Err(failed(format!("does not end within {PATIENCE:?}"))),
        }
    }
}

/// Lets the system kill a process when this one ends, however it ends: where it is killed nothing is dropped. The thread
/// that starts the process must not end before; the runtime's own live as long as it does.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what runs between fork and exec has no other way in")]
fn end_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let end_with_parent = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // It may have ended before that.
        if nix::unistd::getppid() == parent { Ok(()) } else { Err(std::io::ErrorKind::NotConnected.into()) }
    };
    // SAFETY: between fork and exec this makes two system calls, and allocates nothing.
    unsafe { command.pre_exec(end_with_parent) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_whatever_the_process_is_called() {
        let text = "42 (a ) b) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 20 5 20 0 1 0 100 0 0";
        assert_eq!(Stat::parse(text), Some(Stat { parent: 7, own: 2.0, ended: 0.25 }));
        assert_eq!(Stat::parse("42"), None);
        // 10 + 20 + 30 ticks, not the 4000 idle and 500 waiting, then 1 + 2 + 3; what guests of this machine took is in user.
        let stat = "cpu  10 20 30 4000 500 1 2 3 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy(stat), Some(0.66));
        assert_eq!(field("VmPeak:\t 9 kB\nVmRSS:\t    2048 kB\n", "VmRSS"), Some(2048.0));
    }

    #[test]
    fn a_process_s_own_time_and_memory_are_found() {
        let pid = std::process::id();
        assert!(cpu(pid).is_some());
        let (now, peak) = memory(pid).unwrap();
        assert!(now > 0.0 && peak >= now);
        assert_eq!(cpu(u32::MAX), None);
    }

    #[tokio::test]
    async fn a_helper_ends_when_it_is_dropped() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let helper = Helper::start("sleep", command).unwrap();
        let pid = helper.pid();
        drop(helper);
        // Killed at once; it is gone when somebody has waited for it, which the runtime does.
        let dead = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        while !dead() {
            tokio::task::yield_now().await;
        }
    }
}
