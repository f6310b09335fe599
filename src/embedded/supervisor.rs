//! Keeps an embedded cluster running: when PostgreSQL ends by itself, it is started again.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::embedded::cluster::{Cluster, ClusterError, Running};

/// A cluster that is kept running in the background. Dropping it stops the cluster too, some time after.
#[derive(Debug)]
pub struct Supervisor {
    stop: DropGuard,
    task: JoinHandle<Result<(), ClusterError>>,
}

/// Waits between attempts to start it again: doubled from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LAST_WAIT: Duration = Duration::from_secs(15);

impl Supervisor {
    pub async fn start(cluster: Cluster) -> Result<Self, ClusterError> {
        let running = cluster.clone().start().await?;
        let stop = CancellationToken::new();
        #[cfg(target_os = "linux")]
        tokio::spawn(stop.clone().run_until_cancelled_owned(super::writeback::follow(cluster.data.clone())));
        let task = tokio::spawn(keep(cluster, running, stop.clone()));
        Ok(Self { stop: stop.drop_guard(), task })
    }

    /// Stops the cluster in order; it has gone when this returns.
    pub async fn stop(self) -> Result<(), ClusterError> {
        self.stop.disarm().cancel();
        // The task is not aborted by anybody, and does not panic.
        self.task.await.unwrap_or(Ok(()))
    }
}

async fn keep(cluster: Cluster, mut running: Running, stop: CancellationToken) -> Result<(), ClusterError> {
    loop {
        let Some(ended) = stop.run_until_cancelled(running.ended()).await else {
            return running.stop_in_order().await;
        };
        tracing::error!(status = %ended?, "PostgreSQL has ended unexpectedly; starting it again");
        let Some(again) = stop.run_until_cancelled(start_again(&cluster)).await else { return Ok(()) };
        running = again;
        tracing::info!("PostgreSQL runs again");
    }
}

async fn start_again(cluster: &Cluster) -> Running {
    let mut wait = FIRST_WAIT;
    loop {
        match cluster.clone().start().await {
            Ok(running) => return running,
            Err(error) => tracing::error!(%error, retry_in = ?wait, "PostgreSQL cannot be started"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LAST_WAIT);
    }
}
