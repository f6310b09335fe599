//! The statements of an answer without the server around them: what its speed is measured against.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use super::ask::{Ask, Parameters};
use super::{Found, Table, figures};
use crate::database::{Edition, SNAPSHOT};
use crate::http::access::Tenant;
use crate::http::extract;
use crate::http::problem::Result;
use crate::rollup::{self, columnstore};

/// How long the statements took.
#[derive(Debug, Clone, Copy)]
pub struct Direct {
    /// All of them: freshness, registry and figures, in the same transaction.
    pub all: Duration,
    /// Those of the figures alone.
    pub figures: Duration,
    /// Series and periods that there are figures for.
    pub points: usize,
}

/// Runs the statements that answer `GET /v1/usage?<query>` in a provider, and reads their rows.
pub async fn direct(db: &mut PgConnection, edition: Edition, tenant: &Tenant, query: &str) -> Result<Direct> {
    let ask: Ask = extract::parameters::<Parameters>(query)?.read()?;
    let started = Instant::now();
    let (horizon, before) = rollup::horizon(db, edition).await?;
    let mut snapshot = db.begin_with(SNAPSHOT).await?;
    let found = Found::find(&mut snapshot, tenant, &ask).await?;
    rollup::fresh_through(&mut snapshot, horizon).await?;
    let begun = Instant::now();
    let mut table = Table::new(&ask, &found);
    table.load(&mut snapshot, &found).await?;
    let figures = begun.elapsed();
    snapshot.commit().await?;
    if before.is_some() {
        columnstore::conversions(db).await?;
    }
    let points = table.figures.values().map(|periods| periods.len()).sum();
    Ok(Direct { all: started.elapsed(), figures, points })
}

/// What EXPLAIN ANALYZE says of the statements that read rollups for `GET /v1/usage?<query>`, in their order.
pub async fn plans(db: &mut PgConnection, tenant: &Tenant, query: &str) -> Result<Vec<serde_json::Value>> {
    let ask: Ask = extract::parameters::<Parameters>(query)?.read()?;
    let found = Found::find(db, tenant, &ask).await?;
    let metric_ids: Vec<_> = found.metrics.iter().map(|metric| metric.metric_id).collect();
    let (range, bucket) = (&found.range, ask.bucket.into());
    let query = figures::Query { metric_ids: &metric_ids, range, bucket };
    let mut plans = Vec::new();
    for source in &found.sources {
        if !found.counts_devices_alone() {
            plans.push(query.plan(db, source, false).await?);
        }
        if found.counts_devices() {
            plans.push(query.plan(db, source, true).await?);
        }
    }
    Ok(plans)
}
