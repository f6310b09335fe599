//! The figures at which alerts look: of all alerts of a provider that are about one metric by one bucket, at once.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Days, Months, TimeDelta, Utc};
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{PgConnection, Postgres};

use crate::core::alert::{Figure, Look};
use crate::core::decimal::Scaled;
use crate::core::interval::Interval;
use crate::core::period::{Range, hour_of, month_of};
use crate::http::problem::{Code, Result};
use crate::usage::{Figures, Many, Metric, Question, Span, Stat, Whose};

use super::judge::Row;
use super::rule::{Bucket, Kind};

/// How far back alerts look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// At this period and the one before.
    Newest,
    /// At all for which late readings are judged.
    Late,
}

/// When figures are as of.
#[derive(Debug, Clone, Copy)]
pub struct As {
    /// What the clock says.
    pub now: DateTime<Utc>,
    /// Every reading recorded before is in the figures.
    pub fresh_through: DateTime<Utc>,
}

/// What an alert looks at, with what each period covers; none where it is of now.
pub type Looks = Vec<(Look, Option<Span>)>;

impl As {
    /// Up to when periods can be judged.
    fn through(self) -> DateTime<Utc> {
        self.now.min(self.fresh_through)
    }
}

impl Depth {
    /// How many periods before this one.
    fn periods(self, bucket: Bucket) -> u32 {
        match (self, bucket) {
            (Self::Newest, _) => 1,
            (Self::Late, Bucket::Hour) => 48,
            (Self::Late, Bucket::Day) => 35,
            (Self::Late, Bucket::Month) => 2,
        }
    }

    /// Wide enough for any time zone and billing month; the first period of it need not be whole.
    fn range(self, bucket: Bucket, through: DateTime<Utc>) -> Range {
        let (back, day) = (self.periods(bucket), through.date_naive());
        match bucket {
            Bucket::Hour => {
                let hour = hour_of(through);
                Range::Hours { from: hour - TimeDelta::hours(i64::from(back) + 1), to: hour + TimeDelta::hours(1) }
            }
            Bucket::Day => Range::Days { from: day - Days::new(u64::from(back) + 2), to: day + Days::new(2) },
            Bucket::Month => {
                let month = month_of(day);
                Range::Days { from: month - Months::new(back + 2), to: month + Months::new(2) }
            }
        }
    }
}

/// What each of a provider's alerts looks at; none where its figures cannot be told.
pub async fn looks(db: &mut PgConnection, rows: &[&Row], depth: Depth, time: As) -> Result<Vec<Option<Looks>>> {
    let Some(provider_id) = rows.first().map(|row| row.provider_id) else { return Ok(Vec::new()) };
    let mut provider = Provider { many: Many::of_provider(db, provider_id).await?, time };
    let ids: Vec<i32> = rows.iter().filter_map(|row| row.metric_id).collect();
    let metrics = provider.many.metrics(db, &ids).await?;
    let mut alike = BTreeMap::<About, Vec<usize>>::new();
    for (place, row) in rows.iter().enumerate() {
        alike.entry(About::of(row)).or_default().push(place);
    }
    let mut looks: Vec<Option<Looks>> = rows.iter().map(|_| None).collect();
    for (about, places) in alike {
        let group: Vec<&Row> = places.iter().map(|place| rows[*place]).collect();
        let found = match about {
            About::Silence(after) => provider.silence(db, after, &group).await?,
            About::Reviews => provider.reviews(db, &group).await?,
            About::Metric { metric_id, bucket, .. } => {
                let Some(metric) = metrics.get(&metric_id) else { continue };
                match provider.periods(db, metric, bucket, &group, depth).await? {
                    Some(found) => found,
                    None => continue,
                }
            }
        };
        for (place, found) in places.into_iter().zip(found) {
            looks[place] = Some(found);
        }
    }
    Ok(looks)
}

/// What alerts are alike in that are looked at with the same statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Metric {
        metric_id: i32,
        bucket: Bucket,
        /// Whether it is about how many readings there are of those expected.
        is_completeness: bool,
    },
    /// For how many seconds.
    Silence(u32),
    Reviews,
}

impl About {
    fn of(row: &Row) -> Self {
        let rule = &row.rule.0;
        match (rule.kind, rule.after) {
            (Kind::Silence, after) => Self::Silence(after.map_or(0, Interval::seconds)),
            (Kind::Review, _) => Self::Reviews,
            (kind @ (Kind::Threshold | Kind::Quota | Kind::Completeness), _) => Self::Metric {
                metric_id: row.metric_id.unwrap_or_default(),
                bucket: rule.bucket.unwrap_or(Bucket::Day),
                is_completeness: kind == Kind::Completeness,
            },
        }
    }
}

struct Provider {
    many: Many,
    time: As,
}

impl Provider {
    /// What alerts look at that are about one metric by one bucket; none where that is not kept, or too much.
    async fn periods(
        &mut self,
        db: &mut PgConnection,
        metric: &Metric,
        bucket: Bucket,
        rows: &[&Row],
        depth: Depth,
    ) -> Result<Option<Vec<Looks>>> {
        let mut found = self.group(db, metric, bucket, rows, depth).await;
        if found.as_ref().is_err_and(|problem| problem.code == Code::NotKept) && depth == Depth::Late {
            found = self.group(db, metric, bucket, rows, Depth::Newest).await;
        }
        match found {
            Ok(found) => Ok(Some(found)),
            Err(problem) if [Code::NotKept, Code::TooManyPoints].contains(&problem.code) => {
                tracing::warn!(metric = metric.key, why = problem.detail, "alerts could not be judged");
                Ok(None)
            }
            Err(problem) => Err(problem),
        }
    }

    async fn group(
        &mut self,
        db: &mut PgConnection,
        metric: &Metric,
        bucket: Bucket,
        rows: &[&Row],
        depth: Depth,
    ) -> Result<Vec<Looks>> {
        let whose: Vec<Whose> = rows.iter().map(|row| row.whose()).collect();
        let mut stats: Vec<Stat> = Vec::new();
        for stat in rows.iter().filter_map(|row| row.rule.0.stat) {
            if !stats.contains(&stat) {
                stats.push(stat);
            }
        }
        let range = depth.range(bucket, self.time.through());
        // How many readings were expected is counted where it is asked for alone.
        let expected_interval = metric.expected_interval.filter(|_| stats.is_empty());
        let metric = Metric { expected_interval, ..metric.clone() };
        // The table's check keeps it within 0 to 9.
        let scale = metric.scale as u8;
        let question = Question { metric, stats, bucket: bucket.into(), range, whose: &whose };
        let found = self.many.ask(db, &question, self.time.fresh_through).await?;
        let of_row = |(row, periods): (&&Row, Vec<(Span, Figures)>)| self.looks_of(row, periods, scale);
        Ok(rows.iter().zip(found).map(of_row).collect())
    }

    /// The periods that can be judged, of those that ended since the alert is there.
    fn looks_of(&self, row: &Row, periods: Vec<(Span, Figures)>, scale: u8) -> Looks {
        let (rule, through) = (&row.rule.0, self.time.through());
        let since = row.memory.0.since.unwrap_or(self.time.now);
        let look = |(span, figures): (Span, Figures)| {
            let opens = if rule.awaits_end() { span.end } else { span.start };
            let figure = rule.figure(&figures, scale);
            (opens <= through && span.end > since)
                .then_some((Look { period: Some(span.period), opens, figure }, Some(span)))
        };
        periods.into_iter().skip(1).filter_map(look).collect()
    }

    /// How many percent of the devices of each alert have sent nothing for `after` seconds.
    async fn silence(&self, db: &mut PgConnection, after: u32, rows: &[&Row]) -> Result<Vec<Looks>> {
        let through = self.time.through();
        let scopes = Scopes::of(&self.many, rows);
        let query = sqlx::query_as(include_str!("../../sql/alerts/silence.sql"))
            .bind(through)
            .bind(through - TimeDelta::seconds(after.into()));
        let found: Vec<(i32, i64, i64)> = scopes.bind(query).fetch_all(db).await?;
        let found: HashMap<i32, (i64, i64)> =
            found.into_iter().map(|(label, all, silent)| (label, (all, silent))).collect();
        let share = |label: &i32| found.get(label).and_then(|(all, silent)| Figure::percent(*silent, *all));
        Ok((0..rows.len() as i32).map(|label| self.now(share(&label))).collect())
    }

    /// How many reviews are open in the scope of each alert.
    async fn reviews(&self, db: &mut PgConnection, rows: &[&Row]) -> Result<Vec<Looks>> {
        let scopes = Scopes::of(&self.many, rows);
        let query =
            sqlx::query_as(include_str!("../../sql/alerts/reviews.sql")).bind(rows.first().map(|row| row.provider_id));
        let found: Vec<(i32, i32, i64)> = scopes.bind(query).fetch_all(db).await?;
        let open = |(label, row): (usize, &&Row)| {
            let of_alert = found.iter().filter(|(of, metric_id, _)| {
                *of == label as i32 && row.metric_id.is_none_or(|asked| asked == *metric_id)
            });
            let number: i64 = of_alert.map(|(.., open)| open).sum();
            self.now(Some(Figure::whole(Scaled::new(number, 0))))
        };
        Ok(rows.iter().enumerate().map(open).collect())
    }

    /// A look at how it is now.
    fn now(&self, figure: Option<Figure>) -> Looks {
        vec![(Look { period: None, opens: self.time.now, figure }, None)]
    }
}

/// Customers, groups and devices that alerts are of, each with the place of its alert.
#[derive(Default)]
struct Scopes {
    customers: (Vec<i32>, Vec<i32>),
    groups: (Vec<i32>, Vec<i32>),
    devices: (Vec<i32>, Vec<i32>),
}

type Statement<'q, T> = QueryAs<'q, Postgres, T, PgArguments>;

impl Scopes {
    fn of(many: &Many, rows: &[&Row]) -> Self {
        let mut scopes = Self::default();
        for (label, row) in rows.iter().enumerate() {
            let (place, ids) = match row.whose() {
                Whose::Provider => (&mut scopes.customers, many.customers(None)),
                Whose::Customer(id) => (&mut scopes.customers, many.customers(Some(id))),
                Whose::Group { group_id, .. } => (&mut scopes.groups, vec![group_id]),
                Whose::Device { device_id, .. } => (&mut scopes.devices, vec![device_id]),
            };
            place.1.extend(ids.iter().map(|_| label as i32));
            place.0.extend(ids);
        }
        scopes
    }

    /// Binds ids and labels of each.
    fn bind<'q, T>(self, query: Statement<'q, T>) -> Statement<'q, T> {
        let Self { customers, groups, devices } = self;
        let query = query.bind(customers.0).bind(customers.1).bind(groups.0).bind(groups.1);
        query.bind(devices.0).bind(devices.1)
    }
}
