//! The embedded database: a private PostgreSQL with TimescaleDB under a data directory, from the server binaries
//! that the machine has. `cluster` is one PostgreSQL cluster; `install` finds the binaries.

pub mod cluster;
pub mod install;
