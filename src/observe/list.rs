//! All metrics by name. What is not in this list is not told: a test looks for it in the source.

/// A metric: one name, one unit, one meaning.
#[derive(Debug)]
pub struct Family {
    /// Ends with its unit, and a counter then with `_total`: <https://prometheus.io/docs/practices/naming/>
    pub name: &'static str,
    pub kind: Kind,
    /// Empty for what is only 0 or 1.
    pub unit: &'static str,
    /// Each has few values, which no caller can make up.
    pub labels: &'static [&'static str],
    pub what: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// As Prometheus' text format names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Family {
    /// The one of a name.
    pub fn of(name: &str) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| family.name == name)
    }
}

macro_rules! families {
    ($($kind:ident $name:literal, $unit:literal, [$($label:literal),*], $what:literal;)*) => {
        pub const FAMILIES: &[Family] = &[$(Family {
            name: $name, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], what: $what,
        }),*];
    };
}

families! {
    Counter "meterbase_readings_total", "readings", ["verdict"],
        "Readings received, by verdict";
    Gauge "meterbase_ingest_queue_readings", "readings", [],
        "Readings that wait to be stored";
    Histogram "meterbase_flush_duration_seconds", "seconds", [],
        "Time to store what came in together, in one transaction";
    Histogram "meterbase_flush_readings", "readings", [],
        "Readings that were stored in one transaction";
    Gauge "meterbase_quarantine_readings", "readings", [],
        "Readings in quarantine, of all providers";
    Gauge "meterbase_quarantine_fullest_readings", "readings", [],
        "Readings in quarantine of the provider that has most there";
    Counter "meterbase_quarantine_replayed_readings_total", "readings", ["verdict"],
        "Readings in quarantine that were tried again, by verdict";
    Counter "meterbase_quarantine_expired_readings_total", "readings", [],
        "Readings in quarantine that were deleted, for they were there too long";
    Gauge "meterbase_registered_devices", "devices", [],
        "Devices that belong to somebody now";
    Gauge "meterbase_active_devices", "devices", [],
        "Of those, the ones that have a reading of yesterday or later, in UTC";
    Gauge "meterbase_silent_devices", "devices", [],
        "Of those, the ones whose last reading is of one of the seven days before that";
    Gauge "meterbase_rollup_lag_seconds", "seconds", [],
        "Age of the oldest change that the rollups have yet to follow";
    Histogram "meterbase_rollup_refresh_duration_seconds", "seconds", [],
        "Time to follow one batch of changes";
    Counter "meterbase_rollup_buckets_total", "buckets", [],
        "Rows of rollups that followed changes; windows that were refreshed, on the Community edition, count too";
    Counter "meterbase_dropped_chunks_total", "chunks", ["relation"],
        "Chunks that were dropped because they were older than they are kept, by readings or rollup";
    Gauge "meterbase_alerts", "alerts", [],
        "Alerts, of all providers";
    Gauge "meterbase_firing_alerts", "alerts", [],
        "Alerts that fire, of all providers";
    Histogram "meterbase_alert_evaluation_duration_seconds", "seconds", [],
        "Time to judge all alerts once";
    Counter "meterbase_alert_transitions_total", "transitions", ["state"],
        "Times that alerts fired and resolved, by state";
    Counter "meterbase_webhook_attempts_total", "attempts", ["outcome"],
        "Events posted to webhooks, by what came of it";
    Gauge "meterbase_verify_differences", "differences", [],
        "Rows that were wrong in the last verification on schedule, by whichever server";
    Gauge "meterbase_verify_last_run_timestamp_seconds", "seconds", [],
        "When the last verification on schedule ended, in seconds since 1970";
    Counter "meterbase_verify_compared_rows_total", "rows", [],
        "Rows of rollups and readings that this server compared on schedule";
    Histogram "meterbase_http_request_duration_seconds", "seconds", ["method", "route", "status"],
        "Time from a request's head to its answer's head, by route as the API's document writes it and class of status";
    Counter "meterbase_problems_total", "problems", ["code"],
        "Error answers, by code of the problem";
    Counter "meterbase_usage_retries_total", "retries", [],
        "Answers of figures that were made anew, for a chunk was converted meanwhile";
    Gauge "meterbase_limit_bytes", "bytes", ["limit"],
        "Limits on bytes, by name";
    Gauge "meterbase_limit_seconds", "seconds", ["limit"],
        "Limits on time, by name";
    Gauge "meterbase_limit_items", "items", ["limit"],
        "Limits on a number of something, by name";
    Gauge "meterbase_limit_items_per_second", "items_per_second", ["limit"],
        "Limits on a rate, by name; 0 for any rate";
    Gauge "meterbase_limit_used_bytes", "bytes", ["limit"],
        "How much of a limit on bytes is used";
    Gauge "meterbase_limit_used_items", "items", ["limit"],
        "How much of a limit on a number is used";
    Counter "meterbase_limit_refusals_total", "refusals", ["limit"],
        "What was refused, by the limit that it was beyond";
    Gauge "meterbase_pool_connections", "connections", ["pool"],
        "Open connections to the database, by pool";
    Gauge "meterbase_pool_idle_connections", "connections", ["pool"],
        "Open connections to the database that are not in use, by pool";
    Gauge "meterbase_database_up", "", [],
        "1 where the database answered when it was last asked, else 0; then nothing is told that only it knows";
    Gauge "meterbase_database_size_bytes", "bytes", [],
        "Size of the database";
    Gauge "meterbase_database_disk_free_bytes", "bytes", [],
        "What is free for PostgreSQL on the disk of its data directory, where that is known";
    Gauge "meterbase_database_disk_size_bytes", "bytes", [],
        "Size of that disk";
    Gauge "meterbase_task_last_success_timestamp_seconds", "seconds", ["task"],
        "When a background task of this server last ended well, in seconds since 1970";
    Histogram "meterbase_task_duration_seconds", "seconds", ["task"],
        "Time that a round of a background task took";
    Counter "meterbase_task_runs_total", "runs", ["task", "outcome"],
        "Rounds of background tasks, by outcome";
    Gauge "meterbase_build_info", "info", ["version", "edition", "postgres", "timescaledb"],
        "1, with what runs: the server's version, and what it found when it started";
    Counter "process_cpu_seconds_total", "seconds", [],
        "Processor time that the server took, of user and system";
    Gauge "process_resident_memory_bytes", "bytes", [],
        "Memory that the server has in use";
    Gauge "process_virtual_memory_bytes", "bytes", [],
        "Memory that the server has reserved";
    Gauge "process_open_fds", "fds", [],
        "Files and connections that the server has open";
    Gauge "process_max_fds", "fds", [],
        "Files and connections that the server may have open";
    Gauge "process_start_time_seconds", "seconds", [],
        "When the server started, in seconds since 1970";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn names_end_with_their_unit() {
        let mut names = BTreeSet::new();
        for family in FAMILIES {
            let name = family.name;
            assert!(names.insert(name), "{name} is there twice");
            assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
            let name = name.strip_suffix("_total").unwrap_or(name);
            assert!(family.unit.is_empty() || name.ends_with(&format!("_{}", family.unit)), "{name}");
            assert!(!family.what.ends_with('.') && family.what.len() > 10, "{name}");
            // Prometheus gives these to each target itself.
            assert!(!family.labels.iter().any(|label| ["job", "instance"].contains(label)), "{name}");
        }
    }

    fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { sources(&path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn what_the_source_counts_is_in_the_list() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let mut counted = 0;
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for (kind, call) in [
                (Kind::Counter, concat!("metrics::", "counter!(")),
                (Kind::Gauge, concat!("metrics::", "gauge!(")),
                (Kind::Histogram, concat!("metrics::", "histogram!(")),
            ] {
                for (at, _) in text.match_indices(call) {
                    let name = text[at + call.len()..].trim_start().trim_start_matches('"');
                    let name = &name[..name.find('"').unwrap()];
                    let family = Family::of(name).unwrap_or_else(|| panic!("{}: {name}", file.display()));
                    assert_eq!(family.kind, kind, "{name}");
                    counted += 1;
                }
            }
        }
        assert!(counted > 10, "{counted}");
    }

    #[test]
    fn the_table_in_the_documents_is_this_list() {
        let row = |family: &Family| {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let (kind, unit) = (family.kind.name(), family.unit.replace('_', " "));
            format!("| `{}` | {kind} | {unit} | {} | {} |\n", family.name, labels.join(" "), family.what)
        };
        let table: String = FAMILIES.iter().map(row).collect();
        let document = include_str!("../../docs/monitoring.md");
        assert!(document.contains(&table), "docs/monitoring.md should have this table:\n{table}");
    }
}
