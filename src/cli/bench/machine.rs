//! The machine that was measured.

use serde::Serialize;

use crate::database::Found;

/// What figures of speed are worth nothing without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Model of the processor, as the system names it.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    pub memory_mib: u64,
    pub postgres: u32,
    pub timescaledb: String,
    pub edition: String,
    /// Whether this program was built with optimisation.
    pub optimised: bool,
}

impl Machine {
    /// This machine; what it does not tell is empty or 0.
    pub fn this(found: &Found) -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            cpu: value(&read("/proc/cpuinfo"), "model name").unwrap_or_default().to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: value(&read("/proc/meminfo"), "MemTotal").and_then(kib).unwrap_or(0) / 1024,
            postgres: found.postgres,
            timescaledb: found.timescaledb.clone(),
            edition: found.edition.to_string(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cpu = if self.cpu.is_empty() { "an unnamed processor" } else { &self.cpu };
        let build = if self.optimised { "" } else { " (a build WITHOUT optimisation)" };
        write!(
            f,
            "{cpu}, {} cores, {} MiB of memory; PostgreSQL {}, TimescaleDB {} ({} edition); meterbase {}{build}",
            self.cores,
            self.memory_mib,
            self.postgres,
            self.timescaledb,
            self.edition,
            env!("CARGO_PKG_VERSION"),
        )
    }
}

/// The first value of a name in lines of `name: value`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(key, value)| (key.trim(), value.trim())).find_map(|(key, value)| (key == name).then_some(value))
}

fn kib(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_own_words_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A CPU @ 2.0GHz\nprocessor\t: 1\nmodel name\t: B\n";
        assert_eq!(value(cpuinfo, "model name"), Some("A CPU @ 2.0GHz"));
        assert_eq!(value("MemTotal:        4096000 kB\n", "MemTotal").and_then(kib), Some(4_096_000));
        assert_eq!(value("", "MemTotal"), None);
    }
}
