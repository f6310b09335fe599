//! `POST /v1/quarantine/replay` and `DELETE /v1/quarantine`: readings tried again, or given up.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::core::cursor::Cursor;
use crate::core::reading::Code;
use crate::http::access::Writer;
use crate::http::extract::Query;
use crate::http::problem::Result;
use crate::ingest::quarantine::filter::{Asked, CursorParameter, Filter, FilterParameters};
use crate::ingest::quarantine::left::{self, LeftByKey};
use crate::ingest::quarantine::replay::Replayed;
use crate::ingest::verdict::Status;
use crate::registry::audit::{self, Action};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(replay)).routes(routes!(delete))
}

/// Most readings that one request tries again, or a few thousand more.
const MOST_TRIED: u64 = 50_000;

/// What became of readings that were tried again. The five numbers add up to `tried`.
#[derive(Debug, Serialize, ToSchema)]
struct ReplayAnswer {
    /// Readings that were tried.
    #[schema(example = 480)]
    tried: u64,
    /// Stored, and out of quarantine.
    #[schema(example = 475)]
    stored: u64,
    /// Stored before with the same value, and out of quarantine.
    #[schema(example = 2)]
    duplicates: u64,
    /// Stored before with another value, which stands; they stay.
    #[schema(example = 1)]
    conflicts: u64,
    /// Still without device, metric or owner; they stay.
    #[schema(example = 1)]
    quarantined: u64,
    /// Not storable as they are; they stay, with the reason.
    #[schema(example = 1)]
    rejected: u64,
    /// Readings of this device, metric and range that are in quarantine now, for whatever reason.
    #[schema(example = 3)]
    waiting: i64,
    /// To go on with: `cursor` of the next request; null when all were tried.
    #[schema(required, example = json!(null))]
    next: Option<String>,
}

/// What was deleted.
#[derive(Debug, Serialize, ToSchema)]
struct DeleteAnswer {
    /// Number of readings.
    #[schema(example = 480)]
    deleted: i64,
}

/// Try readings in quarantine again
///
/// The server does so by itself when a device or metric is registered or a device gets an owner. This is for readings that
/// something else has cured: a metric that is no longer strict, say. Each leaves in the transaction that stores it, so this
/// can be broken off and repeated; the audit keeps what was asked for and what became of it (`quarantine.replay`). At most about 50,000 readings are tried; `next` goes on from there.
#[utoipa::path(post, path = "/v1/quarantine/replay", tag = "Readings", 
    params(FilterParameters, CursorParameter),
    responses((status = 200, description = "What became of them", body = ReplayAnswer)))]
async fn replay(
    State(app): State<App>,
    Writer(tenant): Writer,
    Query(query): Query<Asked>,
) -> Result<Json<ReplayAnswer>> {
    let mut next = Some(query.window()?.1);
    let filter = query.filter(&tenant)?;
    let mut replayed = Replayed::default();
    while let Some(behind) = next.filter(|_| replayed.tried() < MOST_TRIED) {
        let batch;
        (batch, next) = app.ingest.replayer().matching(&tenant, &filter, behind).await?;
        batch.count();
        replayed.add(&batch);
    }
    let waiting = sqlx::query_scalar(include_str!("../../../sql/quarantine/waiting.sql"))
        .bind(tenant.provider_id())
        .bind(&filter.device)
        .bind(&filter.metric)
        .bind(filter.from)
        .bind(filter.to)
        .fetch_one(&app.query)
        .await?;
    Ok(Json(ReplayAnswer {
        tried: replayed.tried(),
        stored: replayed.of(Status::Stored),
        duplicates: replayed.of(Status::Duplicate),
        conflicts: replayed.of(Status::Conflict),
        quarantined: replayed.of(Status::Quarantined),
        rejected: replayed.of(Status::Rejected),
        waiting,
        next: next.map(|behind| Cursor::behind(behind.to_string()).to_string()),
    }))
}

/// Delete readings in quarantine
///
/// Those that the parameters name; without any, all of the provider's. They are gone for good; the audit keeps what was
/// asked for and how many it were (`quarantine.delete`).
#[utoipa::path(delete, path = "/v1/quarantine", tag = "Readings", params(FilterParameters),
    responses((status = 200, description = "Deleted", body = DeleteAnswer)))]
async fn delete(
    State(app): State<App>,
    Writer(tenant): Writer,
    Query(query): Query<Asked>,
) -> Result<Json<DeleteAnswer>> {
    let filter = query.filter(&tenant)?;
    let mut db = app.query.begin().await?;
    let gone: Vec<(i32, Option<i32>, i64)> = sqlx::query_as(include_str!("../../../sql/quarantine/delete.sql"))
        .bind(tenant.provider_id())
        .bind(filter.code.map(Code::as_str))
        .bind(&filter.device)
        .bind(&filter.metric)
        .bind(filter.from)
        .bind(filter.to)
        .fetch_all(&mut *db)
        .await?;
    let mut left = LeftByKey::new();
    for (provider_id, key_id, deleted) in gone {
        left.entry((provider_id, key_id.unwrap_or(0))).or_default().deleted += deleted;
    }
    let deleted = left.values().map(|left| left.deleted).sum();
    if deleted > 0 {
        left::count(&mut db, &left).await?;
        let entry = audit::Entry { entity: "quarantine", before: Some(before(&filter, deleted)), after: None };
        audit::write(&mut db, &tenant.by, Action::QuarantineDelete, &[entry]).await?;
    }
    db.commit().await?;
    Ok(Json(DeleteAnswer { deleted }))
}

/// What was asked for and how many it were.
fn before(filter: &Filter, deleted: i64) -> serde_json::Value {
    let mut before = filter.shown();
    before.insert("readings".to_owned(), deleted.into());
    before.into()
}
