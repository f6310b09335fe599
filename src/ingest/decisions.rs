//! `POST /v1/reviews/{id}/accept` and `/dismiss`: what a reading under review adds.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::decimal::{self, BadDecimal};
use crate::core::reading::register::LIMIT;
use crate::http::access::{Tenant, Writer};
use crate::http::extract::{BodyOrNone, NoParameters, Query};
use crate::http::problem::{Code, Problem, ProblemBody, Result};
use crate::ingest::registers::{self, Part};
use crate::ingest::reviews::{self, Review, ReviewState, Row};
use crate::registry::audit::{self, Action};
use crate::registry::metrics::DecimalText;
use crate::registry::{check_text, keep_stamping};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(accept)).routes(routes!(dismiss))
}

/// How a reading is accepted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// What it adds, exact at the metric's scale; may be negative. The review's `increment` when left out. A number or a
    /// string.
    #[schema(value_type = Option<String>, example = "42.000")]
    increment: Option<DecimalText>,
    /// For people, 1 to 1,024 characters.
    #[schema(example = "Read by a technician", min_length = 1, max_length = 1024)]
    note: Option<String>,
}

/// How a reading is dismissed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dismissal {
    /// For people, 1 to 1,024 characters.
    #[schema(example = "Transmission error", min_length = 1, max_length = 1024)]
    note: Option<String>,
}

/// Accept a reading
///
/// It is right: it adds the review's `increment`, or what the body says, to the figures of its own time, and the readings
/// after it go on from it. The body may be empty. A decision can be changed by deciding again; the audit keeps each
/// (`review.accept`).
#[utoipa::path(post, path = "/v1/reviews/{id}/accept", tag = "Readings",
    params(("id" = uuid::Uuid, Path, description = "Id of the review")),
    request_body = Option<Acceptance>,
    responses(
        (status = 200, description = "Accepted", body = Review),
        (status = 409, description = "`not_under_review`: it is withdrawn, or repeats the reading before. `readings_dropped`: the reading is not kept any more",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn accept(
    State(app): State<App>,
    Writer(tenant): Writer,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
    BodyOrNone(body): BodyOrNone<Acceptance>,
) -> Result<Json<Review>> {
    let decision = Decision::Accept(body.increment);
    decide(&app, &tenant, &id, decision, body.note).await.map(Json)
}

/// Dismiss a reading
///
/// It adds nothing. Whether it was a slip or the register went on from it is for the readings after it to say. The body may
/// be empty. A decision can be changed by deciding again; the audit keeps each (`review.dismiss`).
#[utoipa::path(post, path = "/v1/reviews/{id}/dismiss", tag = "Readings",
    params(("id" = uuid::Uuid, Path, description = "Id of the review")),
    request_body = Option<Dismissal>,
    responses(
        (status = 200, description = "Dismissed", body = Review),
        (status = 409, description = "`not_under_review`: it is withdrawn, or repeats the reading before. `readings_dropped`: the reading is not kept any more",
            body = ProblemBody, content_type = "application/problem+json")))]
async fn dismiss(
    State(app): State<App>,
    Writer(tenant): Writer,
    Path(id): Path<String>,
    Query(NoParameters {}): Query<NoParameters>,
    BodyOrNone(body): BodyOrNone<Dismissal>,
) -> Result<Json<Review>> {
    decide(&app, &tenant, &id, Decision::Dismiss, body.note).await.map(Json)
}

enum Decision {
    /// With what it adds, where that was said.
    Accept(Option<DecimalText>),
    Dismiss,
}

impl Decision {
    /// As the database and the audit name it, and what it adds, scaled.
    fn parts(self, scale: i16) -> Result<(&'static str, Action, Option<i64>)> {
        match self {
            Self::Dismiss => Ok(("dismissed", Action::ReviewDismiss, None)),
            Self::Accept(increment) => {
                let increment = increment.map(|text| scaled(&text, scale)).transpose()?;
                Ok(("accepted", Action::ReviewAccept, increment))
            }
        }
    }
}

/// The scaled integer of what a reading is to add.
fn scaled(text: &DecimalText, scale: i16) -> Result<i64> {
    // The metric's check keeps the scale within 0 to 9.
    match decimal::parse(text.as_str(), scale as u8, true) {
        Ok(units) if units.unsigned_abs() < LIMIT.unsigned_abs() => Ok(units),
        Ok(_) => Err(Problem::field("/increment", "too large")),
        Err(BadDecimal::TooManyDecimals) => {
            Err(Problem::field("/increment", format!("more than the metric's {scale} decimals")))
        }
        Err(why) => Err(Problem::field("/increment", why.to_string())),
    }
}

async fn decide(app: &App, tenant: &Tenant, id: &str, decision: Decision, note: Option<String>) -> Result<Review> {
    note.as_deref().map(|note| check_text("/note", note, 1..=1024)).transpose()?;
    let mut db = app.query.begin().await?;
    keep_stamping(&mut db, tenant.provider_id()).await?;
    let channel_id = reviews::find(&mut db, tenant, id).await?.channel_id;
    registers::lock(&mut db, &[channel_id]).await?;
    // Again, for it may have changed before the channel was locked.
    let row = reviews::find(&mut db, tenant, id).await?;
    let (decision, action, increment) = decision.parts(row.scale)?;
    can_be_decided(&row)?;
    let done = sqlx::query(include_str!("../../sql/registers/decide.sql"))
        .bind(row.review_id)
        .bind(decision)
        .bind(increment)
        .bind(note)
        .bind(tenant.by.key_id)
        .bind(row.channel_id)
        .bind(row.at)
        .bind(row.event_key)
        .execute(&mut *db)
        .await?;
    if done.rows_affected() == 0 {
        return Err(Problem::new(Code::ReadingsDropped, "the reading is not kept any more"));
    }
    let place = (row.at, row.event_key);
    registers::refold(&mut db, &[Part { channel_id, first: place, last: place }]).await?;
    let before = audit::shown(&Review::from(row))?;
    let review = Review::from(reviews::find(&mut db, tenant, id).await?);
    let entry = audit::Entry { entity: id, before: Some(before), after: Some(audit::shown(&review)?) };
    audit::write(&mut db, &tenant.by, action, &[entry]).await?;
    db.commit().await?;
    Ok(review)
}

fn can_be_decided(row: &Row) -> Result<()> {
    let why = match row.state {
        ReviewState::Open | ReviewState::Accepted | ReviewState::Dismissed | ReviewState::Explained => return Ok(()),
        ReviewState::Withdrawn => "other readings showed meanwhile that there is nothing to decide",
        ReviewState::Repeated => "it repeats the reading before, which the decision is about",
    };
    Err(Problem::new(Code::NotUnderReview, why))
}
