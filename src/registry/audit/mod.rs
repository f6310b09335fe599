//! The audit: what was changed by whom and from where, written in the transaction of the change. [`list`] shows it.

mod list;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

pub use list::routes;

macro_rules! actions {
    ($($variant:ident = $word:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Action { $(#[serde(rename = $word)] $variant),* }

        impl Action {
            /// As the database and callers name it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        // By hand: what derives it sees the variants' names alone where a macro makes them.
        impl PartialSchema for Action {
            fn schema() -> RefOr<Schema> {
                let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),*]));
                words.description(Some("What was done.")).into()
            }
        }

        impl ToSchema for Action {}
    };
}

actions! {
    ProviderCreate = "provider.create";
    ProviderUpdate = "provider.update";
    CustomerCreate = "customer.create";
    CustomerUpdate = "customer.update";
    CustomerTimeZone = "customer.time_zone";
    CustomerDelete = "customer.delete";
    GroupCreate = "group.create";
    GroupUpdate = "group.update";
    GroupDelete = "group.delete";
    DeviceCreate = "device.create";
    DeviceUpdate = "device.update";
    DeviceMove = "device.move";
    DeviceRetire = "device.retire";
    DeviceReplacement = "device.replacement";
    MetricCreate = "metric.create";
    MetricUpdate = "metric.update";
    ProfileCreate = "profile.create";
    ProfileUpdate = "profile.update";
    ProfileDelete = "profile.delete";
    ReviewAccept = "review.accept";
    ReviewDismiss = "review.dismiss";
    QuarantineReplay = "quarantine.replay";
    QuarantineDelete = "quarantine.delete";
    KeyCreate = "key.create";
    KeyUpdate = "key.update";
    KeyRotate = "key.rotate";
    KeyRevoke = "key.revoke";
    KeyCertify = "key.certify";
    EnrollmentTokenCreate = "enrollment_token.create";
    EnrollmentTokenRevoke = "enrollment_token.revoke";
    EnrollmentCreate = "enrollment.create";
    EnrollmentUpdate = "enrollment.update";
    EnrollmentApprove = "enrollment.approve";
    EnrollmentRefuse = "enrollment.refuse";
    EnrollmentDelete = "enrollment.delete";
    PortalTokenCreate = "portal_token.create";
    PortalTokenRevoke = "portal_token.revoke";
    SessionCreate = "session.create";
    SessionEnd = "session.end";
    WebhookCreate = "webhook.create";
    WebhookUpdate = "webhook.update";
    WebhookRotate = "webhook.rotate";
    WebhookDelete = "webhook.delete";
    WebhookTest = "webhook.test";
    WebhookResend = "webhook.resend";
    AlertCreate = "alert.create";
    AlertUpdate = "alert.update";
    AlertDelete = "alert.delete";
    SqlRoleCreate = "sql_role.create";
    SqlRoleDrop = "sql_role.drop";
}

/// Who makes a change, from where, and in which provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct By {
    /// None for what concerns no single one.
    pub provider_id: Option<i32>,
    /// The API key; none for the command line, and for a device that enrolls.
    pub key_id: Option<i32>,
    /// Where the request came from; none for the command line.
    pub address: Option<IpAddr>,
}

impl By {
    /// Somebody who works on the database itself.
    pub fn command_line(provider_id: Option<i32>) -> Self {
        Self { provider_id, ..Self::default() }
    }
}

/// One entity's change.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its key, or its id where it has none.
    pub entity: &'a str,
    /// How it was; none for a creation.
    pub before: Option<Value>,
    /// How it is; none for a deletion.
    pub after: Option<Value>,
}

/// Writes entries of one action.
pub async fn write(db: &mut PgConnection, by: &By, action: Action, entries: &[Entry<'_>]) -> sqlx::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("../../../sql/audit/write.sql"))
        .bind(by.provider_id)
        .bind(by.key_id)
        .bind(by.address.map(|address| address.to_string()))
        .bind(action.as_str())
        .bind(entries.iter().map(|entry| entry.entity).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.before.as_ref()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.after.as_ref()).collect::<Vec<_>>())
        .execute(db)
        .await
        .map(drop)
}

/// Writes what a PUT did to an entity: `actions` are those for one that it made and for one that it changed. Nothing where it
/// is as it was.
pub async fn write_put<T: Serialize>(
    db: &mut PgConnection,
    by: &By,
    actions: [Action; 2],
    entity: &str,
    before: Option<&T>,
    after: &T,
) -> sqlx::Result<()> {
    let (before, after) = (before.map(shown).transpose()?, Some(shown(after)?));
    if before == after {
        return Ok(());
    }
    let action = actions[usize::from(before.is_some())];
    write(db, by, action, &[Entry { entity, before, after }]).await
}

/// A thing as the audit keeps it: as the API shows it.
pub fn shown(thing: &impl Serialize) -> sqlx::Result<Value> {
    serde_json::to_value(thing).map_err(|e| sqlx::Error::Encode(e.into()))
}
