//! The domain core: pure, no database and no HTTP. Only std, serde, chrono, chrono-tz, uuid and csv are used here.

pub mod cursor;
pub mod decimal;
pub mod entity;
pub mod instant;
