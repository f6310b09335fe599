//! Entries of the audit: what was changed by whom, written in the transaction of the change.

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

use crate::http::access::Tenant;

/// One entity's change.
pub struct Entry<'a> {
    /// Its key.
    pub entity: &'a str,
    /// How it was; none for a creation.
    pub before: Option<Value>,
    /// How it is; none for a deletion.
    pub after: Option<Value>,
}

/// Writes entries of one action, such as `device.move`.
pub async fn write(db: &mut PgConnection, tenant: &Tenant, action: &str, entries: &[Entry<'_>]) -> sqlx::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/registry/audit.sql"))
        .bind(tenant.provider_id)
        .bind(tenant.key_id)
        .bind(action)
        .bind(entries.iter().map(|entry| entry.entity).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.before.as_ref()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.after.as_ref()).collect::<Vec<_>>())
        .execute(db)
        .await
        .map(drop)
}

/// A thing as the audit keeps it: as the API shows it.
pub fn shown(thing: &impl Serialize) -> sqlx::Result<Value> {
    serde_json::to_value(thing).map_err(|e| sqlx::Error::Encode(e.into()))
}
