//! Webhooks: addresses of providers that are told of events.
//!
//! - [`operations`]: the operations of `/v1/webhooks`
//! - [`deliveries`]: what a webhook was told and is to be told, seen and sent again
//! - [`stored`]: webhooks as the database keeps them
//! - [`secret`]: what signs what they are told
//! - [`courier`]: the work of telling them, on every server
//! - [`post`]: one attempt, which reaches only where it may
//! - [`settings`]: what an operator says of that

mod courier;
mod deliveries;
mod operations;
mod post;
mod secret;
mod settings;
mod stored;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub use courier::{ATTEMPTS, Courier};
pub use post::ATTEMPT_TIME;
pub use settings::{Clock, Reach, Settings};
pub use stored::MOST_WEBHOOKS;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(operations::routes()).merge(deliveries::routes())
}
