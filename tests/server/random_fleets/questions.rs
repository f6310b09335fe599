//! Random questions to `GET /v1/usage`.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;

use super::calendar::{Instant, day_start, hour_start, hour_text, local_day, month_start, next_month};
use super::dice::Dice;
use super::fleet::{Kind, Provider};
use super::sending::Window;

#[derive(Debug, Clone)]
pub struct Question {
    pub metrics: Vec<usize>,
    pub scope: Scope,
    pub by: Option<By>,
    pub bucket: Bucket,
    pub range: Range,
    /// None: those that are usual for the metric.
    pub stats: Option<Vec<&'static str>>,
    pub fill: Fill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Provider,
    /// With all below it, or by itself.
    Customer {
        customer: usize,
        own: bool,
    },
    Group(usize),
    Device(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Customer,
    Group,
    Device,
    Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    Hour,
    Day,
    Month,
    Total,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    None,
    Zero,
    Previous,
}

/// Half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Each owner's own days.
    Days(NaiveDate, NaiveDate),
    /// UTC hours.
    Hours(Instant, Instant),
}

const STATS: [&str; 9] = ["count", "sum", "min", "max", "avg", "first", "last", "active_devices", "registered_devices"];

impl Provider {
    pub fn random_question(&self, dice: &mut Dice, windows: &[Window]) -> Question {
        let scope = match dice.below(100) {
            0..25 => Scope::Provider,
            25..65 => Scope::Customer { customer: dice.below(self.customers.len()), own: dice.percent(20) },
            65..80 => Scope::Group(dice.below(self.groups.len())),
            _ => Scope::Device(dice.below(self.devices.len())),
        };
        let by = match scope {
            Scope::Provider | Scope::Customer { .. } => dice.of(&[
                None,
                Some(By::Customer),
                Some(By::Customer),
                Some(By::Group),
                Some(By::Device),
                Some(By::Kind),
            ]),
            Scope::Group(_) => dice.of(&[None, None, Some(By::Device), Some(By::Kind)]),
            Scope::Device(_) => None,
        };
        let bucket = dice.of(&[Bucket::Hour, Bucket::Day, Bucket::Day, Bucket::Month, Bucket::Total]);
        let window = random_window(dice, windows);
        let range = random_range(dice, bucket, window);
        let all: Vec<_> = (0..self.metrics.len()).collect();
        let metrics = if dice.percent(50) { vec![dice.of(&all)] } else { dice.some_of(&all) };
        let is_there = |kind| metrics.iter().any(|metric| self.metrics[*metric].kind == kind);
        let makes_sense = |stat: &&str| match *stat {
            "sum" => !is_there(Kind::Gauge),
            "avg" => !is_there(Kind::Register),
            _ => true,
        };
        let sensible: Vec<_> = STATS.into_iter().filter(makes_sense).collect();
        let stats = match dice.below(4) {
            0 => None,
            1 => Some(dice.some_of(&sensible)),
            _ => Some(sensible),
        };
        let fill = dice.of(&[Fill::None, Fill::None, Fill::Zero, Fill::Previous]);
        Question { metrics, scope, by, bucket, range, stats, fill }
    }

    /// The path with the question, without the host.
    pub fn path(&self, question: &Question) -> String {
        let metrics: Vec<_> = question.metrics.iter().map(|metric| self.metrics[*metric].key.as_str()).collect();
        let (from, to) = question.range.ends();
        let bucket = question.bucket.word();
        let mut path = format!("/v1/usage?metric={}&bucket={bucket}&from={from}&to={to}", metrics.join(","));
        match question.scope {
            Scope::Provider => {}
            Scope::Customer { customer, own } => {
                path += &format!("&scope=customer:{}", self.customers[customer].key);
                path += if own { "&own=true" } else { "" };
            }
            Scope::Group(group) => path += &format!("&scope=group:{}", self.groups[group].key),
            Scope::Device(device) => path += &format!("&scope=device:{}", self.devices[device].key),
        }
        if let Some(by) = question.by {
            path += &format!("&by={}", by.word());
        }
        if let Some(stats) = &question.stats {
            path += &format!("&stats={}", stats.join(","));
        }
        path + match question.fill {
            Fill::None => "",
            Fill::Zero => "&fill=zero",
            Fill::Previous => "&fill=previous",
        }
    }

    /// The billing time zones of a scope's owners.
    pub fn zones(&self, scope: Scope) -> BTreeSet<&'static str> {
        let name = |customer: usize| self.zone_of(customer).name();
        match scope {
            Scope::Provider => (0..self.customers.len()).map(name).collect(),
            Scope::Customer { customer, own: true } => BTreeSet::from([name(customer)]),
            Scope::Customer { customer, own: false } => self.subtree(customer).into_iter().map(name).collect(),
            Scope::Group(group) => BTreeSet::from([name(self.groups[group].customer)]),
            Scope::Device(device) => self.devices[device].owners.iter().map(|one| name(one.owner.0)).collect(),
        }
    }
}

/// The window that the question is about, made wider or narrower.
fn random_window(dice: &mut Dice, windows: &[Window]) -> Window {
    let (from, to) = dice.of(windows);
    let (earlier, later) = (dice.between(-30, 30), dice.between(-30, 30));
    (from + TimeDelta::hours(earlier), to + TimeDelta::hours(later))
}

fn random_range(dice: &mut Dice, bucket: Bucket, (from, to): Window) -> Range {
    let (first, last) = (local_day(from, Tz::UTC), local_day(to, Tz::UTC));
    let days = |from: NaiveDate, to: NaiveDate| Range::Days(from, to.max(from + TimeDelta::days(1)));
    match bucket {
        Bucket::Hour | Bucket::Total if dice.percent(35) => {
            let from = hour_start(from);
            Range::Hours(from, hour_start(to).max(from + TimeDelta::hours(1)))
        }
        // Midnights as instants: days where the scope has one zone that agrees.
        Bucket::Hour | Bucket::Total if dice.percent(10) => {
            let zone = dice.of(&[Tz::UTC, Tz::Pacific__Apia, Tz::Europe__Paris]);
            let from = day_start(first, zone);
            Range::Hours(from, day_start(last, zone).max(from + TimeDelta::days(1)))
        }
        Bucket::Month | Bucket::Total if dice.percent(50) => {
            let (from, to) = (month_start(first), month_start(last));
            days(from, if dice.percent(50) { next_month(to) } else { next_month(next_month(to)) })
        }
        Bucket::Month | Bucket::Total if dice.percent(30) => {
            days(first - TimeDelta::days(dice.between(0, 40)), last + TimeDelta::days(dice.between(0, 40)))
        }
        _ => days(first, last),
    }
}

impl Range {
    /// As the question writes them.
    pub fn ends(self) -> (String, String) {
        match self {
            Self::Days(from, to) => (from.to_string(), to.to_string()),
            Self::Hours(from, to) => (hour_text(from), hour_text(to)),
        }
    }

    /// What is meant in these zones: two midnights are days. Where there are several zones, those that are written as
    /// midnights, in UTC here.
    pub fn meant(self, zones: &BTreeSet<&'static str>) -> Self {
        let Self::Hours(from, to) = self else { return self };
        let zone = if zones.len() == 1 { zone(zones.first().expect("one")) } else { Tz::UTC };
        let (first, last) = (local_day(from, zone), local_day(to, zone));
        if day_start(first, zone) == from && day_start(last, zone) == to { Self::Days(first, last) } else { self }
    }

    /// First instant and end in a zone.
    pub fn instants(self, zone: Tz) -> (Instant, Instant) {
        match self {
            Self::Days(from, to) => (day_start(from, zone), day_start(to, zone)),
            Self::Hours(from, to) => (from, to),
        }
    }

    /// From the first instant in any of the zones to the last end.
    pub fn hull(self, zones: &BTreeSet<&'static str>) -> (Instant, Instant) {
        let ends = || zones.iter().map(|name| self.instants(zone(name)));
        let (from, to) = (ends().map(|end| end.0).min(), ends().map(|end| end.1).max());
        (from.expect("a zone"), to.expect("a zone"))
    }
}

pub fn zone(name: &str) -> Tz {
    name.parse().expect(name)
}

impl By {
    pub fn word(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Group => "group",
            Self::Device => "device",
            Self::Kind => "kind",
        }
    }
}

impl Bucket {
    pub fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Total => "total",
        }
    }
}
