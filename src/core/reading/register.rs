//! What a register's reading adds to usage: the difference to the reading before it, as far as that can be believed.

use chrono::{DateTime, Utc};

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

/// A reading of a register. Both values of a pair are below [`LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub at: DateTime<Utc>,
    pub value: i64,
}

impl Rule {
    /// The increment of a reading after another one; 0 for a channel's first.
    ///
    /// A decrease is a rollover where the metric has one, the register was below it, and it came round by the shorter
    /// way: by less than half of its range. Else it is a meter that was replaced, reset or corrected, which adds
    /// nothing. Nor does an increase that is faster than the metric allows.
    pub fn increment(self, before: Option<Level>, reading: Level) -> i64 {
        let Some(before) = before else { return 0 };
        let difference = reading.value - before.value;
        let increment = match self.rollover_at {
            _ if difference >= 0 => difference,
            Some(rollover_at)
                if before.value < rollover_at && reading.value >= 0 && difference + rollover_at < -difference =>
            {
                difference + rollover_at
            }
            _ => return 0,
        };
        let believed = self.max_per_hour.is_none_or(|most| {
            let micros = (reading.at - before.at).num_microseconds().unwrap_or(i64::MAX);
            i128::from(increment) * MICROS_PER_HOUR <= i128::from(most) * i128::from(micros)
        });
        if believed { increment } else { 0 }
    }
}

const MICROS_PER_HOUR: i128 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn level(minutes: i64, value: i64) -> Level {
        Level { at: DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(minutes), value }
    }

    #[test]
    fn an_increase_counts_and_the_first_reading_does_not() {
        let rule = Rule { rollover_at: None, max_per_hour: None };
        assert_eq!(rule.increment(None, level(0, 500)), 0);
        assert_eq!(rule.increment(Some(level(0, 500)), level(60, 512)), 12);
        assert_eq!(rule.increment(Some(level(0, -LIMIT + 1)), level(60, LIMIT - 1)), i64::MAX - 1);
    }

    #[test]
    fn a_decrease_is_a_rollover_or_nothing() {
        let five_digits = Rule { rollover_at: Some(100_000), max_per_hour: None };
        assert_eq!(five_digits.increment(Some(level(0, 99_990)), level(60, 15)), 25);
        assert_eq!(five_digits.increment(Some(level(0, 99_998)), level(60, 3)), 5);
        // A slip of the pen, not the whole range but one.
        assert_eq!(five_digits.increment(Some(level(0, 500)), level(60, 499)), 0);
        assert_eq!(five_digits.increment(Some(level(0, 100_001)), level(60, 15)), 0);
        assert_eq!(five_digits.increment(Some(level(0, 15)), level(60, -15)), 0);
        let never = Rule { rollover_at: None, max_per_hour: None };
        assert_eq!(never.increment(Some(level(0, 99_990)), level(60, 15)), 0);
    }

    #[test]
    fn a_jump_beyond_the_hourly_limit_is_not_believed() {
        let rule = Rule { rollover_at: Some(100_000), max_per_hour: Some(10) };
        assert_eq!(rule.increment(Some(level(0, 0)), level(60, 10)), 10);
        assert_eq!(rule.increment(Some(level(0, 0)), level(59, 10)), 0);
        assert_eq!(rule.increment(Some(level(0, 99_990)), level(120, 10)), 20);
        assert_eq!(rule.increment(Some(level(0, 99_990)), level(119, 10)), 0);
        assert_eq!(rule.increment(Some(level(0, 5)), level(0, 6)), 0);
        assert_eq!(rule.increment(Some(level(0, 5)), level(0, 5)), 0);
    }
}
