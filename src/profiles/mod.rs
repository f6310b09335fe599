//! Profiles: the server knows the language of meters.
//!
//! - [`sent`], [`definition`]: a profile as it is sent, and as it is kept ([`crate::core::profile`] does the reading)
//! - [`operations`]: the operations of `/v1/profiles`
//! - [`device`]: which device calls, and which profile holds for it
//! - [`payload`]: `POST /v1/device/payload`, a device's own payload becomes readings
//! - [`config`], [`report`]: what devices are to do, and what they say they do
//! - [`watch`]: devices that wait for another configuration are told of it

mod config;
mod definition;
mod device;
mod operations;
mod payload;
mod report;
mod sent;
mod watch;

pub use config::MAX_WAIT;
pub use payload::MAX_PAYLOAD;
pub use watch::ConfigWatch;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(operations::routes())
        .merge(payload::routes())
        .merge(config::routes())
        .merge(report::routes())
}
