//! Billing calendars as the registry has them, and what keeps them from being replaced: readings are stored under their
//! days.

use chrono::NaiveDate;
use chrono_tz::Tz;
use sqlx::PgConnection;

use crate::core::calendar::Calendar;
use crate::http::problem::{Code, Problem, Result};
use crate::registry::time_zones::stretches;

/// A customer's billing calendar.
pub async fn of(db: &mut PgConnection, customer_id: i32) -> Result<Calendar> {
    let stretches = stretches(db, customer_id).await?;
    let first = stretches.iter().find(|stretch| stretch.from.is_none());
    let first = first.ok_or_else(|| Problem::internal(format!("customer {customer_id} has no time zone")))?;
    let mut calendar = Calendar::new(zone(&first.time_zone)?);
    for stretch in &stretches {
        if let Some(from) = stretch.from {
            calendar = calendar.then(from, zone(&stretch.time_zone)?);
        }
    }
    Ok(calendar)
}

/// What a customer says itself of its billing calendar.
#[derive(Debug, sqlx::FromRow)]
pub struct Said {
    /// Before its first change; none for what is above it.
    time_zone: Option<String>,
    /// The days from which on it has another time zone, in order, and these.
    from_days: Vec<NaiveDate>,
    time_zones: Vec<String>,
}

impl Said {
    /// Its calendar, where it is not simply the one above it.
    pub fn calendar(&self, above: &Calendar) -> Result<Option<Calendar>> {
        if self.time_zone.is_none() && self.from_days.is_empty() {
            return Ok(None);
        }
        let mut calendar = match &self.time_zone {
            Some(own) => Calendar::new(zone(own)?),
            None => above.clone(),
        };
        for (day, name) in self.from_days.iter().zip(&self.time_zones) {
            calendar = calendar.then(*day, zone(name)?);
        }
        Ok(Some(calendar))
    }
}

/// A time zone that the database has.
pub fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| Problem::internal(format!("the time zone {name} in the database is not known here")))
}

/// Refuses to go on when readings are stored under the days of a calendar that has just been replaced: those of a
/// customer and all below it that inherit from it, or (without a customer) those of all that inherit the provider's.
/// The caller holds [`lock_stamping`](crate::registry::lock_stamping) and rolls back.
pub async fn check_unbilled(db: &mut PgConnection, provider_id: i32, customer_id: Option<i32>) -> Result<()> {
    let billed: Option<String> = sqlx::query_scalar(include_str!("../../sql/registry/time_zones/billed_below.sql"))
        .bind(provider_id)
        .bind(customer_id)
        .fetch_optional(db)
        .await?;
    match billed {
        None => Ok(()),
        Some(key) => Err(Problem::new(
            Code::TimeZoneInUse,
            format!(
                "customer {key} has readings, whose billing days are those of its time zone until now; \
                 POST /v1/customers/{{key}}/time-zone changes a customer's time zone from a day on"
            ),
        )),
    }
}
