//! Figures of many scopes at once, for alerts: what `GET /v1/usage` tells of each, with one statement for all customers, one
//! for all groups and one for all devices.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::core::period::{self, Anchor, Range};
use crate::http::access::Tenant;
use crate::http::problem::Result;
use crate::registry::audit::By;
use crate::usage::ask::{Bucketing, Filling, ScopeName, Stat};
use crate::usage::figures::{Figures, Place};
use crate::usage::scope::{self, ChannelFilter, ChannelLabel, Metric, Owner, Rows, Scope, Series, Source};
use crate::usage::span::{Span, spans};
use crate::usage::{Found, MAX_POINTS, Table};

/// A scope of a provider, by the numbers inside the database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    Provider,
    /// With all its sub-customers.
    Customer(i32),
    Group {
        group_id: i32,
        customer_id: i32,
    },
    Device {
        device_id: i32,
        key: String,
    },
}

/// What is asked of several scopes.
#[derive(Debug)]
pub struct Question<'a> {
    pub metric: Metric,
    pub stats: Vec<Stat>,
    pub bucket: Bucketing,
    pub range: Range,
    pub whose: &'a [Whose],
}

/// A provider's part of a question; holds for one snapshot.
#[derive(Debug)]
pub struct Many {
    tenant: Tenant,
    found: Found,
}

/// Whose billing calendars are a device's, and whose months.
#[derive(sqlx::FromRow)]
struct Owners {
    device_id: i32,
    customers: Vec<i32>,
    owner: Option<i32>,
}

impl Whose {
    /// What its figures are labelled with. No key has a space in it, so a device is no customer.
    fn label(&self) -> Option<String> {
        match self {
            Self::Provider => None,
            Self::Customer(id) => Some(format!("customer {id}")),
            Self::Group { group_id, .. } => Some(format!("group {group_id}")),
            Self::Device { key, .. } => Some(key.clone()),
        }
    }
}

impl Many {
    pub async fn of_provider(db: &mut PgConnection, provider_id: i32) -> Result<Self> {
        let tenant = Tenant::of_provider(db, provider_id, By::command_line(Some(provider_id))).await?;
        let (scope, customers) = Scope::find(db, &tenant, &ScopeName::Provider, true).await?;
        let range = Range::Hours { from: DateTime::<Utc>::MIN_UTC, to: DateTime::<Utc>::MIN_UTC };
        let (metrics, stats, series, sources) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { tenant, found: Found { metrics, stats, scope, range, series, sources, customers } })
    }

    /// A customer with all its sub-customers; of none: all of the provider.
    pub fn customers(&self, of: Option<i32>) -> Vec<i32> {
        match of {
            Some(id) => self.found.customers.subtree(id),
            None => self.found.customers.ids().collect(),
        }
    }

    /// The metrics with these numbers.
    pub async fn metrics(&self, db: &mut PgConnection, ids: &[i32]) -> Result<HashMap<i32, Metric>> {
        let found: Vec<Metric> = self
            .tenant
            .query_as(include_str!("../../sql/usage/metrics_by_number.sql"))
            .bind(ids.to_vec())
            .fetch_all(db)
            .await?;
        Ok(found.into_iter().map(|metric| (metric.metric_id, metric)).collect())
    }

    /// The figures of each scope asked for, by period. Of a period without readings they are empty.
    pub async fn ask(
        &mut self,
        db: &mut PgConnection,
        question: &Question<'_>,
        fresh_through: DateTime<Utc>,
    ) -> Result<Vec<Vec<(Span, Figures)>>> {
        self.found.metrics = vec![question.metric.clone()];
        self.found.stats = vec![question.stats.clone()];
        self.found.range = question.range;
        self.place(db, question).await?;
        let mut table = Table {
            bucket: question.bucket.into(),
            fill: Filling::None,
            range: &self.found.range,
            figures: HashMap::new(),
            before: HashMap::new(),
        };
        table.load(db, &self.found).await?;
        table.load_counts(db, self.tenant.provider_id(), &self.found, fresh_through).await?;
        let series: HashMap<_, _> = self.found.series.iter().map(|one| (&one.label, one)).collect();
        let of_scope = |whose: &Whose| {
            let place = Place { metric_id: question.metric.metric_id, label: whose.label() };
            let figures = table.figures.get(&place);
            let one = series[&place.label];
            let spans = spans(&question.range, question.bucket.into(), one.anchor, &one.calendars, MAX_POINTS);
            let of_span = |span: Span| (span, figures.and_then(|f| f.get(&span.period)).cloned().unwrap_or_default());
            spans.into_iter().map(of_span).collect()
        };
        Ok(question.whose.iter().map(of_scope).collect())
    }

    /// Finds the series of the scopes, and where their figures are.
    async fn place(&mut self, db: &mut PgConnection, question: &Question<'_>) -> Result<()> {
        let mut whose = question.whose.to_vec();
        whose.sort();
        whose.dedup();
        let (customers, range) = (&self.found.customers, &question.range);
        let (mut of_customers, mut of_groups) = (Vec::new(), Vec::new());
        let mut of_devices = BTreeMap::<Anchor, Vec<i32>>::new();
        let devices: Vec<i32> = whose.iter().filter_map(Whose::device).collect();
        let mut owners = HashMap::new();
        if !devices.is_empty() {
            let query = self.tenant.query_as(include_str!("../../sql/usage/device_owners.sql")).bind(devices);
            let rows: Vec<Owners> = query.fetch_all(db).await?;
            owners.extend(rows.into_iter().map(|row| (row.device_id, row)));
        }
        let (mut series, mut sources) = (Vec::with_capacity(whose.len()), Vec::new());
        for one in whose {
            let label = one.label();
            let (anchor, calendars) = match one {
                Whose::Provider => {
                    let rows = Rows::Owners {
                        owner: Owner::Provider,
                        ids: vec![self.tenant.provider_id()],
                        labels: vec![None],
                    };
                    sources.push(Source { anchor: Anchor::FIRST, rows });
                    (Anchor::FIRST, customers.calendars(customers.ids()))
                }
                Whose::Customer(id) => {
                    let (anchor, subtree) = (scope::anchor_of(customers, id), customers.subtree(id));
                    of_customers.extend(subtree.iter().map(|id| (anchor, *id, label.clone())));
                    (anchor, customers.calendars(subtree))
                }
                Whose::Group { group_id, customer_id } => {
                    let anchor = scope::anchor_of(customers, customer_id);
                    of_groups.push((anchor, group_id, label.clone()));
                    (anchor, customers.calendars([customer_id]))
                }
                Whose::Device { device_id, .. } => {
                    let found = owners.remove(&device_id);
                    let owner = found.as_ref().and_then(|found| found.owner);
                    let anchor = owner.map_or(Anchor::FIRST, |owner| scope::anchor_of(customers, owner));
                    of_devices.entry(anchor).or_default().push(device_id);
                    (anchor, customers.calendars(found.map(|found| found.customers).unwrap_or_default()))
                }
            };
            series.push(Series { label, calendars: period::distinct(calendars, range), anchor, always: true });
        }
        sources.extend(scope::by_anchor(Owner::Customer, of_customers));
        sources.extend(scope::by_anchor(Owner::Group, of_groups));
        sources.extend(of_devices.into_iter().map(|(anchor, devices)| {
            let filter = ChannelFilter { devices: Some(devices), ..ChannelFilter::default() };
            Source { anchor, rows: Rows::Channels { label: ChannelLabel::Device, filter } }
        }));
        (self.found.series, self.found.sources) = (series, sources);
        Ok(())
    }
}

impl Whose {
    fn device(&self) -> Option<i32> {
        match self {
            Self::Device { device_id, .. } => Some(*device_id),
            _ => None,
        }
    }
}
