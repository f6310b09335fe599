//! Which device calls, and which profile holds for it.

use sqlx::PgConnection;
use sqlx::types::Json as Kept;
use uuid::Uuid;

use crate::core::entity::Ref;
use crate::http::access::Tenant;
use crate::http::problem::{Code, Problem, Result};
use crate::keys::Part;
use crate::profiles::definition::Definition;

/// A device, and the profile that holds for it just now.
pub struct Device {
    pub device_id: i32,
    pub key: String,
    /// None where no profile holds for it.
    pub profile: Option<Held>,
    /// What was counted of changes of its provider's configurations when this was so.
    pub changes: i64,
}

/// A version of a profile.
pub struct Held {
    pub id: Uuid,
    pub key: String,
    pub version: i32,
    pub definition: Definition,
}

#[derive(sqlx::FromRow)]
struct Row {
    device_id: i32,
    device: String,
    profile_id: Option<Uuid>,
    profile: Option<String>,
    version: Option<i32>,
    definition: Option<Kept<Definition>>,
    changes: i64,
}

/// The key of the device that a caller speaks for, and the profile that reads what it sends; also while it waits for approval.
pub async fn sending(db: &mut PgConnection, tenant: &Tenant, named: Option<&Ref>) -> Result<(String, Option<Held>)> {
    let Part::Applicant(key) = &*tenant.part else {
        let Device { key, profile, .. } = calling(db, tenant, named).await?;
        return Ok((key, profile));
    };
    if let Some(name) = named.filter(|name| name.key() != Some(key)) {
        return Err(Problem::no_such("device", name, Some("device")));
    }
    let found: Option<(Uuid, String, i32, Kept<Definition>)> = tenant
        .query_as(include_str!("../../sql/profiles/of_applicant.sql"))
        .bind(tenant.by.key_id)
        .fetch_optional(db)
        .await?;
    let profile = found.map(|(id, key, version, Kept(definition))| Held { id, key, version, definition });
    Ok((key.clone(), profile))
}

/// The device that a caller speaks for: the one that is named, or else the one that its key is bound to.
pub async fn calling(db: &mut PgConnection, tenant: &Tenant, named: Option<&Ref>) -> Result<Device> {
    if let Part::Applicant(key) = &*tenant.part {
        let detail = format!("device {key} waits for approval; GET /v1/enroll tells when it has it");
        return Err(Problem::new(Code::NotApproved, detail));
    }
    let found = look_up(db, tenant, named).await?;
    found.ok_or_else(|| match named {
        Some(name) => Problem::no_such("device", name, Some("device")),
        None => Problem::parameter("device", "name the device that this is about: ?device=<key>"),
    })
}

/// The device that the path names.
pub async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<Device> {
    look_up(db, tenant, Some(name)).await?.ok_or_else(|| Problem::no_such("device", name, None))
}

async fn look_up(db: &mut PgConnection, tenant: &Tenant, named: Option<&Ref>) -> sqlx::Result<Option<Device>> {
    let (of_device, of_group) = match *tenant.part {
        Part::Device(device_id) => (Some(device_id), None),
        Part::Group(group_id) => (None, Some(group_id)),
        Part::All | Part::Subtree(_) | Part::Applicant(_) => (None, None),
    };
    let found: Option<Row> = tenant
        .seen_as(include_str!("../../sql/profiles/of_device.sql"))
        .bind(named.and_then(Ref::key).map(str::to_owned))
        .bind(named.and_then(Ref::id))
        .bind(of_device)
        .bind(of_group)
        .fetch_optional(db)
        .await?;
    Ok(found.map(Device::from))
}

impl From<Row> for Device {
    fn from(row: Row) -> Self {
        let Row { device_id, device: key, profile_id, profile, version, definition, changes } = row;
        let profile = profile_id.zip(profile).zip(version).zip(definition);
        let profile = profile.map(|(((id, key), version), Kept(definition))| Held { id, key, version, definition });
        Self { device_id, key, profile, changes }
    }
}
