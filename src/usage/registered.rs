//! Registered devices: the most that were assigned at any one instant of a period. From assignments alone, so right in
//! periods without a reading too; an assignment without a start has been there ever since.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::core::period::Period;
use crate::http::problem::Result;
use crate::usage::assigned;
use crate::usage::scope::{MAX_POINTS, Source, too_many};
use crate::usage::span::Span;

/// Spans of each series, by its label.
pub type Spans = HashMap<Option<String>, Arc<[Span]>>;

/// How many devices a series has from an instant on.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Level {
    label: Option<String>,
    /// The first change within a stretch of time that no span ends or begins in.
    since: DateTime<Utc>,
    /// The most devices from then on, within that stretch.
    most: i64,
    /// How many there are at its end.
    after: i64,
}

/// The most devices at any instant, by label and period; where there are none, nothing is told.
pub async fn most_devices(
    db: &mut PgConnection,
    provider_id: i32,
    source: &Source,
    spans: &Spans,
) -> Result<Vec<(Option<String>, Period, i64)>> {
    let mut bounds: Vec<_> = spans.values().flat_map(|spans| spans.iter().flat_map(|s| [s.start, s.end])).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let [from, .., to] = bounds[..] else { return Ok(Vec::new()) };
    let levels: Vec<Level> = assigned::query(include_str!("../../sql/usage/registered.sql"), provider_id, &source.rows)
        .bind(from)
        .bind(to)
        .bind(bounds)
        .fetch_all(db)
        .await?;
    let mut most = Vec::new();
    for levels in levels.chunk_by(|a, b| a.label == b.label) {
        let label = &levels[0].label;
        let Some(spans) = spans.get(label) else { continue };
        let found = spans.iter().map(|span| (label.clone(), span.period, within(levels, span)));
        most.extend(found.filter(|(_, _, devices)| *devices > 0));
        if most.len() > MAX_POINTS {
            return Err(too_many());
        }
    }
    Ok(most)
}

/// The most devices within a span, from the levels of its series in order of time.
fn within(levels: &[Level], span: &Span) -> i64 {
    let start = levels.partition_point(|level| level.since < span.start);
    let end = levels.partition_point(|level| level.since < span.end);
    let changes = &levels[start..end];
    // What was there before counts, unless it changed with the span's first instant.
    let before = levels[..start].last().filter(|_| changes.first().is_none_or(|change| change.since > span.start));
    let before = before.map_or(0, |level| level.after);
    changes.iter().map(|level| level.most).fold(before, i64::max)
}
