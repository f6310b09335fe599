//! The figures at which alerts look: of all alerts of a provider that are about one metric by one bucket, at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Months, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::core::alert::{Figure, Look};
use crate::core::period::{Range, hour_of, month_of};
use crate::database::Edition;
use crate::http::problem::{Code, Result};
use crate::usage::{Figures, Many, Metric, Question, Span, Stat, Whose};

use super::judge::Row;
use super::rule::Bucket;

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

/// What an alert looks at, with what each period covers.
pub type Looks = Vec<(Look, Span)>;

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
pub async fn looks(
    db: &mut PgConnection,
    edition: Edition,
    rows: &[&Row],
    depth: Depth,
    time: As,
) -> Result<Vec<Option<Looks>>> {
    let Some(provider_id) = rows.first().map(|row| row.provider_id) else { return Ok(Vec::new()) };
    let mut provider = Provider { many: Many::of_provider(db, provider_id).await?, edition, time };
    let ids: Vec<i32> = rows.iter().filter_map(|row| row.metric_id).collect();
    let metrics = provider.many.metrics(db, &ids).await?;
    let mut alike = BTreeMap::<(i32, Bucket), Vec<usize>>::new();
    for (place, row) in rows.iter().enumerate() {
        alike.entry((row.metric_id.unwrap_or_default(), row.rule.0.bucket)).or_default().push(place);
    }
    let mut looks: Vec<Option<Looks>> = rows.iter().map(|_| None).collect();
    for ((metric_id, bucket), places) in alike {
        let Some(metric) = metrics.get(&metric_id) else { continue };
        let group: Vec<&Row> = places.iter().map(|place| rows[*place]).collect();
        let mut found = provider.group(db, metric, bucket, &group, depth).await;
        if found.as_ref().is_err_and(|problem| problem.code == Code::NotKept) && depth == Depth::Late {
            found = provider.group(db, metric, bucket, &group, Depth::Newest).await;
        }
        match found {
            Ok(found) => {
                for (place, found) in places.into_iter().zip(found) {
                    looks[place] = Some(found);
                }
            }
            Err(problem) if [Code::NotKept, Code::TooManyPoints].contains(&problem.code) => {
                tracing::warn!(provider_id, metric = metric.key, why = problem.detail, "alerts could not be judged");
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(looks)
}

struct Provider {
    many: Many,
    edition: Edition,
    time: As,
}

impl Provider {
    /// What alerts look at that are about one metric by one bucket.
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
        for row in rows {
            if !stats.contains(&row.rule.0.stat) {
                stats.push(row.rule.0.stat);
            }
        }
        let range = depth.range(bucket, self.time.through());
        // How many readings were expected is counted where it is asked for alone.
        let metric = Metric { expected_interval: None, ..metric.clone() };
        // The table's check keeps it within 0 to 9.
        let scale = metric.scale as u8;
        let question = Question { metric, stats, bucket: bucket.into(), range, whose: &whose };
        let found = self.many.ask(db, self.edition, &question, self.time.fresh_through).await?;
        let of_row = |(row, periods): (&&Row, Vec<(Span, Figures)>)| self.looks_of(row, periods, scale);
        Ok(rows.iter().zip(found).map(of_row).collect())
    }

    /// The periods that can be judged, of those that ended since the alert is there.
    fn looks_of(&self, row: &Row, periods: Vec<(Span, Figures)>, scale: u8) -> Looks {
        let (rule, through) = (&row.rule.0, self.time.through());
        let since = row.memory.0.since.unwrap_or(self.time.now);
        let look = |(span, figures): (Span, Figures)| {
            let opens = if rule.awaits_end() { span.end } else { span.start };
            let figure = figures.stat(rule.stat, scale).map(Figure::whole);
            (opens <= through && span.end > since).then_some((Look { period: Some(span.period), opens, figure }, span))
        };
        periods.into_iter().skip(1).filter_map(look).collect()
    }
}
