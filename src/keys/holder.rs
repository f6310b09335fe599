//! Who holds a key, and what it lets him do.

use sqlx::PgConnection;

use crate::core::entity::Ref;
use crate::keys::part::PartRow;
use crate::keys::{ApiKey, ClientCertificate, Credential, KeyRate, Part, Scope};

/// What a good key lets its holder be.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The key, also that of a session; of a token the one that made it.
    pub key_id: i32,
    /// Whether it is a token of a portal.
    pub is_token: bool,
    pub scope: Scope,
    pub part: Part,
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

#[derive(sqlx::FromRow)]
struct Row {
    /// From 1.
    position: i64,
    key_id: i32,
    is_token: bool,
    scope: Scope,
    own_provider_id: Option<i32>,
    secret_hash: Vec<u8>,
    /// Of the secret before, while that is good too.
    previous_hash: Option<Vec<u8>>,
    provider_id: Option<i32>,
    key: Option<String>,
    time_zone: Option<String>,
    #[sqlx(flatten)]
    rate: KeyRate,
    #[sqlx(flatten)]
    part: PartRow,
}

/// Who shows each of these, and the provider that the key and the name of one leave; none when it is no key's, or the key has
/// expired or is revoked.
pub async fn holders(
    db: &mut PgConnection,
    asked: &[(&Credential, Option<&Ref>)],
) -> sqlx::Result<Vec<Option<Holder>>> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("../../sql/keys/find.sql"))
        .bind(asked.iter().map(|(shown, _)| shown.key().map(ApiKey::lookup)).collect::<Vec<_>>())
        .bind(asked.iter().map(|(shown, _)| Some(shown.certificate()?.fingerprint.as_slice())).collect::<Vec<_>>())
        .bind(asked.iter().map(|(shown, _)| Some(shown.certificate()?.subject.as_str())).collect::<Vec<_>>())
        .bind(asked.iter().map(|(_, named)| named.and_then(Ref::key)).collect::<Vec<_>>())
        .bind(asked.iter().map(|(_, named)| named.and_then(Ref::id)).collect::<Vec<_>>())
        .bind(asked.iter().map(|(shown, _)| shown.session().map(ApiKey::lookup)).collect::<Vec<_>>())
        .fetch_all(db)
        .await?;
    let mut holders = vec![None; asked.len()];
    for row in rows {
        let at = row.position as usize - 1;
        // The certificate itself comes before its subject.
        if holders[at].is_none() && asked[at].0.secret().is_none_or(|key| row.has_secret(key)) {
            holders[at] = Some(row.holder());
        }
    }
    Ok(holders)
}

impl Credential {
    pub fn key(&self) -> Option<&ApiKey> {
        if let Self::Key(key) = self { Some(key) } else { None }
    }

    pub fn session(&self) -> Option<&ApiKey> {
        if let Self::Session(session) = self { Some(session) } else { None }
    }

    fn certificate(&self) -> Option<&ClientCertificate> {
        if let Self::Certificate(certificate) = self { Some(certificate) } else { None }
    }

    /// What the database has a hash of; none for a certificate.
    fn secret(&self) -> Option<&ApiKey> {
        self.key().or(self.session())
    }
}

impl Row {
    fn has_secret(&self, key: &ApiKey) -> bool {
        key.has_hash(&self.secret_hash) || self.previous_hash.as_ref().is_some_and(|previous| key.has_hash(previous))
    }

    fn holder(self) -> Holder {
        let provider = self.provider_id.zip(self.key).zip(self.time_zone);
        let provider = provider.map(|((provider_id, key), time_zone)| Provider { provider_id, key, time_zone });
        let Self { key_id, is_token, scope, own_provider_id, rate, .. } = self;
        Holder { key_id, is_token, scope, part: self.part.into(), provider_id: own_provider_id, provider, rate }
    }
}
