//! Who owns a device when, and what follows when that changes: assignments, stamps on readings, the audit.
//!
//! Callers hold [`lock_stamping`](crate::registry::lock_stamping): no reading is stored meanwhile with an outdated
//! owner. The assignments of a device in service end with an open one; the last one of a retired device ends with its
//! service.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::http::access::Tenant;
use crate::registry::audit::{self, Action};

/// A customer, and a group of that customer or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub customer_id: i32,
    pub group_id: Option<i32>,
}

/// A device and its new owner.
#[derive(Debug, Clone)]
pub struct Move<'a> {
    pub device_id: i32,
    /// The device's key, for the audit.
    pub key: &'a str,
    pub owner: Owner,
}

/// Who owned a device in a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow, ToSchema)]
pub struct Assignment {
    /// Key of the customer.
    #[schema(example = "acme-north")]
    customer: String,
    /// Key of the group; null for none.
    #[schema(required, example = "acme-roof")]
    group: Option<String>,
    /// Start of the time; null when it has none: history sent later belongs here too.
    #[schema(required, example = json!(null))]
    from: Option<DateTime<Utc>>,
    /// End of the time, not within it; null while it lasts.
    #[schema(required, example = "2026-11-01T00:00:00Z")]
    to: Option<DateTime<Utc>>,
}

/// What a set of moves did.
#[derive(Debug, Default)]
pub struct Moved {
    /// The devices whose assignments changed.
    pub devices: Vec<i32>,
    /// How many readings got another owner or billing day.
    pub reattributed: u64,
}

/// The assignments of each of these devices, oldest first: all, or those to customers that are seen.
pub async fn history(
    db: &mut PgConnection,
    devices: &[i32],
    seen: Option<&[i32]>,
) -> sqlx::Result<BTreeMap<i32, Vec<Assignment>>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        device_id: i32,
        #[sqlx(flatten)]
        assignment: Assignment,
    }
    let rows: Vec<Row> = sqlx::query_as(include_str!("../../sql/registry/moves/history.sql"))
        .bind(devices)
        .bind(seen)
        .fetch_all(db)
        .await?;
    let mut history = BTreeMap::<_, Vec<_>>::new();
    for row in rows {
        history.entry(row.device_id).or_default().push(row.assignment);
    }
    Ok(history)
}

/// From `at` on each device belongs to its new owner, whatever was said about that time before; readings from then on
/// are stamped anew. Changes are audited.
pub async fn apply(
    db: &mut PgConnection,
    tenant: &Tenant,
    at: DateTime<Utc>,
    moves: &[Move<'_>],
) -> sqlx::Result<Moved> {
    if moves.is_empty() {
        return Ok(Moved::default());
    }
    let devices: Vec<i32> = moves.iter().map(|m| m.device_id).collect();
    let customers: Vec<i32> = moves.iter().map(|m| m.owner.customer_id).collect();
    let groups: Vec<Option<i32>> = moves.iter().map(|m| m.owner.group_id).collect();

    let before = history(db, &devices, None).await?;
    sqlx::query(include_str!("../../sql/registry/moves/drop_later.sql"))
        .bind(&devices)
        .bind(at)
        .execute(&mut *db)
        .await?;
    sqlx::query(include_str!("../../sql/registry/moves/end_or_extend.sql"))
        .bind(&devices)
        .bind(&customers)
        .bind(&groups)
        .bind(at)
        .execute(&mut *db)
        .await?;
    sqlx::query(include_str!("../../sql/registry/moves/begin.sql"))
        .bind(tenant.provider_id())
        .bind(&devices)
        .bind(&customers)
        .bind(&groups)
        .bind(at)
        .execute(&mut *db)
        .await?;
    let reattributed = sqlx::query(include_str!("../../sql/registry/moves/reattribute.sql"))
        .bind(&devices)
        .bind(&customers)
        .bind(&groups)
        .bind(at)
        .execute(&mut *db)
        .await?
        .rows_affected();
    let after = history(db, &devices, None).await?;

    let changed: Vec<&Move> = moves.iter().filter(|m| before.get(&m.device_id) != after.get(&m.device_id)).collect();
    let mut entries = Vec::with_capacity(changed.len());
    for m in &changed {
        let told = |history: &BTreeMap<i32, Vec<Assignment>>| history.get(&m.device_id).map(audit::shown).transpose();
        entries.push(audit::Entry { entity: m.key, before: told(&before)?, after: told(&after)? });
    }
    audit::write(db, &tenant.by, Action::DeviceMove, &entries).await?;
    Ok(Moved { devices: changed.iter().map(|m| m.device_id).collect(), reattributed })
}
