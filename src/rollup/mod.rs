//! Rollups: per hour, day and month, by channel, customer, group and provider. Each is defined once, in [`definition`].
//!
//! - Community edition: continuous aggregates, refreshed by policies, and by Meterbase where late data touched them
//! - Apache edition: hypertables with the same names and columns, kept by Meterbase's own refresher

mod apply;
pub mod definition;

pub use apply::{ApplyError, apply};
