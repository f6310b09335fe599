//! Events: what happened that somebody wants to be told, written in the transaction in which it did.
//!
//! - [`record`]: writes them, with a delivery for each webhook that is told such events
//! - [`told`]: what is told of them
//! - [`listen`]: `GET /v1/events`, they are told as they happen
//! - [`watch`]: what is new of providers, and parts of them, that somebody listens to

mod listen;
mod record;
mod told;
mod watch;

use std::time::Duration;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::forget::Kept;

pub use record::{EventType, MAX_DATA, NewEvent, RETRIED_FOR, record, record_test};
pub use told::Told;
pub use watch::{EventWatch, MINUTES, OF_ONE, PARTS};

/// They are kept for a time, and so many of a provider at most; what webhooks were told of them goes with them.
pub const KEPT: Kept = Kept {
    what: "old events",
    delete: include_str!("../../sql/events/forget.sql"),
    age: Duration::from_secs(30 * 86_400),
    most: Some(1_000_000),
    look: Duration::from_secs(3600),
};

pub fn routes() -> OpenApiRouter<App> {
    listen::routes()
}
