//! `/v1/customers/{key}/time-zone`: in which time zone a customer is billed since when.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::entity::Ref;
use crate::core::instant;
use crate::database::SNAPSHOT;
use crate::http::access::{Reader, Tenant, Writer};
use crate::http::extract::{Body, NoParameters, PathRef, Query};
use crate::http::problem::{Problem, ProblemBody, Result};
use crate::registry::audit::{self, Action};
use crate::registry::{calendars, check_time_zone, fixed, lock_stamping};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get, post))
}

/// Another billing time zone from a day on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostTimeZone {
    /// IANA time zone.
    #[schema(example = "America/New_York")]
    time_zone: String,
    /// The first billing day in it: past, today or to come.
    #[schema(value_type = NaiveDate, example = "2026-12-01")]
    from: String,
}

/// A customer's billing time zones.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimeZones {
    /// Key of the customer.
    #[schema(example = "acme")]
    customer: String,
    /// What was said of the customer itself, oldest first; for the days before the first of them it inherits.
    own: Vec<OwnTimeZone>,
    /// The time zones that hold, inherited ones included, oldest first.
    calendar: Vec<Stretch>,
}

/// A time zone of the customer's own.
#[derive(Debug, PartialEq, Eq, Serialize, sqlx::FromRow, ToSchema)]
pub struct OwnTimeZone {
    /// The first billing day in it; null when there was none before.
    #[schema(required, example = "2026-12-01")]
    pub from: Option<NaiveDate>,
    #[schema(example = "America/New_York")]
    time_zone: String,
}

/// Billing days of one time zone.
#[derive(Debug, PartialEq, Eq, Serialize, sqlx::FromRow, ToSchema)]
pub struct Stretch {
    /// The first of them; null when there was no other time zone before.
    #[schema(required, example = "2026-12-01")]
    pub from: Option<NaiveDate>,
    /// The instant at which that day starts: midnight in the time zone before. Null when there was none.
    #[schema(required, example = "2026-11-30T23:00:00Z")]
    start: Option<DateTime<Utc>>,
    #[schema(example = "America/New_York")]
    pub time_zone: String,
}

/// What a change of time zone did.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimeZoneAnswer {
    #[serde(flatten)]
    time_zones: TimeZones,
    /// Number of readings that are on another billing day now; rollups follow them.
    #[schema(example = 480)]
    restamped: u64,
}

/// Change a customer's time zone from a day on
///
/// Days before `from` keep their time zone. The day before ends at its midnight there; from that instant on days are
/// those of the new time zone, and `from` itself is longer or shorter by the difference. What was said before of the
/// customer's own time zone on `from` and later is dropped. Sub-customers follow as far as they inherit. Stored readings
/// get their new billing day, and all rollups follow. Asking for what holds already changes nothing.
#[utoipa::path(post, path = "/v1/customers/{key}/time-zone", operation_id = "change_time_zone", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the customer", example = "acme")),
    request_body = PostTimeZone,
    responses(
        (status = 200, description = "Changed", body = TimeZoneAnswer),
        (status = 409, description = "`readings_dropped`: `from` is before the time that readings are kept of, and there were some then",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn post(
    State(app): State<App>,
    Writer(tenant): Writer,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
    Body(body): Body<PostTimeZone>,
) -> Result<Json<TimeZoneAnswer>> {
    let zone = check_time_zone(&body.time_zone)?;
    let from = first_day(&body.from)?;
    let mut db = app.query.begin().await?;
    lock_stamping(&mut db, tenant.provider_id()).await?;
    let (customer_id, key) = find(&mut db, &tenant, &path.0).await?;
    let before = time_zones(&mut db, customer_id, &key).await?;
    sqlx::query(include_str!("../../sql/registry/time_zones/drop_later.sql"))
        .bind(customer_id)
        .bind(from)
        .bind(zone.name())
        .execute(&mut *db)
        .await?;
    sqlx::query(include_str!("../../sql/registry/time_zones/begin.sql"))
        .bind(customer_id)
        .bind(from)
        .bind(zone.name())
        .execute(&mut *db)
        .await?;
    let after = time_zones(&mut db, customer_id, &key).await?;
    let mut restamped = 0;
    if before != after {
        sqlx::query(include_str!("../../sql/registry/time_zones/touch.sql"))
            .bind(customer_id)
            .execute(&mut *db)
            .await?;
        restamped = restamp(&mut db, customer_id, from).await?;
        let (before, told) = (Some(audit::shown(&before)?), Some(audit::shown(&after)?));
        let entry = audit::Entry { entity: &key, before, after: told };
        audit::write(&mut db, &tenant.by, Action::CustomerTimeZone, &[entry]).await?;
    }
    db.commit().await?;
    Ok(Json(TimeZoneAnswer { time_zones: after, restamped }))
}

/// A customer's time zones
#[utoipa::path(get, path = "/v1/customers/{key}/time-zone", operation_id = "get_time_zone", tag = "Registry",
    params(("key" = String, Path, description = "Key or id of the customer", example = "acme")),
    responses((status = 200, description = "What was said of the customer, and what holds", body = TimeZones)))]
async fn get(
    State(app): State<App>,
    Reader(tenant): Reader,
    path: PathRef,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<Json<TimeZones>> {
    let mut db = app.query.begin_with(SNAPSHOT).await?;
    let (customer_id, key) = find(&mut db, &tenant, &path.0).await?;
    Ok(Json(time_zones(&mut db, customer_id, &key).await?))
}

fn first_day(text: &str) -> Result<NaiveDate> {
    match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(day) if instant::YEARS.contains(&day.year()) => Ok(day),
        Ok(_) => Err(Problem::field("/from", instant::BadInstant::OutOfRange.to_string())),
        Err(_) => Err(Problem::field("/from", format!("{text:?} is not a date such as 2026-12-01"))),
    }
}

async fn find(db: &mut PgConnection, tenant: &Tenant, name: &Ref) -> Result<(i32, String)> {
    let found: Option<(i32, String)> = tenant
        .seen_as(include_str!("../../sql/registry/time_zones/customer.sql"))
        .bind(name.key())
        .bind(name.id())
        .fetch_optional(db)
        .await?;
    found.ok_or_else(|| Problem::no_such("customer", name, None))
}

async fn time_zones(db: &mut PgConnection, customer_id: i32, key: &str) -> sqlx::Result<TimeZones> {
    let own = sqlx::query_as(include_str!("../../sql/registry/time_zones/own.sql"))
        .bind(customer_id)
        .fetch_all(&mut *db)
        .await?;
    let calendar = stretches(db, customer_id).await?;
    Ok(TimeZones { customer: key.to_owned(), own, calendar })
}

/// Gives the readings of a customer and of those below it that inherit from it the billing days that they have now,
/// from the start of a day on; tells how many changed.
async fn restamp(db: &mut PgConnection, customer_id: i32, from: NaiveDate) -> Result<u64> {
    let since = calendars::of(db, customer_id).await?.start_of(from);
    fixed::refuse_for_customer(db, since, customer_id).await?;
    sqlx::query(include_str!("../../sql/registry/time_zones/allow_time.sql")).execute(&mut *db).await?;
    let restamped = sqlx::query(include_str!("../../sql/registry/time_zones/restamp.sql"))
        .bind(customer_id)
        .bind(since)
        .execute(db)
        .await?;
    Ok(restamped.rows_affected())
}

/// Drops all changes of a customer's own time zone.
pub async fn forget(db: &mut PgConnection, customer_id: i32) -> sqlx::Result<()> {
    let drop = sqlx::query(include_str!("../../sql/registry/time_zones/drop_later.sql"));
    drop.bind(customer_id).bind(None::<NaiveDate>).bind(None::<&str>).execute(db).await.map(|_| ())
}

/// What holds for a customer when, inherited time zones included.
pub async fn stretches(db: &mut PgConnection, customer_id: i32) -> sqlx::Result<Vec<Stretch>> {
    let calendar = sqlx::query_as(include_str!("../../sql/registry/time_zones/calendar.sql"));
    calendar.bind(customer_id).fetch_all(db).await
}
