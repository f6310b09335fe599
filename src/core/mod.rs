//! The domain core: pure, no database and no HTTP. Only std, serde, serde_json, chrono, chrono-tz and uuid are used here,
//! thiserror for messages and compact_str for short texts.

pub mod alert;
pub mod calendar;
pub mod cursor;
pub mod decimal;
pub mod entity;
pub mod instant;
pub mod interval;
pub mod network;
pub mod period;
pub mod pointer;
pub mod profile;
pub mod reading;
pub mod telegram;
