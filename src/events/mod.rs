//! Events: what happened that somebody wants to be told, written in the transaction in which it did.
//!
//! - [`record`]: writes them, with a delivery for each webhook that is told such events
//! - [`forget`]: old ones go

mod forget;
mod record;

pub use forget::{AGE, forget, run};
pub use record::{EventType, MAX_DATA, NewEvent, RETRIED_FOR, record, record_test};
