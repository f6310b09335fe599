//! `GET /v1/accounting`: what was received from whom, by day, and what became of it.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::core::instant;
use crate::http::access::Overseer;
use crate::http::extract::{Query, in_order};
use crate::http::page::{Page, Window};
use crate::http::problem::{Problem, Result};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Readings received, and what became of them: `received` is the sum of the five after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, sqlx::FromRow, ToSchema)]
pub struct Counts {
    /// Readings received.
    #[schema(example = 4800)]
    pub received: i64,
    /// New, and committed.
    #[schema(example = 4700)]
    pub stored: i64,
    /// There already with the same value.
    #[schema(example = 48)]
    pub duplicates: i64,
    /// There already with another value.
    #[schema(example = 1)]
    pub conflicts: i64,
    /// Put into quarantine, or in it already.
    #[schema(example = 50)]
    pub quarantined: i64,
    /// Not kept.
    #[schema(example = 1)]
    pub rejected: i64,
}

/// What was received from an API key on a day, and what became of it: `received` is the sum of the five after it.
#[derive(Debug, Serialize, ToSchema)]
struct Account {
    /// A day in UTC.
    #[schema(example = "2026-11-01")]
    day: NaiveDate,
    /// Id of the API key; null for readings in quarantine of which it is not known, and where keys are not told apart.
    #[schema(required)]
    key_id: Option<Uuid>,
    /// Name of that key; null for none.
    #[schema(required, example = "gateway-7")]
    key_name: Option<String>,
    /// Requests whose readings these are.
    #[schema(example = 96)]
    requests: i64,
    #[serde(flatten)]
    counts: Counts,
    quarantine: Movements,
}

/// What came into quarantine and left it on that day, of what the key sent that day or before. Over all days, `kept` less the
/// four others is what is in quarantine.
#[derive(Debug, Serialize, sqlx::FromRow, ToSchema)]
struct Movements {
    /// Of the `quarantined`, those that were not in quarantine already.
    #[schema(example = 48)]
    kept: i64,
    /// Left as stored readings.
    #[schema(example = 40)]
    #[sqlx(rename = "replayed_stored")]
    stored: i64,
    /// Left because they were stored meanwhile with the same value.
    #[schema(example = 2)]
    #[sqlx(rename = "replayed_duplicates")]
    duplicates: i64,
    /// Left because they had been there too long.
    #[schema(example = 0)]
    expired: i64,
    /// Left because somebody deleted them.
    #[schema(example = 6)]
    deleted: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    day: NaiveDate,
    key_number: i32,
    key_id: Option<Uuid>,
    key_name: Option<String>,
    requests: i64,
    #[sqlx(flatten)]
    counts: Counts,
    #[sqlx(flatten)]
    quarantine: Movements,
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        Self {
            day: row.day,
            key_id: row.key_id,
            key_name: row.key_name,
            requests: row.requests,
            counts: row.counts,
            quarantine: row.quarantine,
        }
    }
}

/// Day and number of the key: the order of the list.
fn position(text: &str) -> Option<(NaiveDate, i32)> {
    let (day, key) = text.split_once(' ')?;
    Some((day.parse().ok()?, key.parse().ok()?))
}

/// What accounts are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    Day,
    Key,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListParameters {
    /// First day, in UTC.
    #[param(example = "2026-11-01")]
    from: Option<String>,
    /// Day before which the range ends.
    #[param(example = "2026-12-01")]
    to: Option<String>,
    /// Only what this API key sent, named by its id.
    key: Option<Uuid>,
    /// `day` for one account a day, of all keys together; `key`, which is usual, for one of each key.
    #[param(inline)]
    by: Option<By>,
    /// Items of the page, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// What was received, and what became of it
///
/// By UTC day and API key, counted in the transactions that stored the readings: `received` is always `stored` +
/// `duplicates` + `conflicts` + `quarantined` + `rejected`, the verdicts that were answered. Requests that were refused as a
/// whole are not in it. What becomes of readings in quarantine later is counted on the day on which it does, under
/// `quarantine`, and changes none of these. SQL finds the same in the view `accounting_daily`.
#[utoipa::path(get, path = "/v1/accounting", tag = "Readings", params(ListParameters),
    responses((status = 200, description = "A page of accounts, by day", body = Page<Account>)))]
async fn list(
    State(app): State<App>,
    Overseer(tenant): Overseer,
    uri: Uri,
    Query(query): Query<ListParameters>,
) -> Result<Response> {
    let window = Window::new(query.limit.as_deref(), query.cursor.as_deref())?;
    let (day, key) = window.behind(position)?.unwrap_or((NaiveDate::default(), -1));
    let from = query.from.as_deref().map(|text| date("from", text)).transpose()?;
    let to = query.to.as_deref().map(|text| date("to", text)).transpose()?;
    in_order(from, to)?;
    let rows: Vec<Row> = tenant
        .query_as(include_str!("../../sql/accounting/list.sql"))
        .bind(from)
        .bind(to)
        .bind(query.key)
        .bind(day)
        .bind(key)
        .bind(window.rows())
        .bind(query.by == Some(By::Day))
        .fetch_all(&app.query)
        .await?;
    let Page { items, next } = window.page(rows, |row| format!("{} {}", row.day, row.key_number));
    Ok(Page { items: items.into_iter().map(Account::from).collect(), next }.respond(&uri))
}

fn date(name: &str, text: &str) -> Result<NaiveDate> {
    let day = text.parse().ok().filter(|day: &NaiveDate| instant::YEARS.contains(&day.year()));
    day.ok_or_else(|| Problem::parameter(name, format!("{text:?}: not a day such as 2026-11-01")))
}
