//! Events: what happened that somebody wants to be told, written in the transaction in which it did.
//!
//! - [`record`]: writes them, with a delivery for each webhook that is told such events

mod record;

pub use record::{EventType, NewEvent, RETRIED_FOR, record};
