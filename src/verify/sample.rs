//! Some days of many, drawn from a seed.

use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::fleet::random::Random;

/// How much of a range is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// Percent of the days, at least one.
    Percent(u8),
    Days(usize),
}

/// What the random numbers are for.
const STREAM: u64 = 0x7665_7269_6679;

impl Sample {
    /// The days drawn, oldest first. The same seed draws the same of the same days.
    pub fn draw(self, days: &[DateTime<Utc>], seed: u64) -> Vec<DateTime<Utc>> {
        let number = match self {
            Self::Percent(percent) => (days.len() * usize::from(percent)).div_ceil(100),
            Self::Days(number) => number,
        };
        let rank = |day: &DateTime<Utc>| Random::of(&[seed, STREAM, day.timestamp().cast_unsigned()]).draw();
        let mut drawn = days.to_vec();
        drawn.sort_by_key(rank);
        drawn.truncate(number);
        drawn.sort_unstable();
        drawn
    }
}

/// `5%`, or `3d` for three days.
impl FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither a percentage from 1% to 100% nor a number of days such as 3d");
        if let Some(percent) = text.strip_suffix('%') {
            return percent
                .parse()
                .ok()
                .filter(|percent| (1..=100).contains(percent))
                .map(Self::Percent)
                .ok_or_else(wrong);
        }
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        days.filter(|days| *days > 0).map(Self::Days).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Days(days) => write!(f, "{days}d"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_that_many_days_and_the_same_for_a_seed() {
        let days: Vec<_> = (0..200).map(|day| DateTime::UNIX_EPOCH + chrono::Days::new(day)).collect();
        let drawn = Sample::Percent(5).draw(&days, 7);
        assert_eq!(drawn.len(), 10);
        assert!(drawn.is_sorted() && drawn.iter().all(|day| days.contains(day)));
        assert_eq!(drawn, Sample::Percent(5).draw(&days, 7));
        assert_ne!(drawn, Sample::Percent(5).draw(&days, 8));
        assert_eq!(Sample::Percent(1).draw(&days[..3], 7).len(), 1);
        assert_eq!(Sample::Days(9).draw(&days[..3], 7), days[..3]);
        assert!(Sample::Percent(5).draw(&[], 7).is_empty());
    }

    #[test]
    fn samples_are_percentages_or_days() {
        assert_eq!("5%".parse(), Ok(Sample::Percent(5)));
        assert_eq!("3d".parse(), Ok(Sample::Days(3)));
        for wrong in ["", "5", "0%", "101%", "0d", "-1d", "five%"] {
            assert!(wrong.parse::<Sample>().is_err(), "{wrong}");
        }
    }
}
