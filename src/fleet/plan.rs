//! How large a fleet is, and from when to when it sends.

use std::fmt;

use chrono::{NaiveDate, TimeDelta};

/// Most devices times days of one fleet: about 30 readings each, and the totals are held in memory.
pub const MAX_DEVICE_DAYS: i64 = 1_000_000;

/// Most devices and most days: figures by device and by day then fit into one answer of the API.
pub const MAX_DEVICES: u32 = 50_000;
pub const MAX_DAYS: i64 = 3_660;

/// What a fleet is made from. The same plan makes the same fleet, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    /// Devices, gateways and integrations together, over all providers.
    pub devices: u32,
    /// First UTC day of readings.
    pub from: NaiveDate,
    /// UTC day at whose start the readings end.
    pub until: NaiveDate,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    #[error("a fleet needs at least one device and one day")]
    Empty,
    #[error("at most {MAX_DEVICES} devices, {MAX_DAYS} days, and {MAX_DEVICE_DAYS} devices times days")]
    TooLarge,
}

impl Plan {
    /// A plan of `days` days that end at the start of `until`.
    pub fn new(seed: u64, devices: u32, days: u32, until: NaiveDate) -> Result<Self, BadPlan> {
        let from = until.checked_sub_signed(TimeDelta::days(days.into())).ok_or(BadPlan::TooLarge)?;
        Self { seed, devices, from, until }.checked()
    }

    pub fn days(&self) -> i64 {
        (self.until - self.from).num_days()
    }

    /// The plan with a later end. What was sent before stays as it was: a day's readings do not depend on the end.
    pub fn extended(self, until: NaiveDate) -> Result<Self, BadPlan> {
        Self { until: self.until.max(until), ..self }.checked()
    }

    fn checked(self) -> Result<Self, BadPlan> {
        let size = self.days().saturating_mul(self.devices.into());
        if size <= 0 {
            Err(BadPlan::Empty)
        } else if self.devices > MAX_DEVICES || self.days() > MAX_DAYS || size > MAX_DEVICE_DAYS {
            Err(BadPlan::TooLarge)
        } else {
            Ok(self)
        }
    }

    /// Reads the plan back from where a simulated provider's name shows it; none in any other name.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, text) = name.strip_suffix(')')?.split_once(" (simulated: seed ")?;
        let (seed, text) = text.split_once(", ")?;
        let (devices, text) = text.split_once(" devices, ")?;
        let (from, until) = text.split_once(" to ")?;
        let plan = Self {
            seed: seed.parse().ok()?,
            devices: devices.parse().ok()?,
            from: from.parse().ok()?,
            until: until.parse().ok()?,
        };
        plan.checked().ok()
    }
}

/// As a simulated provider's name ends, so that people see it and a later run continues the same fleet.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(simulated: seed {}, {} devices, {} to {})", self.seed, self.devices, self.from, self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_plan_is_read_back_from_a_name() {
        let plan = Plan::new(7, 120, 62, day("2026-11-21")).unwrap();
        assert_eq!(plan.from, day("2026-09-20"));
        assert_eq!(Plan::of_name(&format!("Lumen IoT {plan}")), Some(plan));
        assert_eq!(Plan::of_name("Lumen IoT"), None);
        assert_eq!(Plan::of_name("Lumen (simulated: seed x, 1 devices, 2026-01-01 to 2026-01-02)"), None);
    }

    #[test]
    fn a_plan_is_neither_empty_nor_boundless_and_only_grows() {
        assert_eq!(Plan::new(1, 0, 5, day("2026-11-21")), Err(BadPlan::Empty));
        assert_eq!(Plan::new(1, 5, 0, day("2026-11-21")), Err(BadPlan::Empty));
        assert_eq!(Plan::new(1, 100_000, 100, day("2026-11-21")), Err(BadPlan::TooLarge));
        let plan = Plan::new(1, 5, 5, day("2026-11-21")).unwrap();
        assert_eq!(plan.extended(day("2026-11-20")), Ok(plan));
        assert_eq!(plan.extended(day("2026-11-25")).unwrap().days(), 9);
    }
}
