//! Which series an answer should have, and which readings are whose.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::Instant;
use super::fleet::{Device, Owner, Ownership, Provider};
use super::holdings::{Channel, Reading};
use super::questions::{By, Fill, Question, Range, Scope};

/// A reading with its channel and instant.
pub type Found<'a> = (&'a Channel, Instant, &'a Reading);

/// A series of the answer: what it is of, whose days, and whether it is there without any readings.
pub struct Series<'a> {
    pub label: Option<String>,
    pub zones: BTreeSet<&'static str>,
    pub always: bool,
    /// Of whatever time.
    pub readings: Vec<Found<'a>>,
    /// Devices while they belonged to it.
    pub assigned: Vec<(usize, &'a Ownership)>,
}

/// A series before its readings: label, zones, whether it is always there, and which device while of which owner belongs
/// to it.
type Plan<'a> = (Option<String>, BTreeSet<&'static str>, bool, Box<dyn Fn(usize, Owner) -> bool + 'a>);

impl Provider {
    /// The series of a metric in the order of the answer.
    pub fn series(&self, question: &Question, range: Range, metric: usize) -> Vec<Series<'_>> {
        let scope = question.scope;
        let own = |found: &Found| found.0.1 == metric && self.owns(scope, found.0.0, found.2.owner);
        let readings: Vec<Found> = self.all_readings().filter(own).collect();
        let plans: Vec<Plan> = match question.by {
            None => vec![(None, self.zones(scope), true, Box::new(|_, _| true))],
            Some(By::Customer) => self.by_customer(scope),
            Some(By::Group) => self.by_group(scope),
            Some(By::Device) => self.by_device(question, range, |device| device.key.clone()),
            Some(By::Kind) => self.by_device(question, range, |device| device.kind.to_owned()),
        };
        let filled = |(label, zones, always, is_of): Plan| Series {
            label,
            zones,
            always,
            readings: readings.iter().filter(|found| is_of(found.0.0, found.2.owner)).copied().collect(),
            assigned: self
                .devices
                .iter()
                .enumerate()
                .flat_map(|(place, device)| device.owners.iter().map(move |one| (place, one)))
                .filter(|(place, one)| self.owns(scope, *place, one.owner) && is_of(*place, one.owner))
                .collect(),
        };
        plans.into_iter().map(filled).collect()
    }

    /// The customers directly below, each with all below it; what is the scope's own comes last.
    fn by_customer(&self, scope: Scope) -> Vec<Plan<'_>> {
        let (top, own) = match scope {
            Scope::Customer { customer, own } => (Some(customer), own),
            _ => (None, false),
        };
        let mut plans: Vec<Plan> = Vec::new();
        for (place, customer) in self.customers.iter().enumerate() {
            if customer.parent == top && !own {
                let below = self.subtree(place);
                let zones = self.zones(Scope::Customer { customer: place, own: false });
                plans.push((
                    Some(customer.key.clone()),
                    zones,
                    true,
                    Box::new(move |_, owner| below.contains(&owner.0)),
                ));
            }
        }
        if let Some(top) = top {
            let zones = self.zones(Scope::Customer { customer: top, own: true });
            let key = self.customers[top].key.clone();
            plans.push((Some(key), zones, false, Box::new(move |_, owner| owner.0 == top)));
        }
        plans
    }

    /// All groups of the scope; what is in none comes last.
    fn by_group(&self, scope: Scope) -> Vec<Plan<'_>> {
        let mut plans: Vec<Plan> = Vec::new();
        for (place, group) in self.groups.iter().enumerate() {
            if self.owns(scope, 0, (group.customer, None)) {
                let zones = self.zones(Scope::Group(place));
                let is_of = move |_, owner: Owner| owner.1 == Some(place);
                plans.push((Some(group.key.clone()), zones, true, Box::new(is_of)));
            }
        }
        plans.push((None, self.zones(scope), false, Box::new(|_, owner| owner.1.is_none())));
        plans
    }

    /// Devices by a label, those that were in the scope at some time of the range, with the time zones of their owners
    /// then.
    fn by_device(&self, question: &Question, range: Range, label: fn(&Device) -> String) -> Vec<Plan<'_>> {
        let scope = question.scope;
        let time = range.hull(&self.zones(scope));
        let mut found: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
        for (place, device) in self.devices.iter().enumerate() {
            let own = |one: &&Ownership| self.owns(scope, place, one.owner) && one.touches(time);
            for one in device.owners.iter().filter(own) {
                found.entry(label(device)).or_default().insert(self.zone_of(one.owner.0).name());
            }
        }
        let always = question.fill != Fill::None;
        let plan = |(name, zones): (String, _)| -> Plan {
            let own = name.clone();
            (Some(name), zones, always, Box::new(move |device, _| label(&self.devices[device]) == own))
        };
        found.into_iter().map(plan).collect()
    }

    /// Whether what is a device's and an owner's is in a scope.
    fn owns(&self, scope: Scope, device: usize, (customer, group): Owner) -> bool {
        match scope {
            Scope::Provider => true,
            Scope::Customer { customer: top, own: true } => customer == top,
            Scope::Customer { customer: top, own: false } => self.is_below(customer, top),
            Scope::Group(one) => group == Some(one),
            Scope::Device(one) => device == one,
        }
    }
}
