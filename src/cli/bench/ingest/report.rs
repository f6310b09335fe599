//! What is told.

use std::fmt::Write;

use serde::Serialize;

use crate::cli::bench::ingest::body::Format;
use crate::cli::bench::ingest::copy::{Copied, Copy};
use crate::cli::bench::ingest::influx;
use crate::cli::bench::ingest::load::Load;
use crate::cli::bench::ingest::scratch::Settings;
use crate::cli::bench::ingest::usage::Usage;
use crate::cli::bench::ingest::workload::{Name, Totals, Workload};
use crate::cli::bench::machine::Machine;
use crate::cli::bench::timing::Spread;

/// All that is told.
#[derive(Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub settings: Settings,
    pub format: Format,
    /// Of each step.
    pub seconds: u64,
    /// Of the workloads' size, in per cent.
    pub scale: u32,
    /// Further options of the server.
    pub serve: Vec<String>,
    pub workloads: Vec<Measured>,
}

#[derive(Debug, Serialize)]
pub struct Measured {
    #[serde(flatten)]
    pub workload: Workload,
    /// As fast as the server answers.
    pub server: Served,
    /// At half of that.
    pub latency: Latency,
    /// What the server acknowledged in all; the database held that and nothing else, or there would be no report.
    pub acknowledged: Totals,
    /// None where it was not asked for, as of all below.
    pub copy: Option<Copy>,
    /// The same server, told to store each request in a transaction of its own, over some numbers of connections.
    pub one_transaction_per_request: Vec<Single>,
    /// None where it is not installed, too.
    pub influxdb: Option<Peer>,
    pub ratios: Ratios,
}

/// What a server answered when it was sent as much as it answers.
#[derive(Debug, Clone, Serialize)]
pub struct Served {
    pub readings: u64,
    pub seconds: f64,
    pub readings_per_second: f64,
    pub requests_per_second: f64,
    /// Answers 429 and 503; those requests were sent again.
    pub refused: u64,
    #[serde(flatten)]
    pub usage: Usage,
}

/// Latencies of requests that come at even distances, each from when it was due.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// How many were due.
    pub requests_per_second: f64,
    pub requests: u64,
    #[serde(flatten)]
    pub spread: Spread,
}

#[derive(Debug, Clone, Serialize)]
pub struct Single {
    /// Connections to the database to store on.
    pub database_connections: u32,
    #[serde(flatten)]
    pub served: Served,
}

#[derive(Debug, Clone, Serialize)]
pub struct Peer {
    pub version: String,
    pub durability: &'static str,
    #[serde(flatten)]
    pub served: Served,
}

/// The server's readings per second, as a multiple of others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratios {
    /// Of binary COPY without triggers, over one connection.
    pub to_copy_limit: Option<f64>,
    /// Of the same over as many as the server stores on.
    pub to_parallel_copy_limit: Option<f64>,
    /// Of binary COPY into `reading` with its triggers.
    pub to_copy_with_triggers: Option<f64>,
    /// Of the fastest one.
    pub to_one_transaction_per_request: Option<f64>,
    pub to_influxdb: Option<f64>,
    /// Of workload a in this run.
    pub to_workload_a: Option<f64>,
    /// Of the faster one of those without triggers, not by the clock but by the processor time that a reading takes: 0.5
    /// where one takes the server twice as much.
    pub to_copy_limit_by_cpu: Option<f64>,
}

impl Served {
    pub fn new(load: &Load, usage: Usage) -> Self {
        Self {
            readings: load.readings,
            seconds: load.seconds,
            readings_per_second: load.readings as f64 / load.seconds,
            requests_per_second: load.requests as f64 / load.seconds,
            refused: load.refused,
            usage,
        }
    }
}

impl Ratios {
    /// Of rates, of those that there are.
    pub fn new(served: &Served, copy: Option<&Copy>, single: &[Single], peer: Option<&Peer>, a: Option<f64>) -> Self {
        let server = served.readings_per_second;
        let single = single.iter().map(|single| single.served.readings_per_second).reduce(f64::max);
        let to = |other: Option<f64>| other.map(|other| server / other);
        Self {
            to_copy_limit: to(copy.map(|copy| copy.limit.rows_per_second)),
            to_parallel_copy_limit: to(copy.map(|copy| copy.parallel_limit.rows_per_second)),
            to_copy_with_triggers: to(copy.map(|copy| copy.with_triggers.rows_per_second)),
            to_one_transaction_per_request: to(single),
            to_influxdb: to(peer.map(|peer| peer.served.readings_per_second)),
            to_workload_a: to(a),
            to_copy_limit_by_cpu: copy
                .map(|copy| copy.limit.faster(copy.parallel_limit))
                .map(|limit| limit.usage.cpu_us_per_reading / served.usage.cpu_us_per_reading),
        }
    }
}

impl Report {
    pub fn rate_of(workloads: &[Measured], name: Name) -> Option<f64> {
        workloads.iter().find(|m| m.workload.workload == name).map(|m| m.server.readings_per_second)
    }

    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        writeln!(text, "{}", self.machine)?;
        let Settings {
            fsync, synchronous_commit, full_page_writes, wal_sync_method, shared_buffers, max_wal_size, ..
        } = &self.settings;
        writeln!(
            text,
            "fsync {fsync}, synchronous_commit {synchronous_commit}, full_page_writes {full_page_writes}, \
             wal_sync_method {wal_sync_method}, shared_buffers {shared_buffers}, max_wal_size {max_wal_size}"
        )?;
        let format = format!("{:?}", self.format).to_uppercase();
        writeln!(text, "bodies in {format}, {} s a step, workloads at {} % of their size", self.seconds, self.scale)?;
        for measured in &self.workloads {
            writeln!(text)?;
            measured.write(&mut text)?;
        }
        text.truncate(text.trim_end().len());
        Ok(text)
    }
}

impl Measured {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{}", self.workload)?;
        line(text, "server", &self.server.to_string())?;
        let Latency { requests_per_second, spread, .. } = &self.latency;
        let latencies = format!("p50 {:.1} ms, p99 {:.1} ms, each from when it was due", spread.p50_ms, spread.p99_ms);
        line(text, &format!("at {requests_per_second:.1} requests/s"), &latencies)?;
        line(text, "acknowledged and stored", &self.acknowledged.to_string())?;
        if let Some(copy) = &self.copy {
            copy.write(text)?;
        }
        for Single { database_connections, served } in &self.one_transaction_per_request {
            line(text, &format!("a transaction each, over {database_connections}"), &served.to_string())?;
        }
        if let Some(Peer { version, served, .. }) = &self.influxdb {
            line(text, &format!("InfluxDB {version}"), &served.to_string())?;
            line(text, "", influx::DURABILITY)?;
        }
        self.ratios.write(text)
    }
}

impl Copy {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        line(text, "COPY, the limit", &self.limit.to_string())?;
        line(text, "COPY, the parallel limit", &self.parallel_limit.to_string())?;
        line(text, "COPY, no triggers or index", &self.without_index.to_string())?;
        let share = format!("{}; triggers take {:.0} % of it", self.with_triggers, 100.0 * self.share_of_triggers);
        line(text, "COPY, with the triggers", &share)
    }
}

impl Ratios {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        let named = [
            ("of the limit", self.to_copy_limit),
            ("of the parallel limit", self.to_parallel_copy_limit),
            ("of a limit by processor time", self.to_copy_limit_by_cpu),
            ("of COPY with the triggers", self.to_copy_with_triggers),
            ("times a transaction each", self.to_one_transaction_per_request),
            ("times InfluxDB", self.to_influxdb),
            ("of workload a", self.to_workload_a),
        ];
        let told = named.iter().filter_map(|(name, ratio)| Some(format!("{:.2} {name}", (*ratio)?)));
        let told: Vec<_> = told.collect();
        if told.is_empty() { Ok(()) } else { line(text, "the server is", &told.join(", ")) }
    }
}

fn line(text: &mut String, name: &str, told: &str) -> std::fmt::Result {
    writeln!(text, "  {name:<28} {told}")
}

impl std::fmt::Display for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Usage { server_memory_mib, server_peak_memory_mib, .. } = self.usage;
        write!(f, "{:>9.0} readings/s; {}; ", self.readings_per_second, self.usage)?;
        write!(f, "{server_memory_mib:.0} MiB, at most {server_peak_memory_mib:.0}")?;
        if self.refused > 0 {
            write!(f, "; refused {} times", self.refused)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let over = if self.connections == 1 { "connection" } else { "connections" };
        write!(f, "{:>9.0} rows/s over {} {over}; {}", self.rows_per_second, self.connections, self.usage)
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [
            ("its own", Some(self.server_cores).filter(|cores| *cores > 0.0)),
            ("PostgreSQL", self.postgres_cores),
            ("generator", Some(self.generator_cores)),
            ("others", self.other_cores),
        ];
        let cores = named.iter().filter_map(|(name, cores)| Some(format!("{:.2} {name}", (*cores)?)));
        write!(f, "{:.1} us each; cores: {}", self.cpu_us_per_reading, cores.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(rate: f64) -> Served {
        let load = Load { readings: rate as u64 * 2, requests: 4, seconds: 2.0, ..Load::default() };
        Served::new(&load, Usage { cpu_us_per_reading: 16.0, ..Usage::default() })
    }

    #[test]
    fn ratios_are_to_the_fastest_of_each() {
        let copied = |connections, rows_per_second| {
            let usage = Usage { cpu_us_per_reading: 2.0 * f64::from(connections), ..Usage::default() };
            Copied { connections, rows: 10, seconds: 1.0, rows_per_second, usage }
        };
        let copy = Copy {
            limit: copied(1, 160.0),
            parallel_limit: copied(4, 200.0),
            without_index: copied(4, 400.0),
            with_triggers: copied(4, 125.0),
            share_of_triggers: 0.375,
        };
        let single = [8.0, 10.0].map(|rate| Single { database_connections: 4, served: served(rate) });
        let ratios = Ratios::new(&served(100.0), Some(&copy), &single, None, Some(50.0));
        let told = Ratios {
            to_copy_limit: Some(0.625),
            to_parallel_copy_limit: Some(0.5),
            to_copy_with_triggers: Some(0.8),
            to_one_transaction_per_request: Some(10.0),
            to_influxdb: None,
            to_workload_a: Some(2.0),
            // 8 microseconds over 4 connections, the faster ones, in 16.
            to_copy_limit_by_cpu: Some(0.5),
        };
        assert_eq!(ratios, told);
    }
}
