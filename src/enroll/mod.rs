//! Devices that register themselves: a token lets devices of a customer do so, each gets an identity and a key of its own.
//!
//! - [`tokens`]: the tokens, and the operations on them
//! - [`stored`]: enrollments as the database has them: found, approved, refused, deleted
//! - [`operations`]: what those who look after devices see of enrollments and decide
//! - [`ask`]: `/v1/enroll`: a device asks, and hears how far that is
//! - [`certificate`]: certificates of devices that have a key pair, first and next ones
//! - [`tries`]: how often an address may be refused

mod ask;
mod certificate;
mod operations;
mod stored;
mod tokens;
mod tries;

pub use stored::{Enrollment, State, approve, find, forget, list, lock, refuse};
pub use tokens::{MOST_USES, NewToken, StoredToken, find_token, list_tokens, make_token, revoke_token};
pub use tries::{MOST_REFUSED, Tries};

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(ask::routes())
        .merge(certificate::routes())
        .merge(tokens::routes())
        .merge(operations::routes())
}
