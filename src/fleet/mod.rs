//! A simulated fleet: three providers with their customers, groups, devices and readings, and the exact totals of what
//! they send. `demo` and `simulate` post it through the API and compare the figures that come back.
//!
//! Everything is a function of the [`Plan`] alone, and quantities are integers. The totals are kept by [`ledger`] from
//! the readings themselves and share no code with the server.
//!
//! - [`plan`]: how large, from when to when
//! - [`catalog`]: the providers, their metrics, customers and models of devices, as constants
//! - [`shape`]: how use varies over a day and a year
//! - [`random`]: the pseudo-random numbers
//! - [`roster`]: the groups and devices of a plan, and who owns them
//! - [`course`]: what a device reads, day by day
//! - [`feed`]: what is sent when: late, out of order, twice
//! - [`ledger`]: the totals
//! - [`meter`]: smart meters, which register themselves and send telegrams

pub mod catalog;
pub mod course;
pub mod feed;
pub mod ledger;
pub mod meter;
pub mod plan;
pub mod random;
pub mod roster;
pub mod shape;

pub use plan::Plan;
pub use roster::Fleet;
