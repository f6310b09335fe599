//! The groups and devices of a plan, and who owns them when.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::fleet::catalog::{Metric, Model, PROVIDERS, Provider};
use crate::fleet::plan::Plan;
use crate::fleet::random::Random;

/// All of a plan's providers with their devices.
#[derive(Debug)]
pub struct Fleet {
    pub plan: Plan,
    pub providers: Vec<Roster>,
}

/// One provider. Customers, groups and devices are referred to by their place in these lists.
#[derive(Debug)]
pub struct Roster {
    pub catalog: &'static Provider,
    pub groups: Vec<Group>,
    pub devices: Vec<Device>,
}

#[derive(Debug)]
pub struct Group {
    pub key: String,
    pub name: String,
    pub kind: &'static str,
    pub customer: usize,
}

#[derive(Debug)]
pub struct Device {
    pub key: String,
    pub name: String,
    pub model: &'static Model,
    /// Its owner from the beginning.
    pub owner: Owner,
    /// When it changes hands, and into whose.
    pub moved: Option<(DateTime<Utc>, Owner)>,
    /// Tells its random numbers from those of other devices.
    pub seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    pub customer: usize,
    pub group: Option<usize>,
}

/// One device in so many of a provider is moved.
const MOVED_ONE_IN: usize = 25;

/// Streams of random numbers, by what they are for.
const ROSTER: u64 = 1;

impl Fleet {
    pub fn new(plan: Plan) -> Self {
        let mut providers: Vec<Roster> = PROVIDERS.iter().map(|catalog| Roster::empty(catalog)).collect();
        for number in 0..plan.devices {
            let provider = match number % 20 {
                0..=8 => 0,
                9..=16 => 1,
                _ => 2,
            };
            providers[provider].add_device(&plan, number);
        }
        Self { plan, providers }
    }

    /// Devices of all providers.
    pub fn devices(&self) -> usize {
        self.providers.iter().map(|provider| provider.devices.len()).sum()
    }
}

impl Roster {
    fn empty(catalog: &'static Provider) -> Self {
        let groups = catalog.customers.iter().enumerate().flat_map(|(customer, entry)| {
            let group = |suffix: &str, title: &str, kind| Group {
                key: format!("{}-{suffix}", entry.key),
                name: format!("{}, {title}", entry.name),
                kind,
                customer,
            };
            [group("devices", "devices", "device_group"), group("gateways", "gateways", "gateway_group")]
        });
        Self { catalog, groups: groups.collect(), devices: Vec::new() }
    }

    fn add_device(&mut self, plan: &Plan, number: u32) {
        let mut random = Random::of(&[plan.seed, ROSTER, number.into()]);
        let place = self.devices.len();
        let model = if place == 0 { &self.catalog.models[0] } else { self.draw_model(&mut random) };
        let customer = random.below(self.catalog.customers.len() as u64) as usize;
        let owner = self.owner(customer, model, &mut random);
        let moved = (place % MOVED_ONE_IN == 3 && plan.days() > 1).then(|| {
            let to = (customer + 1) % self.catalog.customers.len();
            (move_instant(plan), self.owner(to, model, &mut random))
        });
        self.devices.push(Device {
            key: format!("{}-{number:05}", model.name.replace(' ', "-")),
            name: format!("{} {number}", model.name),
            model,
            owner,
            moved,
            seed: random.draw(),
        });
    }

    fn draw_model(&self, random: &mut Random) -> &'static Model {
        let mut left = random.below(self.catalog.models.iter().map(|model| model.weight).sum());
        for model in self.catalog.models {
            match left.checked_sub(model.weight) {
                Some(rest) => left = rest,
                None => return model,
            }
        }
        &self.catalog.models[0]
    }

    /// Gateways are in their customer's gateway group; of the others one in ten is in no group.
    fn owner(&self, customer: usize, model: &Model, random: &mut Random) -> Owner {
        let kind = if model.kind == "gateway" { "gateway_group" } else { "device_group" };
        let alone = model.kind != "gateway" && random.chance(100);
        let group = self.groups.iter().position(|group| group.customer == customer && group.kind == kind);
        Owner { customer, group: group.filter(|_| !alone) }
    }

    pub fn metric(&self, key: &str) -> &'static Metric {
        &self.catalog.metrics[self.metric_place(key)]
    }

    /// Place of a channel's metric in the provider's metrics.
    pub fn metric_place(&self, key: &str) -> usize {
        let found = self.catalog.metrics.iter().position(|metric| metric.key == key);
        found.expect("a channel's metric is in the catalog: a test goes through all of them")
    }

    /// A customer and those above it, from the customer up.
    pub fn lineage(&self, customer: usize) -> impl Iterator<Item = usize> {
        let customers = self.catalog.customers;
        std::iter::successors(Some(customer), move |at| {
            let parent = customers[*at].parent?;
            customers.iter().position(|other| other.key == parent)
        })
    }

    /// The billing time zone of a customer.
    pub fn time_zone(&self, customer: usize) -> Tz {
        let own = self.lineage(customer).find_map(|at| self.catalog.customers[at].time_zone);
        own.unwrap_or(self.catalog.time_zone)
    }
}

impl Device {
    pub fn owner_at(&self, at: DateTime<Utc>) -> Owner {
        match self.moved {
            Some((moved, to)) if at >= moved => to,
            _ => self.owner,
        }
    }
}

/// In the middle of the second day; it does not depend on the plan's end, which may still move.
fn move_instant(plan: &Plan) -> DateTime<Utc> {
    plan.from.and_time(NaiveTime::MIN).and_utc() + TimeDelta::minutes(36 * 60 + 37)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::entity::Key;

    fn fleet(devices: u32) -> Fleet {
        Fleet::new(Plan::new(1, devices, 10, "2026-11-21".parse().unwrap()).unwrap())
    }

    #[test]
    fn a_larger_fleet_begins_with_the_devices_of_a_smaller_one() {
        let keys = |fleet: &Fleet, provider: usize| {
            fleet.providers[provider].devices.iter().map(|d| (d.key.clone(), d.owner, d.seed)).collect::<Vec<_>>()
        };
        let (small, large) = (fleet(40), fleet(200));
        assert_eq!((small.devices(), large.devices()), (40, 200));
        for provider in 0..PROVIDERS.len() {
            let small = keys(&small, provider);
            assert_eq!(small[..], keys(&large, provider)[..small.len()]);
        }
    }

    #[test]
    fn the_catalog_holds_together() {
        for roster in fleet(400).providers {
            for channel in roster.catalog.models.iter().flat_map(|model| model.channels) {
                roster.metric(channel.metric);
            }
            for (place, customer) in roster.catalog.customers.iter().enumerate() {
                let parent = customer.parent.map(|key| roster.catalog.customers.iter().position(|c| c.key == key));
                assert!(
                    parent.is_none_or(|at| at.is_some_and(|at| at < place)),
                    "{} is before its parent",
                    customer.key
                );
            }
            let groups = roster.groups.iter().map(|group| &group.key);
            for key in groups.chain(roster.devices.iter().map(|device| &device.key)) {
                assert!(key.parse::<Key>().is_ok(), "{key}");
            }
            assert!(roster.devices.iter().any(|device| device.moved.is_some()), "no device moves");
            assert!(roster.devices.iter().any(|device| device.owner.group.is_none()), "all devices are in groups");
        }
    }

    #[test]
    fn time_zones_are_inherited() {
        let fleet = fleet(1);
        let zone = |provider: usize, key: &str| {
            let roster = &fleet.providers[provider];
            roster.time_zone(roster.catalog.customers.iter().position(|c| c.key == key).unwrap())
        };
        assert_eq!(zone(0, "aquavia-sud-port"), Tz::Europe__Paris);
        assert_eq!(zone(1, "lutece-belleville"), Tz::Europe__Paris);
        assert_eq!(zone(2, "tidal-labs"), Tz::UTC);
    }
}
