//! Readings in: decode, resolve, store; a verdict for each reading.
//!
//! - [`body`]: a request's body becomes readings ([`crate::core::reading`] says how)
//! - [`decode`]: gzip and zstd undone, within limits
//! - [`resolve`], [`known`]: keys become metrics, devices, owners and billing days, from what the registry says
//! - [`channels`]: each (device, metric, dimensions) is a channel, made when its first reading comes
//! - [`store`]: one transaction; what was new, what was there, what differs
//! - [`registers`]: increments of meters' running totals, from the readings around them
//! - [`verdict`]: what the sender is told
//! - [`post`]: the operation
//! - [`replacements`], [`reviews`], [`decisions`]: what people say about registers: replaced meters, readings to be decided about
//! - [`raw`]: raw readings out again, as pages and as whole ranges

mod body;
mod channels;
mod decisions;
pub mod decode;
mod known;
mod post;
mod raw;
pub mod registers;
mod replacements;
mod resolve;
mod reviews;
mod store;
mod verdict;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub use crate::ingest::body::{MAX_BODY, READING_BYTES};
pub use crate::ingest::decode::MAX_FRAMES;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(post::routes())
        .merge(raw::routes())
        .merge(replacements::routes())
        .merge(reviews::routes())
        .merge(decisions::routes())
}
