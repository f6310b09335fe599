//! What is not as it should be, a column at a time.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;

/// Which proof it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Rollups are what the readings say
    Rollups,
    /// Readings carry the owner and the billing day that the registry says
    Stamps,
    /// Readings add what their values say, and those of registers what all that is known of them says; reviews too
    Increments,
}

/// One column of one row. Values and sums are scaled integers, as they are stored; instants are RFC 3339 or as
/// PostgreSQL writes them in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub check: Check,
    /// The rollup, or `reading`.
    pub relation: String,
    /// Start of the bucket, or the reading's instant.
    pub at: DateTime<Utc>,
    /// The billing day (or month) of the row.
    pub billing: Option<NaiveDate>,
    pub provider: Option<String>,
    pub customer: Option<String>,
    pub group: Option<String>,
    pub device: Option<String>,
    pub metric: Option<String>,
    pub dimensions: Option<Value>,
    /// The column (`review.` before those of a reading's review), or `row` where a whole row is missing or should not be.
    pub column: &'static str,
    /// Null where there is no row.
    pub kept: Option<String>,
    /// Null where there should be no row.
    pub right: Option<String>,
}

/// A row as the statements of this module tell it, both sides column by column.
#[derive(Debug, sqlx::FromRow)]
pub struct Found {
    pub name: String,
    pub at: DateTime<Utc>,
    pub billing: Option<NaiveDate>,
    pub provider: Option<String>,
    pub customer: Option<String>,
    pub group: Option<String>,
    pub device: Option<String>,
    pub metric: Option<String>,
    pub dimensions: Option<Value>,
    pub kept: Option<Vec<Option<String>>>,
    pub should: Option<Vec<Option<String>>>,
    pub pending: bool,
}

impl Found {
    /// A difference for each column that differs; one for a row that is on one side only.
    pub fn differences(&self, check: Check, columns: &[&'static str]) -> Vec<Difference> {
        let difference = |column, kept, right| Difference {
            check,
            relation: self.name.clone(),
            at: self.at,
            billing: self.billing,
            provider: self.provider.clone(),
            customer: self.customer.clone(),
            group: self.group.clone(),
            device: self.device.clone(),
            metric: self.metric.clone(),
            dimensions: self.dimensions.clone().filter(|dimensions| *dimensions != Value::Object(Default::default())),
            column,
            kept,
            right,
        };
        let readings =
            |side: &[Option<String>]| side.first().cloned().flatten().map(|count| format!("{count} readings"));
        match (&self.kept, &self.should) {
            (Some(kept), Some(should)) => columns
                .iter()
                .zip(kept.iter().zip(should))
                .filter(|(_, (kept, should))| kept != should)
                .map(|(column, (kept, should))| difference(column, kept.clone(), should.clone()))
                .collect(),
            (kept, should) => {
                let side = |side: &Option<Vec<_>>| side.as_deref().and_then(readings);
                vec![difference("row", side(kept), side(should))]
            }
        }
    }
}

/// `channel_daily 2026-11-01 billing day 2026-11-01, device m1, metric energy: increment_sum is 12, should be 13`
impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.relation, self.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))?;
        if let Some(billing) = self.billing {
            write!(f, " billed {billing}")?;
        }
        let keys = [
            ("provider", &self.provider),
            ("customer", &self.customer),
            ("group", &self.group),
            ("device", &self.device),
            ("metric", &self.metric),
        ];
        for (name, key) in keys {
            if let Some(key) = key {
                write!(f, ", {name} {key}")?;
            }
        }
        if let Some(dimensions) = &self.dimensions {
            write!(f, ", dimensions {dimensions}")?;
        }
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, ": {} is {}, should be {}", self.column, side(&self.kept), side(&self.right))
    }
}
