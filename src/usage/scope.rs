//! Whose usage it is: scope and split, resolved to the numbers that rollups are keyed by.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgConnection;

use crate::core::calendar::Calendar;
use crate::core::entity::Ref;
use crate::core::period::{self, Anchor, Range};
use crate::http::access::Tenant;
use crate::http::problem::{Code, Problem, Result};
use crate::usage::ask::{Ask, By, Filling, ScopeName};
use crate::usage::customers::{Customers, Part};

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
    /// In seconds.
    pub expected_interval: Option<i32>,
}

/// The scope as found.
#[derive(Debug)]
pub struct Scope {
    pub level: &'static str,
    pub key: String,
    /// Billing calendars of the owners in it, each once.
    pub calendars: Vec<Arc<Calendar>>,
    /// On which day its own billing months begin.
    anchor: Anchor,
    within: Within,
}

#[derive(Debug)]
enum Within {
    Provider(i32),
    /// The customer's own number, and all that count.
    Customers(i32, Vec<i32>),
    Group(i32),
    /// The device, and the customers whose figures of it are seen; none for all.
    Device(i32, Option<Vec<i32>>),
}

/// One line of the answer per metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// What it is of; none for the whole scope, or for what belongs to no group.
    pub label: Option<String>,
    /// Billing calendars of its owners that differ within the range.
    pub calendars: Vec<Arc<Calendar>>,
    /// On which day its billing months begin.
    pub anchor: Anchor,
    /// Whether it is shown though it has no points.
    pub always: bool,
}

/// Where the figures of some series are: those whose billing months begin on the same day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub anchor: Anchor,
    pub rows: Rows,
}

/// Which rows of which rollups are a series' own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
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
    pub devices: Option<Vec<i32>>,
}

/// The metrics asked for, in that order.
pub async fn metrics(db: &mut PgConnection, tenant: &Tenant, names: &[Ref]) -> Result<Vec<Metric>> {
    let keys: Vec<_> = names.iter().map(Ref::key).collect();
    let ids: Vec<_> = names.iter().map(Ref::id).collect();
    let found: Vec<Metric> =
        tenant.query_as(include_str!("../../sql/usage/metrics.sql")).bind(keys).bind(&ids).fetch_all(&mut *db).await?;
    if found.len() == names.len() {
        return Ok(found);
    }
    // Ids are not in the rows, so which one is missing is asked one by one; only on the way to an error.
    for name in names {
        metric(db, tenant, name, "metric").await?;
    }
    Ok(found)
}

/// The metric that the caller names at `pointer`.
pub async fn metric(db: &mut PgConnection, tenant: &Tenant, name: &Ref, pointer: &str) -> Result<Metric> {
    let found: Option<Metric> = tenant
        .query_as(include_str!("../../sql/usage/metrics.sql"))
        .bind(vec![name.key()])
        .bind(vec![name.id()])
        .fetch_optional(db)
        .await?;
    found.ok_or_else(|| Problem::no_such("metric", name, Some(pointer)))
}

impl Scope {
    /// The scope, and the customers that it has to do with; of a provider not `each`, but those that decide on calendars.
    pub async fn find(
        db: &mut PgConnection,
        tenant: &Tenant,
        name: &ScopeName,
        each: bool,
    ) -> Result<(Self, Customers)> {
        match name {
            ScopeName::Seen => match tenant.subtree() {
                Some(subtree) => customer(db, tenant, &Ref::Id(subtree.id), false).await,
                None => provider(db, tenant, each).await,
            },
            // What of a provider somebody sees who sees a part of it is not the provider's.
            ScopeName::Provider if tenant.seen().is_some() => {
                Err(Problem::no_such("provider", &tenant.key, Some("scope")))
            }
            ScopeName::Provider => provider(db, tenant, each).await,
            ScopeName::Customer { name, own } => customer(db, tenant, name, *own).await,
            ScopeName::Group(name) => {
                let found = groups(db, tenant, Some(name), None).await?.pop();
                let found = found.ok_or_else(|| Problem::no_such("group", name, Some("scope")))?;
                let customers = Customers::load(db, tenant, Part::Alone(&[found.customer_id])).await?;
                let calendars = customers.calendars([found.customer_id]);
                let anchor = anchor_of(&customers, found.customer_id);
                let within = Within::Group(found.group_id);
                Ok((Self { level: "group", key: found.key, calendars, anchor, within }, customers))
            }
            ScopeName::Device(name) => device(db, tenant, name).await,
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
            None => Ok((vec![self.series(None, true, range)], vec![self.whole()])),
            Some(By::Customer) => Ok(self.by_customer(range, customers)),
            Some(By::Group) => self.by_group(db, tenant, range, customers).await,
            Some(by @ (By::Device | By::Kind)) => {
                let label = if by == By::Device { ChannelLabel::Device } else { ChannelLabel::Kind };
                let series = self.by_device(db, tenant, ask, range, customers).await?;
                Ok((series, vec![self.source(Rows::Channels { label, filter: self.filter() })]))
            }
        }
    }

    /// A series that has the scope's own calendars and months.
    fn series(&self, label: Option<String>, always: bool, range: &Range) -> Series {
        let calendars = period::distinct(self.calendars.iter().cloned(), range);
        Series { label, calendars, anchor: self.anchor, always }
    }

    fn source(&self, rows: Rows) -> Source {
        Source { anchor: self.anchor, rows }
    }

    fn whole(&self) -> Source {
        let owners = |owner, ids: &[i32]| Rows::Owners { owner, ids: ids.to_vec(), labels: vec![None; ids.len()] };
        self.source(match &self.within {
            Within::Provider(id) => owners(Owner::Provider, &[*id]),
            Within::Customers(_, ids) => owners(Owner::Customer, ids),
            Within::Group(id) => owners(Owner::Group, &[*id]),
            Within::Device(..) => Rows::Channels { label: ChannelLabel::None, filter: self.filter() },
        })
    }

    fn filter(&self) -> ChannelFilter {
        let none = ChannelFilter::default();
        match &self.within {
            Within::Provider(_) => none,
            Within::Customers(_, ids) => ChannelFilter { customers: Some(ids.clone()), ..none },
            Within::Group(id) => ChannelFilter { group: Some(*id), ..none },
            Within::Device(id, seen) => ChannelFilter { devices: Some(vec![*id]), customers: seen.clone(), ..none },
        }
    }

    /// Direct sub-customers with their subtrees; what is the scope's own comes last, under its own key.
    fn by_customer(&self, range: &Range, customers: &Customers) -> (Vec<Series>, Vec<Source>) {
        let (root, counted) = match &self.within {
            Within::Customers(root, ids) => (Some(*root), Some(ids)),
            _ => (None, None),
        };
        let (mut series, mut owners) = (Vec::new(), Vec::new());
        let mut children: Vec<_> = customers.children(root).collect();
        children.retain(|child| counted.is_none_or(|ids| ids.contains(&child.customer_id)));
        children.sort_by(|a, b| a.key.cmp(&b.key));
        for child in children {
            let subtree = customers.subtree(child.customer_id);
            let calendars = period::distinct(customers.calendars(subtree.iter().copied()), range);
            let label = Some(child.key.clone());
            owners.extend(subtree.into_iter().map(|id| (child.anchor, id, label.clone())));
            series.push(Series { label, calendars, anchor: child.anchor, always: true });
        }
        if let Some(root) = root {
            let label = Some(self.key.clone());
            owners.push((self.anchor, root, label.clone()));
            let calendars = customers.calendars([root]);
            series.push(Series { label, calendars, anchor: self.anchor, always: false });
        }
        (series, by_anchor(Owner::Customer, owners))
    }

    /// The groups of the scope's customers; what is in no group comes last, without a name.
    async fn by_group(
        &self,
        db: &mut PgConnection,
        tenant: &Tenant,
        range: &Range,
        customers: &Customers,
    ) -> Result<(Vec<Series>, Vec<Source>)> {
        let filter = self.filter();
        let groups = groups(db, tenant, None, filter.customers.as_deref()).await?;
        let (mut series, mut owners) = (Vec::new(), Vec::new());
        for group in groups {
            let anchor = anchor_of(customers, group.customer_id);
            let (label, calendars) = (Some(group.key), customers.calendars([group.customer_id]));
            owners.push((anchor, group.group_id, label.clone()));
            series.push(Series { label, calendars, anchor, always: true });
        }
        series.push(self.series(None, false, range));
        let mut sources = by_anchor(Owner::Group, owners);
        let filter = ChannelFilter { group: Some(0), ..filter };
        sources.push(self.source(Rows::Channels { label: ChannelLabel::None, filter }));
        Ok((series, sources))
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
        let ends: Vec<_> = self.calendars.iter().map(|calendar| range.instants(calendar)).collect();
        let rows: Vec<(String, Vec<i32>)> = tenant
            .seen_as(include_str!("../../sql/usage/devices.sql"))
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
        let series = |(label, owners): (String, Vec<i32>)| {
            let calendars = period::distinct(customers.calendars(owners), range);
            Series { label: Some(label), calendars, anchor: self.anchor, always }
        };
        Ok(rows.into_iter().map(series).collect())
    }
}

/// Owners with the series that they belong to, as sources: one for each day on which billing months begin.
pub fn by_anchor(owner: Owner, owners: Vec<(Anchor, i32, Option<String>)>) -> Vec<Source> {
    let mut sources = BTreeMap::<Anchor, (Vec<i32>, Vec<Option<String>>)>::new();
    for (anchor, id, label) in owners {
        let (ids, labels) = sources.entry(anchor).or_default();
        ids.push(id);
        labels.push(label);
    }
    let source = |(anchor, (ids, labels))| Source { anchor, rows: Rows::Owners { owner, ids, labels } };
    sources.into_iter().map(source).collect()
}

pub fn anchor_of(customers: &Customers, id: i32) -> Anchor {
    customers.get(id).map_or(Anchor::FIRST, |customer| customer.anchor)
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
    let groups = tenant
        .seen_as(include_str!("../../sql/usage/groups.sql"))
        .bind(name.and_then(Ref::key))
        .bind(name.and_then(Ref::id))
        .bind(of);
    Ok(groups.fetch_all(db).await?)
}

async fn provider(db: &mut PgConnection, tenant: &Tenant, each: bool) -> Result<(Scope, Customers)> {
    let part = if each { Part::All } else { Part::Calendars };
    let customers = Customers::load(db, tenant, part).await?;
    let calendars = customers.calendars(customers.ids());
    let (key, within) = (tenant.key.clone(), Within::Provider(tenant.provider_id()));
    Ok((Scope { level: "provider", key, calendars, anchor: Anchor::FIRST, within }, customers))
}

async fn customer(db: &mut PgConnection, tenant: &Tenant, name: &Ref, own: bool) -> Result<(Scope, Customers)> {
    let customers = Customers::load(db, tenant, Part::Below(name)).await?;
    let found = customers.find(name).ok_or_else(|| Problem::no_such("customer", name, Some("scope")))?;
    let (root, key, anchor) = (found.customer_id, found.key.clone(), found.anchor);
    let ids = if own { vec![root] } else { customers.subtree(root) };
    let calendars = customers.calendars(ids.iter().copied());
    let within = Within::Customers(root, ids);
    Ok((Scope { level: "customer", key, calendars, anchor, within }, customers))
}

async fn device(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<(Scope, Customers)> {
    let found: Option<(i32, String, Vec<i32>, Option<i32>)> = tenant
        .seen_as(include_str!("../../sql/usage/device.sql"))
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(&mut *db)
        .await?;
    let (id, key, owners, last) = found.ok_or_else(|| Problem::no_such("device", name, Some("scope")))?;
    let customers = Customers::load(db, tenant, Part::Alone(&owners)).await?;
    let anchor = last.map_or(Anchor::FIRST, |owner| anchor_of(&customers, owner));
    let (calendars, within) = (customers.calendars(owners), Within::Device(id, tenant.seen().map(<[i32]>::to_vec)));
    Ok((Scope { level: "device", key, calendars, anchor, within }, customers))
}
