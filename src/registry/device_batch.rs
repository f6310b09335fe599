//! `POST /v1/devices`: thousands of devices in one transaction, an answer for each.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::entity::{Key, Ref};
use crate::http::access::{Tenant, Writer};
use crate::http::extract::{self, AtMost, Body, NoParameters, Query};
use crate::http::problem::{Code, Problem};
use crate::registry::device_set::{self, Done, Product, Wanted};
use crate::registry::ownership::Owner;
use crate::registry::{devices, lock_stamping, lookup, moment};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
}

/// Most devices of one request.
pub const MAX_DEVICES: usize = 10_000;

/// What makes a device, with its key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceItem {
    /// Key of the device.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "meter-0001")]
    key: Key,
    /// Key or id of the customer that owns it.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-north")]
    customer: Ref,
    /// Key or id of a group of that customer; none when left out.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "acme-roof")]
    group: Option<Ref>,
    /// `gateway`, `integration` or free text, 1 to 64 characters; `device` when left out.
    #[schema(example = "device", min_length = 1, max_length = 64, default = "device")]
    kind: Option<String>,
    /// Name for people, 1 to 256 characters; none when left out.
    #[schema(example = "Main meter", min_length = 1, max_length = 256)]
    name: Option<String>,
    /// What product it is, as its maker calls it, 1 to 128 characters; unknown when left out.
    #[schema(example = "MB-050", min_length = 1, max_length = 128)]
    model: Option<String>,
    /// Version of its firmware, 1 to 128 characters; unknown when left out.
    #[schema(example = "5.0.2", min_length = 1, max_length = 128)]
    firmware: Option<String>,
    /// Its serial number, 1 to 128 characters; unknown when left out.
    #[schema(example = "MB050-000001", min_length = 1, max_length = 128)]
    serial: Option<String>,
    /// Key or id of the profile that holds for it; when left out, that is the one that recognises its model and firmware.
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9._:~-]{1,128}$", example = "smart-meter")]
    profile: Option<Ref>,
}

/// What became of the devices: `received` is the sum of the four numbers behind it.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    #[schema(example = 2)]
    received: usize,
    #[schema(example = 1)]
    created: usize,
    #[schema(example = 0)]
    updated: usize,
    #[schema(example = 0)]
    unchanged: usize,
    #[schema(example = 1)]
    rejected: usize,
    /// One for each device, in their order.
    results: Vec<ItemResult>,
}

/// What became of one device.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemResult {
    /// Its place in the array, from 0.
    #[schema(example = 1)]
    index: usize,
    /// Its key; null when none could be read.
    #[schema(required, example = "meter-0002")]
    key: Option<String>,
    status: ItemStatus,
    /// Its id; absent when it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    /// Why it was rejected: `invalid_value`, `not_found`, `group_of_another_customer` or `duplicate_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "not_found")]
    code: Option<&'static str>,
    /// The reason in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "there is no customer acme-nord")]
    detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ItemStatus {
    Created,
    Updated,
    Unchanged,
    Rejected,
}

/// Make or replace many devices
///
/// Up to 10,000, each as by `PUT /v1/devices/{key}`, in one transaction. One that is wrong is rejected without harm to
/// the others. Of two with the same key the later one is rejected.
#[utoipa::path(post, path = "/v1/devices", tag = "Registry",
    request_body(content = Vec<DeviceItem>, description = "At most 10,000 devices"),
    responses((status = 200, description = "What became of each", body = BatchAnswer)))]
async fn post(
    State(app): State<App>,
    Writer(tenant): Writer,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<AtMost<Box<RawValue>, MAX_DEVICES>>,
) -> Result<Json<BatchAnswer>, Problem> {
    let AtMost::These(body) = body else {
        return Err(Problem::new(Code::PayloadTooLarge, format!("at most {MAX_DEVICES} devices at once")));
    };
    let items = read(&body);
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let results = put(&mut db, &tenant, &body, &items).await?;
    db.commit().await?;
    Ok(Json(BatchAnswer::of(results)))
}

/// Why an item was rejected.
struct Rejection {
    code: &'static str,
    detail: String,
}

impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Self {
        let code = problem.errors.first().map_or(problem.code.slug(), |error| error.code);
        Self { code, detail: problem.detail }
    }
}

impl DeviceItem {
    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or(devices::DEFAULT_KIND)
    }

    fn product(&self, profile_id: Option<i32>) -> Product<'_> {
        let [model, firmware, serial] = [&self.model, &self.firmware, &self.serial].map(Option::as_deref);
        Product { model, firmware, serial, profile_id }
    }
}

/// Each item, or what its own text shows to be wrong with it.
fn read(body: &[Box<RawValue>]) -> Vec<Result<DeviceItem, Rejection>> {
    let mut keys = HashSet::new();
    let mut read_one = |raw: &RawValue| {
        let item: DeviceItem = extract::json(raw.get().as_bytes())?;
        if !keys.insert(item.key.clone()) {
            return Err(Rejection {
                code: "duplicate_key",
                detail: format!("{} comes earlier in the array", item.key),
            });
        }
        devices::check_description(item.kind(), item.name.as_deref())?;
        devices::check_product(&item.product(None))?;
        Ok(item)
    };
    body.iter().map(|raw| read_one(raw)).collect()
}

/// Puts what can be put; a result for each item, in their order.
async fn put(
    db: &mut PgConnection,
    tenant: &Tenant,
    body: &[Box<RawValue>],
    items: &[Result<DeviceItem, Rejection>],
) -> sqlx::Result<Vec<ItemResult>> {
    let named = Named::of(db, tenant, items).await?;
    let (mut results, mut places, mut wanted) = (Vec::with_capacity(items.len()), vec![], vec![]);
    for (index, item) in items.iter().enumerate() {
        let rejected = |why: &Rejection| ItemResult::rejected(index, key_of(&body[index]), why);
        let item = match item {
            Ok(item) => item,
            Err(why) => {
                results.push(rejected(why));
                continue;
            }
        };
        match named.get(item) {
            Ok((owner, profile_id)) => {
                places.push(index);
                let (name, product) = (item.name.as_deref(), item.product(profile_id));
                wanted.push(Wanted { key: item.key.as_str(), name, kind: item.kind(), owner, product });
            }
            Err(why) => results.push(rejected(&why)),
        }
    }
    let at = moment(db).await?;
    let done = device_set::put(db, tenant, at, &wanted).await?;
    let done = places.into_iter().zip(wanted).zip(done);
    results.extend(done.map(|((index, wanted), (id, done))| ItemResult::done(index, wanted.key, id, done)));
    results.sort_by_key(|result| result.index);
    Ok(results)
}

/// The customers, groups and profiles that the items name.
struct Named {
    customers: lookup::Found<i32>,
    groups: lookup::Found<lookup::Group>,
    profiles: lookup::Found<i32>,
}

impl Named {
    async fn of(db: &mut PgConnection, tenant: &Tenant, items: &[Result<DeviceItem, Rejection>]) -> sqlx::Result<Self> {
        let items = || items.iter().flatten();
        let customers: HashSet<&Ref> = items().map(|item| &item.customer).collect();
        let groups: HashSet<&Ref> = items().filter_map(|item| item.group.as_ref()).collect();
        let profiles: HashSet<&Ref> = items().filter_map(|item| item.profile.as_ref()).collect();
        Ok(Self {
            customers: lookup::customers(db, tenant, &Vec::from_iter(customers)).await?,
            groups: lookup::groups(db, tenant, &Vec::from_iter(groups)).await?,
            profiles: lookup::profiles(db, tenant, &Vec::from_iter(profiles)).await?,
        })
    }

    /// The owner, and the number of the profile.
    fn get(&self, item: &DeviceItem) -> Result<(Owner, Option<i32>), Rejection> {
        let profile = item.profile.as_ref();
        let missing = |name| Problem::no_such("profile", name, None);
        let profile_id = profile.map(|name| self.profiles.get(name).ok_or_else(|| missing(name))).transpose()?;
        Ok((self.owner(item)?, profile_id))
    }

    fn owner(&self, item: &DeviceItem) -> Result<Owner, Rejection> {
        let no_such = |what, name| Problem::no_such(what, name, None);
        let customer_id = self.customers.get(&item.customer).ok_or_else(|| no_such("customer", &item.customer))?;
        let Some(name) = &item.group else { return Ok(Owner { customer_id, group_id: None }) };
        let group = self.groups.get(name).ok_or_else(|| no_such("group", name))?;
        if group.customer_id != customer_id {
            return Err(devices::group_of_another_customer(name, &item.customer).into());
        }
        Ok(Owner { customer_id, group_id: Some(group.group_id) })
    }
}

/// The key of an item that is wrong otherwise.
fn key_of(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Keyed {
        key: String,
    }
    serde_json::from_str(raw.get()).ok().map(|Keyed { key }| key)
}

impl ItemResult {
    fn rejected(index: usize, key: Option<String>, why: &Rejection) -> Self {
        let (code, detail) = (Some(why.code), Some(why.detail.clone()));
        Self { index, key, status: ItemStatus::Rejected, id: None, code, detail }
    }

    fn done(index: usize, key: &str, id: Uuid, done: Done) -> Self {
        let status = match done {
            Done::Created => ItemStatus::Created,
            Done::Updated => ItemStatus::Updated,
            Done::Unchanged => ItemStatus::Unchanged,
        };
        Self { index, key: Some(key.to_owned()), status, id: Some(id), code: None, detail: None }
    }
}

impl BatchAnswer {
    fn of(results: Vec<ItemResult>) -> Self {
        let number = |status| results.iter().filter(|result| result.status == status).count();
        Self {
            received: results.len(),
            created: number(ItemStatus::Created),
            updated: number(ItemStatus::Updated),
            unchanged: number(ItemStatus::Unchanged),
            rejected: number(ItemStatus::Rejected),
            results,
        }
    }
}
