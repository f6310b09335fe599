//! Figures from the rollups: which rollup answers, and the statement for it.
//!
//! A statistic is only combined where that is legal: sums and counts add up, a minimum is one of minima, the first is
//! the one of the earliest; active devices are counted as distinct devices over the channels, never added.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, PgConnection, Postgres};

use crate::core::decimal::Scaled;
use crate::core::period::{self, Anchor, Bucket, Period, Range};
use crate::http::problem::{Problem, Result};
use crate::usage::ask::Stat;
use crate::usage::scope::{ChannelFilter, ChannelLabel, MAX_POINTS, Owner, Rows, Source, too_many};

/// The figures of one metric, series and period; values are scaled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    pub count: i64,
    /// Sum of increments.
    pub sum: i128,
    /// Sum of values, for the average.
    pub value_sum: i128,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub first: Option<i64>,
    pub last: Option<i64>,
    pub active_devices: i64,
    pub registered_devices: i64,
    /// Number of readings expected.
    pub expected: i64,
}

impl Figures {
    /// A statistic, at the scale of its metric; none where there is no reading to tell it from.
    pub fn stat(&self, stat: Stat, scale: u8) -> Option<Scaled> {
        let scaled = |value: Option<i64>| value.map(|units| Scaled::new(units, scale));
        match stat {
            Stat::Count => Some(Scaled::new(self.count, 0)),
            Stat::Sum => Some(Scaled::new(self.sum, scale)),
            Stat::Min => scaled(self.min),
            Stat::Max => scaled(self.max),
            Stat::Avg if self.count > 0 => Some(Scaled::new(self.value_sum, scale).divided_by(i128::from(self.count))),
            // A gap that is filled has its level.
            Stat::Avg | Stat::First => scaled(self.first),
            Stat::Last => scaled(self.last),
            Stat::ActiveDevices => Some(Scaled::new(self.active_devices, 0)),
            Stat::RegisteredDevices => Some(Scaled::new(self.registered_devices, 0)),
        }
    }
}

/// Where a point belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub metric_id: i32,
    pub label: Option<String>,
}

#[derive(sqlx::FromRow)]
struct StatsRow {
    #[sqlx(flatten)]
    at: At,
    count: i64,
    increment_sum: String,
    value_sum: String,
    value_min: i64,
    value_max: i64,
    first_value: i64,
    last_value: i64,
}

#[derive(sqlx::FromRow)]
struct At {
    metric_id: i32,
    label: Option<String>,
    period: NaiveDateTime,
}

/// Which of the rollups' three widths answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Hourly,
    Daily,
    Monthly,
}

/// Of several first readings at one instant the lowest is the first, of several last ones the highest the last, as in
/// the rollups: `first(value, ts)` would take any.
const STATS: &str = "sum(r.count)::bigint AS count, sum(r.increment_sum)::text AS increment_sum, \
    sum(r.value_sum)::text AS value_sum, min(r.value_min) AS value_min, max(r.value_max) AS value_max, \
    (min(ARRAY[_timescaledb_functions.to_unix_microseconds(r.first_ts), r.first_value]))[2] AS first_value, \
    (max(ARRAY[_timescaledb_functions.to_unix_microseconds(r.last_ts), r.last_value]))[2] AS last_value";

const ACTIVE_DEVICES: &str = "count(DISTINCT r.device_id) AS active_devices";

/// One question to the rollups: some metrics, a range, a bucket.
#[derive(Debug)]
pub struct Query<'a> {
    pub metric_ids: &'a [i32],
    pub range: &'a Range,
    pub bucket: Bucket,
}

impl Query<'_> {
    /// Count, sums, extremes, first and last.
    pub async fn stats(&self, db: &mut PgConnection, source: &Source) -> Result<Vec<(Place, Period, Figures)>> {
        let rows: Vec<StatsRow> = self.bind(&self.statement(source, STATS), source).fetch_all(db).await?;
        if rows.len() > MAX_POINTS {
            return Err(too_many());
        }
        rows.into_iter()
            .map(|row| {
                let figures = Figures {
                    count: row.count,
                    sum: integer(&row.increment_sum)?,
                    value_sum: integer(&row.value_sum)?,
                    min: Some(row.value_min),
                    max: Some(row.value_max),
                    first: Some(row.first_value),
                    last: Some(row.last_value),
                    ..Figures::default()
                };
                let period = self.period(row.at.period);
                Ok((row.at.into(), period, figures))
            })
            .collect()
    }

    /// Distinct devices with at least one reading.
    pub async fn active_devices(&self, db: &mut PgConnection, source: &Source) -> Result<Vec<(Place, Period, i64)>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            at: At,
            active_devices: i64,
        }
        let sql = self.devices_statement(db, source).await?;
        let rows: Vec<Row> = self.bind(&sql, source).fetch_all(db).await?;
        let place = |row: Row| {
            let (period, count) = (self.period(row.at.period), row.active_devices);
            (row.at.into(), period, count)
        };
        Ok(rows.into_iter().map(place).collect())
    }

    /// What EXPLAIN says of the statement of [`Self::active_devices`], or else of that of [`Self::stats`], having run it.
    pub async fn plan(&self, db: &mut PgConnection, source: &Source, devices: bool) -> Result<serde_json::Value> {
        let sql = if devices { self.devices_statement(db, source).await? } else { self.statement(source, STATS) };
        let sql = format!("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}");
        let (plan,): (sqlx::types::Json<serde_json::Value>,) = self.bind(&sql, source).fetch_one(db).await?;
        Ok(plan.0)
    }

    fn statement(&self, source: &Source, figures: &str) -> String {
        match &source.rows {
            Rows::Owners { owner, .. } => self.owner_statement(*owner, owner.word(), source.anchor, figures),
            Rows::Channels { label, .. } => self.channel_statement(*label, source.anchor, figures),
        }
    }

    /// From a rollup of this subject.
    fn owner_statement(&self, owner: Owner, subject: &str, anchor: Anchor, figures: &str) -> String {
        let sql = include_str!("../../sql/usage/owners.sql").replace("{owner}", owner.column());
        self.complete(sql, anchor, &format!("{subject}_{}", self.width(anchor).word()), figures)
    }

    fn channel_statement(&self, label: ChannelLabel, anchor: Anchor, figures: &str) -> String {
        let join = if label == ChannelLabel::None { "" } else { "\nJOIN device d USING (device_id)" };
        let sql = include_str!("../../sql/usage/channels.sql").replace("{label}", label.expression());
        self.complete(sql.replace("{join}", join), anchor, &self.of_channels(anchor), figures)
    }

    async fn devices_statement(&self, db: &mut PgConnection, source: &Source) -> Result<String> {
        let (series, owned) = match &source.rows {
            Rows::Channels { label, .. } => return Ok(self.channel_statement(*label, source.anchor, ACTIVE_DEVICES)),
            Rows::Owners { owner: Owner::Provider, .. } => (CUSTOMERS_OF_PROVIDERS, "r.customer_id = ANY (s.owners)"),
            // There a look-up reads a whole chunk, so all of them are read at once.
            Rows::Owners { owner, ids, .. } if ids.len() > 1 && self.is_in_columnstore(db, source).await? => {
                return Ok(self.owner_statement(*owner, "channel", source.anchor, ACTIVE_DEVICES));
            }
            Rows::Owners { owner: Owner::Customer, .. } => (OWNERS_OF_SERIES, "r.customer_id = ANY (s.owners)"),
            // What is in no group is not in the index.
            Rows::Owners { owner: Owner::Group, .. } => {
                (OWNERS_OF_SERIES, "r.group_id = ANY (s.owners) AND r.group_id <> 0")
            }
        };
        let sql = include_str!("../../sql/usage/active_devices.sql");
        let sql = sql.replace("{series}", series).replace("{owned}", owned);
        // Rows of one period need not be sorted by it, which takes a third of the time.
        let is_one = self.range.periods(self.bucket, source.anchor, &[], 2).len() == 1;
        let (period, each) = if is_one { ("min({period})", "HAVING count(*) > 0") } else { ("{period}", "GROUP BY 1") };
        let sql = sql.replace("{period}", period).replace("{each}", each);
        Ok(self.complete(sql, source.anchor, &self.of_channels(source.anchor), ""))
    }

    /// Whether channels' figures of the range are there, in part at least; never where there is no columnstore.
    async fn is_in_columnstore(&self, db: &mut PgConnection, source: &Source) -> Result<bool> {
        let (from, to) = self.buckets(source.anchor);
        let query = sqlx::query_scalar(include_str!("../../sql/usage/in_columnstore.sql"));
        Ok(query.bind(self.of_channels(source.anchor)).bind(from).bind(to).fetch_one(db).await?)
    }

    fn complete(&self, sql: String, anchor: Anchor, rollup: &str, figures: &str) -> String {
        let width = self.width(anchor);
        let anchored = format!("date_trunc('month', (r.billing_day - {})::timestamp)", anchor.days_later());
        let period = match self.bucket {
            Bucket::Hour => "r.bucket AT TIME ZONE 'UTC'",
            Bucket::Day => "r.billing_day::timestamp",
            Bucket::Month if width == Width::Monthly => "r.billing_month::timestamp",
            Bucket::Month => &anchored,
            Bucket::Total => "timestamp '1970-01-01'",
        };
        let sql = sql.replace("{rollup}", rollup).replace("{day}", width.day());
        sql.replace("{period}", period).replace("{figures}", figures)
    }

    fn of_channels(&self, anchor: Anchor) -> String {
        format!("channel_{}", self.width(anchor).word())
    }

    /// The widest rollup that will do: a calendar month only answers for itself whole.
    pub(super) fn width(&self, anchor: Anchor) -> Width {
        match (self.bucket, self.range) {
            (Bucket::Hour, _) | (_, Range::Hours { .. }) => Width::Hourly,
            (Bucket::Month, _) if anchor != Anchor::FIRST => Width::Daily,
            (Bucket::Month | Bucket::Total, range) if range.is_whole_months() => Width::Monthly,
            _ => Width::Daily,
        }
    }

    fn bind<'q, T>(&self, sql: &str, source: &'q Source) -> sqlx::query::QueryAs<'q, Postgres, T, PgArguments>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
    {
        let (from, to) = self.buckets(source.anchor);
        let (first, end) = match self.range {
            Range::Days { from, to } => (Some(*from), Some(*to)),
            Range::Hours { .. } => (None, None),
        };
        let (ids, labels, filter) = match &source.rows {
            Rows::Owners { ids, labels, .. } => (Some(ids), Some(labels), None),
            Rows::Channels { filter, .. } => (None, None, Some(filter)),
        };
        sqlx::query_as(AssertSqlSafe(sql.to_owned()))
            .bind(self.metric_ids.to_vec())
            .bind(from)
            .bind(to)
            .bind(first)
            .bind(end)
            .bind(ids)
            .bind(labels)
            .bind(MAX_POINTS as i64 + 1)
            .bind(filter.and_then(|f: &ChannelFilter| f.customers.as_ref()))
            .bind(filter.and_then(|f| f.group))
            .bind(filter.and_then(|f| f.devices.as_ref()))
    }

    /// Bounds on the UTC buckets: with days, one bucket more on each side, since local days reach into them.
    fn buckets(&self, anchor: Anchor) -> (DateTime<Utc>, DateTime<Utc>) {
        match (self.range, self.width(anchor)) {
            (Range::Hours { from, to }, _) => (*from, *to),
            (Range::Days { from, to }, Width::Monthly) => {
                (midnight(period::month_of(*from) - Months::new(1)), midnight(*to + Months::new(1)))
            }
            (Range::Days { from, to }, _) => (midnight(*from - Days::new(1)), midnight(*to + Days::new(1))),
        }
    }

    fn period(&self, at: NaiveDateTime) -> Period {
        match self.bucket {
            Bucket::Hour => Period::Hour(at.and_utc()),
            Bucket::Day => Period::Day(at.date()),
            Bucket::Month => Period::Month(at.date()),
            Bucket::Total => Period::Total,
        }
    }
}

const OWNERS_OF_SERIES: &str =
    "SELECT label, array_agg(owner_id) FROM unnest($6::integer[], $7::text[]) AS o (owner_id, label) GROUP BY label";
const CUSTOMERS_OF_PROVIDERS: &str =
    "SELECT NULL::text, ARRAY(SELECT customer_id FROM customer WHERE provider_id = ANY ($6::integer[]))";

impl Owner {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Customer => "customer",
            Self::Group => "group",
        }
    }

    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Provider => "provider_id",
            Self::Customer => "customer_id",
            Self::Group => "group_id",
        }
    }
}

impl ChannelLabel {
    pub(super) fn expression(self) -> &'static str {
        match self {
            Self::None => "NULL::text",
            Self::Device => "d.key::text",
            Self::Kind => "d.kind",
        }
    }
}

impl Width {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Monthly => "monthly",
        }
    }

    pub(super) fn day(self) -> &'static str {
        match self {
            Self::Hourly | Self::Daily => "billing_day",
            Self::Monthly => "billing_month",
        }
    }
}

impl From<At> for Place {
    fn from(at: At) -> Self {
        Self { metric_id: at.metric_id, label: at.label }
    }
}

/// A billing day lies within the UTC day of its date and its two neighbours, also where the time zone changes.
pub(super) fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// Sums come as text: they may be wider than 64 bits.
fn integer(text: &str) -> Result<i128> {
    text.parse().map_err(|_| Problem::internal(format!("a sum beyond 128 bits: {text}")))
}
