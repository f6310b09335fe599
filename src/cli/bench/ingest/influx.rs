//! InfluxDB as a peer, where it is installed: `influxd` of the 1.x line, started for the measurement alone.
//!
//! It writes its log ahead with fsync before it answers a write (`wal-fsync-delay = "0s"`), as PostgreSQL does before a
//! commit is answered. Points are in one measurement, with the device as their tag; Meterbase keeps their owners besides.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use tokio::process::Command;

use crate::cli::Failure;
use crate::cli::bench::ingest::http::{Answer, Connection};
use crate::cli::bench::ingest::process::Helper;
use crate::cli::bench::ingest::workload::Totals;

/// `influxd`, reachable, with an empty database named bench.
#[derive(Debug)]
pub struct Influx {
    helper: Helper,
    /// `host:port`
    pub address: String,
    pub version: String,
    /// Removed in the end.
    _directory: Directory,
}

/// Where points are written to.
pub const WRITE: &str = "/write?db=bench&precision=s";

/// What makes its answers comparable.
pub const DURABILITY: &str = "fsync of the write-ahead log before each answer (wal-fsync-delay 0s)";

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, if this machine has it.
pub fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("influxd")).find(|file| file.is_file())
}

impl Influx {
    pub async fn start(program: &Path) -> Result<Self, Failure> {
        let directory = Directory::new()?;
        let (address, internal) = (free_address()?, free_address()?);
        let config = directory.0.join("influxdb.conf");
        std::fs::write(&config, configuration(&directory.0, &address, &internal))?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"INFLUXDB_")) {
            command.env_remove(name);
        }
        command.args(["run", "-config"]).arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut helper = Helper::start("influxd", command)?;
        let version = wait(&mut helper, &address).await?;
        let influx = Self { helper, address, version, _directory: directory };
        influx.query(Method::POST, "CREATE%20DATABASE%20bench").await?;
        Ok(influx)
    }

    pub fn pid(&self) -> u32 {
        self.helper.pid()
    }

    /// Fails where what it holds is not what it acknowledged.
    pub async fn verify(&self, acknowledged: Totals) -> Result<(), Failure> {
        let answer = self.query(Method::GET, "SELECT%20count(value),sum(value)%20FROM%20energy").await?;
        let found: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let row = &found["results"][0]["series"][0]["values"][0];
        // Its sums are of floating-point numbers.
        let sum = row[2].as_f64().map(|sum| (sum * 1000.0).round() as u64);
        if (row[1].as_u64(), sum) == (Some(acknowledged.distinct), Some(acknowledged.sum)) {
            return Ok(());
        }
        Err(Failure::Failed(format!("InfluxDB holds {row} and acknowledged {acknowledged:?}")))
    }

    async fn query(&self, method: Method, query: &str) -> Result<Answer, Failure> {
        let mut connection = Connection::open(&self.address).await?;
        let path = format!("/query?db=bench&q={query}");
        connection.send(method, &path, &HeaderMap::new(), Bytes::new()).await?.expect(StatusCode::OK)
    }

    pub async fn stop(self) -> Result<(), Failure> {
        self.helper.stop().await
    }
}

/// Waits until it answers; its version.
async fn wait(helper: &mut Helper, address: &str) -> Result<String, Failure> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE && !helper.has_ended()? {
        if let Ok(mut connection) = Connection::open(address).await {
            let answer = connection.send(Method::GET, "/ping", &HeaderMap::new(), Bytes::new()).await?;
            let version = answer.headers.get("x-influxdb-version").and_then(|version| version.to_str().ok());
            return Ok(version.unwrap_or("unknown").to_owned());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Failure::Failed("influxd does not start".to_owned()))
}

/// On loopback alone, everything below a directory, nothing reported to anybody, no limit that a workload could meet.
fn configuration(directory: &Path, address: &str, internal: &str) -> String {
    let directory = directory.display();
    format!(
        r#"reporting-disabled = true
bind-address = "{internal}"
[meta]
  dir = "{directory}/meta"
[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  wal-fsync-delay = "0s"
  query-log-enabled = false
  max-series-per-database = 0
  max-values-per-tag = 0
[coordinator]
  write-timeout = "60s"
[monitor]
  store-enabled = false
[http]
  bind-address = "{address}"
  log-enabled = false
  max-body-size = 0
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[logging]
  level = "error"
"#
    )
}

/// A free port of the loopback interface.
fn free_address() -> std::io::Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// A temporary directory that goes with this.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("meterbase-bench-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "{} stays behind", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_on_loopback_alone_and_writes_below_its_directory() {
        let text = configuration(Path::new("/tmp/d"), "127.0.0.1:1", "127.0.0.1:2");
        let values = |key: &str| {
            text.lines().filter_map(|l| l.trim().strip_prefix(key)?.strip_prefix(" = ")).collect::<Vec<_>>()
        };
        assert_eq!(values("bind-address"), [r#""127.0.0.1:2""#, r#""127.0.0.1:1""#]);
        assert_eq!(values("dir"), [r#""/tmp/d/meta""#, r#""/tmp/d/data""#]);
        assert_eq!((values("wal-dir"), values("wal-fsync-delay")), (vec![r#""/tmp/d/wal""#], vec![r#""0s""#]));
    }

    #[test]
    fn a_directory_goes_with_its_owner() {
        let directory = Directory::new().unwrap();
        let path = directory.0.clone();
        std::fs::write(path.join("file"), "text").unwrap();
        drop(directory);
        assert!(!path.exists());
    }
}
