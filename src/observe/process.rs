//! What the system says of this process.

use std::sync::LazyLock;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

use super::page::Sample;
use super::task::now;

static STARTED: LazyLock<f64> = LazyLock::new(now);

/// From now on it counts as started.
pub fn started() {
    LazyLock::force(&STARTED);
}

/// What can be known: not everything outside of Linux.
pub fn samples() -> Vec<Sample> {
    let mut samples = vec![Sample::of("process_start_time_seconds", *STARTED)];
    let mut tell = |name, value: Option<f64>| samples.extend(value.map(|value| Sample::of(name, value)));
    tell("process_cpu_seconds_total", cpu());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    tell("process_resident_memory_bytes", kibibytes(&status, "VmRSS:"));
    tell("process_virtual_memory_bytes", kibibytes(&status, "VmSize:"));
    // One of them is that of the directory itself, which is closed again.
    tell("process_open_fds", std::fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1) as f64));
    tell("process_max_fds", getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(most, _)| most as f64));
    samples
}

fn cpu() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Some(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// A line such as `VmRSS:     12345 kB`, in bytes.
fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kibibytes| kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes() {
        let status = "Name:\tx\nVmSize:\t    2000 kB\nVmRSS:\t     12 kB\nThreads:\t3\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(12288.0));
        assert_eq!(kibibytes(status, "VmSize:"), Some(2_048_000.0));
        assert_eq!(kibibytes("", "VmRSS:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_everything() {
        let names: Vec<_> = samples().iter().map(|sample| sample.name).collect();
        assert_eq!(names.len(), 6, "{names:?}");
        assert!(samples().iter().all(|sample| sample.value > 0.0), "{:?}", samples());
    }
}
