//! Rollups against readings. What a rollup should be is said here once more, in words of its own: nothing is shared with
//! what makes the rollups.

use chrono::{DateTime, Days, Months, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use super::difference::Check;
use super::run::Run;
use crate::rollup::retention::Kept;

/// Whose figures. A row is found by its bucket, its billing day and up to three keys.
pub struct Subject {
    pub name: &'static str,
    keys: [&'static str; 3],
    /// Which rows of the channels count.
    counts: &'static str,
    /// Which rows `f` are in the scope ($3 channels, $4 customers, $5 groups, $6 provider).
    scope: &'static str,
    /// From what its hours can be made when the readings are gone.
    hours: Option<(&'static str, &'static str)>,
    /// Channel, customer, group, metric and provider of a row `d`.
    names: [&'static str; 5],
    /// Whether a pending change `w` of a channel is one of a row `d`.
    touches: &'static str,
}

/// The columns that are compared.
const FIGURES: [&str; 9] = [
    "count",
    "increment_sum",
    "value_sum",
    "value_min",
    "value_max",
    "first_ts",
    "first_value",
    "last_ts",
    "last_value",
];

pub const SUBJECTS: [Subject; 4] = [
    Subject {
        name: "channel",
        keys: ["channel_id", "customer_id", "group_id"],
        counts: "true",
        scope: "($3::integer[] IS NULL OR f.key1 = ANY ($3))
            AND (($4::integer[] IS NULL AND $5::integer[] IS NULL) OR f.key2 = ANY ($4) OR f.key3 = ANY ($5))
            AND ($6::integer IS NULL OR f.key1 IN (SELECT channel_id FROM channel WHERE provider_id = $6))",
        hours: None,
        names: ["d.key1", "d.key2", "d.key3", "c.metric_id", "c.provider_id"],
        touches: "w.channel_id = d.key1",
    },
    Subject {
        name: "customer",
        keys: ["customer_id", "metric_id", "0"],
        counts: "s.metric_id IS NOT NULL",
        scope: "($4::integer[] IS NULL OR f.key1 = ANY ($4))
            AND ($6::integer IS NULL OR f.key1 IN (SELECT customer_id FROM customer WHERE provider_id = $6))",
        hours: Some(("channel_hourly", "channel_hourly AS s")),
        names: ["NULL::integer", "d.key1", "NULL::integer", "d.key2", "o.provider_id"],
        touches: "w.metric_id = d.key2",
    },
    Subject {
        name: "group",
        keys: ["group_id", "metric_id", "0"],
        counts: "s.metric_id IS NOT NULL AND s.group_id <> 0",
        scope: "($5::integer[] IS NULL OR f.key1 = ANY ($5))
            AND ($6::integer IS NULL OR f.key1 IN (SELECT group_id FROM device_group WHERE provider_id = $6))",
        hours: Some(("channel_hourly", "channel_hourly AS s")),
        names: ["NULL::integer", "g.customer_id", "d.key1", "d.key2", "g.provider_id"],
        touches: "w.metric_id = d.key2",
    },
    Subject {
        name: "provider",
        keys: ["provider_id", "metric_id", "0"],
        counts: "s.metric_id IS NOT NULL",
        scope: "($6::integer IS NULL OR f.key1 = $6)",
        hours: Some((
            "customer_hourly",
            "(SELECT h.*, m.provider_id FROM customer_hourly h JOIN metric m USING (metric_id)) AS s",
        )),
        names: ["NULL::integer", "NULL::integer", "NULL::integer", "d.key2", "d.key1"],
        touches: "w.metric_id = d.key2",
    },
];

/// Length of a rollup's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Hour,
    Day,
    Month,
}

/// From what a rollup is recomputed.
enum From {
    /// What was recomputed from readings before.
    Readings(&'static str),
    /// What is kept of a finer rollup: the readings are gone, or only a sample is looked at.
    Rollup,
}

/// Compares hours and days of the UTC day that begins at `day`: from its readings while they are kept, else level by
/// level. What it makes of the channels' day stays for [`month`].
pub async fn day(db: &mut PgConnection, run: &mut Run<'_>, kept: &Kept, day: DateTime<Utc>) -> sqlx::Result<()> {
    let next = day + Days::new(1);
    let readings = kept.holds("reading", day);
    for subject in &SUBJECTS {
        for unit in [Unit::Hour, Unit::Day] {
            let from = if readings { From::Readings("verify_hour AS s") } else { From::Rollup };
            let made = subject.compare(db, run, kept, unit, from, day, next).await?;
            if made && readings && subject.name == "channel" && unit == Unit::Day {
                sqlx::query(include_str!("../../sql/verify/keep_day.sql")).execute(&mut *db).await?;
            }
        }
    }
    Ok(())
}

/// Compares a month: with its days as they were recomputed from readings, if `whole`, else with the days that are kept.
pub async fn month(
    db: &mut PgConnection,
    run: &mut Run<'_>,
    kept: &Kept,
    month: DateTime<Utc>,
    whole: bool,
) -> sqlx::Result<()> {
    let next = month + Months::new(1);
    for subject in &SUBJECTS {
        let from = if whole { From::Readings("verify_day AS s") } else { From::Rollup };
        subject.compare(db, run, kept, Unit::Month, from, month, next).await?;
    }
    Ok(())
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    fn adverb(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Month => "monthly",
        }
    }
}

impl Subject {
    /// Recomputes one rollup between two instants and compares it. Tells whether it was recomputed: it is neither where it
    /// lies outside the scope nor where it or its source is no longer kept.
    #[expect(clippy::too_many_arguments, reason = "each is one thing")]
    async fn compare(
        &self,
        db: &mut PgConnection,
        run: &mut Run<'_>,
        kept: &Kept,
        unit: Unit,
        from: From,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> sqlx::Result<bool> {
        let rollup = format!("{}_{}", self.name, unit.adverb());
        let scoped = run.ask.scope.holds(self.name);
        // The month needs the channels' days in any case.
        let needed = self.name == "channel" && matches!(from, From::Readings(_));
        let there = kept.holds(&rollup, start) && scoped;
        if !there && !needed {
            return Ok(false);
        }
        let source = match from {
            From::Readings(source) => source.to_owned(),
            From::Rollup => match self.finer(unit) {
                Some((relation, source)) if kept.holds(&relation, start) => source,
                Some((relation, _)) => {
                    run.not_comparable(&rollup, &relation, start);
                    return Ok(false);
                }
                None => {
                    run.not_comparable(&rollup, "reading", start);
                    return Ok(false);
                }
            },
        };
        sqlx::query("TRUNCATE verify_right").execute(&mut *db).await?;
        let right = self.filled(include_str!("../../sql/verify/right.sql"), unit).replace("{from}", &source);
        let made = run.ask.scope.bind(sqlx::query(AssertSqlSafe(right)).bind(start).bind(end));
        let rows = made.persistent(false).execute(&mut *db).await?.rows_affected();
        if there {
            run.compared(rows);
            let compare = self.filled(include_str!("../../sql/verify/compare.sql"), unit);
            run.report(db, Check::Rollups, &FIGURES, compare, start, end).await?;
        }
        Ok(true)
    }

    /// The kept rollup below, and it as the source `s` with the columns that are needed.
    fn finer(&self, unit: Unit) -> Option<(String, String)> {
        let own = |finer: Unit| {
            let name = format!("{}_{}", self.name, finer.adverb());
            let source = format!("{name} AS s");
            Some((name, source))
        };
        match unit {
            Unit::Hour => self.hours.map(|(relation, source)| (relation.to_owned(), source.to_owned())),
            Unit::Day => own(Unit::Hour),
            Unit::Month => own(Unit::Day),
        }
    }

    fn filled(&self, sql: &str, unit: Unit) -> String {
        let comparing = sql.contains("FULL JOIN");
        let day = match (unit, comparing) {
            (Unit::Month, true) => "billing_month",
            (Unit::Month, false) => {
                "make_date(extract(year FROM s.billing_day)::integer, extract(month FROM s.billing_day)::integer, 1)"
            }
            (_, true) => "billing_day",
            (_, false) => "s.billing_day",
        };
        let key = |key: &str| if comparing || key == "0" { key.to_owned() } else { format!("s.{key}") };
        let third = if self.keys[2] == "0" { "0".to_owned() } else { format!("s.{}", self.keys[2]) };
        let [channel, customer, group, metric, provider] = self.names;
        sql.replace("{rollup}", &format!("{}_{}", self.name, unit.adverb()))
            .replace("{unit}", unit.name())
            .replace("{billing}", day)
            .replace("{key1}", &key(self.keys[0]))
            .replace("{key2}", &key(self.keys[1]))
            .replace("{key3}", &third)
            .replace("{counts}", self.counts)
            .replace("{scope}", self.scope)
            .replace("{channel}", channel)
            .replace("{customer}", customer)
            .replace("{group}", group)
            .replace("{metric}", metric)
            .replace("{provider}", provider)
            .replace("{touches}", self.touches)
    }
}
