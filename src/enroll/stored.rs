//! Enrollments as the database has them. Whoever decides about one writes that into the audit, in the same transaction.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::core::entity::Ref;
use crate::http::access::Tenant;
use crate::http::problem::{Code, Problem, Result};
use crate::keys;
use crate::registry::audit::{self, Action, By};
use crate::registry::device_set::{self, Product, Wanted};
use crate::registry::devices::DEFAULT_KIND;
use crate::registry::ownership::Owner;
use crate::registry::{lookup, moment};

/// How far an enrollment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, clap::ValueEnum, Serialize, Deserialize, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = EnrollmentState)]
pub enum State {
    /// Somebody has to approve it; what the device posts waits in quarantine
    Pending,
    /// The device is registered
    Approved,
    /// Its key is revoked
    Refused,
}

/// A device that registered itself, or wants to.
#[derive(Debug, Clone, sqlx::FromRow, Serialize, ToSchema)]
pub struct Enrollment {
    #[serde(skip)]
    pub enrollment_id: i32,
    #[serde(skip)]
    pub provider_id: i32,
    #[serde(skip)]
    customer_id: i32,
    #[serde(skip)]
    group_id: Option<i32>,
    /// UUIDv7 given by the server.
    pub id: Uuid,
    pub state: State,
    /// Key of the provider.
    #[schema(example = "northwind")]
    pub provider: String,
    /// Key of the device: its serial number, or that of the registered device with this serial number. Before the enrollment is
    /// approved there may be no such device.
    #[schema(example = "MB050-000001")]
    pub device: String,
    /// Serial number, as the device says.
    #[schema(example = "MB050-000001")]
    pub serial: String,
    /// What product it is, as the device says; null where it does not.
    #[schema(required, example = "MB-050")]
    pub model: Option<String>,
    /// Version of its firmware, as the device says; null where it does not.
    #[schema(required, example = "5.0.2")]
    pub firmware: Option<String>,
    /// Id of the token that it came with.
    pub token: Uuid,
    /// Key of the token's customer.
    #[schema(example = "acme")]
    pub customer: String,
    /// Key of the token's group; null for none.
    #[schema(required, example = "acme-roof")]
    pub group: Option<String>,
    /// Id of the API key that the device got.
    pub key_id: Uuid,
    /// When the device first asked.
    pub created_at: DateTime<Utc>,
    /// When it was approved or refused; null while it waits.
    #[schema(required)]
    pub decided_at: Option<DateTime<Utc>>,
}

/// A device in service that is enrolled as what it is.
#[derive(sqlx::FromRow)]
struct Registered {
    name: Option<String>,
    kind: String,
    customer_id: i32,
    group_id: Option<i32>,
    model: Option<String>,
    firmware: Option<String>,
    serial: Option<String>,
    profile_id: Option<i32>,
}

/// Enrollments behind a number, oldest first: all, or those of one provider, or in one state; at most so many.
pub async fn list(
    db: &mut PgConnection,
    provider_id: Option<i32>,
    state: Option<State>,
    behind: i32,
    most: Option<i64>,
) -> sqlx::Result<Vec<Enrollment>> {
    let list = sqlx::query_as(include_str!("../../sql/enroll/list.sql")).bind(provider_id).bind(None::<Uuid>);
    list.bind(state).bind(behind).bind(most).fetch_all(db).await
}

/// One enrollment: of any provider, or only of this one.
pub async fn find(db: &mut PgConnection, provider_id: Option<i32>, id: Uuid) -> sqlx::Result<Option<Enrollment>> {
    let find = sqlx::query_as(include_str!("../../sql/enroll/list.sql")).bind(provider_id).bind(id);
    find.bind(None::<State>).bind(0).bind(1_i64).fetch_optional(db).await
}

/// The same, about which nobody else decides until the transaction ends.
pub async fn lock(db: &mut PgConnection, provider_id: Option<i32>, id: Uuid) -> sqlx::Result<Option<Enrollment>> {
    sqlx::query(include_str!("../../sql/enroll/lock.sql")).bind(id).bind(provider_id).execute(&mut *db).await?;
    find(db, provider_id, id).await
}

/// Registers the device of an enrollment, as it was locked, and has what it posted count. One that is registered already stays
/// whose it is. The caller holds [`lock_stamping`](crate::registry::lock_stamping). Approving twice changes nothing.
pub async fn approve(db: &mut PgConnection, tenant: &Tenant, enrollment: &Enrollment) -> Result<()> {
    match enrollment.state {
        State::Pending => {}
        State::Approved => return Ok(()),
        State::Refused => return Err(decided("refused")),
    }
    let there = registered(db, tenant, &enrollment.device).await?;
    let owner =
        there.as_ref().map_or(Owner { customer_id: enrollment.customer_id, group_id: enrollment.group_id }, |there| {
            Owner { customer_id: there.customer_id, group_id: there.group_id }
        });
    let there = there.as_ref();
    let product = Product {
        model: enrollment.model.as_deref().or_else(|| there?.model.as_deref()),
        firmware: enrollment.firmware.as_deref().or_else(|| there?.firmware.as_deref()),
        serial: Some(&enrollment.serial),
        profile_id: there.and_then(|there| there.profile_id),
    };
    let wanted = Wanted {
        key: &enrollment.device,
        name: there.and_then(|there| there.name.as_deref()),
        kind: there.map_or(DEFAULT_KIND, |there| &there.kind),
        owner,
        product,
    };
    let at = moment(db).await?;
    let made = device_set::put(db, tenant, at, &[wanted]).await?;
    let device_id = lookup::device(db, tenant, &Ref::Id(made[0].0), "/device").await?;
    let key = keys::lock(db, None, enrollment.key_id).await?.ok_or(sqlx::Error::RowNotFound)?;
    keys::approve(db, &tenant.by, &key, device_id).await?;
    decide(db, &tenant.by, enrollment, State::Approved).await?;
    sqlx::query(include_str!("../../sql/enroll/due.sql"))
        .bind(tenant.provider_id())
        .bind(&enrollment.device)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes what a device says of itself that it did not say before, such as the firmware that it has now; what it leaves out
/// stays. What somebody wrote of the device meanwhile stays too, where the device says the same as ever. The caller holds
/// [`lock_stamping`](crate::registry::lock_stamping).
pub async fn renew(db: &mut PgConnection, tenant: &Tenant, id: Uuid, told: &Product<'_>) -> Result<()> {
    let found = lock(db, Some(tenant.provider_id()), id).await?;
    let before = found.ok_or_else(|| Problem::internal("an enrollment that is not there"))?;
    let model = told.model.filter(|told| before.model.as_deref() != Some(*told));
    let firmware = told.firmware.filter(|told| before.firmware.as_deref() != Some(*told));
    if model.is_none() && firmware.is_none() {
        return Ok(());
    }
    sqlx::query(include_str!("../../sql/enroll/renew.sql"))
        .bind(before.enrollment_id)
        .bind(model)
        .bind(firmware)
        .execute(&mut *db)
        .await?;
    let after = find(db, None, id).await?;
    record(db, &tenant.by, Action::EnrollmentUpdate, Some(&before), after.as_ref()).await?;
    let there = registered(db, tenant, &before.device).await?;
    let Some(there) = there.filter(|_| before.state == State::Approved) else { return Ok(()) };
    let product = Product {
        model: model.or(there.model.as_deref()),
        firmware: firmware.or(there.firmware.as_deref()),
        serial: there.serial.as_deref(),
        profile_id: there.profile_id,
    };
    let owner = Owner { customer_id: there.customer_id, group_id: there.group_id };
    let wanted = Wanted { key: &before.device, name: there.name.as_deref(), kind: &there.kind, owner, product };
    let at = moment(db).await?;
    device_set::put(db, tenant, at, &[wanted]).await?;
    Ok(())
}

/// The device of a key, if it is in service.
async fn registered(db: &mut PgConnection, tenant: &Tenant, device: &str) -> sqlx::Result<Option<Registered>> {
    let registered = tenant.query_as(include_str!("../../sql/enroll/registered.sql")).bind(device.to_owned());
    registered.fetch_optional(db).await
}

/// Refuses an enrollment, as it was locked: its key is revoked. What the device posted stays in quarantine. Refusing twice
/// changes nothing.
pub async fn refuse(db: &mut PgConnection, by: &By, enrollment: &Enrollment) -> Result<()> {
    match enrollment.state {
        State::Pending => {}
        State::Refused => return Ok(()),
        State::Approved => return Err(decided("approved")),
    }
    revoke(db, by, enrollment).await?;
    Ok(decide(db, by, enrollment, State::Refused).await?)
}

/// Deletes an enrollment, as it was locked, and revokes its key; its device stays as it is, and may enroll once more.
pub async fn forget(db: &mut PgConnection, by: &By, enrollment: &Enrollment) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    revoke(&mut transaction, by, enrollment).await?;
    let delete = sqlx::query(include_str!("../../sql/enroll/delete.sql")).bind(enrollment.enrollment_id);
    delete.execute(&mut *transaction).await?;
    record(&mut transaction, by, Action::EnrollmentDelete, Some(enrollment), None).await?;
    transaction.commit().await
}

async fn revoke(db: &mut PgConnection, by: &By, enrollment: &Enrollment) -> sqlx::Result<()> {
    let key = keys::lock(db, None, enrollment.key_id).await?.ok_or(sqlx::Error::RowNotFound)?;
    keys::revoke(db, by, &key).await
}

async fn decide(db: &mut PgConnection, by: &By, enrollment: &Enrollment, state: State) -> sqlx::Result<()> {
    sqlx::query(include_str!("../../sql/enroll/decide.sql"))
        .bind(enrollment.enrollment_id)
        .bind(state)
        .execute(&mut *db)
        .await?;
    let after = find(db, None, enrollment.id).await?;
    let action = if state == State::Approved { Action::EnrollmentApprove } else { Action::EnrollmentRefuse };
    record(db, by, action, Some(enrollment), after.as_ref()).await
}

/// Writes what became of an enrollment into the audit, under its provider.
pub async fn record(
    db: &mut PgConnection,
    by: &By,
    action: Action,
    before: Option<&Enrollment>,
    after: Option<&Enrollment>,
) -> sqlx::Result<()> {
    let Some(one) = after.or(before) else { return Ok(()) };
    let by = By { provider_id: Some(one.provider_id), ..*by };
    let [before, after] = [before.map(audit::shown).transpose()?, after.map(audit::shown).transpose()?];
    audit::write(db, &by, action, &[audit::Entry { entity: &one.id.to_string(), before, after }]).await
}

fn decided(what: &str) -> Problem {
    Problem::new(
        Code::EnrollmentDecided,
        format!("the enrollment is {what}; delete it, and the device may enroll once more"),
    )
}
