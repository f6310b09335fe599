//! Counts that come from assignments, put beside the figures that come from readings.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::core::calendar::Calendar;
use crate::core::period::Anchor;
use crate::http::problem::Result;
use crate::usage::ask::Stat;
use crate::usage::expected;
use crate::usage::figures::Place;
use crate::usage::registered::{self, Spans};
use crate::usage::scope::{MAX_POINTS, Series, too_many};
use crate::usage::span::{Span, spans};
use crate::usage::{Found, Table};

/// What decides the periods of a series.
type Days<'a> = (Anchor, &'a [Arc<Calendar>]);

impl Table<'_> {
    /// Registered devices where they are asked for, and expected readings of the metrics that have an interval.
    pub async fn load_counts(
        &mut self,
        db: &mut PgConnection,
        provider_id: i32,
        found: &Found,
        fresh_through: DateTime<Utc>,
    ) -> Result<()> {
        let Found { metrics, stats, series, sources, customers, .. } = found;
        let of_all = metrics.iter().zip(stats);
        let registering: Vec<_> = of_all
            .filter(|(_, stats)| stats.contains(&Stat::RegisteredDevices))
            .map(|(metric, _)| metric.metric_id)
            .collect();
        if !registering.is_empty() {
            let spans = self.spans(series)?;
            for source in sources {
                for (label, period, devices) in registered::most_devices(db, provider_id, source, &spans).await? {
                    for metric_id in &registering {
                        let place = Place { metric_id: *metric_id, label: label.clone() };
                        self.figures.entry(place).or_default().entry(period).or_default().registered_devices = devices;
                    }
                }
            }
        }
        let metrics: Vec<_> = metrics.iter().filter_map(|m| Some((m, m.expected_interval?))).collect();
        if metrics.is_empty() {
            return Ok(());
        }
        let (range, bucket, until) = (self.range, self.bucket, fresh_through);
        let query = expected::Query { metrics, range, bucket, until, customers };
        for source in sources {
            for (place, periods) in query.expected(db, provider_id, source).await? {
                let figures = self.figures.entry(place).or_default();
                for (period, number) in periods {
                    figures.entry(period).or_default().expected += number;
                }
            }
        }
        Ok(())
    }

    /// What the periods of each series cover. Most series have the same ones.
    fn spans(&self, series: &[Series]) -> Result<Spans> {
        let mut known: HashMap<Days<'_>, Arc<[Span]>> = HashMap::new();
        let mut all = Spans::with_capacity(series.len());
        for one in series {
            let calendars = one.calendars.as_slice();
            let of_series = known
                .entry((one.anchor, calendars))
                .or_insert_with(|| spans(self.range, self.bucket, one.anchor, calendars, MAX_POINTS + 1).into());
            if of_series.len() > MAX_POINTS {
                return Err(too_many());
            }
            all.insert(one.label.clone(), Arc::clone(of_series));
        }
        Ok(all)
    }
}
