//! What a billing time zone is fixed by: readings are stored under its calendar days.

use sqlx::PgConnection;

use crate::http::problem::{Code, Problem, Result};

/// Refuses to go on when readings are stored under the days of a time zone that has just been changed: those of a
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
            format!("customer {key} has readings, whose billing days are those of its time zone until now"),
        )),
    }
}
