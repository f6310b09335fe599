//! The indexes of a rollup beside that of what identifies a row.

use super::definition::{Period, Rollup};

/// A further index of a rollup.
#[derive(Debug, Clone, Copy)]
pub struct Index {
    pub columns: &'static str,
    /// Which rows are in it; empty for all.
    pub condition: &'static str,
    /// Whether only the hourly rollup has it, as the source of others.
    pub hourly: bool,
    /// Whether days and months have the billing column and the device in it too: all that counting devices reads.
    pub counts_devices: bool,
}

impl Index {
    /// Its columns in a rollup; the first is that of its name.
    pub fn columns(&self, of: &Rollup) -> Vec<&'static str> {
        let mut columns: Vec<_> = self.columns.split(", ").collect();
        if self.counts_devices && of.period != Period::Hour {
            // A range of billing days is one range of the index, whatever buckets the days lie in.
            columns.insert(columns.len() - 1, of.billing());
            columns.insert(columns.len() - 1, "device_id");
        }
        columns
    }

    /// The keys that are not among its columns. On the Community edition a query of an aggregate reads all keys,
    /// whichever it uses, so that they must be in the index too for it to be enough.
    pub fn other_keys(&self, of: &Rollup) -> Vec<&'static str> {
        let columns = self.columns(of);
        let whole = self.counts_devices && of.period != Period::Hour;
        let keys = of.keys.iter().map(|key| key.column);
        keys.filter(|column| whole && !columns.contains(column)).collect()
    }
}
