//! One look at all alerts: figures of one snapshot, what happened since the last look, and its record.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::types::Json as JsonColumn;
use sqlx::{Connection, PgConnection};

use crate::core::alert::{Look, Memory, Transition};
use crate::database::{Edition, SNAPSHOT};
use crate::events;
use crate::http::problem::Result;
use crate::rollup::{self, columnstore};
use crate::usage::{Whose, period_name};

pub use super::figures::Depth;
use super::figures::{self, As, Looks};
use super::history::{AlertState, Subject, Told};
use super::rule::Rule;

/// Alerts that are judged in one snapshot and written in one transaction.
const SET: i64 = 1000;

/// An alert as it is judged.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    alert_id: i32,
    pub provider_id: i32,
    key: String,
    name: String,
    pub rule: JsonColumn<Rule>,
    version: i32,
    pub memory: JsonColumn<Memory>,
    pub metric_id: Option<i32>,
    customer_id: Option<i32>,
    group_id: Option<i32>,
    device_id: Option<i32>,
    /// Key of the device.
    device: Option<String>,
    scope: String,
    /// The customer that it concerns.
    concerns: Option<i32>,
}

/// What a look made of an alert.
struct Judged<'a> {
    row: &'a Row,
    memory: Memory,
    told: Vec<(AlertState, Told)>,
}

impl Row {
    pub fn whose(&self) -> Whose {
        match (self.customer_id, self.group_id, self.device_id, self.concerns, &self.device) {
            (Some(id), ..) => Whose::Customer(id),
            (_, Some(group_id), _, Some(customer_id), _) => Whose::Group { group_id, customer_id },
            (_, _, Some(device_id), _, Some(key)) => Whose::Device { device_id, key: key.clone() },
            _ => Whose::Provider,
        }
    }
}

/// Judges all alerts as of `now`, and tells how often one fired or resolved. Not in a transaction.
pub async fn judge(db: &mut PgConnection, edition: Edition, now: DateTime<Utc>, depth: Depth) -> Result<usize> {
    let (mut after, mut happened) = (0, 0);
    loop {
        let (horizon, chunks) = rollup::horizon(db, edition).await?;
        let mut snapshot = db.begin_with(SNAPSHOT).await?;
        let fresh_through = rollup::fresh_through(&mut snapshot, horizon).await?;
        let rows: Vec<Row> = sqlx::query_as(include_str!("../../sql/alerts/judged.sql"))
            .bind(after)
            .bind(SET)
            .fetch_all(&mut *snapshot)
            .await?;
        let Some(last) = rows.last() else { return Ok(happened) };
        after = last.alert_id;
        let judged = judge_set(&mut snapshot, &rows, depth, As { now, fresh_through }).await?;
        snapshot.rollback().await?;
        // A snapshot that saw chunks on their way to the columnstore is no good; the next look is another one.
        if chunks.is_none() || columnstore::conversions(db).await? == chunks.unwrap_or_default() {
            happened += save(db, &judged, now).await?;
        }
    }
}

/// What is to be written of a set of alerts.
async fn judge_set<'a>(db: &mut PgConnection, rows: &'a [Row], depth: Depth, time: As) -> Result<Vec<Judged<'a>>> {
    let mut providers = BTreeMap::<i32, Vec<&Row>>::new();
    for row in rows {
        providers.entry(row.provider_id).or_default().push(row);
    }
    let mut judged = Vec::new();
    for rows in providers.into_values() {
        let looks = figures::looks(db, &rows, depth, time).await?;
        for (row, looks) in rows.into_iter().zip(looks) {
            let Some(looks) = looks else { continue };
            let one = judge_one(row, &looks, depth, time.now)?;
            if one.memory != row.memory.0 {
                judged.push(one);
            }
        }
    }
    Ok(judged)
}

fn judge_one<'a>(row: &'a Row, looks: &Looks, depth: Depth, now: DateTime<Utc>) -> Result<Judged<'a>> {
    let mut memory = row.memory.0.clone();
    let plain: Vec<Look> = looks.iter().map(|(look, _)| *look).collect();
    let transitions = row.rule.0.judged()?.judge(&mut memory, &plain, now);
    if let Some(oldest) = plain.first().and_then(|look| look.period).filter(|_| depth == Depth::Late) {
        memory.forget_before(oldest);
    }
    let told = transitions.iter().map(|one| (one.state.into(), tell(&row.rule.0, one, looks))).collect();
    Ok(Judged { row, memory, told })
}

fn tell(rule: &Rule, transition: &Transition, looks: &Looks) -> Told {
    let span = looks.iter().filter_map(|(_, span)| *span).find(|span| Some(span.period) == transition.period);
    Told {
        period: transition.period.as_ref().map(period_name),
        start: span.map(|span| span.start),
        end: span.map(|span| span.end),
        value: transition.figure.map(|figure| figure.shown().to_string()),
        step: transition.step.and_then(|step| rule.percent(step)),
        late: transition.is_late,
        reason: transition.reason.map(Into::into),
    }
}

/// Writes what is remembered, the history and the events, of alerts that nobody changed meanwhile.
async fn save(db: &mut PgConnection, judged: &[Judged<'_>], now: DateTime<Utc>) -> Result<usize> {
    if judged.is_empty() {
        return Ok(0);
    }
    let state = |one: &Judged<'_>| {
        let state = if one.memory.fires() { AlertState::Firing } else { AlertState::Resolved };
        (!one.told.is_empty()).then_some(state.as_str())
    };
    let mut transaction = db.begin().await?;
    let written: Vec<i32> = sqlx::query_scalar(include_str!("../../sql/alerts/save.sql"))
        .bind(judged.iter().map(|one| one.row.alert_id).collect::<Vec<_>>())
        .bind(judged.iter().map(|one| one.row.version).collect::<Vec<_>>())
        .bind(judged.iter().map(state).collect::<Vec<_>>())
        .bind(judged.iter().map(|one| (!one.told.is_empty()).then_some(now)).collect::<Vec<_>>())
        .bind(judged.iter().map(|one| JsonColumn(&one.memory)).collect::<Vec<_>>())
        .fetch_all(&mut *transaction)
        .await?;
    let written: HashSet<i32> = written.into_iter().collect();
    let told: Vec<_> = judged
        .iter()
        .filter(|one| written.contains(&one.row.alert_id))
        .flat_map(|one| one.told.iter().map(|(state, told)| (one.row, *state, told)))
        .collect();
    if !told.is_empty() {
        sqlx::query(include_str!("../../sql/alerts/tell.sql"))
            .bind(told.iter().map(|(row, ..)| row.alert_id).collect::<Vec<_>>())
            .bind(vec![now; told.len()])
            .bind(told.iter().map(|(_, state, _)| state.as_str()).collect::<Vec<_>>())
            .bind(told.iter().map(|(.., told)| JsonColumn(told)).collect::<Vec<_>>())
            .execute(&mut *transaction)
            .await?;
        let new = told.iter().map(|(row, state, told)| row.subject().event(*state, now, told));
        events::record(&mut transaction, &new.collect::<Result<Vec<_>>>()?).await?;
    }
    transaction.commit().await?;
    for (_, state, _) in &told {
        metrics::counter!("meterbase_alert_transitions_total", "state" => state.as_str()).increment(1);
    }
    Ok(told.len())
}

impl Row {
    fn subject(&self) -> Subject<'_> {
        let Self { provider_id, concerns, key, name, scope, rule, .. } = self;
        Subject { provider_id: *provider_id, concerns: *concerns, key, name, scope, rule: &rule.0 }
    }
}
