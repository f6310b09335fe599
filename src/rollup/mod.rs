//! Rollups: per hour, day and month, by channel, customer, group and provider. Each is defined once, in [`definition`].
//!
//! - [`figures`]: what every one of them says
//! - `index`: how their rows are found
//! - [`apply`]: makes the rollups of an edition
//! - `leader`: follows what changed, one server at a time
//! - `community`, `window`: continuous aggregates, and which of their buckets are refreshed
//! - `rows`: what is materialised of them, added to or recomputed where readings changed
//! - [`columnstore`]: when chunks are converted, on the Community edition
//! - `apache`: hypertables of the same names and columns, added to or recomputed where readings changed
//! - `stores`: where continuous aggregates keep what is materialised
//! - `freshness`: up to when the figures are complete
//! - [`rebuild`]: recomputes all of some days, for figures that were damaged
//! - [`status`]: how far they are
//! - [`retention`]: from when on readings and rollups are kept
//!
//! Statement triggers on `reading` note in `reading_change` which channels and hours changed, in its transaction, and so
//! does ingest of what it copies past them; a change is deleted from there in the transaction that brings the rollups up
//! to it, or after it.

mod apache;
mod apply;
pub mod columnstore;
mod community;
pub mod definition;
pub mod figures;
mod freshness;
mod index;
mod leader;
pub mod rebuild;
pub mod retention;
mod rows;
pub mod status;
mod stores;
mod window;

pub use apply::{ApplyError, apply, fingerprint};
pub use freshness::{RECORDS_NOTHING, fresh_through, horizon};
pub use leader::{refresh, retain, run, step};
pub use rebuild::queue;
pub use stores::Stores;
