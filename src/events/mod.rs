//! Events: what happened that somebody wants to be told, written in the transaction in which it did.
//!
//! - [`record`]: writes them, with a delivery for each webhook that is told such events
//! - [`told`]: what is told of them
//! - [`forget`]: old ones go
//! - [`listen`]: `GET /v1/events`, they are told as they happen
//! - [`watch`]: what is new of providers that somebody listens to

mod forget;
mod listen;
mod record;
mod told;
mod watch;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub use forget::{AGE, forget, run};
pub use record::{EventType, MAX_DATA, NewEvent, RETRIED_FOR, record, record_test};
pub use told::Told;
pub use watch::{EventWatch, OF_ONE};

pub fn routes() -> OpenApiRouter<App> {
    listen::routes()
}
