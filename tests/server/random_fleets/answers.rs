//! The answers that `GET /v1/usage` should give, from the readings one by one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::calendar::{
    Instant, day_start, decimal, hour_start, hour_text, local_day, month_start, next_month, rounded,
};
use super::fleet::{Kind, Provider};
use super::holdings::Reading;
use super::questions::{Bucket, Fill, Question, Range, Scope, zone};
use super::series::{Found, Series};

/// What a point is of; hours by their start, days and months by their first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Period {
    Hour(Instant),
    Day(NaiveDate),
    Month(NaiveDate),
    Total,
}

/// How long readings are awaited.
const LATE_HORIZON: TimeDelta = TimeDelta::days(30);

impl Provider {
    /// The answer to a question, but for `fresh_through`, which is taken as the server says it.
    pub fn answer(&self, question: &Question, fresh_through: Instant) -> Value {
        let zones = self.zones(question.scope);
        let range = question.range.meant(&zones);
        let (from, to) = range.ends();
        let (level, key) = match question.scope {
            Scope::Provider => ("provider", &self.key),
            Scope::Customer { customer, .. } => ("customer", &self.customers[customer].key),
            Scope::Group(group) => ("group", &self.groups[group].key),
            Scope::Device(device) => ("device", &self.devices[device].key),
        };
        let mut series = Vec::new();
        for metric in &question.metrics {
            for one in self.series(question, range, *metric) {
                let points = self.points(question, range, *metric, &one, fresh_through);
                if !one.always && points.is_empty() {
                    continue;
                }
                let mut object = json!({"metric": self.metrics[*metric].key, "unit": "kWh",
                    "time_zone": single(&one.zones), "points": points});
                if let Some(by) = question.by {
                    object[by.word()] = json!(one.label);
                }
                series.push(object);
            }
        }
        json!({"scope": {"level": level, "key": key}, "bucket": question.bucket.word(), "from": from, "to": to,
            "time_zone": single(&zones), "series": series})
    }

    fn points(
        &self,
        question: &Question,
        range: Range,
        metric: usize,
        series: &Series,
        fresh_through: Instant,
    ) -> Vec<Value> {
        let mut by_period: BTreeMap<Period, Vec<Found>> = BTreeMap::new();
        let mut before = Vec::new();
        for found in &series.readings {
            let (_, at, Reading { day, .. }) = *found;
            match is_in(range, at, *day) {
                Ordering::Less => before.push(*found),
                Ordering::Equal => by_period.entry(Period::of(question.bucket, at, *day)).or_default().push(*found),
                Ordering::Greater => {}
            }
        }
        let expected = self.expected(question, range, metric, series, fresh_through);
        for period in expected.keys() {
            by_period.entry(*period).or_default();
        }
        let registered = self.registered(question, range, series);
        if self.stats(question, metric).contains(&"registered_devices") {
            for period in registered.keys() {
                by_period.entry(*period).or_default();
            }
        }
        let mut level = last(&before).filter(|_| question.fill == Fill::Previous);
        if question.fill != Fill::None && (series.always || !by_period.is_empty() || level.is_some()) {
            for period in periods(question.bucket, range, &series.zones) {
                by_period.entry(period).or_default();
            }
        }
        let mut points = Vec::new();
        for (period, readings) in by_period {
            let mut point = Map::new();
            let (start, end, over) = period.edges(range, &series.zones);
            point.insert("period".into(), json!(period.word(range)));
            point.insert("start".into(), json!(start));
            point.insert("end".into(), json!(end));
            point.insert("final".into(), json!(over + LATE_HORIZON <= fresh_through));
            for stat in self.stats(question, metric) {
                let figure = match stat {
                    "registered_devices" => json!(registered.get(&period).unwrap_or(&0)),
                    _ => self.figure(stat, metric, &readings, level),
                };
                point.insert(stat.into(), figure);
            }
            if self.metrics[metric].expected_interval.is_some() {
                point.insert("expected".into(), json!(expected.get(&period).unwrap_or(&0)));
                point.insert("received".into(), json!(readings.len()));
            }
            if question.fill == Fill::Previous {
                level = last(&readings).or(level);
            }
            points.push(Value::Object(point));
        }
        points
    }

    /// Readings expected: one at each channel's first reading and one after each interval, while the device belongs to
    /// the series, up to the time that the figures are of.
    fn expected(
        &self,
        question: &Question,
        range: Range,
        metric: usize,
        series: &Series,
        until: Instant,
    ) -> BTreeMap<Period, i64> {
        let mut expected = BTreeMap::new();
        let Some(interval) = self.metrics[metric].expected_interval else { return expected };
        let (from, to) = range.hull(&series.zones);
        for ((device, _, _), first) in self.first.iter().filter(|(channel, _)| channel.1 == metric) {
            let own: Vec<_> = series.assigned.iter().filter(|(place, _)| place == device).collect();
            let missed = ((from - *first).num_seconds() / interval - 1).max(0);
            let mut at = *first + TimeDelta::seconds(missed * interval);
            while at < to.min(until) {
                if let Some((_, owner)) = own.iter().find(|(_, one)| one.holds(at)) {
                    let day = day_begun(at, self.zone_of(owner.owner.0));
                    if is_in(range, at, day).is_eq() {
                        *expected.entry(Period::of(question.bucket, at, day)).or_default() += 1;
                    }
                }
                at += TimeDelta::seconds(interval);
            }
        }
        expected
    }

    /// The most devices that belong to the series at any instant of a period: at its start, or when another one comes.
    fn registered(&self, question: &Question, range: Range, series: &Series) -> BTreeMap<Period, usize> {
        let mut registered = BTreeMap::new();
        for period in periods(question.bucket, range, &series.zones) {
            let ends = series.zones.iter().map(|name| period.ends(range, name)).filter(|(start, end)| start < end);
            let Some((start, end)) = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else { continue };
            let begins = series.assigned.iter().filter_map(|(_, one)| one.from);
            let instants = begins.filter(|at| *at >= start && *at < end).chain([start]);
            let at_once = instants.map(|at| series.assigned.iter().filter(|(_, one)| one.holds(at)).count());
            if let Some(most) = at_once.max().filter(|most| *most > 0) {
                registered.insert(period, most);
            }
        }
        registered
    }

    fn stats(&self, question: &Question, metric: usize) -> Vec<&'static str> {
        match (&question.stats, self.metrics[metric].kind) {
            (Some(stats), _) => stats.clone(),
            (None, Kind::Gauge) => vec!["avg", "min", "max", "last"],
            (None, Kind::Delta | Kind::Register) => vec!["sum", "count"],
        }
    }

    /// A statistic over readings; where there are none, levels are the one before, if that is wanted and known.
    fn figure(&self, stat: &str, metric: usize, readings: &[Found], level: Option<i64>) -> Value {
        let text = |units: Option<i128>| units.map(|units| decimal(units, self.metrics[metric].scale));
        let values = || readings.iter().map(|(_, _, reading)| i128::from(reading.value));
        let level = level.filter(|_| readings.is_empty()).map(i128::from);
        let count = readings.len();
        match stat {
            "count" => json!(count),
            "active_devices" => json!(readings.iter().map(|found| found.0.0).collect::<BTreeSet<_>>().len()),
            "sum" => json!(text(Some(readings.iter().map(|found| i128::from(found.2.increment)).sum()))),
            "min" => json!(text(values().min().or(level))),
            "max" => json!(text(values().max().or(level))),
            "avg" if count == 0 => json!(text(level)),
            "avg" => json!(text(Some(rounded(values().sum(), count as i128)))),
            "first" => json!(text(first(readings).map(i128::from).or(level))),
            "last" => json!(text(last(readings).map(i128::from).or(level))),
            _ => panic!("{stat} is not known here"),
        }
    }
}

/// The value of the earliest reading; of several the lowest.
fn first(readings: &[Found]) -> Option<i64> {
    readings.iter().map(|(_, at, reading)| (*at, reading.value)).min().map(|(_, value)| value)
}

/// The value of the latest reading; of several the highest.
fn last(readings: &[Found]) -> Option<i64> {
    readings.iter().map(|(_, at, reading)| (*at, reading.value)).max().map(|(_, value)| value)
}

/// Whether an instant, on a billing day, is before the range, in it or behind it.
fn is_in(range: Range, at: Instant, day: NaiveDate) -> Ordering {
    let (is_before, is_behind) = match range {
        Range::Days(from, to) => (day < from, day >= to),
        Range::Hours(from, to) => (at < from, at >= to),
    };
    is_behind.cmp(&is_before)
}

/// The day that began last. Where a clock goes back over midnight that is not the calendar day for an hour: readings are
/// expected of the day that has begun.
fn day_begun(at: Instant, zone: Tz) -> NaiveDate {
    let day = local_day(at, zone);
    let next = day.succ_opt().expect("a day");
    if day_start(next, zone) <= at { next } else { day }
}

fn periods(bucket: Bucket, range: Range, zones: &BTreeSet<&'static str>) -> Vec<Period> {
    let mut periods = Vec::new();
    match (bucket, range) {
        (Bucket::Total, _) => periods.push(Period::Total),
        (Bucket::Hour, _) => {
            let (from, to) = range.hull(zones);
            let mut hour = hour_start(from);
            while hour < to {
                periods.push(Period::Hour(hour));
                hour += TimeDelta::hours(1);
            }
        }
        (Bucket::Day, Range::Days(from, to)) => {
            periods.extend(from.iter_days().take_while(|day| *day < to).map(Period::Day));
        }
        (Bucket::Month, Range::Days(from, to)) => {
            let mut month = month_start(from);
            while month < to {
                periods.push(Period::Month(month));
                month = next_month(month);
            }
        }
        (Bucket::Day | Bucket::Month, Range::Hours(..)) => panic!("days and months are asked for in days"),
    }
    periods
}

fn single(zones: &BTreeSet<&'static str>) -> Option<&'static str> {
    zones.first().filter(|_| zones.len() == 1).copied()
}

impl Period {
    fn of(bucket: Bucket, at: Instant, day: NaiveDate) -> Self {
        match bucket {
            Bucket::Hour => Self::Hour(hour_start(at)),
            Bucket::Day => Self::Day(day),
            Bucket::Month => Self::Month(month_start(day)),
            Bucket::Total => Self::Total,
        }
    }

    fn word(self, range: Range) -> String {
        let (from, to) = range.ends();
        match self {
            Self::Hour(at) => hour_text(at),
            Self::Day(day) => day.to_string(),
            Self::Month(day) => day.format("%Y-%m").to_string(),
            Self::Total => format!("{from}/{to}"),
        }
    }

    /// Start and end in a zone, cut to the range.
    fn ends(self, range: Range, name: &str) -> (Instant, Instant) {
        let (from, to) = range.instants(zone(name));
        let (start, end) = match self {
            Self::Hour(at) => (at, at + TimeDelta::hours(1)),
            Self::Day(day) => (day_start(day, zone(name)), day_start(day.succ_opt().expect("a day"), zone(name))),
            Self::Month(day) => (day_start(day, zone(name)), day_start(next_month(day), zone(name))),
            Self::Total => (from, to),
        };
        (start.max(from), end.min(to))
    }

    /// Start and end as they are shown, if there is one zone, and the instant at which it is over in all zones.
    fn edges(self, range: Range, zones: &BTreeSet<&'static str>) -> (Option<String>, Option<String>, Instant) {
        let over = zones.iter().map(|name| self.ends(range, name).1).max().expect("a zone");
        let shown = |name: &str, at: Instant| at.with_timezone(&zone(name)).format("%Y-%m-%dT%H:%M:%S%:z").to_string();
        let one = single(zones);
        let text = |name: &'static str| {
            let (start, end) = self.ends(range, name);
            (shown(name, start), shown(name, end))
        };
        let (start, end) = one.map(text).unzip();
        (start, end, over)
    }
}
