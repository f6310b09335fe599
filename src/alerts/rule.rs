//! When an alert fires: as callers say it, as it is stored and shown, and as it is judged.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::core::alert::{self, Side};
use crate::core::decimal::Scaled;
use crate::core::interval::Interval;
use crate::http::problem::{Code, Problem, Result};
use crate::registry::metrics::DecimalText;
use crate::usage::{self, Bucketing, Metric, Stat};

/// Most steps of a quota.
const MAX_STEPS: usize = 10;

/// Largest step of a quota, in percent.
const MAX_PERCENT: u32 = 1000;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A statistic of an hour, day or month is above or below a number.
    Threshold,
    /// A statistic of a day or month reaches steps of a limit.
    Quota,
}

/// What period each figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    Hour,
    Day,
    Month,
}

impl From<Bucket> for Bucketing {
    fn from(bucket: Bucket) -> Self {
        match bucket {
            Bucket::Hour => Self::Hour,
            Bucket::Day => Self::Day,
            Bucket::Month => Self::Month,
        }
    }
}

/// When an alert fires. What its kind has is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rule {
    pub kind: Kind,
    /// Key of the metric.
    #[schema(example = "energy")]
    pub metric: String,
    pub bucket: Bucket,
    #[schema(inline)]
    pub stat: Stat,
    /// Fires above this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, example = "100")]
    pub above: Option<String>,
    /// Fires below this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub below: Option<String>,
    /// What the figure has to come back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, example = "90")]
    pub resolve: Option<String>,
    /// For how long the figure has to be beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, example = "15m")]
    pub r#for: Option<Interval>,
    /// What 100 percent are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub limit: Option<String>,
    /// Percent of the limit that are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<u32>>, required = false)]
    pub steps: Option<Vec<u32>>,
}

/// What a caller says of a rule, with the metric as found.
#[derive(Debug)]
pub struct Said {
    pub kind: Kind,
    pub metric: Metric,
    pub bucket: Option<Bucket>,
    pub stat: Option<Stat>,
    pub above: Option<DecimalText>,
    pub below: Option<DecimalText>,
    pub resolve: Option<DecimalText>,
    pub r#for: Option<Interval>,
    pub limit: Option<DecimalText>,
    pub steps: Option<Vec<u32>>,
}

impl Said {
    pub fn read(self) -> Result<Rule> {
        let stat = match (self.stat, self.kind) {
            (Some(stat), _) => stat,
            (None, Kind::Quota) => Stat::Sum,
            (None, Kind::Threshold) => return Err(missing("/stat", "a threshold needs a statistic, such as sum")),
        };
        if let Some(why) = usage::meaningless(&self.metric.kind, stat) {
            let detail = format!("metric {}: {why}", self.metric.key);
            return Err(Problem::new(Code::MeaninglessStatistic, detail).at("/stat", "meaningless_statistic", why));
        }
        let bucket = self.bucket.ok_or_else(|| missing("/bucket", "hour, day or month"))?;
        let rule = Rule {
            kind: self.kind,
            metric: self.metric.key,
            bucket,
            stat,
            above: number("/above", self.above)?,
            below: number("/below", self.below)?,
            resolve: number("/resolve", self.resolve)?,
            r#for: self.r#for,
            limit: number("/limit", self.limit)?,
            steps: self.steps,
        };
        match rule.kind {
            Kind::Threshold => rule.threshold(),
            Kind::Quota => rule.quota(),
        }
    }
}

impl Rule {
    fn threshold(self) -> Result<Self> {
        refuse("a threshold has none", &[("/limit", self.limit.is_some()), ("/steps", self.steps.is_some())])?;
        if self.above.is_some() == self.below.is_some() {
            return Err(missing("/above", "give either above or below"));
        }
        let (first, resolve) = (self.first()?, self.resolve.as_deref().map(stored).transpose()?);
        let is_back = |resolve: Scaled| match self.above {
            Some(_) => alert::at_most(resolve, first),
            None => alert::at_most(first, resolve),
        };
        if resolve.is_some_and(|resolve| !is_back(resolve)) {
            return Err(Problem::field("/resolve", "it lies beyond the number at which the alert fires"));
        }
        Ok(self)
    }

    fn quota(mut self) -> Result<Self> {
        let others = [("/above", &self.above), ("/below", &self.below), ("/resolve", &self.resolve)];
        refuse("a quota has a limit and steps instead", &others.map(|(pointer, text)| (pointer, text.is_some())))?;
        refuse("a quota has none", &[("/for", self.r#for.is_some())])?;
        if self.bucket == Bucket::Hour {
            return Err(Problem::field("/bucket", "a quota is of a day or a month"));
        }
        let limit = self.limit.as_deref().ok_or_else(|| missing("/limit", "a quota needs one"))?;
        if stored(limit)?.units <= 0 {
            return Err(Problem::field("/limit", "must be more than 0"));
        }
        let steps = self.steps.get_or_insert_with(|| vec![80, 100]);
        steps.sort_unstable();
        steps.dedup();
        let is_known = |steps: &[u32]| steps.iter().all(|step| (1..=MAX_PERCENT).contains(step));
        if steps.is_empty() || steps.len() > MAX_STEPS || !is_known(steps) {
            return Err(Problem::field(
                "/steps",
                format!("1 to {MAX_STEPS} numbers from 1 to {MAX_PERCENT}, in percent"),
            ));
        }
        Ok(self)
    }

    /// The number at which it fires first.
    fn first(&self) -> Result<Scaled> {
        let text = self.above.as_deref().or(self.below.as_deref());
        stored(text.unwrap_or_default())
    }

    /// As it is judged.
    pub fn judged(&self) -> Result<alert::Rule> {
        let hold = self.r#for.map_or(TimeDelta::zero(), |time| TimeDelta::seconds(time.seconds().into()));
        let resolve = self.resolve.as_deref().map(stored).transpose()?;
        match self.kind {
            Kind::Threshold => {
                let side = if self.above.is_some() { Side::Above } else { Side::Below };
                Ok(alert::Rule { side, steps: vec![self.first()?], resolve, hold, each_step: false })
            }
            Kind::Quota => {
                let limit = stored(self.limit.as_deref().unwrap_or_default())?;
                let of_limit = |step: &u32| Scaled::new(limit.units * i128::from(*step), limit.scale + 2);
                let steps = self.steps.iter().flatten().map(of_limit).collect();
                Ok(alert::Rule { side: Side::Reached, steps, resolve, hold, each_step: true })
            }
        }
    }

    /// A step as it is told: the percentage of a quota.
    pub fn percent(&self, step: usize) -> Option<u32> {
        self.steps.as_ref().and_then(|steps| steps.get(step)).copied()
    }

    /// Whether a period is judged from its end on: what is below may still come to be above.
    pub fn awaits_end(&self) -> bool {
        self.below.is_some()
    }
}

fn missing(pointer: &str, detail: &str) -> Problem {
    Problem::field(pointer, detail)
}

/// Refuses fields that another kind has.
fn refuse(why: &str, fields: &[(&str, bool)]) -> Result<()> {
    match fields.iter().find(|(_, is_there)| *is_there) {
        Some((pointer, _)) => Err(Problem::field(pointer, why)),
        None => Ok(()),
    }
}

/// A number of the body, as it is stored: with the decimals that it was given.
fn number(pointer: &str, text: Option<DecimalText>) -> Result<Option<String>> {
    let read = |text: DecimalText| {
        let step = alert::step(text.as_str());
        step.map(|step| step.to_string()).map_err(|why| Problem::field(pointer, format!("{:?}: {why}", text.as_str())))
    };
    text.map(read).transpose()
}

/// A number that was read before.
fn stored(text: &str) -> Result<Scaled> {
    alert::step(text).map_err(|why| Problem::internal(format!("a stored number {text:?}: {why}")))
}
