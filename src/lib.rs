//! Meterbase: a time-series metering database server on PostgreSQL and TimescaleDB.
//!
//! It takes readings in, keeps rollups of them, and answers what was used by whom. It does not price, invoice or talk
//! to meters. In reading order:
//!
//! - [`core`]: keys, decimals, instants, periods; pure
//! - [`limits`]: what callers can make the server hold or wait for, and how much of it
//! - [`http`]: problems, callers, parameters, pages: what all operations share
//! - [`keys`]: API keys
//! - [`database`]: what is needed of PostgreSQL and TimescaleDB, and connecting to it
//! - [`migrate`]: the schema, `migrations/` and `sql/schema/`
//! - [`embedded`]: the private PostgreSQL for those who bring none
//! - [`registry`]: providers, customers, groups, devices, metrics; one file each
//! - [`watch`]: news of providers that somebody waits for
//! - [`forget`]: what is kept for a time goes
//! - [`events`]: what happened, for those who want to be told
//! - [`ingest`]: readings in, a verdict for each
//! - [`profiles`]: what devices send in their own language, and what they are told to do
//! - [`enroll`]: devices that register themselves
//! - [`webhooks`]: addresses of providers that are told of events
//! - [`rollup`]: hour, day and month figures, on both editions
//! - [`usage`]: figures out
//! - [`alerts`]: what is told of figures
//! - [`verify`]: proofs that the figures are what the readings say
//! - [`analytics`]: views for analysts' SQL, and the roles that read them
//! - [`service`]: health, metrics, documentation pages
//! - [`dashboard`]: the pages of `web/`
//! - [`app`], [`openapi`]: the route table and the OpenAPI document
//! - [`observe`]: logs, request ids, metrics
//! - [`server`]: listening, background work, shutdown
//! - [`client`]: the API's own client, for the commands that post readings
//! - [`fleet`]: a simulated fleet that knows the exact totals of what it sends
//! - [`simulation`]: that fleet registered, sent and compared through the API
//! - [`doctor`]: is the database fit, and how to mend what is not
//! - [`cli`]: the commands of the binary

pub mod alerts;
pub mod analytics;
pub mod app;
pub mod cli;
pub mod client;
pub mod core;
pub mod dashboard;
pub mod database;
pub mod doctor;
pub mod embedded;
pub mod enroll;
pub mod events;
pub mod fleet;
pub mod forget;
pub mod http;
pub mod ingest;
pub mod keys;
pub mod limits;
pub mod migrate;
pub mod observe;
pub mod openapi;
pub mod profiles;
pub mod registry;
pub mod rollup;
pub mod server;
pub mod service;
pub mod simulation;
pub mod usage;
pub mod verify;
pub mod watch;
pub mod webhooks;
