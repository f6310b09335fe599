//! What a load took of the machine.

use std::time::Instant;

use serde::Serialize;

use crate::cli::bench::ingest::process::{self, Postmaster};

/// Processors that were busy on average, and memory at the end.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Usage {
    pub server_cores: f64,
    /// All of PostgreSQL; none where it does not run on this machine.
    pub postgres_cores: Option<f64>,
    /// What sent the load.
    pub generator_cores: f64,
    pub server_memory_mib: f64,
    /// The most that the server held since it was started.
    pub server_peak_memory_mib: f64,
}

/// Readings of the clocks.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    started: Instant,
    server: u32,
    postmaster: Option<Postmaster>,
    before: [Option<f64>; 3],
}

impl Meter {
    /// Begins to measure the server of this process id.
    pub fn start(server: u32, postmaster: Option<Postmaster>) -> Self {
        Self { started: Instant::now(), server, postmaster, before: clocks(server, postmaster) }
    }

    pub fn stop(self) -> Usage {
        let seconds = self.started.elapsed().as_secs_f64();
        let after = clocks(self.server, self.postmaster);
        let cores = |of: usize| Some((after[of]? - self.before[of]?) / seconds);
        let (memory, peak) = process::memory(self.server).unwrap_or_default();
        Usage {
            server_cores: cores(0).unwrap_or_default(),
            postgres_cores: cores(1),
            generator_cores: cores(2).unwrap_or_default(),
            server_memory_mib: memory,
            server_peak_memory_mib: peak,
        }
    }
}

/// Processor time of the server, of PostgreSQL and of this process.
fn clocks(server: u32, postmaster: Option<Postmaster>) -> [Option<f64>; 3] {
    [process::cpu(server), postmaster.and_then(Postmaster::cpu), Some(process::own_cpu())]
}
