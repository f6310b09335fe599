//! A real Prometheus with the rules that come with Meterbase, in a hurry.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::binary::Patience;

pub struct Prometheus {
    child: Child,
    url: String,
    client: reqwest::Client,
    directory: tempfile::TempDir,
}

/// So many milliseconds stand for a minute of what rules look back on, and of the time for which they wait.
const MINUTE: u64 = 1000;
const MINUTE_OF_WAITING: u64 = 100;

impl Prometheus {
    /// Scrapes the server at that address, four times a second.
    pub fn start(target: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("meterbase-prometheus-").tempdir().expect("a directory");
        let place = directory.path();
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
        let read = |name: &str| fs::read_to_string(deploy.join(name)).expect("a file of the project");
        let config = read("prometheus.yml").replace("15s", "250ms").replace("meterbase:9464", target);
        assert!(config.contains(target) && config.matches("250ms").count() == 2, "{config}");
        fs::write(place.join("prometheus.yml"), config).expect("a file");
        fs::write(place.join("meterbase.rules.yml"), hurried(&read("meterbase.rules.yml"))).expect("a file");
        let address = free_address();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", place.join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", place.join("data").display()));
        command.args([&format!("--web.listen-address={address}"), "--log.level=error"]);
        let log = fs::File::create(place.join("log")).expect("a file");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the file")).stderr(log);
        let child = command.spawn().expect("prometheus");
        let url = format!("http://{address}");
        Self { child, url, client: reqwest::Client::new(), directory }
    }

    fn is_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a process") {
            let said = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            panic!("Prometheus ended with {status}: {said}");
        }
    }

    /// Names of the alerts that fire now; none while it cannot tell.
    pub async fn firing(&self) -> Option<BTreeSet<String>> {
        let answer = self.client.get(format!("{}/api/v1/alerts", self.url)).send().await.ok()?;
        let answer: Value = answer.json().await.ok()?;
        let alerts = answer["data"]["alerts"].as_array().expect("alerts");
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        let firing = firing.map(|alert| {
            for annotation in ["summary", "runbook"] {
                let text = alert["annotations"][annotation].as_str().expect("an annotation");
                assert!(!text.is_empty() && !text.contains("<error") && !text.contains("{{"), "{alert}");
            }
            alert["labels"]["alertname"].as_str().expect("a name").to_owned()
        });
        Some(firing.collect())
    }

    /// Waits until all of these have fired, not necessarily at once.
    pub async fn fires(&mut self, alerts: &[&str]) {
        let (mut patience, mut awaited) = (Patience::for_("each alert"), alerts.to_vec());
        while !awaited.is_empty() {
            patience.poll().await;
            self.is_alive();
            let before = awaited.len();
            let firing = self.firing().await.unwrap_or_default();
            awaited.retain(|alert| !firing.contains(*alert));
            if awaited.len() < before {
                println!("firing: {firing:?}; still awaited: {awaited:?}");
            }
        }
    }

    /// Waits until nothing fires any more.
    pub async fn is_quiet(&mut self) {
        let mut patience = Patience::for_("an end of all alerts");
        let mut last = BTreeSet::new();
        loop {
            self.is_alive();
            match self.firing().await {
                Some(firing) if firing.is_empty() => return,
                Some(firing) if firing != last => {
                    println!("still firing: {firing:?}");
                    last = firing;
                }
                _ => {}
            }
            patience.poll().await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on just now.
pub fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").to_string()
}

/// The rules with shorter times: of `for:`, of ranges in brackets, and of offsets. Instants stay what they are.
fn hurried(rules: &str) -> String {
    let mut hurried = String::new();
    for line in rules.lines() {
        let text = line.trim_start();
        if let Some(time) = text.strip_prefix("for: ") {
            let indent = &line[..line.len() - text.len()];
            hurried.push_str(&format!("{indent}for: {}\n", shorter(time, MINUTE_OF_WAITING)));
            continue;
        }
        let mut rest = line;
        while let Some(at) = ["[", " offset "].iter().filter_map(|begin| Some(rest.find(begin)? + begin.len())).min() {
            let length = rest[at..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len() - at);
            hurried.push_str(&rest[..at]);
            hurried.push_str(&shorter(&rest[at..at + length], MINUTE));
            rest = &rest[at + length..];
        }
        hurried.push_str(rest);
        hurried.push('\n');
    }
    hurried
}

/// A time such as `5m` or `1h`, at so many milliseconds a minute.
fn shorter(time: &str, minute: u64) -> String {
    let (number, unit) = time.split_at(time.len() - 1);
    let minutes = number.parse::<u64>().expect("a number") * if unit == "h" { 60 } else { 1 };
    assert!(["m", "h"].contains(&unit), "{time}");
    format!("{}ms", minutes * minute)
}
