//! What all HTTP operations share: problems, callers, parameters and bodies, pages, the middleware around them.

pub mod accept;
pub mod access;
pub mod callers;
pub mod cookie;
pub mod etag;
pub mod extract;
pub mod intake;
pub mod page;
pub mod problem;
pub mod security;
