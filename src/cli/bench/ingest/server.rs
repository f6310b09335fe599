//! The server that is measured: a process of its own, so that what it takes is its own.

use std::process::Stdio;
use std::time::Duration;

use sqlx::ConnectOptions;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use crate::cli::Failure;
use crate::cli::bench::ingest::process::Helper;
use crate::cli::bench::ingest::scratch::Scratch;

/// `meterbase serve` on a scratch database, reachable.
#[derive(Debug)]
pub struct Serving {
    helper: Helper,
    /// `host:port`
    pub address: String,
    /// Kept open: it may still be written to.
    _out: BufReader<ChildStdout>,
}

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(120);

impl Serving {
    /// Starts it with further options of `serve`. What the environment says to this command is not for the server.
    pub async fn start(scratch: &Scratch, options: &[String]) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"METERBASE_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options);
        command.env("DATABASE_URL", scratch.options.to_url_lossy().as_str());
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "warn");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut helper = Helper::start("meterbase serve", command)?;
        let out = helper.stdout().ok_or_else(|| Failure::Failed("the server has no standard output".to_owned()))?;
        let (mut out, mut url) = (BufReader::new(out), String::new());
        let read = tokio::time::timeout(PATIENCE, out.read_line(&mut url)).await;
        read.map_err(|_| Failure::Failed(format!("the server does not start within {PATIENCE:?}")))??;
        let address = url.trim().strip_prefix("http://").map(str::to_owned);
        let address = address.ok_or_else(|| Failure::Failed("the server did not start, see above".to_owned()))?;
        Ok(Self { helper, address, _out: out })
    }

    pub fn pid(&self) -> u32 {
        self.helper.pid()
    }

    pub async fn stop(self) -> Result<(), Failure> {
        self.helper.stop().await
    }
}
