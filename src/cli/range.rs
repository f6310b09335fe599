//! `--from` and `--to`: whole UTC days, as rollups have them.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use clap::Args;

use crate::cli::Failure;
use crate::core::instant;
use crate::rollup::definition::Period;

/// A range of a command's work: flatten it into the command's arguments.
#[derive(Debug, Clone, Copy, Args)]
pub struct RangeArgs {
    /// Where to begin: a UTC day, or a time, of which the whole UTC day counts [default: the oldest there is]
    #[arg(long, env = "METERBASE_FROM", value_name = "DATE|TIME", value_parser = parse)]
    from: Option<DateTime<Utc>>,
    /// Where to end: a UTC day, which is no longer in, or a time, whose whole UTC day is [default: the newest there is]
    #[arg(long, env = "METERBASE_TO", value_name = "DATE|TIME", value_parser = parse)]
    to: Option<DateTime<Utc>>,
}

/// Start and end of a range, as far as they were said.
pub type Bounds = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

impl RangeArgs {
    /// The whole days between the two.
    pub fn days(self) -> Result<Bounds, Failure> {
        let to = self.to.map(|to| {
            let day = Period::Day.floor(to);
            if day == to { to } else { day + Days::new(1) }
        });
        let from = self.from.map(|from| Period::Day.floor(from));
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(Failure::Usage("--from must be before --to".to_owned()));
        }
        Ok((from, to))
    }

    pub fn is_given(self) -> bool {
        self.from.is_some() || self.to.is_some()
    }
}

fn parse(text: &str) -> Result<DateTime<Utc>, String> {
    match text.parse::<NaiveDate>() {
        Ok(day) => Ok(day.and_time(NaiveTime::MIN).and_utc()),
        Err(_) => {
            let wrong = |error| format!("{text:?} is neither a date such as 2026-11-01 nor a time: {error}");
            instant::parse(text).map_err(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(from: &str, to: &str) -> Result<Bounds, Failure> {
        RangeArgs { from: Some(parse(from).expect("a start")), to: Some(parse(to).expect("an end")) }.days()
    }

    #[test]
    fn a_range_is_of_whole_days() {
        let range = days("2026-11-01T07:00:00+01:00", "2026-11-02T00:00:01Z").expect("a range");
        assert_eq!(range, (parse("2026-11-01").ok(), parse("2026-11-03").ok()));
        assert_eq!(days("2026-11-01", "2026-11-02").expect("a range").1, parse("2026-11-02").ok());
        assert!(days("2026-11-02", "2026-11-02").is_err());
        for wrong in ["", "yesterday", "2026-11-31", "2026-11-01T07:00:00"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
