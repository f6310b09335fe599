//! What the sender is told about each reading.

use serde::Serialize;
use utoipa::ToSchema;

use crate::core::reading::{Item, Reason};

/// What became of one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Stored,
    /// Stored as well; it adds nothing until somebody decides.
    UnderReview(Reason),
    /// It was there already, with the same value.
    Duplicate,
    /// It was there already, with another value, which stands.
    Conflict(Reason),
    /// Kept apart until its device or metric is known.
    Quarantined(Reason),
    /// Can never be stored.
    Rejected(Reason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Stored,
    Duplicate,
    Conflict,
    Quarantined,
    Rejected,
}

/// All of them, as answers and metrics name them.
pub const VERDICTS: [&str; 5] = ["stored", "duplicate", "conflict", "quarantined", "rejected"];

/// What became of the readings of a body. The five numbers add up to `received`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// Readings in the body.
    #[schema(example = 5)]
    received: usize,
    /// New, and committed.
    #[schema(example = 2)]
    stored: usize,
    /// There already with the same value: a repetition, counted once.
    #[schema(example = 1)]
    duplicates: usize,
    /// There already with another value: the first one stands.
    #[schema(example = 1)]
    conflicts: usize,
    /// Kept, but not among the readings yet: the device or the metric is unknown, or the device had no owner.
    #[schema(example = 0)]
    quarantined: usize,
    /// Not kept: it can never be stored as it is.
    #[schema(example = 1)]
    rejected: usize,
    /// Every reading that was not stored, except plain duplicates; with `receipts=all` every reading.
    results: Vec<ReadingResult>,
}

/// What became of one reading.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadingResult {
    /// Place in the body, from 0.
    #[schema(example = 4)]
    index: usize,
    /// Line of the body, from 1; for NDJSON and CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    status: Status,
    /// Why, for programs; absent for duplicates, and for stored readings unless they are under review.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "invalid_value")]
    code: Option<&'static str>,
    /// What is wrong and the way out, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "value \"12,3\": a decimal comma; write a point")]
    detail: Option<String>,
}

impl Verdict {
    pub fn status(&self) -> Status {
        match self {
            Self::Stored | Self::UnderReview(_) => Status::Stored,
            Self::Duplicate => Status::Duplicate,
            Self::Conflict(_) => Status::Conflict,
            Self::Quarantined(_) => Status::Quarantined,
            Self::Rejected(_) => Status::Rejected,
        }
    }

    fn reason(self) -> Option<Reason> {
        match self {
            Self::Stored | Self::Duplicate => None,
            Self::UnderReview(reason) | Self::Conflict(reason) | Self::Quarantined(reason) | Self::Rejected(reason) => {
                Some(reason)
            }
        }
    }
}

impl Receipt {
    /// The receipt of a body's items and their verdicts, which are as many.
    pub fn new(items: &[Item], verdicts: Vec<Verdict>, all: bool) -> Self {
        let count = |status| verdicts.iter().filter(|verdict| verdict.status() == status).count();
        let [stored, duplicates, conflicts, quarantined, rejected] =
            [Status::Stored, Status::Duplicate, Status::Conflict, Status::Quarantined, Status::Rejected].map(count);
        let told = |verdict: &Verdict| all || !matches!(verdict.status(), Status::Stored | Status::Duplicate);
        let results = verdicts.into_iter().zip(items).enumerate().filter(|(_, (verdict, _))| told(verdict));
        let results = results.map(|(index, (verdict, item))| {
            let (status, reason) = (verdict.status(), verdict.reason());
            let (code, detail) = reason.map(|Reason { code, detail }| (code.as_str(), detail)).unzip();
            ReadingResult { index, line: item.line, status, code, detail }
        });
        Self { received: items.len(), stored, duplicates, conflicts, quarantined, rejected, results: results.collect() }
    }

    /// Counts the readings in the server's metrics.
    pub fn count(&self) {
        let numbers = [self.stored, self.duplicates, self.conflicts, self.quarantined, self.rejected];
        for (verdict, number) in VERDICTS.into_iter().zip(numbers) {
            metrics::counter!("meterbase_readings_total", "verdict" => verdict).increment(number as u64);
        }
    }
}
