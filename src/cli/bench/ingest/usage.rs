//! What a load took of the machine.

use std::time::Instant;

use serde::Serialize;

use crate::cli::bench::ingest::process::{self, Postmaster};

/// Processors that were busy on average, what that is for a reading, and memory at the end.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Usage {
    pub server_cores: f64,
    /// All of PostgreSQL; none where it does not run on this machine.
    pub postgres_cores: Option<f64>,
    /// What sent the load.
    pub generator_cores: f64,
    /// Everything else on the machine: where it is much, the rates are not worth much. None where the machine does not say.
    pub other_cores: Option<f64>,
    /// Processor time of server and PostgreSQL for each reading, in microseconds: unlike rates, much the same on a machine
    /// that does other things too.
    pub cpu_us_per_reading: f64,
    pub server_memory_mib: f64,
    /// The most that the server held since it was started.
    pub server_peak_memory_mib: f64,
}

/// Readings of the clocks.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    started: Instant,
    server: Option<u32>,
    postmaster: Option<Postmaster>,
    before: [Option<f64>; 4],
}

impl Meter {
    /// Begins to measure the server of this process id, if there is one.
    pub fn start(server: Option<u32>, postmaster: Option<Postmaster>) -> Self {
        Self { started: Instant::now(), server, postmaster, before: clocks(server, postmaster) }
    }

    /// What so many readings took.
    pub fn stop(self, readings: u64) -> Usage {
        let seconds = self.started.elapsed().as_secs_f64();
        let after = clocks(self.server, self.postmaster);
        let cores = |of: usize| Some((after[of]? - self.before[of]?) / seconds);
        let (memory, peak) = self.server.and_then(process::memory).unwrap_or_default();
        let [server, postgres, generator, all] = [0, 1, 2, 3].map(cores);
        let measured = server.unwrap_or_default() + postgres.unwrap_or_default();
        Usage {
            server_cores: server.unwrap_or_default(),
            postgres_cores: postgres,
            generator_cores: generator.unwrap_or_default(),
            other_cores: all.map(|all| (all - measured - generator.unwrap_or_default()).max(0.0)),
            cpu_us_per_reading: measured * seconds * 1e6 / readings as f64,
            server_memory_mib: memory,
            server_peak_memory_mib: peak,
        }
    }
}

/// Processor time of the server, of PostgreSQL, of this process and of the whole machine.
fn clocks(server: Option<u32>, postmaster: Option<Postmaster>) -> [Option<f64>; 4] {
    let [server, postgres] = [server.and_then(process::cpu), postmaster.and_then(Postmaster::cpu)];
    [server, postgres, Some(process::own_cpu()), process::machine_cpu()]
}
