//! Keys as the database keeps them. Whoever changes one writes that into the audit, in the same transaction.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{Connection, PgConnection, Postgres, Transaction};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::keys::{ApiKey, CertificateName, KeyRate, Scope};
use crate::registry::audit::{self, Action, By};

/// A key without its secret.
#[derive(Debug, Clone, sqlx::FromRow, Serialize, ToSchema)]
pub struct StoredKey {
    #[serde(skip)]
    pub key_id: i32,
    #[serde(skip)]
    pub provider_id: Option<i32>,
    #[serde(skip)]
    lookup: String,
    /// UUIDv7 given by the server.
    pub id: Uuid,
    pub scope: Scope,
    /// Key of the provider it acts in; null for admin.
    #[schema(required, example = "northwind")]
    pub provider: Option<String>,
    /// Key of the customer for which alone, with all below it, it is good; null for no such limit.
    #[schema(required, example = json!(null))]
    pub customer: Option<String>,
    /// Key of the group for whose devices alone it may post readings; null for no such limit.
    #[schema(required, example = json!(null))]
    pub group: Option<String>,
    /// Key of the device for which alone it may post readings; null for no such limit.
    #[schema(required, example = "meter-0001")]
    pub device: Option<String>,
    /// SHA-256 of the certificate that stands for its text, in hexadecimal; null where none does.
    #[schema(required, example = json!(null))]
    pub certificate_fingerprint: Option<String>,
    /// Subject of the certificates that stand for its text; null where none do.
    #[schema(required, example = json!(null))]
    pub certificate_subject: Option<String>,
    /// Name for people; null when none was given.
    #[schema(required, example = "gateway-7")]
    pub name: Option<String>,
    pub created_at: DateTime<Utc>,
    /// From when on it is refused; null for never.
    #[schema(required)]
    pub expires_at: Option<DateTime<Utc>>,
    /// Since when it is revoked; null while it is not.
    #[schema(required, example = json!(null))]
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it got its present secret; null for the one it was made with.
    #[schema(required, example = json!(null))]
    pub rotated_at: Option<DateTime<Utc>>,
    /// Until when the secret before is good too; null where there was none.
    #[schema(required, example = json!(null))]
    pub previous_until: Option<DateTime<Utc>>,
    /// When it was last used, told a minute late; null for never.
    #[schema(required)]
    pub last_used_at: Option<DateTime<Utc>>,
    #[sqlx(flatten)]
    #[serde(flatten)]
    pub rate: KeyRate,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey<'a> {
    pub scope: Scope,
    /// Absent for admin keys, and only for them (the database checks).
    pub provider_id: Option<i32>,
    pub part: KeyPart,
    /// What stands for its text, if anything does.
    pub certificate: Option<CertificateName>,
    pub name: Option<&'a str>,
    pub expires_at: Option<DateTime<Utc>>,
    pub rate: KeyRate,
}

/// For which part of its provider a key is made; the numbers are of what is the provider's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyPart {
    #[default]
    All,
    /// With all below it.
    Customer(i32),
    Group(i32),
    Device(i32),
}

/// What can change of a key.
#[derive(Debug, Clone, Default)]
pub struct Change<'a> {
    pub name: Option<&'a str>,
    pub expires_at: Option<DateTime<Utc>>,
    pub rate: KeyRate,
}

/// Makes and stores a key for whoever works on the database itself.
pub async fn create(
    db: &mut PgConnection,
    scope: Scope,
    provider_id: Option<i32>,
    name: Option<&str>,
    expires_at: Option<DateTime<Utc>>,
) -> sqlx::Result<ApiKey> {
    let part = KeyPart::All;
    let new = NewKey { scope, provider_id, part, certificate: None, name, expires_at, rate: KeyRate::default() };
    make(db, &By::command_line(provider_id), &new).await.map(|(key, _)| key)
}

impl StoredKey {
    /// Whether certificates stand for its text, which nobody knows then.
    pub fn is_certificate(&self) -> bool {
        self.certificate_fingerprint.is_some() || self.certificate_subject.is_some()
    }
}

/// Makes and stores a key. [`is_certificate_taken`] tells whether it failed for its certificate.
pub async fn make(db: &mut PgConnection, by: &By, new: &NewKey<'_>) -> sqlx::Result<(ApiKey, StoredKey)> {
    let key = ApiKey::random().map_err(|e| sqlx::Error::Io(e.into()))?;
    let stored = store(db, by, &key, new, None).await?;
    Ok((key, stored))
}

/// Stores the key of a device that enrolls; what it posts is kept in quarantine until that is approved.
pub async fn enroll(db: &mut PgConnection, by: &By, key: &ApiKey, device: &str) -> sqlx::Result<StoredKey> {
    let new = NewKey {
        scope: Scope::Ingest,
        provider_id: by.provider_id,
        part: KeyPart::All,
        certificate: None,
        name: Some(device),
        expires_at: None,
        rate: KeyRate::default(),
    };
    store(db, by, key, &new, Some(device)).await
}

/// The key of a device that enrolled, as it was locked, is for that device from now on.
pub async fn approve(db: &mut PgConnection, by: &By, key: &StoredKey, device_id: i32) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    let approve = sqlx::query(include_str!("../../sql/keys/approve.sql")).bind(key.key_id).bind(device_id);
    approve.execute(&mut *transaction).await?;
    commit(transaction, by, Action::KeyUpdate, Some(key), key.id).await.map(drop)
}

async fn store(
    db: &mut PgConnection,
    by: &By,
    key: &ApiKey,
    new: &NewKey<'_>,
    applicant: Option<&str>,
) -> sqlx::Result<StoredKey> {
    let id = Uuid::now_v7();
    let (customer, group, device) = match new.part {
        KeyPart::All => (None, None, None),
        KeyPart::Customer(id) => (Some(id), None, None),
        KeyPart::Group(id) => (None, Some(id), None),
        KeyPart::Device(id) => (None, None, Some(id)),
    };
    let (fingerprint, subject) = match &new.certificate {
        Some(CertificateName::Fingerprint(fingerprint)) => (Some(fingerprint.as_slice()), None),
        Some(CertificateName::Subject(subject)) => (None, Some(subject)),
        None => (None, None),
    };
    let mut transaction = db.begin().await?;
    sqlx::query(include_str!("../../sql/keys/create.sql"))
        .bind(id)
        .bind(new.provider_id)
        .bind(new.scope)
        .bind(customer)
        .bind(group)
        .bind(device)
        .bind(new.name)
        .bind(&key.lookup)
        .bind(key.secret_hash().as_slice())
        .bind(new.expires_at)
        .bind(new.rate.rate)
        .bind(new.rate.burst)
        .bind(applicant)
        .bind(fingerprint)
        .bind(subject)
        .execute(&mut *transaction)
        .await?;
    commit(transaction, by, Action::KeyCreate, None, id).await
}

/// Whether a key could not be made because another one that is not revoked names its certificate.
pub fn is_certificate_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|db| db.constraint()).is_some_and(|constraint| {
        matches!(constraint, "api_key_certificate_fingerprint_key" | "api_key_certificate_subject_key")
    })
}

/// Keys behind a number, oldest first: all, or those of one provider; at most so many.
pub async fn list(
    db: &mut PgConnection,
    provider_id: Option<i32>,
    behind: i32,
    most: Option<i64>,
) -> sqlx::Result<Vec<StoredKey>> {
    let list = sqlx::query_as(include_str!("../../sql/keys/list.sql")).bind(provider_id).bind(None::<Uuid>);
    list.bind(behind).bind(most).fetch_all(db).await
}

/// One key: of any provider, or only of this one.
pub async fn find(db: &mut PgConnection, provider_id: Option<i32>, id: Uuid) -> sqlx::Result<Option<StoredKey>> {
    let find = sqlx::query_as(include_str!("../../sql/keys/list.sql")).bind(provider_id).bind(id);
    find.bind(0).bind(1_i64).fetch_optional(db).await
}

/// The same, which nobody else changes until the transaction ends.
pub async fn lock(db: &mut PgConnection, provider_id: Option<i32>, id: Uuid) -> sqlx::Result<Option<StoredKey>> {
    sqlx::query(include_str!("../../sql/keys/lock.sql")).bind(id).execute(&mut *db).await?;
    find(db, provider_id, id).await
}

/// Revokes a key, as it was locked. Revoking it twice changes nothing.
pub async fn revoke(db: &mut PgConnection, by: &By, key: &StoredKey) -> sqlx::Result<()> {
    let revoke = sqlx::query(include_str!("../../sql/keys/revoke.sql")).bind(key.key_id);
    let mut transaction = db.begin().await?;
    if revoke.execute(&mut *transaction).await?.rows_affected() == 1 {
        commit(transaction, by, Action::KeyRevoke, Some(key), key.id).await?;
    }
    Ok(())
}

/// Gives a key, as it was locked, another name, end and rate; these hold from the next request on.
pub async fn change(db: &mut PgConnection, by: &By, key: &StoredKey, to: &Change<'_>) -> sqlx::Result<StoredKey> {
    let mut transaction = db.begin().await?;
    sqlx::query(include_str!("../../sql/keys/change.sql"))
        .bind(key.key_id)
        .bind(to.name)
        .bind(to.expires_at)
        .bind(to.rate.rate)
        .bind(to.rate.burst)
        .execute(&mut *transaction)
        .await?;
    commit(transaction, by, Action::KeyUpdate, Some(key), key.id).await
}

/// Gives a key, as it was locked, another secret; the one before is good too for a time, and one before that is not any more.
/// None where the key is revoked or has expired, or has no text.
pub async fn rotate(
    db: &mut PgConnection,
    by: &By,
    key: &StoredKey,
    overlap: TimeDelta,
) -> sqlx::Result<Option<(ApiKey, StoredKey)>> {
    let new = ApiKey::with_new_secret(&key.lookup).map_err(|e| sqlx::Error::Io(e.into()))?;
    let mut transaction = db.begin().await?;
    let rotated = sqlx::query(include_str!("../../sql/keys/rotate.sql"))
        .bind(key.key_id)
        .bind(new.secret_hash().as_slice())
        .bind(overlap.num_seconds())
        .execute(&mut *transaction)
        .await?;
    if rotated.rows_affected() == 0 {
        return Ok(None);
    }
    let after = commit(transaction, by, Action::KeyRotate, Some(key), key.id).await?;
    Ok(Some((new, after)))
}

/// Ends a transaction that did something to a key, with what became of it in the audit; gives the key as it is now.
async fn commit(
    mut transaction: Transaction<'_, Postgres>,
    by: &By,
    action: Action,
    before: Option<&StoredKey>,
    id: Uuid,
) -> sqlx::Result<StoredKey> {
    let after = find(&mut transaction, None, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    record(&mut transaction, by, action, before, &after).await?;
    transaction.commit().await?;
    Ok(after)
}

/// Writes what became of a key into the audit, under the provider that it acts in. When it was used is no change.
async fn record(
    db: &mut PgConnection,
    by: &By,
    action: Action,
    before: Option<&StoredKey>,
    after: &StoredKey,
) -> sqlx::Result<()> {
    let shown = |key: &StoredKey| {
        let mut shown = audit::shown(key)?;
        if let Some(fields) = shown.as_object_mut() {
            fields.remove("last_used_at");
        }
        Ok::<_, sqlx::Error>(shown)
    };
    let (before, now) = (before.map(shown).transpose()?, Some(shown(after)?));
    if before == now {
        return Ok(());
    }
    let by = By { provider_id: after.provider_id, ..*by };
    audit::write(db, &by, action, &[audit::Entry { entity: &after.id.to_string(), before, after: now }]).await
}
