//! What a client knows: a file of what it sent and of what it was answered, on disk before the answer counts.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::load::Reading;

/// One client's file.
pub struct Oracle(File);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Sent { request: u64, readings: Vec<Reading> },
    Acknowledged { request: u64, verdicts: Vec<Verdict> },
    Refused { request: u64, status: u16 },
}

/// What a reading was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Stored,
    Duplicate,
    Conflict,
    Quarantined,
    Rejected,
}

/// A request as the files tell it.
#[derive(Debug)]
pub struct Request {
    /// The file and the number in it.
    pub name: String,
    pub readings: Vec<Reading>,
    pub outcome: Outcome,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A verdict for each reading.
    Acknowledged(Vec<Verdict>),
    Refused(u16),
    Unanswered,
}

impl Oracle {
    pub fn create(directory: &Path, client: &str) -> Self {
        Self(File::create_new(directory.join(format!("{client}.ndjson"))).expect("a new file"))
    }

    /// To be called before anything of it is sent.
    pub fn sent(&mut self, request: u64, readings: &[Reading]) {
        self.write(&Line::Sent { request, readings: readings.to_vec() });
    }

    /// To be called before the answer counts as received.
    pub fn acknowledged(&mut self, request: u64, verdicts: Vec<Verdict>) {
        self.write(&Line::Acknowledged { request, verdicts });
        self.0.sync_data().expect("an oracle on disk");
    }

    pub fn refused(&mut self, request: u64, status: u16) {
        self.write(&Line::Refused { request, status });
    }

    /// A line at once: whoever is killed in the middle has not received the answer.
    fn write(&mut self, line: &Line) {
        let mut text = serde_json::to_vec(line).expect("JSON");
        text.push(b'\n');
        self.0.write_all(&text).expect("an oracle that can be written");
    }
}

/// All that clients wrote into a directory.
pub fn read(directory: &Path) -> Vec<Request> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the oracles") {
        let path = entry.expect("an oracle").path();
        let text = std::fs::read_to_string(&path).expect("an oracle");
        let first = all.len();
        // A last line without its end was not written whole.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        for line in whole.lines().map(|line| serde_json::from_str(line).expect("a line of an oracle")) {
            let of = |request: u64| first + usize::try_from(request).expect("a small number");
            match line {
                Line::Sent { request, readings } => {
                    assert_eq!(of(request), all.len(), "requests are numbered from 0");
                    let name = format!("{} request {request}", path.display());
                    all.push(Request { name, readings, outcome: Outcome::Unanswered });
                }
                Line::Acknowledged { request, verdicts } => {
                    all[of(request)].outcome = Outcome::Acknowledged(verdicts);
                }
                Line::Refused { request, status } => all[of(request)].outcome = Outcome::Refused(status),
            }
        }
    }
    all
}
