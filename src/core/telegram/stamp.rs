//! Times of a telegram: `YYMMDDhhmmss` as the clocks in Amsterdam show it, then S for summer time or W for winter time.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{OffsetComponents, Tz};

/// The meters' time zone. Belgium and Luxembourg, whose meters send such telegrams too, have the same clocks.
const ZONE: Tz = Tz::Europe__Amsterdam;

/// How much a meter's clock may be ahead of who reads it.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadStamp {
    #[error("not a time such as 261101001500W")]
    Format,
    #[error("the clocks were put forward over this time, so there was none such")]
    Skipped,
    #[error("it says summer time (S) or winter time (W), and the other one held")]
    Season,
}

/// The instant of a time. Before version 4 the letter is left out; of the hour that comes twice in October it is then the
/// last one that is not behind `near`, when the telegram was read.
pub fn instant(text: &str, near: DateTime<Utc>) -> Result<DateTime<Utc>, BadStamp> {
    let (digits, season) = match text.split_at_checked(12) {
        Some((digits, "")) => (digits, None),
        Some((digits, "S")) => (digits, Some(true)),
        Some((digits, "W")) => (digits, Some(false)),
        _ => return Err(BadStamp::Format),
    };
    let local = local(digits).ok_or(BadStamp::Format)?;
    let found = match (ZONE.from_local_datetime(&local), season) {
        (LocalResult::None, _) => return Err(BadStamp::Skipped),
        (LocalResult::Ambiguous(summer, _), Some(true)) => summer,
        (LocalResult::Ambiguous(_, winter), Some(false)) => winter,
        (LocalResult::Ambiguous(summer, winter), None) => {
            if winter <= near + AHEAD {
                winter
            } else {
                summer
            }
        }
        (LocalResult::Single(at), None) => at,
        (LocalResult::Single(at), Some(is_summer)) => {
            if at.offset().dst_offset().is_zero() == is_summer {
                return Err(BadStamp::Season);
            }
            at
        }
    };
    Ok(found.to_utc())
}

fn local(digits: &str) -> Option<NaiveDateTime> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |at: usize| digits.get(at..at + 2)?.parse::<u32>().ok();
    let date = NaiveDate::from_ymd_opt(2000 + two(0)?.cast_signed(), two(2)?, two(4)?)?;
    date.and_hms_opt(two(6)?, two(8)?, two(10)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn read(text: &str) -> Result<DateTime<Utc>, BadStamp> {
        instant(text, utc("2030-01-01T00:00:00Z"))
    }

    #[test]
    fn summer_is_two_hours_ahead_and_winter_one() {
        assert_eq!(read("260701120000S"), Ok(utc("2026-07-01T10:00:00Z")));
        assert_eq!(read("261101001500W"), Ok(utc("2026-10-31T23:15:00Z")));
        assert_eq!(read("260701120000"), Ok(utc("2026-07-01T10:00:00Z")));
        assert_eq!(read("000101000000W"), Ok(utc("1999-12-31T23:00:00Z")));
    }

    #[test]
    fn the_letter_tells_the_hours_that_come_twice_apart() {
        // The clocks were put back from 3 to 2 on 25 October 2026, at 01:00 UTC.
        assert_eq!(read("261025023000S"), Ok(utc("2026-10-25T00:30:00Z")));
        assert_eq!(read("261025023000W"), Ok(utc("2026-10-25T01:30:00Z")));
        for (near, at) in [
            ("2026-10-25T00:31:00Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25T01:24:59Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25T01:31:00Z", "2026-10-25T01:30:00Z"),
            ("2026-10-26T00:00:00Z", "2026-10-25T01:30:00Z"),
        ] {
            assert_eq!(instant("261025023000", utc(near)), Ok(utc(at)), "{near}");
        }
    }

    #[test]
    fn what_is_no_time_is_told() {
        for text in
            ["", "2611010015", "261101001500X", "261101001500WW", "26110100150W", "2611010015é0", "+61101001500W"]
        {
            assert_eq!(read(text), Err(BadStamp::Format), "{text}");
        }
        // What some meters write where nothing is connected.
        assert_eq!(read("632525252525S"), Err(BadStamp::Format));
        assert_eq!(read("260229000000W"), Err(BadStamp::Format));
        assert_eq!(read("260329023000S"), Err(BadStamp::Skipped));
        assert_eq!(read("260329023000"), Err(BadStamp::Skipped));
        assert_eq!(read("260701120000W"), Err(BadStamp::Season));
        assert_eq!(read("261101001500S"), Err(BadStamp::Season));
    }

    proptest! {
        // Written by chrono's own format, from the instant; the offset by the rule of the European Union.
        #[test]
        fn what_is_written_is_read_back(seconds in 946_684_800_i64..4_070_908_800) {
            let at = DateTime::from_timestamp(seconds, 0).unwrap();
            let local = at.with_timezone(&ZONE);
            let letter = if local.format("%z").to_string() == "+0200" { 'S' } else { 'W' };
            prop_assert_eq!(read(&format!("{}{letter}", local.format("%y%m%d%H%M%S"))), Ok(at));
        }

        #[test]
        fn any_text_is_a_time_or_not(text in "\\PC{0,16}", digits in "[0-9]{12}[SW]?") {
            let _ = (read(&text), read(&digits));
        }
    }
}
