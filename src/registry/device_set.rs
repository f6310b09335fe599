//! Devices as they are wanted, one or thousands at once: the same statements for both.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::http::access::Tenant;
use crate::registry::audit::{self, Action};
use crate::registry::devices::{self, Device};
use crate::registry::ownership::{self, Move, Owner};

/// A device as a caller wants it to be.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    pub key: &'a str,
    pub name: Option<&'a str>,
    pub kind: &'a str,
    pub owner: Owner,
    pub product: Product<'a>,
}

/// What product a device is, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Product<'a> {
    pub model: Option<&'a str>,
    pub firmware: Option<&'a str>,
    pub serial: Option<&'a str>,
    /// The profile that holds for it, where that is not the one that recognises it.
    pub profile_id: Option<i32>,
}

/// What was done to reach that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Created,
    Updated,
    Unchanged,
}

/// What is there of a device wanted, and how it differs.
#[derive(sqlx::FromRow)]
struct Comparison {
    device_id: Option<i32>,
    id: Option<Uuid>,
    described_otherwise: bool,
    owned_otherwise: bool,
}

/// Makes or replaces devices, whose keys all differ; gives each one's id and what was done, in their order. A device
/// that has another owner moves at `at`; a retired one is in service again from then on. Devices that are as wanted
/// are not written. Changes are audited. The caller holds [`lock_stamping`](crate::registry::lock_stamping).
pub async fn put(
    db: &mut PgConnection,
    tenant: &Tenant,
    at: DateTime<Utc>,
    wanted: &[Wanted<'_>],
) -> sqlx::Result<Vec<(Uuid, Done)>> {
    let there = compare(db, tenant, wanted).await?;
    let (mut answer, mut new, mut changed, mut moves) = (Vec::with_capacity(wanted.len()), vec![], vec![], vec![]);
    let mut described = vec![];
    for (wanted, there) in wanted.iter().zip(there) {
        let (Some(device_id), Some(id)) = (there.device_id, there.id) else {
            let id = Uuid::now_v7();
            new.push((id, wanted));
            answer.push((id, Done::Created));
            continue;
        };
        if there.owned_otherwise {
            moves.push(Move { device_id, key: wanted.key, owner: wanted.owner });
        }
        if there.described_otherwise {
            described.push(id);
        }
        let differs = there.owned_otherwise || there.described_otherwise;
        if differs {
            changed.push((device_id, wanted));
        }
        answer.push((id, if differs { Done::Updated } else { Done::Unchanged }));
    }
    let before = if described.is_empty() { HashMap::new() } else { devices::of_ids(db, &described).await? };
    create(db, tenant, &new).await?;
    change(db, &changed).await?;
    ownership::apply(db, tenant, at, &moves).await?;
    let made: Vec<Uuid> = new.iter().map(|(id, _)| *id).collect();
    record(db, tenant, Action::DeviceCreate, &made, &HashMap::new()).await?;
    record(db, tenant, Action::DeviceUpdate, &described, &before).await?;
    Ok(answer)
}

/// Writes what became of devices into the audit; `before` has those that were there.
async fn record(
    db: &mut PgConnection,
    tenant: &Tenant,
    action: Action,
    ids: &[Uuid],
    before: &HashMap<Uuid, Device>,
) -> sqlx::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let after = devices::of_ids(db, ids).await?;
    let mut entries = Vec::with_capacity(ids.len());
    for (id, device) in ids.iter().filter_map(|id| after.get(id).map(|device| (id, device))) {
        let before = before.get(id).map(audit::shown).transpose()?;
        entries.push(audit::Entry { entity: &device.key, before, after: Some(audit::shown(device)?) });
    }
    audit::write(db, &tenant.by, action, &entries).await
}

async fn compare(db: &mut PgConnection, tenant: &Tenant, wanted: &[Wanted<'_>]) -> sqlx::Result<Vec<Comparison>> {
    sqlx::query_as(include_str!("../../sql/registry/devices/compare.sql"))
        .bind(tenant.provider_id())
        .bind(wanted.iter().map(|w| w.key).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.name).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.kind).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.owner.customer_id).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.owner.group_id).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.product.model).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.product.firmware).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.product.serial).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.product.profile_id).collect::<Vec<_>>())
        .fetch_all(db)
        .await
}

async fn create(db: &mut PgConnection, tenant: &Tenant, new: &[(Uuid, &Wanted<'_>)]) -> sqlx::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/registry/devices/create.sql"))
        .bind(tenant.provider_id())
        .bind(new.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, w)| w.key).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, w)| w.name).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, w)| w.kind).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, w)| w.owner.customer_id).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, w)| w.owner.group_id).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, w)| w.product.model).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, w)| w.product.firmware).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, w)| w.product.serial).collect::<Vec<_>>())
        .bind(new.iter().map(|(_, w)| w.product.profile_id).collect::<Vec<_>>())
        .execute(db)
        .await
        .map(drop)
}

async fn change(db: &mut PgConnection, changed: &[(i32, &Wanted<'_>)]) -> sqlx::Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/registry/devices/change.sql"))
        .bind(changed.iter().map(|(device_id, _)| *device_id).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, w)| w.name).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, w)| w.kind).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, w)| w.product.model).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, w)| w.product.firmware).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, w)| w.product.serial).collect::<Vec<_>>())
        .bind(changed.iter().map(|(_, w)| w.product.profile_id).collect::<Vec<_>>())
        .execute(db)
        .await
        .map(drop)
}
