//! What is compared in one go: in one snapshot, a month or less.

use chrono::{DateTime, Days, Months, Utc};
use sqlx::PgConnection;

use super::run::Ask;
use crate::rollup::definition::{Period, ROLLUPS};

/// Days whose hours and days are compared, and then the month, if it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub days: Vec<DateTime<Utc>>,
    pub month: Option<DateTime<Utc>>,
    /// Whether `days` are all days of the month.
    pub whole: bool,
}

/// The parts of what is asked, oldest first; of a sample the days come first, then their months.
pub async fn parts(db: &mut PgConnection, ask: &Ask) -> sqlx::Result<Vec<Part>> {
    if let Some((sample, seed)) = ask.sample {
        let all: Vec<DateTime<Utc>> = sqlx::query_scalar(include_str!("../../sql/verify/days.sql"))
            .bind(ask.from)
            .bind(ask.to)
            .fetch_all(db)
            .await?;
        return Ok(sampled(sample.draw(&all, seed)));
    }
    let relations: Vec<_> = ROLLUPS.iter().map(|rollup| rollup.name.as_str()).chain(["reading"]).collect();
    let months: Vec<DateTime<Utc>> = sqlx::query_scalar(include_str!("../../sql/verify/months.sql"))
        .bind(ask.from)
        .bind(ask.to)
        .bind(relations)
        .fetch_all(&mut *db)
        .await?;
    let mut parts = Vec::new();
    for month in months {
        if holds_anything(db, month).await? {
            parts.push(part(ask, month));
        }
    }
    Ok(parts)
}

/// Each day by itself, then their months.
fn sampled(days: Vec<DateTime<Utc>>) -> Vec<Part> {
    let mut months: Vec<_> = days.iter().map(|day| Period::Month.floor(*day)).collect();
    months.dedup();
    let days = days.into_iter().map(|day| Part { days: vec![day], month: None, whole: false });
    let months = months.into_iter().map(|month| Part { days: Vec::new(), month: Some(month), whole: false });
    days.chain(months).collect()
}

/// The days of a month that lie in the range; the month itself where they are all.
fn part(ask: &Ask, month: DateTime<Utc>) -> Part {
    let next = month + Months::new(1);
    let (from, to) = (ask.from.map_or(month, |from| from.max(month)), ask.to.map_or(next, |to| to.min(next)));
    let days = std::iter::successors(Some(from), |day| Some(*day + Days::new(1))).take_while(|day| *day < to);
    let whole = (from, to) == (month, next);
    Part { days: days.collect(), month: whole.then_some(month), whole }
}

async fn holds_anything(db: &mut PgConnection, month: DateTime<Utc>) -> sqlx::Result<bool> {
    let next = month + Months::new(1);
    sqlx::query_scalar(include_str!("../../sql/verify/anything.sql"))
        .bind(month)
        .bind(next)
        .persistent(false)
        .fetch_one(db)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn a_month_is_compared_where_all_its_days_are() {
        let month = at("2026-02-01T00:00:00Z");
        let all = part(&Ask::default(), month);
        assert_eq!((all.days.len(), all.month, all.whole), (28, Some(month), true));
        let ask =
            Ask { from: Some(at("2026-02-03T00:00:00Z")), to: Some(at("2026-02-05T00:00:00Z")), ..Ask::default() };
        let days = vec![at("2026-02-03T00:00:00Z"), at("2026-02-04T00:00:00Z")];
        assert_eq!(part(&ask, month), Part { days, month: None, whole: false });
        let ask = Ask { to: Some(at("2026-03-01T00:00:00Z")), ..Ask::default() };
        assert!(part(&ask, month).whole);
    }
}
