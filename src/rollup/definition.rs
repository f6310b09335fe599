//! What the rollups are: each is defined once here, and everything either edition needs is made from that.
//!
//! All of them bucket in UTC and carry the owner's billing day (or month) as a group key, so a billing day in any zone
//! is the sum of at most two buckets; of three, where the owner's time zone changed. They are fed level by level:
//!
//! ```text
//! reading > channel_hourly > customer_hourly > provider_hourly
//!                          > group_hourly
//! X_hourly > X_daily > X_monthly
//! ```
//!
//! Those of channels also say of which device and metric the channel is: counting the devices of many customers then
//! takes an index alone.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Days, DurationRound, Months, NaiveTime, TimeDelta, Utc};

use super::figures::FIGURES;
use super::index::Index;

/// Length of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Hour,
    Day,
    Month,
}

/// A key column, and the expression over the source `s` and what is joined to it that gives it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub column: &'static str,
    pub expression: &'static str,
    /// Whether it follows from the other keys, and so tells no two rows apart.
    pub follows: bool,
}

/// One rollup. Its columns are `bucket`, the billing column, the keys, then [`FIGURES`].
#[derive(Debug, Clone)]
pub struct Rollup {
    pub name: String,
    pub period: Period,
    /// Whose figures: channel, customer, group or provider.
    pub subject: &'static str,
    /// `reading` or the rollup it is made from.
    pub source: String,
    pub keys: Vec<Key>,
    /// Tables joined to the source; what is read of them never changes, so a rollup depends on its source alone.
    join: &'static str,
    /// Which rows of the source count; empty for all.
    pub condition: &'static str,
    /// Indexes beside that of [`Self::index_columns`].
    pub indexes: Vec<Index>,
}

/// All rollups, each after its source.
pub static ROLLUPS: LazyLock<Vec<Rollup>> = LazyLock::new(|| {
    let levels = [Period::Hour, Period::Day, Period::Month];
    levels.iter().flat_map(|period| SUBJECTS.iter().map(|subject| subject.rollup(*period))).collect()
});

/// Whose figures are kept, and how the hourly ones are made; days and months are made from those alike.
struct Subject {
    name: &'static str,
    source: &'static str,
    keys: &'static [Key],
    join: &'static str,
    condition: &'static str,
    indexes: &'static [Index],
}

const SUBJECTS: [Subject; 4] = [
    Subject {
        name: "channel",
        source: "reading",
        keys: &[
            key("channel_id", "s.channel_id"),
            key("customer_id", "s.customer_id"),
            key("group_id", "s.group_id"),
            Key { follows: true, ..key("device_id", "c.device_id") },
            Key { follows: true, ..key("metric_id", "c.metric_id") },
        ],
        join: "\nJOIN channel AS c ON c.channel_id = s.channel_id",
        condition: "",
        indexes: &[
            Index { columns: "customer_id, metric_id, bucket", condition: "", hourly: false, counts_devices: true },
            Index {
                columns: "group_id, metric_id, bucket",
                condition: "group_id <> 0",
                hourly: false,
                counts_devices: true,
            },
        ],
    },
    Subject {
        name: "customer",
        source: "channel_hourly",
        keys: &[key("customer_id", "s.customer_id"), key("metric_id", "s.metric_id")],
        join: "",
        condition: "",
        indexes: &[Index { columns: "metric_id, bucket", condition: "", hourly: true, counts_devices: false }],
    },
    Subject {
        name: "group",
        source: "channel_hourly",
        keys: &[key("group_id", "s.group_id"), key("metric_id", "s.metric_id")],
        join: "",
        condition: "s.group_id <> 0",
        indexes: &[],
    },
    Subject {
        name: "provider",
        source: "customer_hourly",
        keys: &[key("provider_id", "m.provider_id"), key("metric_id", "s.metric_id")],
        join: "\nJOIN metric AS m ON m.metric_id = s.metric_id",
        condition: "",
        indexes: &[],
    },
];

const fn key(column: &'static str, expression: &'static str) -> Key {
    Key { column, expression, follows: false }
}

impl Subject {
    fn rollup(&self, period: Period) -> Rollup {
        let name = format!("{}_{}", self.name, period.adverb());
        let subject = self.name;
        let indexes = self.indexes.iter().filter(|index| !index.hourly || period == Period::Hour).copied().collect();
        let Some(finer) = period.finer() else {
            let (source, keys) = (self.source.to_owned(), self.keys.to_vec());
            return Rollup { name, period, subject, source, keys, join: self.join, condition: self.condition, indexes };
        };
        let source = format!("{}_{}", self.name, finer.adverb());
        let keys = self.keys.iter().map(|key| Key { expression: own(key.column), ..*key }).collect();
        Rollup { name, period, subject, source, keys, join: "", condition: "", indexes }
    }
}

/// A key column of the source itself.
fn own(column: &'static str) -> &'static str {
    match column {
        "channel_id" => "s.channel_id",
        "customer_id" => "s.customer_id",
        "group_id" => "s.group_id",
        "device_id" => "s.device_id",
        "metric_id" => "s.metric_id",
        _ => "s.provider_id",
    }
}

impl Period {
    /// Interval of PostgreSQL.
    pub fn width(self) -> &'static str {
        match self {
            Self::Hour => "1 hour",
            Self::Day => "1 day",
            Self::Month => "1 month",
        }
    }

    /// Start of the bucket that holds an instant.
    pub fn floor(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let midnight = |day: chrono::NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
        match self {
            // Only instants of more than 292 years from 1970 cannot be truncated; such readings are refused.
            Self::Hour => at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at),
            Self::Day => midnight(at.date_naive()),
            Self::Month => midnight(at.date_naive()) - Days::new(at.day0().into()),
        }
    }

    /// Start of the bucket after the one that begins at `start`.
    pub fn after(self, start: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Hour => start + TimeDelta::hours(1),
            Self::Day => start + Days::new(1),
            Self::Month => start + Months::new(1),
        }
    }

    /// Start of the bucket before the one that begins at `start`.
    pub fn before(self, start: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Hour => start - TimeDelta::hours(1),
            Self::Day => start - Days::new(1),
            Self::Month => start - Months::new(1),
        }
    }

    /// As [`Self::after`], by as many buckets as are refreshed in one go.
    pub fn after_many(self, start: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Hour => start + TimeDelta::hours(4800),
            Self::Day => start + Days::new(400),
            Self::Month => start + Months::new(120),
        }
    }

    fn adverb(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Month => "monthly",
        }
    }

    fn finer(self) -> Option<Self> {
        match self {
            Self::Hour => None,
            Self::Day => Some(Self::Hour),
            Self::Month => Some(Self::Day),
        }
    }
}

impl Rollup {
    /// Name of the billing column.
    pub fn billing(&self) -> &'static str {
        if self.period == Period::Month { "billing_month" } else { "billing_day" }
    }

    /// Time that one chunk covers: few enough chunks to plan over years, small enough to be pruned. Owners have few rows, and
    /// their figures of a year are asked for at once.
    pub fn chunk(&self) -> &'static str {
        match (self.period, self.subject) {
            (Period::Hour, _) => "7 days",
            (Period::Day, "channel") => "30 days",
            (Period::Day, _) => "90 days",
            (Period::Month, _) => "365 days",
        }
    }

    /// What identifies a row, in the order of its index: a time range of one channel, or of one metric of an owner, is
    /// then one range of the index.
    pub fn index_columns(&self) -> String {
        let mut columns: Vec<_> = self.keys.iter().filter(|key| !key.follows).map(|key| key.column).collect();
        columns.insert(if self.subject == "channel" { 1 } else { 2 }, "bucket");
        columns.push(self.billing());
        columns.join(", ")
    }

    /// Its defining SELECT over the source `s`. A refresher narrows it to what changed with a further join
    /// (`scope`) and a condition (`and`), which are empty in the definition itself.
    pub fn select(&self, scope: &str, and: &str) -> String {
        self.select_from(&self.source, scope, and)
    }

    /// As [`Self::select`], from the table that holds the rows of the source.
    pub fn select_from(&self, source: &str, scope: &str, and: &str) -> String {
        let (time, figures) = match self.source.as_str() {
            "reading" => ("ts", include_str!("../../sql/rollups/figures_of_readings.sql")),
            _ => ("bucket", include_str!("../../sql/rollups/figures_of_rollups.sql")),
        };
        // A month of billing days; through timestamp, since date_trunc of a date depends on the session's zone.
        let billing = match self.period {
            Period::Month => "date_trunc('month', s.billing_day::timestamp)::date AS billing_month",
            Period::Hour | Period::Day => "s.billing_day AS billing_day",
        };
        let keys: Vec<_> = self.keys.iter().map(|key| format!("{} AS {}", key.expression, key.column)).collect();
        include_str!("../../sql/rollups/select.sql")
            .replace("{width}", self.period.width())
            .replace("{time}", time)
            .replace("{billing}", billing)
            .replace("{keys}", &keys.join(",\n    "))
            .replace("{figures}", figures.trim_end())
            .replace("{source}", source)
            .replace("{join}", self.join)
            .replace("{scope}", scope)
            .replace("{where}", &self.condition_with(and))
            .replace("{key_expressions}", &self.expressions().join(", "))
            .trim_end()
            .to_owned()
    }

    /// All columns, in order.
    pub fn columns(&self) -> Vec<&'static str> {
        let keys = self.keys.iter().map(|key| key.column);
        ["bucket", self.billing()].into_iter().chain(keys).chain(FIGURES.iter().map(|(column, ..)| *column)).collect()
    }

    /// A join of the source `s` to the buckets `t` that were touched.
    pub fn touched_scope(&self) -> String {
        let time = if self.source == "reading" { "ts" } else { "bucket" };
        let width = self.period.width();
        format!(
            "\nJOIN touched_{} AS t ON s.{time} >= t.bucket AND s.{time} < t.bucket + interval '{width}'{}",
            self.name,
            self.same_touched("s")
        )
    }

    /// That a row of `table` and one of the touched `t` have the same touched keys.
    pub fn same_touched(&self, table: &str) -> String {
        self.touched_keys().iter().map(|key| format!(" AND t.{key} = {table}.{key}")).collect()
    }

    fn condition_with(&self, and: &str) -> String {
        let conditions: Vec<_> = [self.condition, and].into_iter().filter(|c| !c.is_empty()).collect();
        if conditions.is_empty() { String::new() } else { format!("\nWHERE {}", conditions.join(" AND ")) }
    }

    fn expressions(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.expression).collect()
    }

    /// The keys by which a change of the source touches it, which are columns of the source: a channel for whatever is
    /// kept by channel, because its owner may be what changed; a metric stands for its provider.
    pub fn touched_keys(&self) -> Vec<&'static str> {
        let all = self.keys.iter().filter(|key| key.expression == own(key.column)).map(|key| key.column);
        if self.subject == "channel" { all.take(1).collect() } else { all.collect() }
    }

    /// Which of its (bucket, touched keys) lie above rows of its source, named by `changed`.
    pub fn above(&self, changed: &str) -> String {
        format!(
            "SELECT DISTINCT time_bucket('{}', s.bucket), s.{} FROM {changed} AS s{}",
            self.period.width(),
            self.touched_keys().join(", s."),
            self.condition_with("").replace('\n', " "),
        )
    }

    /// What it is, for its comment.
    pub fn about(&self) -> String {
        let hour = match self.period {
            Period::Hour => "UTC hour",
            Period::Day => "UTC day",
            Period::Month => "UTC month",
        };
        format!("Figures per {} and {hour}, split by billing {}.", self.whose(), &self.billing()["billing_".len()..])
    }

    fn whose(&self) -> &'static str {
        match self.subject {
            "channel" => "channel (and the customer and group that owned it)",
            "customer" => "customer, itself alone, and metric",
            "group" => "device group and metric",
            _ => "provider and metric",
        }
    }

    /// Meaning of a column that is not one of [`FIGURES`].
    pub fn about_columns(&self) -> Vec<(&'static str, &'static str)> {
        let billing = match self.period {
            Period::Month => "First day of the calendar month in the owner's billing time zone.",
            Period::Hour | Period::Day => "The calendar day in the owner's billing time zone.",
        };
        let keys = self.keys.iter().map(|key| {
            let about = match key.column {
                "channel_id" => "The channel.",
                "customer_id" => "The customer that owned the device.",
                "group_id" if self.subject == "channel" => "The group the device was in; 0 for none.",
                "group_id" => "The device group.",
                "device_id" => "The device of the channel.",
                "metric_id" if self.subject == "channel" => "The metric of the channel.",
                "metric_id" => "The metric.",
                _ => "The provider.",
            };
            (key.column, about)
        });
        [("bucket", "Start of the bucket, in UTC."), (self.billing(), billing)].into_iter().chain(keys).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rollup_comes_after_its_source() {
        let mut known = vec!["reading"];
        for rollup in ROLLUPS.iter() {
            assert!(known.contains(&rollup.source.as_str()), "{} before {}", rollup.name, rollup.source);
            known.push(&rollup.name);
        }
        assert_eq!(known.len(), 13);
    }

    #[test]
    fn a_definition_reads_as_plain_sql() {
        let rollup = ROLLUPS.iter().find(|r| r.name == "group_hourly").expect("a rollup");
        let select = rollup.select("", "");
        assert!(!select.contains('{'), "{select}");
        assert!(select.ends_with("WHERE s.group_id <> 0\nGROUP BY 1, 2, s.group_id, s.metric_id"), "{select}");
    }
}
