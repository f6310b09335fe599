//! What a register's readings add to usage: differences, as far as they can be believed.
//!
//! A register's increments are a function of its readings, of the replacements of its meter, of what was decided about
//! readings, and of its metric's rules: in whatever order all of these came. [`Fold`] is that function.

mod fold;

use chrono::{DateTime, Utc};

pub use self::fold::{Decision, Doubt, Fold, Standing, State, Suspicion};

/// Registers hold less than this, either way: then no difference of two of them leaves 64 bits.
pub const LIMIT: i64 = 1 << 62;

/// What a register's metric says about its increments, in scaled units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Where the register starts again at zero.
    pub rollover_at: Option<i64>,
    /// Largest increment an hour that is believed.
    pub max_per_hour: Option<i64>,
}

/// A reading of a register, its value below [`LIMIT`]. Readings are in the order of instant and event key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub at: DateTime<Utc>,
    pub event_key: i64,
    pub value: i64,
}

/// A meter that was replaced: readings before `at` are of the old one, those from then on of the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replacement {
    pub at: DateTime<Utc>,
    /// Last value of the old meter, below [`LIMIT`].
    pub last: i64,
    /// First value of the new one, below [`LIMIT`].
    pub first: i64,
}

/// What besides its readings decides a channel's increments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// What its metric says now.
    pub rule: Rule,
    /// What its metric said earlier, each with the instant before which it held for readings; oldest first.
    pub earlier_rules: Vec<(DateTime<Utc>, Rule)>,
    /// Oldest first; no two at one instant.
    pub replacements: Vec<Replacement>,
}

impl Level {
    /// Where the new meter of a replacement begins: before all readings from its instant on.
    pub(super) fn start(replacement: &Replacement) -> Self {
        Self { at: replacement.at, event_key: i64::MIN, value: replacement.first }
    }
}

impl Register {
    /// One that was never replaced, of a metric that never changed.
    pub fn new(rule: Rule) -> Self {
        Self { rule, earlier_rules: Vec::new(), replacements: Vec::new() }
    }

    /// What a reading adds to another one before it, if it follows from it: as [`Self::advance`] says, and no faster
    /// than the metric allows.
    pub fn follows(&self, before: Level, reading: Level) -> Option<i64> {
        let increment = self.advance(before, reading)?;
        let believed = self.rule_at(reading.at).max_per_hour.is_none_or(|most| {
            let micros = (reading.at - before.at).num_microseconds().unwrap_or(i64::MAX);
            i128::from(increment) * MICROS_PER_HOUR <= i128::from(most) * i128::from(micros)
        });
        believed.then_some(increment)
    }

    /// How far a register must have run from one reading to a later one, however fast; none if no way leads there.
    ///
    /// It runs upwards, over its rollover where the metric has one, and at a replacement from the old meter's last value on
    /// to the new one's first.
    pub fn advance(&self, before: Level, reading: Level) -> Option<i64> {
        let rule = self.rule_at(reading.at);
        let (mut run, mut value) = (0, before.value);
        for replacement in self.between(before, reading) {
            run += rule.run(value, replacement.last)?;
            value = replacement.first;
        }
        i64::try_from(run + rule.run(value, reading.value)?).ok()
    }

    /// What a reading that does not follow from another one adds when it is accepted: all that it ran, however fast; else its
    /// value counted from zero, after what an old meter ran until it was replaced.
    pub fn accepting(&self, before: Level, reading: Level) -> i64 {
        let rule = self.rule_at(reading.at);
        let (mut run, mut value) = (0, before.value);
        for replacement in self.between(before, reading) {
            run += rule.run(value, replacement.last).unwrap_or(0);
            value = replacement.first;
        }
        run += rule.run(value, reading.value).unwrap_or(i128::from(reading.value.max(0)));
        i64::try_from(run).unwrap_or(i64::MAX)
    }

    /// The rule for readings of an instant.
    pub fn rule_at(&self, at: DateTime<Utc>) -> Rule {
        self.earlier_rules.iter().find(|(until, _)| at < *until).map_or(self.rule, |(_, rule)| *rule)
    }

    /// The replacements between two readings, oldest first.
    pub fn between(&self, before: Level, reading: Level) -> &[Replacement] {
        let start = self.replacements.partition_point(|replacement| replacement.at <= before.at);
        let end = self.replacements.partition_point(|replacement| replacement.at <= reading.at);
        &self.replacements[start.min(end)..end]
    }

    /// The last replacement up to an instant.
    fn replaced_by(&self, at: DateTime<Utc>) -> Option<&Replacement> {
        self.replacements[..self.replacements.partition_point(|replacement| replacement.at <= at)].last()
    }
}

impl Rule {
    /// How far one meter ran from one value to another. A decrease is a rollover where the metric has one, the register
    /// was below it, and it came round by the shorter way: by less than half of its range.
    fn run(self, before: i64, value: i64) -> Option<i128> {
        let difference = i128::from(value) - i128::from(before);
        match self.rollover_at.map(i128::from) {
            _ if difference >= 0 => Some(difference),
            Some(end) if i128::from(before) < end && value >= 0 && difference + end < -difference => {
                Some(difference + end)
            }
            _ => None,
        }
    }
}

const MICROS_PER_HOUR: i128 = 3_600_000_000;

#[cfg(test)]
mod tests;
