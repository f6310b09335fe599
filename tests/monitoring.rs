//! What comes with Meterbase for Prometheus and Grafana asks for nothing that the server does not tell, and Prometheus' own
//! tool finds no fault with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use meterbase::observe::list::{Family, Kind};
use serde_json::Value;

fn deploy(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(below)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn promtool_finds_no_fault_and_each_alert_fires_when_it_should() {
    let run = |arguments: &[&str]| Command::new("promtool").args(arguments).current_dir(deploy("prometheus")).output();
    if run(&["--version"]).is_err() {
        println!("NOT tested: Prometheus' rules (promtool is not installed)");
        return;
    }
    for arguments in [["check", "config", "prometheus.yml"], ["test", "rules", "meterbase.rules.test.yml"]] {
        let output = run(&arguments).expect("promtool");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    }
}

/// What follows each `expr:` of the rules, with the lines that are further in.
fn expressions(rules: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut within = false;
    for line in rules.lines() {
        let text = line.trim();
        if let Some(begin) = text.strip_prefix("expr:") {
            found.push(begin.trim_start_matches([' ', '>', '-']).to_owned());
            within = true;
        } else if within && line.starts_with("          ") {
            let expression = found.last_mut().expect("it has begun");
            *expression = format!("{expression} {text}");
        } else {
            within = false;
        }
    }
    found
}

/// Names after which a list of labels comes.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 5] = ["and", "or", "unless", "offset", "bool"];

/// The metrics that an expression asks for, each with the labels in braces behind it.
fn metrics(expression: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let (mut found, mut rest) = (Vec::new(), expression);
    let mut last = String::new();
    while let Some(next) = rest.chars().next() {
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if length > 0 {
            let (name, behind) = rest.split_at(length);
            rest = behind.trim_start();
            let is_function = ["(", "by ", "without "].iter().any(|after| rest.starts_with(after));
            let is_plain = !WORDS.contains(&name) && !LISTS.contains(&name);
            if !next.is_ascii_digit() && !is_function && is_plain {
                found.push((name.to_owned(), Vec::new()));
            }
            name.clone_into(&mut last);
            continue;
        }
        let past = |end: &str| rest.find(end).expect(end) + end.len();
        rest = match next {
            '[' => &rest[past("]")..],
            '(' if LISTS.contains(&last.as_str()) => &rest[past(")")..],
            '{' => {
                let end = past("}");
                let labels =
                    rest[1..end - 1].split(',').map(|label| label.split(['=', '!']).next().unwrap().trim().to_owned());
                found.last_mut().expect("a metric before its labels").1 = labels.collect();
                &rest[end..]
            }
            _ => &rest[next.len_utf8()..],
        };
        last.clear();
    }
    found
}

/// Fails where something is asked for that no server tells.
#[track_caller]
fn is_told(expression: &str) {
    for (name, labels) in metrics(expression) {
        if name == "up" {
            continue;
        }
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
        let family = Family::of(&name).filter(|family| family.kind != Kind::Histogram);
        let family = family.or_else(|| Family::of(of_histogram?).filter(|family| family.kind == Kind::Histogram));
        let family = family.unwrap_or_else(|| panic!("{name} is no metric: {expression}"));
        for label in labels {
            let known = family.labels.contains(&label.as_str()) || ["job", "instance", "le"].contains(&label.as_str());
            assert!(known, "{name} has no label {label}: {expression}");
        }
    }
}

#[test]
fn rules_ask_for_what_servers_tell_and_each_is_in_the_documents() {
    let rules = read(&deploy("prometheus/meterbase.rules.yml"));
    let expressions = expressions(&rules);
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(expressions.len(), alerts.len());
    expressions.iter().for_each(|expression| is_told(expression));
    let (document, tests) =
        (include_str!("../docs/monitoring.md"), read(&deploy("prometheus/meterbase.rules.test.yml")));
    for alert in &alerts {
        assert!(document.contains(&format!("`{alert}`")), "docs/monitoring.md does not say what {alert} means");
        assert!(tests.contains(&format!("\"{alert}\"")), "{alert} is not tested");
    }
    for what in ["summary:", "runbook:", "severity:"] {
        assert_eq!(rules.matches(what).count(), alerts.len(), "each alert has a {what}");
    }
}

#[test]
fn what_an_expression_asks_for_is_found() {
    let asked = metrics(
        "sum by (a, b) (rate(x_total{c=\"1\", d!~\"e|f\"}[5m] offset 1h)) / on (g) max(y_seconds) > 1e3 unless z",
    );
    let names: Vec<_> = asked.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x_total", "y_seconds", "z"]);
    assert_eq!(asked[0].1, ["c", "d"]);
    assert!(std::panic::catch_unwind(|| is_told("meterbase_nothing")).is_err());
    assert!(std::panic::catch_unwind(|| is_told("meterbase_readings_total{device=\"1\"}")).is_err());
    assert!(std::panic::catch_unwind(|| is_told("meterbase_flush_duration_seconds")).is_err());
    is_told("meterbase_flush_duration_seconds_bucket{le=\"1\"}");
}

/// All values of a name, however deep.
fn all<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == name {
                    found.push(value);
                }
                all(value, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, name, found)),
        _ => {}
    }
}

#[test]
fn dashboards_ask_for_what_servers_tell_where_it_is() {
    let sources = read(&deploy("grafana/provisioning/datasources/meterbase.yml"));
    let mut asked = 0;
    for entry in fs::read_dir(deploy("grafana/dashboards")).expect("dashboards") {
        let path = entry.expect("a file").path();
        let dashboard: Value = serde_json::from_str(&read(&path)).expect("JSON");
        let (mut expressions, mut places) = (Vec::new(), Vec::new());
        all(&dashboard, "expr", &mut expressions);
        all(&dashboard, "datasource", &mut places);
        asked += expressions.len();
        for expression in expressions {
            is_told(expression.as_str().expect("an expression"));
        }
        assert!(!places.is_empty());
        for place in places {
            let (uid, kind) = (place["uid"].as_str().expect("a uid"), place["type"].as_str().expect("a type"));
            assert!(sources.contains(&format!("uid: {uid}\n    type: {kind}\n")), "{}: {place}", path.display());
        }
        let panels = dashboard["panels"].as_array().expect("panels");
        let mut ids: Vec<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), panels.len());
    }
    assert!(asked > 20, "{asked}");
}
