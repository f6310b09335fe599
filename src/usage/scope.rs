//! Whose usage it is: scope and split, resolved to the numbers that rollups are keyed by.

use std::collections::{BTreeSet, HashMap};

use chrono_tz::Tz;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::core::entity::Ref;
use crate::core::period::Range;
use crate::http::access::Tenant;
use crate::http::problem::{Code, Problem, Result};
use crate::usage::ask::{Ask, By, Filling, ScopeName};

/// Most points in one answer.
pub const MAX_POINTS: usize = 200_000;

/// A metric as figures need it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Metric {
    pub metric_id: i32,
    pub key: String,
    pub unit: String,
    pub kind: String,
    pub scale: i32,
}

/// A provider's customers by number.
#[derive(Debug)]
pub struct Customers {
    by_id: HashMap<i32, Customer>,
    below: HashMap<Option<i32>, Vec<i32>>,
}

#[derive(Debug, sqlx::FromRow)]
struct Customer {
    customer_id: i32,
    parent_id: Option<i32>,
    uuid: Uuid,
    key: String,
    time_zone: String,
}

/// The scope as found.
#[derive(Debug)]
pub struct Scope {
    pub level: &'static str,
    pub key: String,
    /// Billing time zones of the owners in it, each once.
    pub zones: Vec<Tz>,
    within: Within,
}

#[derive(Debug)]
enum Within {
    Provider(i32),
    /// The customer's own number, and all that count.
    Customers(i32, Vec<i32>),
    Group(i32),
    Device(i32),
}

/// One line of the answer per metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What it is of; none for the whole scope, or for what belongs to no group.
    pub label: Option<String>,
    pub zones: Vec<Tz>,
    /// Whether it is shown though it has no points.
    pub always: bool,
}

/// Which rows of which rollups are a series' own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Rollups of owners: the owner's number leads to the series.
    Owners { owner: Owner, ids: Vec<i32>, labels: Vec<Option<String>> },
    /// Rollups of channels, for what has none of its own.
    Channels { label: ChannelLabel, filter: ChannelFilter },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Provider,
    Customer,
    Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelLabel {
    None,
    Device,
    Kind,
}

/// All that are present must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelFilter {
    pub customers: Option<Vec<i32>>,
    /// 0: readings in no group.
    pub group: Option<i32>,
    pub device: Option<i32>,
}

/// The metrics asked for, in that order.
pub async fn metrics(db: &mut PgConnection, tenant: &Tenant, names: &[Ref]) -> Result<Vec<Metric>> {
    let keys: Vec<_> = names.iter().map(Ref::key).collect();
    let ids: Vec<_> = names.iter().map(Ref::id).collect();
    let found: Vec<Metric> = sqlx::query_as(include_str!("../../sql/usage/metrics.sql"))
        .bind(tenant.provider_id)
        .bind(keys)
        .bind(&ids)
        .fetch_all(&mut *db)
        .await?;
    if found.len() == names.len() {
        return Ok(found);
    }
    // Ids are not in the rows, so which one is missing is asked one by one; only on the way to an error.
    for name in names {
        let one: Option<Metric> = sqlx::query_as(include_str!("../../sql/usage/metrics.sql"))
            .bind(tenant.provider_id)
            .bind(vec![name.key()])
            .bind(vec![name.id()])
            .fetch_optional(&mut *db)
            .await?;
        one.ok_or_else(|| Problem::no_such("metric", name, Some("metric")))?;
    }
    Ok(found)
}

impl Customers {
    pub async fn load(db: &mut PgConnection, tenant: &Tenant) -> Result<Self> {
        let rows: Vec<Customer> = sqlx::query_as(include_str!("../../sql/usage/customers.sql"))
            .bind(tenant.provider_id)
            .fetch_all(db)
            .await?;
        let mut below: HashMap<_, Vec<_>> = HashMap::new();
        for row in &rows {
            below.entry(row.parent_id).or_default().push(row.customer_id);
        }
        Ok(Self { by_id: rows.into_iter().map(|row| (row.customer_id, row)).collect(), below })
    }

    fn find(&self, name: &Ref) -> Option<&Customer> {
        self.by_id.values().find(|c| name.key() == Some(c.key.as_str()) || name.id() == Some(c.uuid))
    }

    /// Direct sub-customers; of none: the customers at the top.
    fn children(&self, of: Option<i32>) -> impl Iterator<Item = &Customer> {
        self.below.get(&of).into_iter().flatten().map(|id| &self.by_id[id])
    }

    /// A customer and all below it.
    fn subtree(&self, root: i32) -> Vec<i32> {
        let mut found = vec![root];
        let mut next = 0;
        while let Some(id) = found.get(next).copied() {
            found.extend(self.children(Some(id)).map(|c| c.customer_id));
            next += 1;
        }
        found
    }

    /// Billing time zones of these customers, each once.
    fn zones(&self, of: impl IntoIterator<Item = i32>) -> Result<Vec<Tz>> {
        let names: BTreeSet<_> =
            of.into_iter().filter_map(|id| Some(self.by_id.get(&id)?.time_zone.as_str())).collect();
        names.into_iter().map(zone).collect()
    }
}

fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| Problem::internal(format!("the time zone {name} in the database is not known here")))
}

impl Scope {
    pub async fn find(db: &mut PgConnection, tenant: &Tenant, name: &ScopeName, customers: &Customers) -> Result<Self> {
        match name {
            ScopeName::Provider => {
                let mut zones = customers.zones(customers.by_id.keys().copied())?;
                if zones.is_empty() {
                    zones.push(zone(&tenant.time_zone)?);
                }
                Ok(Self {
                    level: "provider",
                    key: tenant.key.clone(),
                    zones,
                    within: Within::Provider(tenant.provider_id),
                })
            }
            ScopeName::Customer { name, own } => {
                let found = customers.find(name).ok_or_else(|| Problem::no_such("customer", name, Some("scope")))?;
                let root = found.customer_id;
                let ids = if *own { vec![root] } else { customers.subtree(root) };
                let zones = customers.zones(ids.iter().copied())?;
                Ok(Self { level: "customer", key: found.key.clone(), zones, within: Within::Customers(root, ids) })
            }
            ScopeName::Group(name) => {
                let found = groups(db, tenant, Some(name), None).await?.pop();
                let found = found.ok_or_else(|| Problem::no_such("group", name, Some("scope")))?;
                let zones = customers.zones([found.customer_id])?;
                Ok(Self { level: "group", key: found.key, zones, within: Within::Group(found.group_id) })
            }
            ScopeName::Device(name) => device(db, tenant, name, customers).await,
        }
    }

    /// The series of the answer, and where their figures are.
    pub async fn split(
        &self,
        db: &mut PgConnection,
        tenant: &Tenant,
        ask: &Ask,
        range: &Range,
        customers: &Customers,
    ) -> Result<(Vec<Series>, Vec<Source>)> {
        match ask.by {
            None => Ok((vec![Series { label: None, zones: self.zones.clone(), always: true }], vec![self.whole()])),
            Some(By::Customer) => self.by_customer(customers),
            Some(By::Group) => self.by_group(db, tenant, customers).await,
            Some(by @ (By::Device | By::Kind)) => {
                let label = if by == By::Device { ChannelLabel::Device } else { ChannelLabel::Kind };
                let series = self.by_device(db, tenant, ask, range, customers).await?;
                Ok((series, vec![Source::Channels { label, filter: self.filter() }]))
            }
        }
    }

    fn whole(&self) -> Source {
        let owners = |owner, ids: &[i32]| Source::Owners { owner, ids: ids.to_vec(), labels: vec![None; ids.len()] };
        match &self.within {
            Within::Provider(id) => owners(Owner::Provider, &[*id]),
            Within::Customers(_, ids) => owners(Owner::Customer, ids),
            Within::Group(id) => owners(Owner::Group, &[*id]),
            Within::Device(_) => Source::Channels { label: ChannelLabel::None, filter: self.filter() },
        }
    }

    fn filter(&self) -> ChannelFilter {
        let none = ChannelFilter::default();
        match &self.within {
            Within::Provider(_) => none,
            Within::Customers(_, ids) => ChannelFilter { customers: Some(ids.clone()), ..none },
            Within::Group(id) => ChannelFilter { group: Some(*id), ..none },
            Within::Device(id) => ChannelFilter { device: Some(*id), ..none },
        }
    }

    /// Direct sub-customers with their subtrees; what is the scope's own comes last, under its own key.
    fn by_customer(&self, customers: &Customers) -> Result<(Vec<Series>, Vec<Source>)> {
        let (root, counted) = match &self.within {
            Within::Customers(root, ids) => (Some(*root), Some(ids)),
            _ => (None, None),
        };
        let (mut series, mut ids, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let mut children: Vec<_> = customers.children(root).collect();
        children.retain(|child| counted.is_none_or(|ids| ids.contains(&child.customer_id)));
        children.sort_by(|a, b| a.key.cmp(&b.key));
        for child in children {
            let subtree = customers.subtree(child.customer_id);
            let zones = customers.zones(subtree.iter().copied())?;
            series.push(Series { label: Some(child.key.clone()), zones, always: true });
            labels.extend(std::iter::repeat_n(Some(child.key.clone()), subtree.len()));
            ids.extend(subtree);
        }
        if let Some(root) = root {
            series.push(Series { label: Some(self.key.clone()), zones: customers.zones([root])?, always: false });
            labels.push(Some(self.key.clone()));
            ids.push(root);
        }
        Ok((series, vec![Source::Owners { owner: Owner::Customer, ids, labels }]))
    }

    /// The groups of the scope's customers; what is in no group comes last, without a name.
    async fn by_group(
        &self,
        db: &mut PgConnection,
        tenant: &Tenant,
        customers: &Customers,
    ) -> Result<(Vec<Series>, Vec<Source>)> {
        let filter = self.filter();
        let groups = groups(db, tenant, None, filter.customers.as_deref()).await?;
        let mut series = Vec::new();
        for group in &groups {
            let zones = customers.zones([group.customer_id])?;
            series.push(Series { label: Some(group.key.clone()), zones, always: true });
        }
        series.push(Series { label: None, zones: self.zones.clone(), always: false });
        let (ids, labels) = groups.into_iter().map(|group| (group.group_id, Some(group.key))).unzip();
        let grouped = Source::Owners { owner: Owner::Group, ids, labels };
        let rest = Source::Channels { label: ChannelLabel::None, filter: ChannelFilter { group: Some(0), ..filter } };
        Ok((series, vec![grouped, rest]))
    }

    async fn by_device(
        &self,
        db: &mut PgConnection,
        tenant: &Tenant,
        ask: &Ask,
        range: &Range,
        customers: &Customers,
    ) -> Result<Vec<Series>> {
        let filter = self.filter();
        let ends: Vec<_> = self.zones.iter().map(|zone| range.instants(*zone)).collect();
        let rows: Vec<(String, Vec<i32>)> = sqlx::query_as(include_str!("../../sql/usage/devices.sql"))
            .bind(tenant.provider_id)
            .bind(filter.customers)
            .bind(filter.group)
            .bind(ends.iter().map(|end| end.0).min())
            .bind(ends.iter().map(|end| end.1).max())
            .bind(MAX_POINTS as i64 + 1)
            .bind(ask.by == Some(By::Kind))
            .fetch_all(db)
            .await?;
        if rows.len() > MAX_POINTS {
            return Err(too_many());
        }
        let always = ask.fill != Filling::None;
        let series = rows
            .into_iter()
            .map(|(label, owners)| Ok(Series { label: Some(label), zones: customers.zones(owners)?, always }));
        series.collect()
    }
}

/// The answer would have more than [`MAX_POINTS`] points.
pub fn too_many() -> Problem {
    Problem::new(Code::TooManyPoints, format!("the answer would have more than {MAX_POINTS} points"))
}

#[derive(sqlx::FromRow)]
struct Group {
    group_id: i32,
    key: String,
    customer_id: i32,
}

async fn groups(db: &mut PgConnection, tenant: &Tenant, name: Option<&Ref>, of: Option<&[i32]>) -> Result<Vec<Group>> {
    let groups = sqlx::query_as(include_str!("../../sql/usage/groups.sql"))
        .bind(tenant.provider_id)
        .bind(name.and_then(Ref::key))
        .bind(name.and_then(Ref::id))
        .bind(of);
    Ok(groups.fetch_all(db).await?)
}

async fn device(db: &mut PgConnection, tenant: &Tenant, name: &Ref, customers: &Customers) -> Result<Scope> {
    let found: Option<(i32, String, Vec<i32>)> = sqlx::query_as(include_str!("../../sql/usage/device.sql"))
        .bind(tenant.provider_id)
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(db)
        .await?;
    let (id, key, owners) = found.ok_or_else(|| Problem::no_such("device", name, Some("scope")))?;
    Ok(Scope { level: "device", key, zones: customers.zones(owners)?, within: Within::Device(id) })
}
