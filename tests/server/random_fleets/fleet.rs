//! Random providers with customers, groups, devices and metrics, and who owned what when.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use serde_json::json;

use super::calendar::{Instant, decimal};
use super::dice::Dice;
use super::holdings::{Channel, Readings};
use crate::harness::TestApp;

/// Zones that are hard on calendars: half an hour of summer time, a day that never was, quarters of an hour, clocks
/// that change at midnight.
pub const ZONES: [Tz; 7] = [
    Tz::Europe__Paris,
    Tz::Australia__Lord_Howe,
    Tz::Pacific__Apia,
    Tz::America__St_Johns,
    Tz::Asia__Kathmandu,
    Tz::America__Havana,
    Tz::UTC,
];

pub type Dimensions = BTreeMap<String, String>;

/// A tenant and all that is known of it. Things are numbered by their places in these lists.
pub struct Provider {
    pub key: String,
    /// An API key of it.
    pub token: String,
    pub zone: Tz,
    pub customers: Vec<Customer>,
    pub groups: Vec<Group>,
    pub devices: Vec<Device>,
    pub metrics: Vec<Metric>,
    pub readings: Readings,
    /// The earliest reading that each channel ever had.
    pub first: BTreeMap<Channel, Instant>,
    /// Of each register the meters that were replaced: microseconds, last value of the old one, first of the new one.
    pub replaced: BTreeMap<Channel, Vec<(i64, i64, i64)>>,
}

pub struct Customer {
    pub key: String,
    /// Above it; always before it in the list.
    pub parent: Option<usize>,
    pub zone: Option<Tz>,
}

pub struct Group {
    pub key: String,
    pub customer: usize,
}

pub struct Device {
    pub key: String,
    pub kind: &'static str,
    /// The sets of dimensions that it sends.
    pub dimensions: Vec<Dimensions>,
    /// Oldest first.
    pub owners: Vec<Ownership>,
}

/// A customer, and a group of it or none.
pub type Owner = (usize, Option<usize>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    pub from: Option<Instant>,
    pub to: Option<Instant>,
    pub owner: Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Delta,
    Register,
    Gauge,
}

pub struct Metric {
    pub key: String,
    pub kind: Kind,
    pub scale: u32,
    /// Scaled, as is what follows.
    pub rollover_at: Option<i64>,
    pub max_per_hour: Option<i64>,
    /// Seconds.
    pub expected_interval: Option<i64>,
}

const KINDS: [&str; 3] = ["device", "gateway", "integration"];

impl Provider {
    /// A provider as chance will have it, not registered yet.
    pub fn random(dice: &mut Dice, key: String) -> Self {
        let mut customers: Vec<Customer> = Vec::new();
        for number in 0..dice.between(5, 8) as usize {
            // Three levels at most: below the first two, or below what is below those.
            let parent = match number {
                0 | 1 => None,
                _ if dice.percent(15) => None,
                2 | 3 => Some(dice.below(2)),
                _ => Some(dice.below(4)),
            };
            let own = parent.is_none() || dice.percent(60);
            customers.push(Customer { key: format!("c{number}"), parent, zone: own.then(|| dice.of(&ZONES)) });
        }
        // One at the top that inherits the provider's.
        customers[1].zone = None;
        let group = |number| Group { key: format!("g{number}"), customer: number % customers.len() };
        let groups: Vec<_> = (0..customers.len() + 2).map(group).collect();
        let metrics = metrics(dice);
        let mut provider = Self {
            key,
            token: String::new(),
            zone: dice.of(&ZONES),
            customers,
            groups,
            devices: Vec::new(),
            metrics,
            readings: Readings::default(),
            first: BTreeMap::new(),
            replaced: BTreeMap::new(),
        };
        for number in 0..dice.between(6, 10) {
            let owner = provider.random_owner(dice);
            let phases = dice.of(&["", "", "a", "ab", "abc"]);
            let named = |name: char| Dimensions::from([("phase".to_owned(), name.to_string())]);
            let mut dimensions: Vec<_> = phases.chars().map(named).collect();
            if dimensions.is_empty() || dice.percent(30) {
                dimensions.push(Dimensions::new());
            }
            let owners = vec![Ownership { from: None, to: None, owner }];
            provider.devices.push(Device { key: format!("d{number}"), kind: dice.of(&KINDS), dimensions, owners });
        }
        provider
    }

    pub async fn register(&mut self, app: &TestApp) {
        self.token = app.provider(&self.key, self.zone.name()).await;
        for customer in &self.customers {
            let parent = customer.parent.map(|place| &self.customers[place].key);
            let zone = customer.zone.map(|zone| zone.name());
            let body = json!({"name": customer.key, "parent": parent, "time_zone": zone});
            app.put(&self.token, &format!("/v1/customers/{}", customer.key), body).await.expect_status(201);
        }
        for group in &self.groups {
            let body = json!({"name": group.key, "customer": self.customers[group.customer].key});
            app.put(&self.token, &format!("/v1/groups/{}", group.key), body).await.expect_status(201);
        }
        for metric in &self.metrics {
            let text = |units: Option<i64>| units.map(|units| decimal(units.into(), metric.scale));
            let mut body =
                json!({"name": metric.key, "unit": "kWh", "kind": metric.kind.word(), "scale": metric.scale});
            if let Some(seconds) = metric.expected_interval {
                body["expected_interval"] = json!(seconds);
            }
            if metric.kind == Kind::Register {
                body["rollover_at"] = json!(text(metric.rollover_at));
                body["max_per_hour"] = json!(text(metric.max_per_hour));
            }
            app.put(&self.token, &format!("/v1/metrics/{}", metric.key), body).await.expect_status(201);
        }
        for device in 0..self.devices.len() {
            self.put_device(app, device, self.devices[device].owners[0].owner).await;
        }
    }

    /// What is sent to `PUT /v1/devices/{key}`.
    pub async fn put_device(&self, app: &TestApp, device: usize, (customer, group): Owner) {
        let device = &self.devices[device];
        let group = group.map(|place| &self.groups[place].key);
        let body = json!({"customer": self.customers[customer].key, "group": group, "kind": device.kind});
        let answer = app.put(&self.token, &format!("/v1/devices/{}", device.key), body).await;
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
    }

    pub fn random_owner(&self, dice: &mut Dice) -> Owner {
        let customer = dice.below(self.customers.len());
        let own: Vec<_> = (0..self.groups.len()).filter(|place| self.groups[*place].customer == customer).collect();
        (customer, dice.percent(70).then(|| dice.of(&own)))
    }

    /// A customer's billing time zone: its own, or the nearest above, or the provider's.
    pub fn zone_of(&self, customer: usize) -> Tz {
        let Customer { parent, zone, .. } = &self.customers[customer];
        zone.unwrap_or_else(|| parent.map_or(self.zone, |above| self.zone_of(above)))
    }

    /// A customer and all below it.
    pub fn subtree(&self, root: usize) -> BTreeSet<usize> {
        (0..self.customers.len()).filter(|place| self.is_below(*place, root)).collect()
    }

    /// Whether a customer is another one or below it.
    pub fn is_below(&self, customer: usize, root: usize) -> bool {
        customer == root || self.customers[customer].parent.is_some_and(|above| self.is_below(above, root))
    }
}

/// One of each kind at least; scales from none to nine decimals.
fn metrics(dice: &mut Dice) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let kinds = [Kind::Delta, Kind::Register, Kind::Gauge, Kind::Register, Kind::Delta];
    for (number, kind) in kinds.into_iter().enumerate() {
        let scale = dice.of(&[0, 1, 2, 3, 3, 6, 9]);
        let one = 10_i64.pow(scale);
        let register = kind == Kind::Register;
        // Of the two kinds of registers the first never starts again, the second does.
        let rollover_at = (register && number == 3).then(|| one * dice.of(&[1000, 10_000]));
        let max_per_hour = (register && dice.percent(50)).then(|| one * dice.between(20, 200));
        let expected_interval = dice.percent(50).then(|| 3600 * dice.of(&[5, 6, 7, 24, 25]));
        metrics.push(Metric { key: format!("m{number}"), kind, scale, rollover_at, max_per_hour, expected_interval });
    }
    metrics
}

impl Device {
    /// Who owned it at an instant.
    pub fn owner_at(&self, at: Instant) -> Option<Owner> {
        self.owners.iter().find(|one| one.holds(at)).map(|one| one.owner)
    }

    pub fn is_retired(&self) -> bool {
        self.owners.last().is_some_and(|last| last.to.is_some())
    }

    /// From an instant on it belongs to an owner, whatever was said about that time before.
    pub fn give_to(&mut self, owner: Owner, at: Instant) {
        self.owners.retain(|one| one.from.is_none_or(|from| from < at));
        if let Some(last) = self.owners.last_mut().filter(|last| last.to.is_none_or(|to| to >= at)) {
            last.to = (last.owner != owner).then_some(at);
        }
        if self.owners.last().is_none_or(|last| last.to.is_some()) {
            self.owners.push(Ownership { from: Some(at), to: None, owner });
        }
    }
}

impl Ownership {
    pub fn holds(&self, at: Instant) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }

    /// Whether it holds at any instant of a half-open range.
    pub fn touches(&self, (from, to): (Instant, Instant)) -> bool {
        from < to && self.from.is_none_or(|begins| begins < to) && self.to.is_none_or(|ends| ends > from)
    }
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Register => "register",
            Self::Gauge => "gauge",
        }
    }
}
