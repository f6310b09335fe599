//! A filesystem so small that it can be filled, in a mount namespace of its own: nobody sees it who was not put inside, and
//! it goes with the process that holds it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{getegid, geteuid};

pub struct Room {
    /// Lives until its standard input is closed: at the latest when this process ends, however it does.
    holder: Child,
    directory: tempfile::TempDir,
}

/// Enough for a fresh database and its log.
const MIB: u64 = 320;

/// Mounts, says so, and waits for the end of its input.
const HOLD: &str = r#"mount -t tmpfs -o "size=$2m,mode=755" meterbase-torture "$1" && echo mounted && exec cat"#;

impl Room {
    /// None where this machine does not let this user mount anything.
    pub fn open() -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("meterbase-room-").tempdir().expect("a directory");
        let mut unshare = Command::new("unshare");
        if !geteuid().is_root() {
            // Root of a user namespace of its own, where the machine has those for everybody.
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare.args(["--mount", "--propagation", "private", "sh", "-c", HOLD, "sh"]);
        unshare.arg(directory.path()).arg(MIB.to_string());
        let held = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut holder = held.ok()?;
        let (mut said, out) = (String::new(), holder.stdout.take().expect("piped"));
        BufReader::new(out).read_line(&mut said).ok()?;
        // Where it did not mount, nothing is to be filled.
        if said.trim() == "mounted" { Some(Self { holder, directory }) } else { None }
    }

    /// Where it is, for those inside.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where it is for all others.
    pub fn seen(&self) -> PathBuf {
        let path = self.path().strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(path)
    }

    /// The same program, inside.
    pub fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg("--target").arg(self.holder.id().to_string()).arg("--mount");
        if !geteuid().is_root() {
            // As itself again: PostgreSQL runs as no root, not even as such a one.
            inside.args(["--user", "--preserve-credentials", "unshare", "--user"]);
            inside.args([format!("--map-user={}", geteuid()), format!("--map-group={}", getegid())]);
        }
        inside.arg("--").arg(command.get_program());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// Takes all the space there is.
    pub fn fill(&self) {
        let mut ballast = File::options().append(true).create(true).open(self.ballast()).expect("a file");
        for size in [1 << 20, 4096, 1] {
            let bytes = vec![0; size];
            loop {
                match ballast.write_all(&bytes) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Gives it back.
    pub fn clear(&self) {
        std::fs::remove_file(self.ballast()).expect("a file that was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.seen().join("ballast")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
