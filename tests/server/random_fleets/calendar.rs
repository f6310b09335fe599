//! Days and decimals once more, by the simplest means: what the server computes is compared with this.

use std::cell::RefCell;
use std::collections::HashMap;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

pub type Instant = DateTime<Utc>;

pub fn instant(text: &str) -> Instant {
    text.parse().expect(text)
}

/// The calendar day of an instant.
pub fn local_day(at: Instant, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The first instant whose calendar day is this one, or, where the zone skipped it, a later one. Found by walking.
pub fn day_start(day: NaiveDate, zone: Tz) -> Instant {
    thread_local! { static FOUND: RefCell<HashMap<(NaiveDate, Tz), Instant>> = RefCell::default(); }
    if let Some(found) = FOUND.with_borrow(|found| found.get(&(day, zone)).copied()) {
        return found;
    }
    let mut at = day.and_time(NaiveTime::MIN).and_utc() - TimeDelta::hours(27);
    for step in [TimeDelta::minutes(15), TimeDelta::minutes(1), TimeDelta::seconds(1)] {
        while local_day(at + step, zone) < day {
            at += step;
        }
    }
    let start = at + TimeDelta::seconds(1);
    FOUND.with_borrow_mut(|found| found.insert((day, zone), start));
    start
}

pub fn month_start(day: NaiveDate) -> NaiveDate {
    day.with_day(1).expect("every month has a first day")
}

pub fn next_month(first: NaiveDate) -> NaiveDate {
    month_start(first + TimeDelta::days(32))
}

pub fn hour_start(at: Instant) -> Instant {
    let second = at.timestamp().div_euclid(3600) * 3600;
    DateTime::from_timestamp(second, 0).expect("an instant of this century")
}

pub fn hour_text(at: Instant) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A scaled integer as a decimal.
pub fn decimal(units: i128, scale: u32) -> String {
    let one = 10_u128.pow(scale);
    let sign = if units < 0 { "-" } else { "" };
    let (whole, rest) = (units.unsigned_abs() / one, units.unsigned_abs() % one);
    match scale {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{rest:0width$}", width = scale as usize),
    }
}

/// `sum / parts`, rounded half to even.
pub fn rounded(sum: i128, parts: i128) -> i128 {
    let (sign, sum) = (sum.signum(), sum.abs());
    let (whole, twice_the_rest) = (sum / parts, sum % parts * 2);
    let up = twice_the_rest > parts || (twice_the_rest == parts && whole % 2 == 1);
    sign * (whole + i128::from(up))
}
