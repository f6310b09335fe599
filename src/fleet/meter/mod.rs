//! Smart meters with a P1 port, in three versions of the standard. They read each hour or so over the last two days on which
//! clocks were changed, with the days around them, and know what they used on each day of their own clocks.
//!
//! - [`clock`]: what their clocks show
//! - [`telegram`]: what they send
//! - [`course`]: what they use, and on which day

pub mod clock;
pub mod course;
pub mod telegram;

pub use course::{Day, METRICS, Meter, Quantity};
pub use telegram::Version;
