//! `/metrics`, in Prometheus' text format:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
//!
//! Counters and histograms are kept by the recorder, of the whole process; what is true of now is written beside them as it
//! is found when somebody asks, so that what is not known is not told.

use std::fmt::Write;

use super::gather::Gathered;
use super::list::{FAMILIES, Family};
use super::process;
use crate::app::App;
use crate::database::Found;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;

/// What `/metrics` is made of. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    /// Counters and histograms of the process.
    pub recorder: PrometheusHandle,
    /// What the database said when it was last asked.
    pub gathered: Arc<Gathered>,
    /// What the server found when it started.
    pub found: Found,
    /// Whether they have a listener of their own, and are not among the API.
    pub is_apart: bool,
}

/// One line: a value of now.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: &'static str,
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

impl Sample {
    pub fn of(name: &'static str, value: f64) -> Self {
        Self { name, labels: Vec::new(), value }
    }

    pub fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}

/// The whole page.
pub fn render(app: &App) -> String {
    let mut samples = app.guards.samples();
    for (name, pool) in [("query", &app.query), ("ingest", app.ingest.pool())] {
        samples.push(Sample::of("meterbase_pool_connections", f64::from(pool.size())).with("pool", name));
        samples.push(Sample::of("meterbase_pool_idle_connections", pool.num_idle() as f64).with("pool", name));
    }
    samples.push(Sample::of("meterbase_ingest_queue_readings", app.ingest.waiting() as f64));
    samples.extend(app.metrics.gathered.samples());
    samples.push(build(&app.metrics.found));
    samples.extend(process::samples());
    let mut page = app.metrics.recorder.render();
    write(&mut page, &samples);
    page
}

fn build(found: &Found) -> Sample {
    Sample::of("meterbase_build_info", 1.0)
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("edition", found.edition.to_string().to_lowercase())
        .with("postgres", found.postgres.to_string())
        .with("timescaledb", &*found.timescaledb)
}

/// Adds the samples, those of a name together.
fn write(page: &mut String, samples: &[Sample]) {
    for Family { name, kind, what, .. } in FAMILIES {
        let mut described = false;
        for sample in samples.iter().filter(|sample| sample.name == *name) {
            if !described {
                described = true;
                // Writing to a String cannot fail.
                let _ = write!(page, "# HELP {name} {what}\n# TYPE {name} {}\n", kind.name());
            }
            let labels: Vec<_> =
                sample.labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(page, "{name}{labels} {}", sample.value);
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_name_stand_together_below_what_it_means() {
        let used = |limit| Sample::of("meterbase_limit_used_items", 1.5).with("limit", limit);
        let mut page = String::new();
        write(&mut page, &[used("a"), Sample::of("meterbase_database_up", 0.0), used("b\"\\\n")]);
        let expected = "\
# HELP meterbase_limit_used_items How much of a limit on a number is used
# TYPE meterbase_limit_used_items gauge
meterbase_limit_used_items{limit=\"a\"} 1.5
meterbase_limit_used_items{limit=\"b\\\"\\\\\\n\"} 1.5
# HELP meterbase_database_up 1 where the database answered when it was last asked, else 0; then nothing is told that only it knows
# TYPE meterbase_database_up gauge
meterbase_database_up 0
";
        assert_eq!(page, expected);
    }
}
