//! Expected readings: of each channel, one at its first reading and one after each interval of its metric, while its
//! device is assigned. They add up over periods, moves and scopes as readings do.
//!
//! A period lasts from its first instant to that of the next one. Where a clock went back over midnight (St John's until
//! 2011) the hour that came twice is expected of the later day.

use std::collections::{BTreeMap, HashMap};
use std::slice;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::core::calendar::Calendar;
use crate::core::period::{Anchor, Bucket, Period, Range};
use crate::http::problem::Result;
use crate::usage::assigned;
use crate::usage::customers::Customers;
use crate::usage::figures::Place;
use crate::usage::scope::{MAX_POINTS, Metric, Source, too_many};
use crate::usage::span::spans;

/// What is asked: metrics, each with its expected interval in seconds, and the time up to which figures are known.
#[derive(Debug)]
pub struct Query<'a> {
    pub metrics: Vec<(&'a Metric, i32)>,
    pub range: &'a Range,
    pub bucket: Bucket,
    pub until: DateTime<Utc>,
    /// The owners that there are.
    pub customers: &'a Customers,
}

/// Numbers of readings, by where they belong.
pub type Expected = HashMap<Place, BTreeMap<Period, i64>>;

/// The periods that a range has in a calendar.
#[derive(Debug)]
struct Periods {
    periods: Vec<Period>,
    /// In microseconds since 1970: the start of each period, and the end of the last one.
    bounds: Vec<i64>,
}

/// Channels that expect alike. Periods are counted from 1.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Channels {
    metric_id: i32,
    label: Option<String>,
    /// Its place among the calendars.
    calendar: i32,
    first_period: i32,
    last_period: i32,
    /// Of any of them: what its first reading's instant leaves when divided by the interval.
    phase: i64,
    channels: i64,
    /// What all of them expect in the first period.
    head: i64,
    /// What all of them expect in the last one, where that is another.
    tail: i64,
}

impl Query<'_> {
    /// What is expected of a source; nothing is told where that is 0.
    pub async fn expected(&self, db: &mut PgConnection, provider_id: i32, source: &Source) -> Result<Expected> {
        let (calendars, owners) = self.customers.billing();
        let calendars = calendars.iter().map(|calendar| Periods::new(self.range, self.bucket, source.anchor, calendar));
        let calendars = calendars.collect::<Result<Vec<_>>>()?;
        let ends = calendars.iter().filter_map(Periods::ends).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let Some((from, to)) = ends else { return Ok(Expected::new()) };
        let (mut metrics, mut grids, mut steps, mut bounds, mut remainders) = (vec![], vec![], vec![], vec![], vec![]);
        for (metric, seconds) in &self.metrics {
            for (place, calendar) in calendars.iter().enumerate() {
                metrics.push(metric.metric_id);
                grids.push(place as i32);
                steps.push(step(*seconds));
                bounds.push(array(&calendar.bounds));
                remainders.push(array(&calendar.remainders(step(*seconds))));
            }
        }
        let query = assigned::query(include_str!("../../sql/usage/expected.sql"), provider_id, &source.rows);
        let found: Vec<Channels> = query
            .bind(owners.iter().map(|(customer, _)| *customer).collect::<Vec<_>>())
            .bind(owners.iter().map(|(_, place)| *place as i32).collect::<Vec<_>>())
            .bind(metrics)
            .bind(grids)
            .bind(steps)
            .bind(bounds)
            .bind(remainders)
            .bind(self.until.timestamp_micros())
            .bind(DateTime::from_timestamp_micros(from))
            .bind(DateTime::from_timestamp_micros(to))
            .fetch_all(db)
            .await?;
        self.spread(&found, &calendars)
    }

    /// Puts what channels expect into periods.
    fn spread(&self, found: &[Channels], calendars: &[Periods]) -> Result<Expected> {
        let steps: HashMap<_, _> = self.metrics.iter().map(|(metric, s)| (metric.metric_id, step(*s))).collect();
        let (mut expected, mut points) = (Expected::new(), 0);
        for channels in found {
            let place = Place { metric_id: channels.metric_id, label: channels.label.clone() };
            let periods = expected.entry(place).or_default();
            points -= periods.len();
            for (period, number) in channels.numbers(&calendars[channels.calendar as usize], steps[&channels.metric_id])
            {
                if number > 0 {
                    *periods.entry(period).or_default() += number;
                }
            }
            points += periods.len();
            if points > MAX_POINTS {
                return Err(too_many());
            }
        }
        Ok(expected)
    }
}

impl Periods {
    fn new(range: &Range, bucket: Bucket, anchor: Anchor, calendar: &Arc<Calendar>) -> Result<Self> {
        // One after the other without gaps: they are of one calendar.
        let spans = spans(range, bucket, anchor, slice::from_ref(calendar), MAX_POINTS + 1);
        if spans.len() > MAX_POINTS {
            return Err(too_many());
        }
        let instants = spans.iter().map(|span| span.start).chain(spans.last().map(|span| span.end));
        let bounds = instants.map(|at| at.timestamp_micros()).collect();
        Ok(Self { periods: spans.iter().map(|span| span.period).collect(), bounds })
    }

    fn ends(&self) -> Option<(i64, i64)> {
        self.bounds.first().copied().zip(self.bounds.last().copied())
    }

    /// What the bounds leave when divided by `step`, sorted, each once. Channels whose phases lie between the same two
    /// of them expect the same in whole periods.
    fn remainders(&self, step: i64) -> Vec<i64> {
        let mut remainders: Vec<_> = self.bounds.iter().map(|bound| bound.rem_euclid(step)).collect();
        remainders.sort_unstable();
        remainders.dedup();
        remainders
    }
}

impl Channels {
    /// What they expect in each period that they touch.
    fn numbers<'a>(&'a self, calendar: &'a Periods, step: i64) -> impl Iterator<Item = (Period, i64)> {
        let (first, last) = (self.first_period as usize - 1, self.last_period as usize - 1);
        // Instants of the grid before a bound, but for a constant.
        let before = move |bound: usize| (calendar.bounds[bound] - self.phase + step - 1).div_euclid(step);
        (first..=last).map(move |place| {
            let number = match place {
                _ if place == first => self.head,
                _ if place == last => self.tail,
                _ => self.channels * (before(place + 1) - before(place)),
            };
            (calendar.periods[place], number)
        })
    }
}

/// An interval in microseconds.
fn step(seconds: i32) -> i64 {
    i64::from(seconds) * 1_000_000
}

/// Numbers as PostgreSQL writes an array of them: arrays of arrays of different lengths are no type of it.
fn array(numbers: &[i64]) -> String {
    let numbers: Vec<_> = numbers.iter().map(i64::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}
