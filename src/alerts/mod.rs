//! Alerts: what providers want to be told of their figures. `operations` keeps them, `rule` says when one fires, `history`
//! shows when it did.
//!
//! One server at a time judges (`schedule`, by an advisory lock): `judge` looks at the figures of many alerts at once, which
//! `figures` asks of [`crate::usage`], has [`crate::core::alert`] compare them, and writes what it remembers of each alert, its
//! history and the event in one transaction. What is in the database is all that there is, so another server goes on from there.

mod figures;
mod history;
mod judge;
mod operations;
mod put;
mod rule;
pub mod schedule;

pub use judge::{Depth, judge};
pub use operations::MOST_ALERTS;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(operations::routes()).merge(history::routes())
}
