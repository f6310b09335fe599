//! What is asked: the parameters of `GET /v1/usage`, read into types that cannot be wrong.

use std::sync::Arc;

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::core::calendar::Calendar;
use crate::core::entity::Ref;
use crate::core::instant;
use crate::core::period::{Bucket, Range};
use crate::http::problem::{Code, Problem, Result};

/// Most metrics in one call.
const MAX_METRICS: usize = 50;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Keys or ids of one or more metrics, comma-separated.
    #[param(example = "energy")]
    metric: String,
    /// `provider`, `customer:<key>` (with all its sub-customers), `group:<key>` or `device:<key>`. All that the key sees when
    /// left out: the provider, or the customer that the key is for.
    #[param(example = "customer:acme")]
    scope: Option<String>,
    /// `true`: the customer of the scope alone, without its sub-customers.
    #[param(value_type = Option<bool>, default = false)]
    own: Option<String>,
    /// How to split: `customer` (the scope's direct sub-customers, each with its subtree, and the scope's own
    /// remainder), `group`, `device` or `kind` (of device). Left out: one series per metric.
    #[param(value_type = Option<By>, inline)]
    by: Option<String>,
    /// What one point covers.
    #[param(value_type = Bucketing, inline)]
    bucket: String,
    /// Start of the range: a date (`2026-11-01`, local midnight of the scope), or an RFC 3339 time on a UTC hour or on
    /// local midnight.
    #[param(example = "2026-11-01")]
    from: String,
    /// End of the range, itself not in it; as `from`.
    #[param(example = "2026-12-01")]
    to: String,
    /// Statistics, comma-separated: `count`, `sum`, `min`, `max`, `avg`, `first`, `last`, `active_devices`,
    /// `registered_devices`. Left out: `sum,count` for delta and register, `avg,min,max,last` for gauge.
    #[param(example = "sum,count")]
    stats: Option<String>,
    /// What stands for a period without readings: nothing (when left out), zeros (sum, count and active devices), or the
    /// last value before it. With `none` such a period has a point nevertheless where devices were registered and
    /// `registered_devices` is asked for, and where readings were expected.
    #[param(value_type = Option<Filling>, inline)]
    fill: Option<String>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(rename_all = "snake_case")]
        pub enum $name { $($variant),* }

        impl $name {
            fn read(parameter: &str, text: &str) -> Result<Self> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(Problem::parameter(parameter, format!("{text:?} is not one of {}", [$($word),*].join(", ")))),
                }
            }

        }

        /// The word that callers use.
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

words! {
    /// What series are split by.
    By { Customer = "customer", Group = "group", Device = "device", Kind = "kind" }
}
words! {
    /// What one point covers.
    Bucketing { Hour = "hour", Day = "day", Month = "month", Total = "total" }
}
words! {
    /// What stands for a period without readings.
    Filling { None = "none", Zero = "zero", Previous = "previous" }
}
words! {
    /// A statistic of a point.
    Stat {
        Count = "count", Sum = "sum", Min = "min", Max = "max", Avg = "avg", First = "first", Last = "last",
        ActiveDevices = "active_devices", RegisteredDevices = "registered_devices",
    }
}

impl From<Bucketing> for Bucket {
    fn from(word: Bucketing) -> Self {
        match word {
            Bucketing::Hour => Self::Hour,
            Bucketing::Day => Self::Day,
            Bucketing::Month => Self::Month,
            Bucketing::Total => Self::Total,
        }
    }
}

/// Whose usage is asked, as the caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeName {
    /// All that the caller sees.
    Seen,
    Provider,
    Customer {
        name: Ref,
        own: bool,
    },
    Group(Ref),
    Device(Ref),
}

/// An end of the range as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Day(NaiveDate),
    Instant(DateTime<FixedOffset>),
}

/// A question that makes sense in itself; whether its entities exist is seen later.
#[derive(Debug)]
pub struct Ask {
    pub metrics: Vec<Ref>,
    pub scope: ScopeName,
    pub by: Option<By>,
    pub bucket: Bucketing,
    pub stats: Option<Vec<Stat>>,
    pub fill: Filling,
    from: Bound,
    to: Bound,
}

impl Parameters {
    pub fn read(self) -> Result<Ask> {
        let scope = read_scope(self.scope.as_deref(), self.own.as_deref())?;
        let by = self.by.as_deref().map(|text| By::read("by", text)).transpose()?;
        if let Some(by) = by {
            check_split(&scope, by)?;
        }
        Ok(Ask {
            metrics: read_metrics(&self.metric)?,
            scope,
            by,
            bucket: Bucketing::read("bucket", &self.bucket)?,
            stats: self.stats.as_deref().map(read_stats).transpose()?,
            fill: Filling::read("fill", self.fill.as_deref().unwrap_or("none"))?,
            from: read_bound("from", &self.from)?,
            to: read_bound("to", &self.to)?,
        })
    }
}

impl Ask {
    /// The range, for owners with these calendars. Days are each owner's own. An instant must be the start of a UTC hour,
    /// for buckets of hours and totals, or of a day.
    pub fn range(&self, calendars: &[Arc<Calendar>]) -> Result<Range> {
        let days = (as_day("from", self.from, calendars), as_day("to", self.to, calendars));
        let range = match (days, self.bucket.into()) {
            ((Ok(from), Ok(to)), _) => Range::Days { from, to },
            ((Err(problem), _) | (_, Err(problem)), Bucket::Day | Bucket::Month) => return Err(problem),
            (_, Bucket::Hour | Bucket::Total) => {
                Range::Hours { from: as_hour("from", self.from, calendars)?, to: as_hour("to", self.to, calendars)? }
            }
        };
        let forward = match range {
            Range::Days { from, to } => from < to,
            Range::Hours { from, to } => from < to,
        };
        if forward { Ok(range) } else { Err(Problem::parameter("to", "must be after from")) }
    }
}

fn read_metrics(text: &str) -> Result<Vec<Ref>> {
    let mut metrics: Vec<Ref> = Vec::new();
    for name in text.split(',') {
        let metric = name.parse().map_err(|why| Problem::parameter("metric", format!("{name:?}: {why}")))?;
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    if metrics.len() > MAX_METRICS {
        return Err(Problem::parameter("metric", format!("at most {MAX_METRICS} metrics in one call")));
    }
    Ok(metrics)
}

fn read_stats(text: &str) -> Result<Vec<Stat>> {
    let mut stats = Vec::new();
    for word in text.split(',') {
        let stat = Stat::read("stats", word)?;
        if !stats.contains(&stat) {
            stats.push(stat);
        }
    }
    Ok(stats)
}

fn read_scope(text: Option<&str>, own: Option<&str>) -> Result<ScopeName> {
    let own = match own {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::parameter("own", "true or false")),
    };
    let Some(text) = text else {
        return if own { Err(not_own()) } else { Ok(ScopeName::Seen) };
    };
    match scope_name(text).map_err(|why| Problem::parameter("scope", why))? {
        ScopeName::Customer { name, .. } => Ok(ScopeName::Customer { name, own }),
        _ if own => Err(not_own()),
        scope => Ok(scope),
    }
}

/// A scope as text, of a customer with all its sub-customers; or what is wrong with it.
pub fn scope_name(text: &str) -> std::result::Result<ScopeName, String> {
    let named = |name: &str| name.parse::<Ref>().map_err(|why| format!("{name:?}: {why}"));
    // The first colon ends the level: keys may have colons of their own.
    match text.split_once(':') {
        None if text == "provider" => Ok(ScopeName::Provider),
        Some(("customer", name)) => Ok(ScopeName::Customer { name: named(name)?, own: false }),
        Some(("group", name)) => Ok(ScopeName::Group(named(name)?)),
        Some(("device", name)) => Ok(ScopeName::Device(named(name)?)),
        _ => Err(format!("{text:?} is not provider, customer:<key>, group:<key> or device:<key>")),
    }
}

fn not_own() -> Problem {
    Problem::parameter("own", "only a customer's scope has sub-customers to leave out")
}

fn check_split(scope: &ScopeName, by: By) -> Result<()> {
    let fits = match scope {
        ScopeName::Seen | ScopeName::Provider | ScopeName::Customer { .. } => true,
        ScopeName::Group(_) => matches!(by, By::Device | By::Kind),
        ScopeName::Device(_) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(Problem::parameter(
            "by",
            format!("this scope cannot be split by {}; take a wider scope or leave it out", by.as_ref()),
        ))
    }
}

fn read_bound(parameter: &str, text: &str) -> Result<Bound> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let known = instant::YEARS.contains(&chrono::Datelike::year(&day));
        return if known {
            Ok(Bound::Day(day))
        } else {
            Err(Problem::parameter(parameter, instant::BadInstant::OutOfRange.to_string()))
        };
    }
    let at = instant::parse_with_offset(text).map(Bound::Instant);
    at.map_err(|why| Problem::parameter(parameter, format!("{text:?}: {why}; or a date such as 2026-11-01")))
}

/// The day that a bound starts. Where owners have several calendars, the midnight that was written counts.
fn as_day(parameter: &str, bound: Bound, calendars: &[Arc<Calendar>]) -> Result<NaiveDate> {
    let at = match bound {
        Bound::Day(day) => return Ok(day),
        Bound::Instant(at) => at,
    };
    let (day, is_start, place) = match calendars {
        [calendar] => {
            let day = calendar.day_of(at.to_utc());
            (day, calendar.start_of(day) == at, calendar.zone_at(at.to_utc()).name())
        }
        _ => (at.date_naive(), at.time() == chrono::NaiveTime::MIN, "its zone"),
    };
    if is_start {
        return Ok(day);
    }
    Err(Problem::parameter(parameter, format!("{at} is not midnight in {place}; send a date such as {day}")))
}

fn as_hour(parameter: &str, bound: Bound, calendars: &[Arc<Calendar>]) -> Result<DateTime<Utc>> {
    let at = match (bound, calendars) {
        (Bound::Instant(at), _) => at.to_utc(),
        (Bound::Day(day), [calendar]) => calendar.start_of(day),
        (Bound::Day(_), _) => {
            return Err(Problem::parameter(
                parameter,
                "a date here needs a date at the other end too: the scope has several time zones",
            ));
        }
    };
    if at.timestamp() % TimeDelta::hours(1).num_seconds() == 0 && at.timestamp_subsec_nanos() == 0 {
        Ok(at)
    } else {
        Err(Problem::parameter(
            parameter,
            format!("{at} is not the start of a UTC hour; send one, or dates at both ends"),
        ))
    }
}

/// The statistics of a metric: those asked for, or the usual ones of its kind.
pub fn stats_for(kind: &str, metric: &str, asked: Option<&[Stat]>) -> Result<Vec<Stat>> {
    let Some(asked) = asked else {
        return Ok(match kind {
            "gauge" => vec![Stat::Avg, Stat::Min, Stat::Max, Stat::Last],
            _ => vec![Stat::Sum, Stat::Count],
        });
    };
    match asked.iter().find_map(|stat| meaningless(kind, *stat)) {
        Some(why) => Err(Problem::new(Code::MeaninglessStatistic, format!("metric {metric}: {why}")).at(
            "stats",
            "meaningless_statistic",
            why,
        )),
        None => Ok(asked.to_vec()),
    }
}

/// Why a statistic means nothing for a kind of metric, if it does not.
pub fn meaningless(kind: &str, stat: Stat) -> Option<&'static str> {
    match (kind, stat) {
        ("gauge", Stat::Sum) => Some("a gauge is a level: levels do not add up; ask for avg"),
        ("register", Stat::Avg) => Some("a register is a running total: its average means nothing; ask for sum"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Tz;

    fn calendars<const N: usize>(zones: [Tz; N]) -> [Arc<Calendar>; N] {
        zones.map(|zone| Arc::new(Calendar::new(zone)))
    }

    fn ask(from: &str, to: &str, bucket: &str) -> Ask {
        let parameters = Parameters {
            metric: "energy".into(),
            scope: None,
            own: None,
            by: None,
            bucket: bucket.into(),
            from: from.into(),
            to: to.into(),
            stats: None,
            fill: None,
        };
        parameters.read().unwrap()
    }

    #[test]
    fn local_midnight_is_a_day() {
        let range =
            ask("2026-11-01T00:00:00+01:00", "2026-11-02", "day").range(&calendars([Tz::Europe__Paris])).unwrap();
        let days = Range::Days { from: "2026-11-01".parse().unwrap(), to: "2026-11-02".parse().unwrap() };
        assert_eq!(range, days);
        assert!(ask("2026-11-01T00:00:00Z", "2026-11-02", "day").range(&calendars([Tz::Europe__Paris])).is_err());
        assert_eq!(
            ask("2026-11-01T00:00:00Z", "2026-11-02", "day").range(&calendars([Tz::Europe__Paris, Tz::UTC])),
            Ok(days)
        );
    }

    #[test]
    fn hours_need_not_be_days() {
        let range = ask("2026-11-01T06:00:00Z", "2026-11-01T09:00:00+01:00", "hour")
            .range(&calendars([Tz::Europe__Paris]))
            .unwrap();
        let hours =
            Range::Hours { from: "2026-11-01T06:00:00Z".parse().unwrap(), to: "2026-11-01T08:00:00Z".parse().unwrap() };
        assert_eq!(range, hours);
        assert!(ask("2026-11-01T06:30:00Z", "2026-11-02T00:00:00Z", "hour").range(&calendars([Tz::UTC])).is_err());
        assert!(ask("2026-11-02", "2026-11-02", "day").range(&calendars([Tz::UTC])).is_err());
    }

    #[test]
    fn a_scope_is_a_level_and_a_name() {
        assert_eq!(read_scope(Some("provider"), None), Ok(ScopeName::Provider));
        assert!(matches!(read_scope(Some("customer:a:b"), Some("true")), Ok(ScopeName::Customer { own: true, .. })));
        for (scope, own) in [("customer", None), ("customer:", None), ("team:a", None), ("group:a", Some("true"))] {
            assert!(read_scope(Some(scope), own).is_err(), "{scope}");
        }
    }
}
