//! Compares what the server says was used with what the fleet knows it sent.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};
use serde_json::Value;

use crate::client::Client;
use crate::fleet::catalog::Kind;
use crate::fleet::feed::decimal;
use crate::fleet::ledger::{Bucket, Figures, Ledger, Level, Series};
use crate::fleet::roster::{Fleet, Roster};
use crate::simulation::SimulationError;

/// The figures of one metric of one entity in one period, on both sides.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Comparison {
    pub provider: &'static str,
    #[serde(serialize_with = "as_word")]
    pub level: Level,
    /// Key of the customer, group or device; of groups `-` for what is in none.
    pub entity: String,
    /// `2026-11-01` or `2026-11`.
    pub period: String,
    pub metric: &'static str,
    pub figures: Vec<Figure>,
}

/// One statistic, as it was served and as it should be. Absent on a side that has nothing for the period.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Figure {
    pub stat: &'static str,
    pub served: Option<String>,
    pub sent: Option<String>,
}

/// Statistics that are compared, by what they mean something for.
const OF_USE: &[&str] = &["sum", "count", "active_devices"];
const OF_LEVELS: &[&str] = &["avg", "min", "max", "count", "active_devices"];

/// How the device group "none" is shown.
const NONE: &str = "-";

/// How often to ask whether the rollups have followed.
const POLL: Duration = Duration::from_millis(200);

/// Metric, entity, period.
type Key = (&'static str, String, String);

/// One call of `GET /v1/usage` and what it is about.
struct Question {
    level: Level,
    bucket: Bucket,
    scope: String,
    /// Series are told apart by this; without it there is one, of `entity`.
    by: Option<&'static str>,
    entity: String,
}

impl Comparison {
    pub fn is_right(&self) -> bool {
        self.figures.iter().all(|figure| figure.served == figure.sent)
    }

    pub fn is_of_month(&self) -> bool {
        self.period.len() == "2026-11".len()
    }
}

fn as_word<S: serde::Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.name())
}

/// Waits until all that was recorded so far is in the rollups.
pub async fn wait_until_fresh(client: &Client, fleet: &Fleet, patience: Duration) -> Result<(), SimulationError> {
    let (from, to) = range(fleet, Bucket::Month);
    for roster in &fleet.providers {
        wait_for_provider(client, roster.catalog.key, roster.catalog.metrics[0].key, (&from, &to), patience).await?;
    }
    Ok(())
}

/// The same for one provider, asking for one metric in a range of months.
pub async fn wait_for_provider(
    client: &Client,
    provider: &'static str,
    metric: &str,
    (from, to): (&str, &str),
    patience: Duration,
) -> Result<(), SimulationError> {
    let started = Instant::now();
    let recorded = client.server_time().await?;
    let query = [("metric", metric), ("bucket", "month"), ("from", from), ("to", to)];
    loop {
        let usage = client.in_provider(provider).get("/v1/usage", &query).await?;
        let text = usage["fresh_through"].as_str().unwrap_or_default();
        let fresh: Option<DateTime<Utc>> = text.parse().ok();
        if fresh.is_some_and(|fresh| fresh >= recorded) {
            return Ok(());
        }
        if started.elapsed() >= patience {
            let (fresh_through, waited) = (text.to_owned(), started.elapsed().as_secs());
            return Err(SimulationError::Stale { provider, fresh_through, waited });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Asks for the figures of a provider by day and month, of itself, each customer and each group, and by month of each
/// device. Every figure that either side has is in the answer.
pub async fn compare(client: &Client, fleet: &Fleet, ledger: &Ledger<'_>) -> Result<Vec<Comparison>, SimulationError> {
    let roster = ledger.roster();
    let client = client.in_provider(roster.catalog.key);
    let mut compared = Vec::new();
    for stats in [OF_USE, OF_LEVELS] {
        let metrics = roster.catalog.metrics.iter().enumerate();
        let metrics: Vec<_> = metrics.filter(|(_, metric)| stats_of(metric.kind) == stats).map(|(at, _)| at).collect();
        let mut totals: BTreeMap<(usize, Level, Bucket), Series> = BTreeMap::new();
        for question in questions(roster) {
            let mut served = question.ask(&client, fleet, roster, &metrics, stats).await?;
            for metric in &metrics {
                let (level, bucket) = (question.level, question.bucket);
                let totals =
                    totals.entry((*metric, level, bucket)).or_insert_with(|| ledger.series(*metric, level, bucket));
                for ((place, period), sent) in totals {
                    let Some(entity) = question.entity(roster, *place) else { continue };
                    let key = (roster.catalog.metrics[*metric].key, entity, period.clone());
                    let served = served.remove(&key);
                    compared.push(Comparison::of(roster, level, key, stats, served, Some(sent)));
                }
            }
            let unexpected = served.into_iter();
            compared.extend(
                unexpected.map(|(key, served)| Comparison::of(roster, question.level, key, stats, Some(served), None)),
            );
        }
    }
    Ok(compared)
}

fn stats_of(kind: Kind) -> &'static [&'static str] {
    if kind == Kind::Gauge { OF_LEVELS } else { OF_USE }
}

fn questions(roster: &Roster) -> Vec<Question> {
    let mut questions = Vec::new();
    for bucket in [Bucket::Day, Bucket::Month] {
        let whole =
            |level, scope: String, entity: &str| Question { level, bucket, scope, by: None, entity: entity.to_owned() };
        let split = |level, by| Question { by: Some(by), ..whole(level, "provider".to_owned(), "") };
        questions.push(whole(Level::Provider, "provider".to_owned(), roster.catalog.key));
        let customers = roster.catalog.customers.iter();
        questions.extend(customers.map(|c| whole(Level::Customer, format!("customer:{}", c.key), c.key)));
        questions.push(split(Level::Customer, "customer"));
        questions.push(split(Level::Group, "group"));
        if bucket == Bucket::Month {
            questions.push(split(Level::Device, "device"));
        }
    }
    questions
}

impl Question {
    /// Points by (metric, entity, period).
    async fn ask(
        &self,
        client: &Client,
        fleet: &Fleet,
        roster: &Roster,
        metrics: &[usize],
        stats: &[&str],
    ) -> Result<HashMap<Key, Value>, SimulationError> {
        let (from, to) = range(fleet, self.bucket);
        let stats = stats.join(",");
        let mut points = HashMap::new();
        // One metric at a time where there are many series: an answer has a largest size.
        for metrics in metrics.chunks(if self.level == Level::Device { 1 } else { metrics.len().max(1) }) {
            let keys: Vec<_> = metrics.iter().map(|at| roster.catalog.metrics[*at].key).collect();
            let keys = keys.join(",");
            let mut query = vec![("metric", keys.as_str()), ("scope", &self.scope), ("bucket", self.bucket.name())];
            query.extend([("from", from.as_str()), ("to", &to), ("stats", &stats)]);
            query.extend(self.by.map(|by| ("by", by)));
            let usage = client.get("/v1/usage", &query).await?;
            for series in usage["series"].as_array().into_iter().flatten() {
                let metric = roster.catalog.metrics.iter().find(|metric| series["metric"] == metric.key);
                let Some(metric) = metric else { continue };
                let entity = match self.by {
                    Some(by) => series[by].as_str().unwrap_or(NONE),
                    None => &self.entity,
                };
                for point in series["points"].as_array().into_iter().flatten() {
                    let period = point["period"].as_str().unwrap_or_default();
                    points.insert((metric.key, entity.to_owned(), period.to_owned()), point.clone());
                }
            }
        }
        Ok(points)
    }

    /// What the answer calls an entity of the fleet; none when the answer is not about it.
    fn entity(&self, roster: &Roster, place: usize) -> Option<String> {
        let customers = roster.catalog.customers;
        let name = match self.level {
            Level::Provider => roster.catalog.key,
            // Split by customer, a provider has those at the top.
            Level::Customer if self.by.is_some() && customers[place].parent.is_some() => return None,
            Level::Customer => customers[place].key,
            Level::Group => roster.groups.get(place).map_or(NONE, |group| &group.key),
            Level::Device => &roster.devices[place].key,
        };
        (self.by.is_some() || name == self.entity).then(|| name.to_owned())
    }
}

/// Billing days that hold all readings in any zone: local days are at most one away from UTC's.
fn range(fleet: &Fleet, bucket: Bucket) -> (String, String) {
    let (from, to) = (fleet.plan.from - TimeDelta::days(1), fleet.plan.until + TimeDelta::days(1));
    match bucket {
        Bucket::Day => (from.to_string(), to.to_string()),
        Bucket::Month => {
            let first = |day: NaiveDate| day.with_day(1).unwrap_or(day);
            (first(from).to_string(), (first(to) + Months::new(1)).to_string())
        }
    }
}

impl Comparison {
    fn of(
        roster: &Roster,
        level: Level,
        (metric, entity, period): Key,
        stats: &[&'static str],
        served: Option<Value>,
        sent: Option<&Figures>,
    ) -> Self {
        let scale = roster.metric(metric).scale;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let figure = |stat: &&'static str| Figure {
            stat,
            served: served.as_ref().map(|point| text(&point[*stat])),
            sent: sent.map(|figures| statistic(figures, stat, scale)),
        };
        let figures = stats.iter().map(figure).collect();
        Self { provider: roster.catalog.key, level, entity, period, metric, figures }
    }
}

/// A statistic as the API writes it.
fn statistic(figures: &Figures, stat: &str, scale: u8) -> String {
    match stat {
        "sum" => decimal(figures.sum, scale),
        "min" => decimal(figures.min.into(), scale),
        "max" => decimal(figures.max.into(), scale),
        "avg" => decimal(figures.average(), scale),
        "count" => figures.count.to_string(),
        _ => figures.active.len().to_string(),
    }
}
