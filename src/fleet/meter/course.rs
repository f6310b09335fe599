//! What a meter uses from one telegram to the next, and the totals of its days: what was added, by the day of the meter's
//! clock on which it was read.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc, Weekday};

use crate::fleet::meter::clock;
use crate::fleet::meter::telegram::{Shown, Version};
use crate::fleet::random::Random;

/// What a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    Low,
    Normal,
    Gas,
}

/// Each with the key of its metric; all have three decimals.
pub const METRICS: [(Quantity, &str); 3] =
    [(Quantity::Low, "electricity_low"), (Quantity::Normal, "electricity_normal"), (Quantity::Gas, "gas")];

/// What a meter counted on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Day {
    /// What the readings of the day added, in Wh or dm3.
    pub sum: u64,
    pub readings: u64,
}

/// A smart meter.
#[derive(Debug, Clone)]
pub struct Meter {
    pub version: Version,
    pub serial: String,
    random: Random,
    low: u64,
    normal: u64,
    gas: u64,
    /// When it last read; none before the first time.
    read_at: Option<DateTime<Utc>>,
    gas_at: Option<DateTime<Utc>>,
    /// Whether it was out of use since it last read.
    rested: bool,
    days: BTreeMap<(Quantity, NaiveDate), Day>,
}

/// Most that is used in an hour, in Wh and in dm3.
const MOST_ENERGY: u64 = 1_800;
const MOST_GAS: u64 = 900;

impl Meter {
    /// A meter that has been in use for a while. Its serial number tells its last day.
    pub fn new(seed: u64, version: Version, last: NaiveDate) -> Self {
        let model = version.model();
        let serial = format!("{}-{}", model.replace("MB-", "MB"), last.format("%y%m"));
        let mut random = Random::of(&[seed, version as u64, u64::from(last.num_days_from_ce().unsigned_abs())]);
        let [low, normal, gas] = [9_000_000, 7_000_000, 4_000_000].map(|most| random.below(most));
        let (read_at, gas_at, rested, days) = (None, None, true, BTreeMap::new());
        Self { version, serial, random, low, normal, gas, read_at, gas_at, rested, days }
    }

    /// Reads, and says what there is to be sent.
    pub fn read(&mut self, at: DateTime<Utc>) -> String {
        let since = self.read_at.replace(at).filter(|_| !self.rested);
        let energy = self.used(since, at, MOST_ENERGY);
        let is_low = since.is_none_or(is_low_tariff);
        let [low, normal] = if is_low { [energy, 0] } else { [0, energy] };
        self.low += low;
        self.normal += normal;
        self.note(Quantity::Low, at, low);
        self.note(Quantity::Normal, at, normal);
        let gas_at = self.version.gas_read_by(at);
        if self.gas_at != Some(gas_at) {
            let since = self.gas_at.replace(gas_at).filter(|_| !self.rested);
            let gas = self.used(since, gas_at, MOST_GAS);
            self.gas += gas;
            self.note(Quantity::Gas, gas_at, gas);
        }
        self.rested = false;
        let power = since.map_or(0, |since| energy * 3_600 / (at - since).num_seconds().max(1).unsigned_abs());
        self.version.write(&Shown {
            model: self.version.model(),
            serial: &self.serial,
            at,
            low: self.low,
            normal: self.normal,
            tariff: if is_low_tariff(at) { 1 } else { 2 },
            power,
            gas: self.gas,
            gas_at,
        })
    }

    /// Nothing is used until it next reads.
    pub fn rest(&mut self) {
        self.rested = true;
    }

    /// What it counted so far.
    pub fn days(&self) -> &BTreeMap<(Quantity, NaiveDate), Day> {
        &self.days
    }

    fn used(&mut self, since: Option<DateTime<Utc>>, at: DateTime<Utc>, most: u64) -> u64 {
        let seconds = since.map_or(0, |since| (at - since).num_seconds().unsigned_abs());
        self.random.below(most * seconds / 3_600)
    }

    fn note(&mut self, quantity: Quantity, at: DateTime<Utc>, added: u64) {
        let day = self.days.entry((quantity, clock::local(at).date())).or_default();
        day.sum += added;
        day.readings += 1;
    }
}

impl Version {
    pub const ALL: [Self; 3] = [Self::V22, Self::V42, Self::V50];

    /// What its maker calls it.
    pub fn model(self) -> &'static str {
        match self {
            Self::V22 => "MB-022",
            Self::V42 => "MB-042",
            Self::V50 => "MB-050",
        }
    }

    /// When the gas meter last told what it has.
    fn gas_read_by(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let minutes = if self == Self::V50 { at.minute() % 5 } else { at.minute() };
        at - TimeDelta::seconds(i64::from(minutes * 60 + at.second()))
    }
}

/// From 23 to 7 o'clock, and at weekends.
fn is_low_tariff(at: DateTime<Utc>) -> bool {
    let local = clock::local(at);
    matches!(local.weekday(), Weekday::Sat | Weekday::Sun) || !(7..23).contains(&local.hour())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn days_add_up_to_what_the_registers_went_on_by() {
        for version in Version::ALL {
            let mut meter = Meter::new(1, version, "2026-10-25".parse().unwrap());
            let before = (meter.low, meter.normal, meter.gas);
            // Saturday to Monday; the Sunday has 25 hours.
            for half in 0..2 * 73 {
                meter.read(at("2026-10-23T22:00:00Z") + TimeDelta::minutes(30 * half));
            }
            let of = |quantity| meter.days.iter().filter(move |((of, _), _)| *of == quantity).map(|(_, day)| *day);
            let sum = |quantity| of(quantity).map(|day| day.sum).sum::<u64>();
            assert_eq!(sum(Quantity::Low), meter.low - before.0);
            assert_eq!(sum(Quantity::Normal), meter.normal - before.1);
            assert_eq!(sum(Quantity::Gas), meter.gas - before.2);
            assert_eq!(of(Quantity::Low).map(|day| day.readings).collect::<Vec<_>>(), [48, 50, 48]);
            let gas = if version == Version::V50 { [48, 50, 48] } else { [24, 25, 24] };
            assert_eq!(of(Quantity::Gas).map(|day| day.readings).collect::<Vec<_>>(), gas);
            assert!(sum(Quantity::Normal) > 0 && sum(Quantity::Low) > sum(Quantity::Normal));
        }
    }

    #[test]
    fn a_meter_that_rested_goes_on_from_where_it_was() {
        let mut meter = Meter::new(1, Version::V50, "2026-10-25".parse().unwrap());
        meter.read(at("2026-03-30T10:00:00Z"));
        meter.read(at("2026-03-30T11:00:00Z"));
        let before = (meter.low, meter.normal, meter.gas);
        meter.rest();
        meter.read(at("2026-10-24T10:00:00Z"));
        assert_eq!((meter.low, meter.normal, meter.gas), before);
    }
}
