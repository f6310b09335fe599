//! A running PostgreSQL: until it is ready, while it runs, until it has gone.

use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::embedded::cluster::{Cluster, ClusterError};

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Running {
    cluster: Cluster,
    child: Child,
}

/// How long a start may take until the server answers at all. Once it answers that it recovers, it may take its time.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long an orderly stop may take: it writes out what is in memory. After that PostgreSQL is ended at once and
/// recovers at its next start; nothing that was committed is lost.
const STOP_LIMIT: Duration = Duration::from_secs(120);

/// How often to look whether PostgreSQL is ready, or has ended.
const POLL: Duration = Duration::from_millis(50);

/// How often to ask while it recovers: each time is a line in its log.
const RECOVERY_POLL: Duration = Duration::from_millis(250);

impl Running {
    /// Waits until a server that was just started is ready, with its database.
    pub(super) async fn begin(cluster: Cluster, child: Child) -> Result<Self, ClusterError> {
        let mut running = Self { cluster, child };
        running.wait_until_ready().await?;
        running.create_database().await?;
        running.update_extension().await?;
        Ok(running)
    }

    pub fn options(&self) -> PgConnectOptions {
        self.cluster.options()
    }

    /// Returns when the server process has ended by itself.
    pub async fn ended(&mut self) -> Result<ExitStatus, ClusterError> {
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn status(&mut self) -> Result<Option<ExitStatus>, ClusterError> {
        self.child.try_wait().map_err(|error| ClusterError::File { path: self.cluster.data.clone(), error })
    }

    /// Process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A fast shutdown: connections are ended, everything is written, the process has gone when this returns.
    pub fn stop(mut self) -> Result<(), ClusterError> {
        self.shut_down()
    }

    /// Like [`Running::stop`], for async callers.
    pub async fn stop_in_order(mut self) -> Result<(), ClusterError> {
        // The task is not aborted by anybody, and does not panic.
        tokio::task::spawn_blocking(move || self.shut_down()).await.unwrap_or(Ok(()))
    }

    fn shut_down(&mut self) -> Result<(), ClusterError> {
        for (with, limit) in
            [(Signal::SIGINT, STOP_LIMIT), (Signal::SIGQUIT, STOP_LIMIT), (Signal::SIGKILL, STOP_LIMIT)]
        {
            if self.status()?.is_some() {
                return Ok(());
            }
            let pid = Pid::from_raw(self.child.id() as i32);
            kill(pid, with).map_err(|error| ClusterError::Signal { pid: pid.as_raw(), error })?;
            let started = Instant::now();
            while self.status()?.is_none() && started.elapsed() < limit {
                std::thread::sleep(POLL);
            }
        }
        Ok(())
    }

    async fn wait_until_ready(&mut self) -> Result<(), ClusterError> {
        let mut started = Instant::now();
        let maintenance = self.cluster.options().database("postgres");
        loop {
            if let Some(status) = self.status()? {
                return Err(ClusterError::Ended { status, log: self.cluster.last_log_lines() });
            }
            match maintenance.connect().await {
                Ok(connection) => return connection.close().await.or(Ok(())),
                // cannot_connect_now: it recovers.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57P03") => {
                    started = Instant::now();
                    tokio::time::sleep(RECOVERY_POLL).await;
                }
                Err(error) if started.elapsed() > START_LIMIT => {
                    return Err(ClusterError::NotReady(START_LIMIT, error.to_string()));
                }
                Err(_) => {}
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn create_database(&self) -> Result<(), ClusterError> {
        let failed = |error: sqlx::Error| ClusterError::Program { program: "createdb", output: error.to_string() };
        let mut db = self.options().database("postgres").connect().await.map_err(failed)?;
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'meterbase')")
            .fetch_one(&mut db)
            .await
            .map_err(failed)?;
        if !there {
            sqlx::query("CREATE DATABASE meterbase").execute(&mut db).await.map_err(failed)?;
        }
        db.close().await.map_err(failed)
    }

    /// After an upgrade of the package the database still asks for the library of the version before, which may be gone.
    async fn update_extension(&self) -> Result<(), ClusterError> {
        let failed = |error: sqlx::Error| ClusterError::Program {
            program: "ALTER EXTENSION timescaledb UPDATE",
            output: error.to_string(),
        };
        let without = self.options().options([("timescaledb.disable_load", "on")]);
        let mut db = without.connect().await.map_err(failed)?;
        let versions: Option<(String, String)> = sqlx::query_as(include_str!("../../sql/schema/extension.sql"))
            .fetch_optional(&mut db)
            .await
            .map_err(failed)?;
        db.close().await.map_err(failed)?;
        if let Some((from, to)) = versions.filter(|(installed, available)| installed != available) {
            tracing::info!(from, to, "updating the TimescaleDB extension");
            // TimescaleDB wants it to be the first statement of its session.
            let mut db = self.options().connect().await.map_err(failed)?;
            sqlx::raw_sql("ALTER EXTENSION timescaledb UPDATE").execute(&mut db).await.map_err(failed)?;
            db.close().await.map_err(failed)?;
        }
        Ok(())
    }
}

/// PostgreSQL does not outlive this, also when a panic or an early return drops it.
impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::error!(%error, "PostgreSQL could not be stopped");
        }
    }
}
