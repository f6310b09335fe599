//! The real binary: run to its end, or serving.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use meterbase::database::Edition;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

use crate::secrets;

/// A data directory that every user can pass through, so that PostgreSQL's files are really in it.
pub struct DataDir {
    directory: tempfile::TempDir,
    pub edition: Edition,
}

/// `meterbase serve`, reachable.
pub struct Serving {
    child: Child,
    pub url: String,
    /// The file that its standard error goes to.
    pub log: PathBuf,
    /// Lines of its standard error up to the one that made it reachable.
    pub said: Vec<String>,
}

/// How long anything may take here before the test fails.
pub const LIMIT: Duration = Duration::from_secs(90);

pub fn meterbase() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meterbase"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"METERBASE_")) {
        command.env_remove(name);
    }
    command.env_remove("DATABASE_URL").env_remove("RUST_LOG");
    command
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    meterbase().args(arguments).output().expect("the binary")
}

/// Runs a command that ends with this status, and says why, but not a secret.
#[track_caller]
pub fn refused(arguments: &[&str], status: i32, because: &str) {
    let output = run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(because), "{said:?} does not say {because:?}");
    assert!(!said.contains("secret"), "{said}");
    assert_eq!(text(&output.stdout), "");
}

pub fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8").trim().to_owned();
    secrets::note(&text);
    text
}

/// For loops that poll: `while !there { patience.poll().await }`.
pub struct Patience {
    what: &'static str,
    started: Instant,
    pace: tokio::time::Interval,
}

impl Patience {
    pub fn for_(what: &'static str) -> Self {
        Self::every(Duration::from_millis(25), what)
    }

    /// For what does not stay for long.
    pub fn closely(what: &'static str) -> Self {
        Self::every(Duration::from_millis(1), what)
    }

    fn every(period: Duration, what: &'static str) -> Self {
        Self { what, started: Instant::now(), pace: tokio::time::interval(period) }
    }

    pub async fn poll(&mut self) {
        assert!(self.started.elapsed() < LIMIT, "{} did not come about", self.what);
        self.pace.tick().await;
    }
}

impl DataDir {
    pub fn new(edition: Edition) -> Self {
        let directory = tempfile::Builder::new().prefix("meterbase-data-").tempdir().expect("a temporary directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        Self { directory, edition }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Leaves it for somebody to look at.
    pub fn keep(&mut self) {
        self.directory.disable_cleanup(true);
    }

    pub fn database(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Process id of the PostgreSQL that runs on it.
    pub fn postmaster(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.database().join("cluster/postgres/postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok().map(Pid::from_raw)
    }

    /// A sub-command on it, such as `keys list`.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = meterbase();
        command.args(arguments.split(' ')).arg("--data-dir").arg(self.database());
        command
    }

    pub fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().expect("the binary")
    }

    /// `serve` on any free port.
    pub fn serve(&self) -> Serving {
        Serving::start(self.serve_command())
    }

    pub fn serve_command(&self) -> Command {
        let mut command = self.command("serve --listen 127.0.0.1:0");
        command.args(["--edition", &self.edition.to_string().to_lowercase()]);
        command
    }
}

impl Serving {
    pub fn start(command: Command) -> Self {
        Self::start_logged(command, &secrets::log("server"))
    }

    /// With what it says in a file.
    pub fn start_logged(mut command: Command, log: &Path) -> Self {
        let said = || std::fs::read_to_string(log).expect("what it said");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(log).expect("a file"));
        // A group of its own, so that a signal to the test's group reaches only the test.
        command.process_group(0);
        #[cfg(target_os = "linux")]
        end_with_parent(&mut command);
        let mut child = command.spawn().expect("the binary");
        let mut url = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut url).expect("its standard output");
        assert!(url.starts_with("http"), "it ended with {:?}: {}", child.wait(), said());
        let said = said();
        secrets::note(&said);
        let said = said.lines().map(str::to_owned).collect();
        Self { child, url: url.trim().to_owned(), log: log.to_owned(), said }
    }

    /// The admin key that the first start says.
    pub fn first_key(&self) -> &str {
        self.said.iter().find(|line| line.starts_with("mb_")).expect("a first key")
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a process id"))
    }

    /// Ends it with a signal; its exit status, none when the signal killed it.
    pub fn end(self, signal: Signal) -> Option<i32> {
        kill(self.pid(), signal).expect("a running server");
        self.wait()
    }

    /// Waits for its end, which somebody has asked for.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().expect("its end").code()
    }
}

/// A run of tests that is killed leaves no server behind either: it is asked to stop, and its PostgreSQL with it. The thread
/// that starts it is a test's own.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "what runs between fork and exec has no other way in")]
fn end_with_parent(command: &mut Command) {
    let ask = || Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?);
    // SAFETY: between fork and exec this makes one system call, and allocates nothing.
    unsafe { command.pre_exec(ask) };
}

/// A failed test leaves no server behind.
impl Drop for Serving {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && kill(self.pid(), Signal::SIGTERM).is_ok() {
            let _ = self.child.wait();
        }
        secrets::keep(&self.log);
    }
}

/// What its PostgreSQL logged is looked at with all the rest.
impl Drop for DataDir {
    fn drop(&mut self) {
        secrets::keep_below(self.path());
    }
}

/// The unprivileged user that tests as root can become.
pub fn ordinary_user() -> Option<User> {
    let named = |name| User::from_name(name).ok().flatten();
    geteuid().is_root().then(|| named("postgres").or_else(|| named("nobody"))).flatten()
}
