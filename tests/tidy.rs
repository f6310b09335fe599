//! Rules of this code base that no other tool checks.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines.
const LONGEST: usize = 400;

/// Crates that the pure core may use.
const CORE_CRATES: &[&str] =
    &["std", "serde", "chrono", "chrono_tz", "compact_str", "serde_json", "uuid", "csv", "thiserror"];

/// All files of the project below a directory, with their text; binary files are left out.
fn files(below: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut directories = vec![root.join(below)];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            let name = path.strip_prefix(root).expect("below the root").to_str().expect("UTF-8").to_owned();
            match path {
                path if path.is_dir() && !is_made(&name) => directories.push(path),
                path if path.is_file() => found.extend(read(&path).map(|text| (name, text))),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// What is not part of the project but made beside it.
fn is_made(directory: &str) -> bool {
    ["target", ".git", "meterbase-data", "fuzz/corpus", "fuzz/artifacts", "fuzz/coverage"].contains(&directory)
}

fn read(path: &PathBuf) -> Option<String> {
    String::from_utf8(fs::read(path).expect("a readable file")).ok()
}

/// Fails with all places that break a rule.
#[track_caller]
fn none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// `file:line` of every line for which `breaks` holds.
fn lines(files: &[(String, String)], breaks: impl Fn(&str) -> bool) -> Vec<String> {
    let of_file = |(name, text): &(String, String)| {
        let broken = text.lines().enumerate().filter(|(_, line)| breaks(line));
        broken.map(|(at, line)| format!("{name}:{}: {}", at + 1, line.trim())).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

/// Whether a word stands in a line by itself.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

#[test]
fn files_are_short() {
    let all = ["src", "tests", "fuzz/checks", "sql", "migrations"].into_iter().flat_map(files);
    // Not so what a test writes down of the schema.
    let is_written = |name: &str| name.starts_with("tests/server/schema/") && name.ends_with(".txt");
    let long = all.filter(|(name, text)| !is_written(name) && text.lines().count() > LONGEST);
    none(
        "a file has at most 400 lines",
        long.map(|(name, text)| format!("{name}: {}", text.lines().count())).collect(),
    );
}

#[test]
fn nothing_is_left_undone() {
    let source: Vec<_> = ["src", "tests", "sql", "migrations", "scripts"].into_iter().flat_map(files).collect();
    let source: Vec<_> = source.into_iter().filter(|(name, _)| name != file!()).collect();
    let undone = |line: &str| {
        ["todo!", "unimplemented!"].iter().any(|call| line.contains(call))
            || ["TODO", "FIXME", "XXX"].iter().any(|word| has_word(line, word))
    };
    none("nothing is left undone", lines(&source, undone));
}

#[test]
fn every_statement_says_what_it_is() {
    // Not so the templates of rollups' statements, and the parts that are put into them.
    let statement = |text: &str| {
        let begins = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE", "DROP", "ALTER", "LOCK", "NOTIFY"];
        !text.contains('{') && begins.iter().any(|word| text.trim_start().starts_with(word))
    };
    let unnamed = files("sql").into_iter().filter(|(_, text)| statement(text));
    none("an SQL file begins with a comment that names it", unnamed.map(|(name, _)| name).collect());
}

#[test]
fn tests_poll_and_never_sleep() {
    let tests: Vec<_> = files("tests").into_iter().filter(|(name, _)| name != file!()).collect();
    none("a test polls for what it waits for", lines(&tests, |line| line.contains("sleep(")));
}

#[test]
fn the_core_is_pure() {
    let foreign = |line: &str| {
        let Some(path) = line.trim_start().trim_start_matches("pub ").strip_prefix("use ") else { return false };
        let root = path.split([':', ';', ' ']).next().unwrap_or_default();
        let own = ["self", "super"].contains(&root) || path.starts_with("crate::core");
        !own && !CORE_CRATES.contains(&root)
    };
    // proptest and the like may be used in the tests, which are last in a file or in one of their own.
    let code = |(name, text): (String, String)| {
        let text = if name.ends_with("/tests.rs") { String::new() } else { text };
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        (name, code)
    };
    none(
        "the core depends on no database, runtime or web",
        lines(&files("src/core").into_iter().map(code).collect::<Vec<_>>(), foreign),
    );
}

#[test]
fn no_floating_point_is_on_a_values_way() {
    let floats = |line: &str| has_word(line, "f32") || has_word(line, "f64");
    none("values are exact", lines(&files("src/core"), floats));
}

#[test]
fn constraints_have_names() {
    let unnamed = files("migrations").into_iter().flat_map(|(name, text)| {
        unnamed_constraints(&text).into_iter().map(move |constraint| format!("{name}: {constraint}"))
    });
    none("every constraint is CONSTRAINT <name> ...", unnamed.collect());
}

/// Constraints without a name in the tables and domains that SQL text makes, each with the words before it.
fn unnamed_constraints(sql: &str) -> Vec<String> {
    let uncommented: String =
        sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let mut unnamed = Vec::new();
    for statement in uncommented.split(';') {
        let spaced = statement.replace('(', " ( ").replace(')', " ) ").replace(',', " , ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let makes = |kind| words.starts_with(&["CREATE", kind]) || words.starts_with(&["ALTER", kind]);
        if !makes("TABLE") && !makes("DOMAIN") {
            continue;
        }
        for (at, word) in words.iter().enumerate() {
            let named = at >= 2 && words[at - 2] == "CONSTRAINT";
            // The name of a table's foreign key stands before FOREIGN KEY.
            let mut clause = words[..at].iter().rev().take_while(|word| **word != "CONSTRAINT");
            let of_foreign_key = *word == "REFERENCES" && clause.any(|word| *word == "FOREIGN");
            if ["PRIMARY", "UNIQUE", "CHECK", "REFERENCES", "EXCLUDE", "FOREIGN"].contains(word)
                && !named
                && !of_foreign_key
            {
                unnamed.push(words[at.saturating_sub(3)..=at].join(" "));
            }
        }
    }
    unnamed
}

#[test]
fn constraints_without_names_are_found() {
    let sql = "CREATE TABLE t (a int PRIMARY KEY, b int CONSTRAINT t_b_key UNIQUE, c int REFERENCES u);
        ALTER TABLE t ADD CONSTRAINT t_fkey FOREIGN KEY (a, b) REFERENCES u (a, b); CREATE UNIQUE INDEX i ON t (a)";
    assert_eq!(unnamed_constraints(sql), ["( a int PRIMARY", ", c int REFERENCES"]);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // `.git` is a file in a second work tree.
    let all: Vec<_> = files("").into_iter().filter(|(name, _)| name != file!() && name != ".git").collect();
    let private = |line: &str| {
        // The home page of a path in a URL is something else.
        ["root", "home", "work", "Users"].map(|top| format!("/{top}/")).iter().any(|path| {
            line.match_indices(path).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.'))
        }) || [".internal/", ".internal:", ".corp/", ".lan/"].iter().any(|host| line.contains(host))
    };
    none("no file names a directory or host of a developer's machine", lines(&all, private));
    let lock = files("").into_iter().filter(|(name, _)| name == "Cargo.lock").collect::<Vec<_>>();
    let elsewhere =
        |line: &str| line.starts_with("source = ") && !line.ends_with("github.com/rust-lang/crates.io-index\"");
    none("every crate comes from crates.io", lines(&lock, elsewhere));
}
