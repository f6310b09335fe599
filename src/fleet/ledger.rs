//! The exact totals of what a fleet sends, from its readings alone: each counted once, in its owner's billing day.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::fleet::catalog::Kind;
use crate::fleet::course::{Course, Reading};
use crate::fleet::roster::{Fleet, Owner, Roster};

/// Totals of one metric of one device under one owner on one billing day.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    device: usize,
    /// Place in the provider's metrics.
    metric: usize,
    owner: Owner,
    day: NaiveDate,
    figures: Figures,
}

/// What adds up. All quantities are scaled by the metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    pub count: u64,
    /// Sum of increments: what was used.
    pub sum: i128,
    /// Sum, least and greatest of the values.
    pub values: i128,
    pub min: i64,
    pub max: i64,
    /// Devices with at least one reading.
    pub active: BTreeSet<usize>,
}

/// A period's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    Day,
    Month,
}

/// Whose totals: each reading belongs to its provider, to its customer and all those above, to its group, its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Provider,
    Customer,
    Group,
    Device,
}

/// Totals by (place of the entity in its list, period as the API writes it). The provider's place is 0; what is in no
/// group has the place behind the last group.
pub type Series = BTreeMap<(usize, String), Figures>;

/// A provider's totals.
#[derive(Debug)]
pub struct Ledger<'a> {
    roster: &'a Roster,
    entries: Vec<Entry>,
    /// Readings, each counted once.
    pub readings: u64,
}

impl<'a> Ledger<'a> {
    /// Goes through all readings of one of the fleet's providers.
    pub fn of(fleet: &Fleet, roster: &'a Roster) -> Self {
        let mut ledger = Self { roster, entries: Vec::new(), readings: 0 };
        for device in 0..roster.devices.len() {
            ledger.add_device(fleet, device);
        }
        ledger
    }

    fn add_device(&mut self, fleet: &Fleet, device: usize) {
        let mut course = Course::new(fleet, self.roster, device);
        let channels = self.roster.devices[device].model.channels;
        let mut before: Vec<Option<i64>> = vec![None; channels.len()];
        let mut entries: BTreeMap<(usize, Owner, NaiveDate), Figures> = BTreeMap::new();
        for day in fleet.plan.from.iter_days().take_while(|day| *day < fleet.plan.until) {
            for reading in course.day(day) {
                let key = self.place(&reading);
                let increment = self.increment(&reading, before[reading.channel].replace(reading.units));
                entries.entry(key).or_insert_with(|| Figures::none(device)).add(reading.units, increment);
                self.readings += 1;
            }
        }
        let entries = entries.into_iter();
        self.entries.extend(entries.map(|((metric, owner, day), figures)| Entry {
            device,
            metric,
            owner,
            day,
            figures,
        }));
    }

    /// Metric, owner and billing day of a reading.
    fn place(&self, reading: &Reading) -> (usize, Owner, NaiveDate) {
        let device = &self.roster.devices[reading.device];
        let metric = self.roster.metric_place(device.model.channels[reading.channel].metric);
        let owner = device.owner_at(reading.at);
        let day = reading.at.with_timezone(&self.roster.time_zone(owner.customer)).date_naive();
        (metric, owner, day)
    }

    /// What a reading adds, given what the channel read before.
    fn increment(&self, reading: &Reading, before: Option<i64>) -> i64 {
        let channel = &self.roster.devices[reading.device].model.channels[reading.channel];
        let metric = self.roster.metric(channel.metric);
        match (metric.kind, before) {
            (Kind::Delta, _) => reading.units,
            (Kind::Gauge, _) | (Kind::Register, None) => 0,
            (Kind::Register, Some(before)) if reading.units < before => {
                reading.units - before + metric.rollover_at.unwrap_or(0)
            }
            (Kind::Register, Some(before)) => reading.units - before,
        }
    }

    /// Whose totals these are.
    pub fn roster(&self) -> &'a Roster {
        self.roster
    }

    /// The totals of a metric (its place in the provider's metrics) at a level. A customer's are those of its subtree.
    pub fn series(&self, metric: usize, level: Level, bucket: Bucket) -> Series {
        let mut series = Series::new();
        for entry in self.entries.iter().filter(|entry| entry.metric == metric) {
            let period = bucket.period(entry.day);
            for entity in self.entities(level, entry) {
                let figures = series.entry((entity, period.clone()));
                figures.and_modify(|sum| sum.merge(&entry.figures)).or_insert_with(|| entry.figures.clone());
            }
        }
        series
    }

    fn entities(&self, level: Level, entry: &Entry) -> Vec<usize> {
        match level {
            Level::Provider => vec![0],
            Level::Customer => self.roster.lineage(entry.owner.customer).collect(),
            Level::Group => vec![entry.owner.group.unwrap_or(self.roster.groups.len())],
            Level::Device => vec![entry.device],
        }
    }
}

impl Figures {
    /// Of a device that is about to have its first reading.
    fn none(device: usize) -> Self {
        Self { count: 0, sum: 0, values: 0, min: i64::MAX, max: i64::MIN, active: BTreeSet::from([device]) }
    }

    fn add(&mut self, units: i64, increment: i64) {
        self.count += 1;
        self.sum += i128::from(increment);
        self.values += i128::from(units);
        self.min = self.min.min(units);
        self.max = self.max.max(units);
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.values += other.values;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.active.extend(&other.active);
    }

    /// The average of the values, rounded half to even at the metric's scale.
    pub fn average(&self) -> i128 {
        let count = i128::from(self.count.max(1));
        let (floor, rest) = (self.values.div_euclid(count), self.values.rem_euclid(count));
        let up = rest * 2 > count || (rest * 2 == count && floor % 2 != 0);
        floor + i128::from(up)
    }
}

impl Level {
    /// As in the API's `scope`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Customer => "customer",
            Self::Group => "group",
            Self::Device => "device",
        }
    }
}

impl Bucket {
    /// As in the API's `bucket`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period that a day is in, as the API writes it.
    pub fn period(self, day: NaiveDate) -> String {
        match self {
            Self::Day => day.to_string(),
            Self::Month => day.format("%Y-%m").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use chrono::{DateTime, Offset, TimeZone, Utc};
    use proptest::prelude::*;

    use super::*;
    use crate::fleet::catalog::Metric;
    use crate::fleet::feed::Feed;
    use crate::fleet::plan::Plan;

    /// Identity of a reading: device, channel, instant, event id.
    type Identity = (usize, usize, DateTime<Utc>, Option<String>);

    /// What a provider sent, each reading once, in time order.
    fn sent(fleet: &Fleet, provider: usize) -> BTreeMap<Identity, i64> {
        let mut once = BTreeMap::new();
        for batch in Feed::new(fleet, 300).filter(|batch| batch.provider == provider) {
            for reading in batch.readings.into_iter().map(|sent| sent.reading) {
                let identity = (reading.device, reading.channel, reading.at, reading.id);
                let before = once.insert(identity, reading.units);
                assert!(before.is_none_or(|units| units == reading.units), "sent with two values");
            }
        }
        once
    }

    /// (count, sum of increments, devices) by (place, period), counted one reading at a time from what was sent.
    fn recount(roster: &Roster, sent: &BTreeMap<Identity, i64>, metric: &Metric, level: Level) -> Recount {
        let mut totals = Recount::new();
        let mut before: HashMap<(usize, usize), i64> = HashMap::new();
        for ((device, channel, at, _), units) in sent {
            let plan = &roster.devices[*device];
            if plan.model.channels[*channel].metric != metric.key {
                continue;
            }
            let earlier = before.insert((*device, *channel), *units);
            let increment = match metric.kind {
                Kind::Delta => *units,
                Kind::Gauge => 0,
                Kind::Register => match (units - earlier.unwrap_or(*units), metric.rollover_at) {
                    (moved @ ..0, Some(end)) => moved + end,
                    (moved, _) => moved,
                },
            };
            let owner = match plan.moved {
                Some((moved, to)) if moved <= *at => to,
                _ => plan.owner,
            };
            let zone = zone(roster, owner.customer);
            let local = at.naive_utc() + zone.offset_from_utc_datetime(&at.naive_utc()).fix();
            let places = match level {
                Level::Provider => vec![0],
                Level::Group => vec![owner.group.unwrap_or(roster.groups.len())],
                Level::Device => vec![*device],
                Level::Customer => above(roster, owner.customer),
            };
            for place in places {
                let total = totals.entry((place, local.format("%Y-%m-%d").to_string())).or_default();
                total.0 += 1;
                total.1 += i128::from(increment);
                total.2.insert(*device);
            }
        }
        totals
    }

    type Recount = BTreeMap<(usize, String), (u64, i128, BTreeSet<usize>)>;

    fn above(roster: &Roster, customer: usize) -> Vec<usize> {
        let entry = &roster.catalog.customers[customer];
        let parent = entry.parent.map(|key| roster.catalog.customers.iter().position(|c| c.key == key).unwrap());
        parent.map_or(vec![customer], |parent| [vec![customer], above(roster, parent)].concat())
    }

    fn zone(roster: &Roster, customer: usize) -> chrono_tz::Tz {
        let zones = above(roster, customer).into_iter().map(|at| roster.catalog.customers[at].time_zone);
        zones.flatten().next().unwrap_or(roster.catalog.time_zone)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        // Summer time begins in Europe on 29 March 2026, and the month ends.
        #[test]
        fn totals_are_those_of_a_naive_recount(seed in 0_u64..1_000, devices in 1_u32..60, days in 1_u32..8) {
            let fleet = Fleet::new(Plan::new(seed, devices, days, "2026-04-02".parse().unwrap()).unwrap());
            for (provider, roster) in fleet.providers.iter().enumerate() {
                let ledger = Ledger::of(&fleet, roster);
                let sent = sent(&fleet, provider);
                prop_assert_eq!(ledger.readings, sent.len() as u64);
                for (place, metric) in roster.catalog.metrics.iter().enumerate() {
                    for level in [Level::Provider, Level::Customer, Level::Group, Level::Device] {
                        let series = ledger.series(place, level, Bucket::Day).into_iter();
                        let series: Recount = series.map(|(key, f)| (key, (f.count, f.sum, f.active))).collect();
                        prop_assert_eq!(series, recount(roster, &sent, metric, level));
                    }
                }
            }
        }
    }

    #[test]
    fn a_month_is_the_sum_of_its_days_but_its_active_devices_are_distinct() {
        let fleet = Fleet::new(Plan::new(5, 40, 20, "2026-04-11".parse().unwrap()).unwrap());
        let roster = &fleet.providers[0];
        let ledger = Ledger::of(&fleet, roster);
        let days = ledger.series(0, Level::Provider, Bucket::Day);
        for ((_, month), figures) in ledger.series(0, Level::Provider, Bucket::Month) {
            let days = days.iter().filter(|((_, day), _)| day.starts_with(&month));
            let (sums, most) = days.fold((0, 0), |(sum, most), (_, f)| (sum + f.sum, most.max(f.active.len())));
            assert_eq!(figures.sum, sums);
            assert!(figures.active.len() >= most && figures.active.len() <= roster.devices.len());
        }
    }

    #[test]
    fn a_register_that_starts_again_goes_on_counting() {
        let fleet = Fleet::new(Plan::new(1, 200, 40, "2026-04-11".parse().unwrap()).unwrap());
        let roster = &fleet.providers[1];
        let water = roster.metric_place("water");
        let series = Ledger::of(&fleet, roster).series(water, Level::Device, Bucket::Month);
        assert!(series.values().all(|figures| (0..200_000).contains(&figures.sum)));
        let started_again = |figures: &Figures| figures.max - figures.min > 50_000_000;
        assert!(series.values().any(started_again), "no meter started again");
    }

    #[test]
    fn averages_are_rounded_half_to_even() {
        let figures = |values, count| Figures { values, count, ..Figures::none(0) }.average();
        assert_eq!([figures(5, 2), figures(7, 2), figures(-5, 2), figures(10, 3), figures(-11, 3)], [2, 4, -2, 3, -4]);
    }
}
