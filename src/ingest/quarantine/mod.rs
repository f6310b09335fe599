//! The quarantine: readings whose trouble is curable are kept until it is cured, and then tried again.
//!
//! - [`keep`]: what comes in, as much of it as there is room for
//! - [`replay`]: what became storable is stored, as any reading is, and leaves in the same transaction
//! - [`background`]: what the servers do about it by themselves
//! - [`list`], [`operations`]: what people see and do
//!
//! What makes a reading storable notes so in `quarantine_due`, by triggers, in its own transaction: whoever registers
//! something waits for nothing, and nothing is forgotten when a server ends.

mod background;
mod filter;
pub mod keep;
mod left;
mod list;
mod operations;
mod replay;

pub use background::run;
pub use replay::{Replayed, Replayer};

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(list::routes()).merge(operations::routes())
}
