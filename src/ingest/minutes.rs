//! `GET /v1/accounting/minutes`: what was received in each of the last minutes, and what became of it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::forget::Kept;
use crate::http::access::Overseer;
use crate::http::extract::Query;
use crate::http::problem::{Problem, Result};
use crate::ingest::accounting::Counts;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Most minutes that are told.
const MOST: i32 = 360;

/// What is told is kept.
pub const KEPT: Kept = Kept {
    what: "minutes of hours ago",
    delete: include_str!("../../sql/accounting/forget_minutes.sql"),
    age: Duration::from_secs(MOST as u64 * 60),
    most: None,
    look: Duration::from_secs(600),
};

/// What was received in a minute, and what became of it: `received` is the sum of the five after it.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
struct Minute {
    /// When it began.
    #[schema(example = "2026-11-01T12:34:00Z")]
    minute: DateTime<Utc>,
    #[serde(flatten)]
    #[sqlx(flatten)]
    counts: Counts,
}

/// The last minutes, in their order. The last of them is not over.
#[derive(Debug, Serialize, ToSchema)]
struct Minutes {
    items: Vec<Minute>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// How many minutes, 1 to 360.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 360, default = 60)]
    minutes: Option<String>,
}

/// What was received in the last minutes
///
/// Of all keys together, counted in the transactions that stored the readings, as `/v1/accounting` is. Minutes in which nothing
/// was received are there too, with zeros; the last one is not over. `/v1/events` tells what comes in as it does.
#[utoipa::path(get, path = "/v1/accounting/minutes", tag = "Readings", params(ListParameters),
    responses((status = 200, description = "The minutes, the last one at the end", body = Minutes)))]
async fn list(
    State(app): State<App>,
    Overseer(tenant): Overseer,
    Query(query): Query<ListParameters>,
) -> Result<Json<Minutes>> {
    let minutes = query.minutes.as_deref().map_or(Ok(60), number)?;
    let items =
        tenant.query_as(include_str!("../../sql/accounting/minutes.sql")).bind(minutes).fetch_all(&app.query).await?;
    Ok(Json(Minutes { items }))
}

fn number(text: &str) -> Result<i32> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| Problem::parameter("minutes", format!("{text:?}: not a number from 1 to {MOST}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_a_number_within_what_is_kept() {
        assert_eq!((number("1"), number("360")), (Ok(1), Ok(360)));
        for wrong in ["0", "361", "-1", "1.5", "", "x", "99999999999"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }
}
