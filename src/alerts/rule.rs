//! When an alert fires: as callers say it, as it is stored and shown, and as it is judged.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::core::alert::{self, Figure, Side};
use crate::core::decimal::Scaled;
use crate::core::interval::Interval;
use crate::http::problem::{Code, Problem, Result};
use crate::registry::metrics::DecimalText;
use crate::usage::{self, Bucketing, Figures, Metric, Stat};

/// Most steps of a quota.
const MAX_STEPS: usize = 10;

/// Longest silence, in seconds: how far back hours are looked through.
const MAX_SILENCE: u32 = 7 * 86_400;

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
    /// Devices sent no reading for some time.
    Silence,
    /// Readings of registers are under review.
    Review,
    /// Of a finished day there are fewer readings than were expected.
    Completeness,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false, example = "energy")]
    pub metric: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Bucket>, required = false)]
    pub bucket: Option<Bucket>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Stat>, required = false)]
    pub stat: Option<Stat>,
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
    /// For how long a device sent nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub after: Option<Interval>,
    /// Percent of the devices, above which it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub share: Option<String>,
}

/// What a caller says of a rule, with the metric as found.
#[derive(Debug)]
pub struct Said {
    pub kind: Kind,
    pub metric: Option<Metric>,
    /// Whether it is of one device.
    pub is_of_device: bool,
    pub bucket: Option<Bucket>,
    pub stat: Option<Stat>,
    pub above: Option<DecimalText>,
    pub below: Option<DecimalText>,
    pub resolve: Option<DecimalText>,
    pub r#for: Option<Interval>,
    pub limit: Option<DecimalText>,
    pub steps: Option<Vec<u32>>,
    pub after: Option<Interval>,
    pub share: Option<DecimalText>,
}

impl Said {
    pub fn read(self) -> Result<Rule> {
        let rule = Rule {
            kind: self.kind,
            metric: self.metric.as_ref().map(|metric| metric.key.clone()),
            bucket: self.bucket,
            stat: self.stat,
            above: number("/above", self.above)?,
            below: number("/below", self.below)?,
            resolve: number("/resolve", self.resolve)?,
            r#for: self.r#for,
            limit: number("/limit", self.limit)?,
            steps: self.steps,
            after: self.after,
            share: number("/share", self.share)?,
        };
        rule.refuse_others()?;
        let metric = self.metric.ok_or_else(|| missing("/metric", "of which metric?"));
        match rule.kind {
            Kind::Threshold => rule.threshold(&metric?),
            Kind::Quota => rule.quota(&metric?),
            Kind::Completeness => rule.completeness(&metric?),
            Kind::Silence => rule.silence(self.is_of_device),
            Kind::Review => Ok(rule),
        }
    }
}

impl Kind {
    /// The fields that are of this kind.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Threshold => &["/metric", "/bucket", "/stat", "/above", "/below", "/resolve", "/for"],
            Self::Quota => &["/metric", "/bucket", "/stat", "/limit", "/steps"],
            Self::Silence => &["/after", "/share", "/resolve"],
            Self::Review => &["/metric"],
            Self::Completeness => &["/metric", "/below", "/resolve"],
        }
    }
}

impl Rule {
    /// Refuses fields that are another kind's.
    fn refuse_others(&self) -> Result<()> {
        let there = [
            ("/metric", self.metric.is_some()),
            ("/bucket", self.bucket.is_some()),
            ("/stat", self.stat.is_some()),
            ("/above", self.above.is_some()),
            ("/below", self.below.is_some()),
            ("/resolve", self.resolve.is_some()),
            ("/for", self.r#for.is_some()),
            ("/limit", self.limit.is_some()),
            ("/steps", self.steps.is_some()),
            ("/after", self.after.is_some()),
            ("/share", self.share.is_some()),
        ];
        let own = self.kind.fields();
        match there.iter().find(|(pointer, is_there)| *is_there && !own.contains(pointer)) {
            Some((pointer, _)) => Err(Problem::field(pointer, "an alert of this kind has none; leave it out")),
            None => Ok(()),
        }
    }

    fn threshold(self, metric: &Metric) -> Result<Self> {
        let stat = self.stat.ok_or_else(|| missing("/stat", "a threshold needs a statistic, such as sum"))?;
        check_stat(metric, stat)?;
        self.bucket.ok_or_else(|| missing("/bucket", "hour, day or month"))?;
        if self.above.is_some() == self.below.is_some() {
            return Err(missing("/above", "give either above or below"));
        }
        self.check_resolve()?;
        Ok(self)
    }

    fn quota(mut self, metric: &Metric) -> Result<Self> {
        check_stat(metric, *self.stat.get_or_insert(Stat::Sum))?;
        match self.bucket {
            Some(Bucket::Day | Bucket::Month) => {}
            Some(Bucket::Hour) | None => return Err(Problem::field("/bucket", "a quota is of a day or a month")),
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
            let detail = format!("1 to {MAX_STEPS} numbers from 1 to {MAX_PERCENT}, in percent");
            return Err(Problem::field("/steps", detail));
        }
        Ok(self)
    }

    fn completeness(self, metric: &Metric) -> Result<Self> {
        if metric.expected_interval.is_none() {
            let detail = format!("no readings of {} are expected: give the metric an expected_interval", metric.key);
            return Err(Problem::field("/metric", detail));
        }
        let below = self.below.as_deref().ok_or_else(|| missing("/below", "below how many percent?"))?;
        check_percent("/below", below)?;
        self.check_resolve()?;
        Ok(self)
    }

    fn silence(self, is_of_device: bool) -> Result<Self> {
        let after = self.after.ok_or_else(|| missing("/after", "after how long, such as 15m?"))?;
        if !(60..=MAX_SILENCE).contains(&after.seconds()) {
            return Err(Problem::field("/after", "1m to 7d"));
        }
        match (&self.share, is_of_device) {
            (Some(_), true) => return Err(Problem::field("/share", "one device is silent or not; leave it out")),
            (None, true) => refuse_resolve(self.resolve.as_deref())?,
            (None, false) => return Err(missing("/share", "above how many percent of the devices? 0 for any")),
            (Some(share), false) => check_percent("/share", share)?,
        }
        self.check_resolve()?;
        Ok(self)
    }

    /// The number at which it fires first.
    fn first(&self) -> Result<Scaled> {
        let text = self.above.as_deref().or(self.below.as_deref()).or(self.share.as_deref());
        // Of one device's silence there is none: it is silent, or not.
        stored(text.unwrap_or("0"))
    }

    /// What it has to come back to must not lie beyond what makes it fire.
    fn check_resolve(&self) -> Result<()> {
        let Some(resolve) = self.resolve.as_deref().map(stored).transpose()? else { return Ok(()) };
        let first = self.first()?;
        let is_back =
            if self.below.is_some() { alert::at_most(first, resolve) } else { alert::at_most(resolve, first) };
        let detail = "it lies beyond the number at which the alert fires";
        if is_back { Ok(()) } else { Err(Problem::field("/resolve", detail)) }
    }

    /// As it is judged.
    pub fn judged(&self) -> Result<alert::Rule> {
        let hold = self.r#for.map_or(TimeDelta::zero(), |time| TimeDelta::seconds(time.seconds().into()));
        let resolve = self.resolve.as_deref().map(stored).transpose()?;
        let one = |side, step| alert::Rule { side, steps: vec![step], resolve, hold, each_step: false };
        Ok(match self.kind {
            Kind::Threshold if self.above.is_some() => one(Side::Above, self.first()?),
            Kind::Threshold | Kind::Completeness => one(Side::Below, self.first()?),
            Kind::Silence => one(Side::Above, self.first()?),
            Kind::Review => one(Side::Above, Scaled::new(0, 0)),
            Kind::Quota => {
                let limit = stored(self.limit.as_deref().unwrap_or_default())?;
                let of_limit = |step: &u32| Scaled::new(limit.units * i128::from(*step), limit.scale + 2);
                let steps = self.steps.iter().flatten().map(of_limit).collect();
                alert::Rule { side: Side::Reached, steps, resolve, hold, each_step: true }
            }
        })
    }

    /// What it compares of a period, of a metric with so many decimals; none where there is no reading to tell it from.
    pub fn figure(&self, figures: &Figures, scale: u8) -> Option<Figure> {
        match (self.kind, self.stat) {
            (Kind::Completeness, _) => Figure::percent(figures.count, figures.expected),
            (_, Some(stat)) => figures.stat(stat, scale).map(Figure::whole),
            (_, None) => None,
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

/// Refuses a statistic that means nothing for a metric.
fn check_stat(metric: &Metric, stat: Stat) -> Result<()> {
    let Some(why) = usage::meaningless(&metric.kind, stat) else { return Ok(()) };
    let detail = format!("metric {}: {why}", metric.key);
    Err(Problem::new(Code::MeaninglessStatistic, detail).at("/stat", "meaningless_statistic", why))
}

/// Refuses what is no percentage.
fn check_percent(pointer: &str, text: &str) -> Result<()> {
    let (least, most) = (Scaled::new(0, 0), Scaled::new(100, 0));
    let percent = stored(text)?;
    let is_percent = alert::at_most(least, percent) && alert::at_most(percent, most);
    if is_percent { Ok(()) } else { Err(Problem::field(pointer, "0 to 100 percent")) }
}

fn refuse_resolve(resolve: Option<&str>) -> Result<()> {
    match resolve {
        Some(_) => Err(Problem::field("/resolve", "one device is silent or not; leave it out")),
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
