//! Settings of an embedded cluster that follow from the machine's memory. It is shared with Meterbase itself and
//! whatever else runs there, so the cluster takes a part of it.

use nix::sys::statvfs::statvfs;

const MIB: u64 = 1024 * 1024;

/// What to assume where the machine does not say.
const UNKNOWN: u64 = 2048 * MIB;

/// Below this the shared memory file system is too small for parallel queries: containers have 64 MiB.
const SMALL_SHM: u64 = 512 * MIB;

/// Settings for this machine.
pub fn settings() -> Vec<(String, String)> {
    let mut settings = settings_for(limit().unwrap_or(UNKNOWN));
    let shm = statvfs("/dev/shm").map_or(0, |shm| shm.blocks() * shm.fragment_size());
    if shm < SMALL_SHM {
        settings.push(("dynamic_shared_memory_type".to_owned(), "sysv".to_owned()));
    }
    settings
}

/// An eighth to a quarter of the memory for shared buffers is the usual advice for a machine that does other things too.
fn settings_for(memory: u64) -> Vec<(String, String)> {
    let part = |divisor: u64, low: u64, high: u64| format!("{}MB", (memory / MIB / divisor).clamp(low, high));
    let settings = [
        ("shared_buffers", part(6, 128, 4096)),
        ("effective_cache_size", part(2, 256, 1024 * 1024)),
        ("maintenance_work_mem", part(32, 64, 512)),
        ("work_mem", part(256, 8, 64)),
        ("max_connections", "100".to_owned()),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// The machine's memory in bytes, or that of the container this runs in.
fn limit() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text))?;
    let container = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let container = container.iter().find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok());
    Some(container.unwrap_or(machine).min(machine))
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_and_shared_out() {
        assert_eq!(total("MemTotal:        4096000 kB\nMemFree: 1 kB\n"), Some(4_194_304_000));
        let of = |memory, name| settings_for(memory).into_iter().find(|(n, _)| n == name).map(|(_, value)| value);
        assert_eq!(of(6 * 1024 * MIB, "shared_buffers").as_deref(), Some("1024MB"));
        assert_eq!(of(256 * MIB, "shared_buffers").as_deref(), Some("128MB"));
        assert_eq!(of(1024 * 1024 * MIB, "shared_buffers").as_deref(), Some("4096MB"));
    }
}
