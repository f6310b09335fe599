//! The last values before the range, for filling gaps with them.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::core::period::Range;
use crate::http::problem::Result;
use crate::rollup::retention::Kept;
use crate::usage::figures::{Place, Query, Width, midnight};
use crate::usage::scope::{MAX_POINTS, Rows, Source};

#[derive(sqlx::FromRow)]
struct Row {
    metric_id: i32,
    label: Option<String>,
    last_value: i64,
}

/// What lies before the range: UTC buckets before an instant, of those the days or months before a day.
struct Before {
    until: DateTime<Utc>,
    first_day: Option<NaiveDate>,
}

impl Query<'_> {
    /// The last values before the range. What is no longer kept of a rollup is looked for in the next wider one: it is
    /// whole there, for days are dropped by whole months and hours by whole days.
    pub async fn before(&self, db: &mut PgConnection, source: &Source, kept: &Kept) -> Result<HashMap<Place, i64>> {
        // Days are enough for days and months; a range in hours needs the hours before it.
        let (mut before, widths) = match self.range {
            Range::Days { from, .. } => (
                Before { until: midnight(*from + Days::new(1)), first_day: Some(*from) },
                [Width::Daily, Width::Monthly].as_slice(),
            ),
            Range::Hours { from, .. } => {
                (Before { until: *from, first_day: None }, [Width::Hourly, Width::Daily, Width::Monthly].as_slice())
            }
        };
        let mut found = HashMap::new();
        for width in widths {
            for row in self.before_in(db, source, *width, &before).await? {
                let place = Place { metric_id: row.metric_id, label: row.label };
                found.entry(place).or_insert(row.last_value);
            }
            match kept.since(&source.rollup(*width)) {
                Some(since) => before.until = before.until.min(since),
                None => break,
            }
        }
        Ok(found)
    }

    async fn before_in(
        &self,
        db: &mut PgConnection,
        source: &Source,
        width: Width,
        before: &Before,
    ) -> sqlx::Result<Vec<Row>> {
        let sql = match &source.rows {
            Rows::Owners { owner, .. } => {
                include_str!("../../sql/usage/owners_before.sql").replace("{owner}", owner.column())
            }
            Rows::Channels { label, .. } => {
                include_str!("../../sql/usage/channels_before.sql").replace("{label}", label.expression())
            }
        };
        let sql = sql.replace("{rollup}", &source.rollup(width)).replace("{day}", width.day());
        let query = sqlx::query_as(AssertSqlSafe(sql))
            .bind(self.metric_ids)
            .bind(before.until)
            .bind(before.first_day)
            .bind(MAX_POINTS as i64 + 1);
        let query = match &source.rows {
            Rows::Owners { ids, labels, .. } => query.bind(ids).bind(labels),
            Rows::Channels { filter, .. } => query.bind(&filter.customers).bind(filter.group).bind(&filter.devices),
        };
        query.fetch_all(db).await
    }
}

impl Source {
    /// The rollup of a width that has its rows.
    pub(super) fn rollup(&self, width: Width) -> String {
        let subject = match &self.rows {
            Rows::Owners { owner, .. } => owner.word(),
            Rows::Channels { .. } => "channel",
        };
        format!("{subject}_{}", width.word())
    }
}
