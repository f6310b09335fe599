//! The answer of `GET /v1/usage`: points put together from figures, as JSON or CSV.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use crate::core::calendar::Calendar;
use crate::core::decimal::Scaled;
use crate::core::period::{Anchor, Period, Range, Within};
use crate::usage::ask::{Bucketing, By, Stat};
use crate::usage::figures::Figures;
use crate::usage::scope::{Metric, Series};

/// Usage of a scope.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    pub scope: ScopeAnswer,
    #[schema(value_type = Bucketing)]
    pub bucket: String,
    /// Start of the range: a date, or an instant where the range is in hours.
    #[schema(example = "2026-11-01")]
    pub from: String,
    /// End of the range, itself not in it.
    #[schema(example = "2026-12-01")]
    pub to: String,
    /// The billing time zone; null where the scope has several in the range.
    #[schema(example = "Europe/Paris")]
    pub time_zone: Option<String>,
    /// Every reading recorded before this instant is in the figures.
    pub fresh_through: DateTime<Utc>,
    pub series: Vec<SeriesAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ScopeAnswer {
    /// `provider`, `customer`, `group` or `device`.
    #[schema(example = "customer")]
    pub level: &'static str,
    #[schema(example = "acme")]
    pub key: String,
}

/// One line of points.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesAnswer {
    #[schema(example = "energy")]
    pub metric: String,
    #[schema(example = "kWh")]
    pub unit: String,
    /// With `by=customer`: the sub-customer, or the scope's own key for its remainder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// With `by=group`: the group; null for what is in no group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub group: Option<Option<String>>,
    /// With `by=device`: the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// With `by=kind`: the kind of device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The billing time zone of the series; null where it has several in the range.
    pub time_zone: Option<String>,
    pub points: Vec<Point>,
}

/// The figures of a period. Of the statistics, those that were asked for are present; null where there is no reading
/// to tell it from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Point {
    /// `2026-11-01` for a day, the start instant for an hour, `from/to` for a total; for a month `2026-11`, the calendar
    /// month in which it begins.
    #[schema(example = "2026-11-01")]
    pub period: String,
    /// Start of what the point covers; null where the series mixes billing calendars.
    #[schema(example = "2026-11-01T00:00:00+01:00")]
    pub start: Option<String>,
    /// End of what the point covers, itself not in it; null where the series mixes billing calendars.
    #[schema(example = "2026-11-02T00:00:00+01:00")]
    pub end: Option<String>,
    /// Sum of increments.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, example = "32.330")]
    pub sum: Option<Option<Scaled>>,
    /// Number of readings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, required = false, example = 24)]
    pub count: Option<i64>,
    /// Smallest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub min: Option<Option<Scaled>>,
    /// Largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub max: Option<Option<Scaled>>,
    /// Mean of the values, rounded half to even.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub avg: Option<Option<Scaled>>,
    /// Value of the earliest reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub first: Option<Option<Scaled>>,
    /// Value of the latest reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub last: Option<Option<Scaled>>,
    /// Distinct devices with at least one reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, required = false)]
    pub active_devices: Option<i64>,
    /// The most devices that were assigned at any one instant of the period, readings or not. Where owners are in
    /// several time zones the period lasts from the first one's start to the last one's end. It does not depend on the
    /// metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, required = false)]
    pub registered_devices: Option<i64>,
    /// For a metric with an `expected_interval`: how many readings should have come up to `fresh_through`, one at the
    /// first reading of each channel (device, metric and dimensions) and one after each interval, while its device is
    /// assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, required = false, example = 24)]
    pub expected: Option<i64>,
    /// For a metric with an `expected_interval`: how many readings there are. It can be more than `expected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, required = false, example = 24)]
    pub received: Option<i64>,
    /// Whether the period is over and readings are no longer awaited.
    pub r#final: bool,
}

/// The columns of CSV that not every answer has, in their order.
#[derive(Debug)]
pub struct Columns {
    pub stats: Vec<Stat>,
    /// Whether readings are expected of any metric.
    pub completeness: bool,
}

/// What decides whether a point is final.
#[derive(Debug, Clone, Copy)]
pub struct Freshness {
    pub fresh_through: DateTime<Utc>,
    pub late_horizon: Duration,
}

/// The days of a series, of which there is one for each calendar of its owners.
pub struct Days<'a> {
    range: &'a Range,
    anchor: Anchor,
    within: Vec<Within<'a>>,
}

impl<'a> Days<'a> {
    pub fn of(series: &'a Series, range: &'a Range) -> Self {
        let within = series.calendars.iter().map(|calendar| range.within(calendar)).collect();
        Self { range, anchor: series.anchor, within }
    }
}

/// Instants as text: the end of a period is the start of the next one, and most series have the same periods.
#[derive(Debug, Default)]
pub struct Texts(HashMap<(Tz, DateTime<Utc>), String>);

impl Texts {
    /// As a calendar's clock shows it. Where the time zone changes between two days, both write the midnight of the time
    /// zone before.
    fn local(&mut self, calendar: &Calendar, at: DateTime<Utc>) -> String {
        let zone = calendar.zone_until(at);
        let text = || at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false);
        self.0.entry((zone, at)).or_insert_with(text).clone()
    }
}

impl SeriesAnswer {
    pub fn new(metric: &Metric, by: Option<By>, series: &Series, range: &Range, points: Vec<Point>) -> Self {
        let label = |when| by.filter(|by| *by == when).and(series.label.clone());
        Self {
            metric: metric.key.clone(),
            unit: metric.unit.clone(),
            customer: label(By::Customer),
            group: (by == Some(By::Group)).then(|| series.label.clone()),
            device: label(By::Device),
            kind: label(By::Kind),
            time_zone: single(&series.calendars, range),
            points,
        }
    }
}

impl Point {
    pub fn new(
        period: &Period,
        days: &Days<'_>,
        stats: &[Stat],
        figures: &Figures,
        metric: &Metric,
        freshness: Freshness,
        texts: &mut Texts,
    ) -> Self {
        // The table's check keeps the scale within 0 to 9.
        let scale = metric.scale as u8;
        let instants: Vec<_> = days.within.iter().map(|within| period.instants(days.anchor, within)).collect();
        // Owners with several calendars: the period is over when it is over for the last of them.
        let over = instants.iter().map(|(_, end)| *end).max();
        let (start, end) = match (days.within.as_slice(), instants.as_slice()) {
            ([within], [(start, end)]) => {
                let mut text = |at| Some(texts.local(within.calendar, at));
                (text(*start), text(*end))
            }
            _ => (None, None),
        };
        let has = |stat| stats.contains(&stat);
        let decimal = |stat| has(stat).then(|| figures.stat(stat, scale));
        Self {
            period: word(period, days.range),
            start,
            end,
            sum: decimal(Stat::Sum),
            count: has(Stat::Count).then_some(figures.count),
            min: decimal(Stat::Min),
            max: decimal(Stat::Max),
            avg: decimal(Stat::Avg),
            first: decimal(Stat::First),
            last: decimal(Stat::Last),
            active_devices: has(Stat::ActiveDevices).then_some(figures.active_devices),
            registered_devices: has(Stat::RegisteredDevices).then_some(figures.registered_devices),
            expected: metric.expected_interval.map(|_| figures.expected),
            received: metric.expected_interval.map(|_| figures.count),
            r#final: over.is_some_and(|over| over + freshness.late_horizon <= freshness.fresh_through),
        }
    }

    /// A statistic as CSV writes it; empty where there is none.
    fn cell(&self, stat: Stat) -> String {
        let decimal = |value: Option<Option<Scaled>>| value.flatten().map(|v| v.to_string());
        let number = |value: Option<i64>| value.map(|v| v.to_string());
        let cell = match stat {
            Stat::Count => number(self.count),
            Stat::Sum => decimal(self.sum),
            Stat::Min => decimal(self.min),
            Stat::Max => decimal(self.max),
            Stat::Avg => decimal(self.avg),
            Stat::First => decimal(self.first),
            Stat::Last => decimal(self.last),
            Stat::ActiveDevices => number(self.active_devices),
            Stat::RegisteredDevices => number(self.registered_devices),
        };
        cell.unwrap_or_default()
    }
}

impl Usage {
    /// One row per series and point; the columns are those of any metric asked for.
    pub fn to_csv(&self, by: Option<By>, columns: &Columns) -> Result<Vec<u8>, csv::Error> {
        let stats = &columns.stats;
        let completeness: &[&str] = if columns.completeness { &["expected", "received"] } else { &[] };
        let mut csv = csv::Writer::from_writer(Vec::new());
        let split = by.as_ref().map(By::as_ref);
        let head = ["metric", "unit"].into_iter().chain(split).chain(["time_zone", "period", "start", "end"]);
        let figures = stats.iter().map(Stat::as_ref).chain(completeness.iter().copied());
        csv.write_record(head.chain(figures).chain(["final"]))?;
        for series in &self.series {
            let label = match by {
                None => None,
                Some(By::Customer) => series.customer.as_deref(),
                Some(By::Group) => series.group.as_ref().and_then(Option::as_deref),
                Some(By::Device) => series.device.as_deref(),
                Some(By::Kind) => series.kind.as_deref(),
            };
            for point in &series.points {
                let text = |value: &Option<String>| value.clone().unwrap_or_default();
                let mut row = vec![series.metric.clone(), series.unit.clone()];
                row.extend(by.map(|_| label.unwrap_or_default().to_owned()));
                row.extend([text(&series.time_zone), point.period.clone(), text(&point.start), text(&point.end)]);
                row.extend(stats.iter().map(|stat| point.cell(*stat)));
                let counts = [point.expected, point.received].map(|n| n.map(|n| n.to_string()).unwrap_or_default());
                row.extend(counts.into_iter().filter(|_| columns.completeness));
                row.push(point.r#final.to_string());
                csv.write_record(row)?;
            }
        }
        csv.into_inner().map_err(|error| csv::Error::from(error.into_error()))
    }
}

/// The name of the time zone that holds over the whole range, where there is only one.
pub fn single(calendars: &[Arc<Calendar>], range: &Range) -> Option<String> {
    let stretches = calendars.iter().flat_map(|calendar| range.stretches(calendar));
    let mut names: BTreeSet<_> = stretches.map(|stretch| stretch.zone.name()).collect();
    names.pop_first().filter(|_| names.is_empty()).map(str::to_owned)
}

/// The ends of a range as text.
pub fn ends(range: &Range) -> (String, String) {
    match range {
        Range::Days { from, to } => (from.to_string(), to.to_string()),
        Range::Hours { from, to } => (hour(from), hour(to)),
    }
}

/// The name of an hour, a day or a month.
pub fn period_name(period: &Period) -> String {
    word(period, &Range::Days { from: NaiveDate::MIN, to: NaiveDate::MIN })
}

fn word(period: &Period, range: &Range) -> String {
    match period {
        Period::Hour(at) => hour(at),
        Period::Day(day) => day.to_string(),
        Period::Month(day) => day.format("%Y-%m").to_string(),
        Period::Total => {
            let (from, to) = ends(range);
            format!("{from}/{to}")
        }
    }
}

fn hour(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
