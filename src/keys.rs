//! API keys: `mb_<lookup>_<secret>`. The lookup part finds the row, only a hash of the secret is stored.
//!
//! The secret has 256 random bits, so a plain SHA-256 is as good as a slow hash, and quick enough for every request.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::core::entity::Ref;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, sqlx::Type, serde::Serialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Everything, in every provider
    Admin,
    /// Everything in one provider
    Provider,
    /// Reading one provider's registry and figures
    Read,
    /// Posting one provider's readings
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

/// A key as the database knows it.
#[derive(Debug, Clone, sqlx::FromRow, serde::Serialize)]
pub struct StoredKey {
    pub id: Uuid,
    pub scope: Scope,
    /// Key of the provider it acts in; none for admin.
    pub provider: Option<String>,
    pub name: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    #[serde(flatten)]
    pub rate: KeyRate,
}

/// How fast a key may send readings, where the server does not say that for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow, serde::Serialize)]
pub struct KeyRate {
    /// Readings a second; 0 for any number, none for what the server says of all keys.
    pub rate: Option<i32>,
    /// Readings at once, where there is a rate; none for those of ten seconds.
    pub burst: Option<i32>,
}

/// What a good key lets its holder be.
#[derive(Debug, Clone)]
pub struct Holder {
    pub key_id: i32,
    pub scope: Scope,
    /// The one provider that it acts in; none for admin.
    pub provider_id: Option<i32>,
    /// That provider, or the one named for an admin key; none where they are not the same, or there is no such one.
    pub provider: Option<Provider>,
    pub rate: KeyRate,
}

/// A provider as its callers' requests need it.
#[derive(Debug, Clone)]
pub struct Provider {
    pub provider_id: i32,
    pub key: String,
    /// Default billing time zone of its customers.
    pub time_zone: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key of Meterbase")]
pub struct BadApiKey;

/// Length of the two parts, in hexadecimal digits.
const LOOKUP_LEN: usize = 16;
const SECRET_LEN: usize = 64;

impl ApiKey {
    /// A new key from the operating system's random source.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; (LOOKUP_LEN + SECRET_LEN) / 2];
        getrandom::fill(&mut bytes)?;
        let mut lookup: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let secret = lookup.split_off(LOOKUP_LEN);
        Ok(Self { lookup, secret })
    }

    /// The key's text, to be shown once.
    pub fn reveal(&self) -> String {
        format!("mb_{}_{}", self.lookup, self.secret)
    }

    fn secret_hash(&self) -> [u8; 32] {
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

/// Makes and stores a key. `provider_id` is absent for admin keys, and only for them (the database checks).
pub async fn create(
    db: &mut PgConnection,
    scope: Scope,
    provider_id: Option<i32>,
    name: Option<&str>,
    expires_at: Option<DateTime<Utc>>,
) -> sqlx::Result<ApiKey> {
    create_limited(db, scope, provider_id, name, expires_at, KeyRate::default()).await
}

/// Like [`create`], with a rate of its own.
pub async fn create_limited(
    db: &mut PgConnection,
    scope: Scope,
    provider_id: Option<i32>,
    name: Option<&str>,
    expires_at: Option<DateTime<Utc>>,
    rate: KeyRate,
) -> sqlx::Result<ApiKey> {
    let key = ApiKey::random().map_err(|e| sqlx::Error::Io(e.into()))?;
    sqlx::query(include_str!("../sql/keys/create.sql"))
        .bind(Uuid::now_v7())
        .bind(provider_id)
        .bind(scope)
        .bind(name)
        .bind(&key.lookup)
        .bind(key.secret_hash().as_slice())
        .bind(expires_at)
        .bind(rate.rate)
        .bind(rate.burst)
        .execute(db)
        .await?;
    Ok(key)
}

/// All keys, or those of one provider, oldest first.
pub async fn list(db: &mut PgConnection, provider_id: Option<i32>) -> sqlx::Result<Vec<StoredKey>> {
    sqlx::query_as(include_str!("../sql/keys/list.sql")).bind(provider_id).fetch_all(db).await
}

/// Revokes a key; false when there is none with this id. Revoking twice is harmless.
pub async fn revoke(db: &mut PgConnection, id: Uuid) -> sqlx::Result<bool> {
    let done = sqlx::query(include_str!("../sql/keys/revoke.sql")).bind(id).execute(db).await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a key another rate; false when there is none with this id. It holds from the next request on.
pub async fn limit(db: &mut PgConnection, id: Uuid, rate: KeyRate) -> sqlx::Result<bool> {
    let limit = sqlx::query(include_str!("../sql/keys/limit.sql")).bind(id).bind(rate.rate).bind(rate.burst);
    Ok(limit.execute(db).await?.rows_affected() == 1)
}

/// Who holds each of these keys, and the provider that the key and the name of one leave; none when the key is unknown,
/// expired or revoked.
pub async fn holders(db: &mut PgConnection, asked: &[(&ApiKey, Option<&Ref>)]) -> sqlx::Result<Vec<Option<Holder>>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        /// From 1.
        position: i64,
        key_id: i32,
        scope: Scope,
        own_provider_id: Option<i32>,
        secret_hash: Vec<u8>,
        provider_id: Option<i32>,
        key: Option<String>,
        time_zone: Option<String>,
        #[sqlx(flatten)]
        rate: KeyRate,
    }
    let rows: Vec<Row> = sqlx::query_as(include_str!("../sql/keys/find.sql"))
        .bind(asked.iter().map(|(key, _)| key.lookup.as_str()).collect::<Vec<_>>())
        .bind(asked.iter().map(|(_, named)| named.and_then(Ref::key)).collect::<Vec<_>>())
        .bind(asked.iter().map(|(_, named)| named.and_then(Ref::id)).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    let mut holders = vec![None; asked.len()];
    for row in rows {
        let at = row.position as usize - 1;
        if bool::from(row.secret_hash.ct_eq(&asked[at].0.secret_hash())) {
            let provider = row.provider_id.zip(row.key).zip(row.time_zone);
            let provider = provider.map(|((provider_id, key), time_zone)| Provider { provider_id, key, time_zone });
            let Row { key_id, scope, own_provider_id, rate, .. } = row;
            holders[at] = Some(Holder { key_id, scope, provider_id: own_provider_id, provider, rate });
        }
    }
    Ok(holders)
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
