//! A fleet against a server: registered, sent and compared through the API alone. What `simulate`, `demo` and a test do.
//!
//! - [`registration`]: providers, customers, groups, metrics and devices
//! - [`sending`]: the readings, over several connections
//! - [`comparison`]: every figure of the server against the fleet's own totals
//! - [`meters`]: smart meters that register themselves, send telegrams and hear of a changed interval

pub mod comparison;
pub mod meters;
pub mod registration;
pub mod sending;

pub use comparison::{Comparison, compare, wait_until_fresh};
pub use registration::{register, settle};
pub use sending::{Pace, SentReport, send};

use crate::client::ClientError;
use crate::fleet::Plan;
use crate::fleet::plan::BadPlan;

/// Why a simulation did not come to its end. Wrong figures are none of these: they are its result.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Plan(#[from] BadPlan),
    #[error(
        "the provider {0} is there and is not of a simulation: choose another server, for its figures would be mixed up"
    )]
    NotSimulated(&'static str),
    #[error("the server has another simulated fleet {there}; ask for that one with the same --seed and --devices")]
    OtherFleet { there: Plan },
    #[error("the server refuses {count} devices; the first: {first}")]
    Devices { count: usize, first: String },
    #[error("a request of {sent} readings was answered for {received}")]
    Miscounted { sent: u64, received: u64 },
    #[error("the smart meter {meter} {what}")]
    Meter { meter: String, what: String },
    #[error("the rollups of {provider} are fresh through {fresh_through} only, {waited} s after everything was sent")]
    Stale { provider: &'static str, fresh_through: String, waited: u64 },
}
