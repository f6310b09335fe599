//! Readings in: decode, resolve, store; a verdict for each reading.
//!
//! - [`body`]: a request's body becomes readings ([`crate::core::reading`] says how)
//! - [`pace`]: how fast a key may send
//! - [`decode`]: gzip and zstd undone, within limits
//! - [`queue`], [`writer`]: requests wait for each other shortly, in turn with other providers', and are stored together
//! - [`portions`]: large ones over several connections, by device
//! - [`flush`]: one transaction for many requests; a verdict for each reading
//! - [`directory`], [`known`], [`resolve`]: keys become metrics, devices, owners and billing days, from what the registry
//!   says, as far as it is not remembered
//! - [`channels`]: each (device, metric, dimensions) is a channel, made when its first reading comes
//! - [`registers`]: increments of meters' running totals, from the readings around them
//! - [`store`], [`copy`], [`chunks`]: what is new goes in, live readings straight into their chunk; what was there, what differs
//! - [`changes`]: what the log of changes says of those
//! - [`quarantine`]: what cannot be stored yet is kept until it can
//! - [`accounts`], [`accounting`], [`minutes`]: what was received from whom, and what became of it; counted, and told by day and
//!   key, and by minute
//! - [`listened`]: what came in of customers that somebody listens to
//! - [`verdict`]: what the sender is told
//! - [`post`]: the operation
//! - [`replacements`], [`reviews`], [`decisions`]: what people say about registers: replaced meters, readings to be decided about
//! - [`raw`]: raw readings out again, as pages and as whole ranges

mod accounting;
mod accounts;
pub mod body;
mod changes;
mod channels;
mod chunks;
mod copy;
mod decisions;
pub mod decode;
mod directory;
mod flush;
mod known;
mod listened;
pub mod minutes;
pub mod pace;
mod portions;
pub mod post;
pub mod quarantine;
mod queue;
mod raw;
pub mod registers;
mod replacements;
mod resolve;
mod reviews;
mod store;
pub mod verdict;
mod writer;

pub use accounting::Counts;
pub use queue::Linger;
pub use writer::{Ingest, Settings, Writers};

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub use crate::ingest::body::{MAX_BODY, READING_BYTES};
pub use crate::ingest::decode::MAX_FRAMES;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(post::routes())
        .merge(quarantine::routes())
        .merge(accounting::routes())
        .merge(minutes::routes())
        .merge(raw::routes())
        .merge(replacements::routes())
        .merge(reviews::routes())
        .merge(decisions::routes())
}
