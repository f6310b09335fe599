//! API keys: `mb_<lookup>_<secret>`. The lookup part finds the row, only a hash of the secret is stored.
//!
//! The secret has 256 random bits, so a plain SHA-256 is as good as a slow hash, and quick enough for every request.
//!
//! - [`stored`]: keys made, changed, rotated, revoked and listed
//! - [`certificate`]: certificates of callers, which stand for a key's text
//! - [`issuer`]: certificates that the server gives to devices
//! - [`part`]: for which part of its provider a key is good
//! - [`holder`]: what a key lets who holds it do
//! - [`operations`], [`portal`], [`session`]: the API for them, for tokens of portals, and for browsers that sign in with one

mod certificate;
mod holder;
mod issuer;
mod operations;
mod part;
mod portal;
mod session;
mod stored;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

pub use certificate::{CertificateName, ClientCertificate};
pub use holder::{Holder, Provider, holders};
pub use issuer::{Authority, AuthorityError, CertificateRequest, IssuerFiles};
pub use part::{Part, Subtree, parts};
pub use portal::{StoredPortalToken, find_portal_token, list_portal_tokens, revoke_portal_token};
pub use stored::{
    Change, KeyPart, NewKey, StoredKey, approve, change, create, enroll, find, is_certificate_taken, list, lock, make,
    revoke, rotate,
};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, sqlx::Type, Serialize, Deserialize, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything, in every provider
    Admin,
    /// Everything in one provider
    Provider,
    /// Reading one provider's registry and figures, or those of one of its customers
    Read,
    /// Posting one provider's readings, or those of one of its customers, groups or devices
    Ingest,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Provider => "provider",
            Self::Read => "read",
            Self::Ingest => "ingest",
        })
    }
}

/// A key as its owner holds it. Its `Debug` hides the secret; [`ApiKey::reveal`] is the only way to see it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    lookup: String,
    secret: String,
}

/// What a caller shows to be taken for the holder of a key.
#[derive(Debug, Clone)]
pub enum Credential {
    Key(ApiKey),
    Certificate(Arc<ClientCertificate>),
    /// Of a browser that is signed in.
    Session(ApiKey),
}

/// How fast a key may send readings, where the server does not say that for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow, Serialize, ToSchema)]
pub struct KeyRate {
    /// Readings a second that it may send to each server; 0 for any number, null for what the server says of all keys.
    #[schema(required, example = 500)]
    pub rate: Option<i32>,
    /// Readings that it may send at once, where it has a rate; null for those of ten seconds.
    #[schema(required, example = json!(null))]
    pub burst: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key of Meterbase")]
pub struct BadApiKey;

/// Length of the two parts, in hexadecimal digits.
const LOOKUP_LEN: usize = 16;
const SECRET_LEN: usize = 64;

impl ApiKey {
    /// The same key with another secret.
    fn with_new_secret(lookup: &str) -> Result<Self, getrandom::Error> {
        Ok(Self { lookup: lookup.to_owned(), ..Self::random()? })
    }

    /// A new key from the operating system's random source.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; (LOOKUP_LEN + SECRET_LEN) / 2];
        getrandom::fill(&mut bytes)?;
        let mut lookup = hex::encode(bytes);
        let secret = lookup.split_off(LOOKUP_LEN);
        Ok(Self { lookup, secret })
    }

    /// The key's text, to be shown once.
    pub fn reveal(&self) -> String {
        format!("mb_{}_{}", self.lookup, self.secret)
    }

    /// The key of a device that has a secret of its own, which nobody without that and the token can make: the same for the same
    /// `lookup`.
    pub fn of_device(lookup: &str, token: &Self, secret: &str) -> Self {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
        for part in [token.secret.as_bytes(), lookup.as_bytes()] {
            mac.update(part);
        }
        Self { lookup: lookup.to_owned(), secret: hex::encode(mac.finalize().into_bytes()) }
    }

    /// The part that finds its row; not secret.
    pub fn lookup(&self) -> &str {
        &self.lookup
    }

    /// Whether this is the SHA-256 of its secret part.
    pub fn has_hash(&self, hash: &[u8]) -> bool {
        self.secret_hash().ct_eq(hash).into()
    }

    /// SHA-256 of its secret part.
    pub fn secret_hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.as_bytes()).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mb_{}_...", self.lookup)
    }
}

impl FromStr for ApiKey {
    type Err = BadApiKey;

    fn from_str(text: &str) -> Result<Self, BadApiKey> {
        let (lookup, secret) = text.strip_prefix("mb_").and_then(|rest| rest.split_once('_')).ok_or(BadApiKey)?;
        let hex = |part: &str, len| part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex(lookup, LOOKUP_LEN) || !hex(secret, SECRET_LEN) {
            return Err(BadApiKey);
        }
        Ok(Self { lookup: lookup.to_owned(), secret: secret.to_owned() })
    }
}

/// The operations on keys and tokens.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(operations::routes()).merge(portal::routes()).merge(session::routes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_hides_its_secret() {
        let key = ApiKey::random().unwrap();
        assert_eq!(key.reveal().parse(), Ok(key.clone()));
        assert!(!format!("{key:?}").contains(&key.secret));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "mb_", "mb__", "mb_0123456789abcdef_xyz", "Bearer x"] {
            assert_eq!(text.parse::<ApiKey>(), Err(BadApiKey));
        }
    }
}
