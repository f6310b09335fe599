//! Proofs that the figures are right: rollups recomputed from readings, and what readings carry compared with the registry.
//!
//! - [`scope`], [`sample`]: of whom, and which days
//! - `plan`: what is compared in one snapshot
//! - [`run`]: one run, part by part
//! - `rollups`: each rollup against readings, or against a finer rollup where the readings are no longer kept
//! - `readings`: stamps and increments
//! - `registers`: increments and reviews of registers
//! - [`difference`]: what is told
//! - [`schedule`]: runs inside the server
//!
//! A change that the rollups have yet to follow is no difference: in the snapshot of each part the log of changes says
//! which rows these are.

pub mod difference;
mod plan;
mod readings;
mod registers;
mod rollups;
pub mod run;
pub mod sample;
pub mod schedule;
pub mod scope;

pub use run::{Ask, Listener, Summary, run};
