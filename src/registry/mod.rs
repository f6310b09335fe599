//! The registry: who meters what for whom. One file per resource: routes, wire types, handlers.

pub mod providers;

use axum::Json;
use axum::http::StatusCode;
use sqlx::PgConnection;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::http::problem::{Problem, Result};

/// What an upsert left behind, and whether it was new.
#[derive(Debug, sqlx::FromRow)]
pub struct Put<T> {
    pub created: bool,
    #[sqlx(flatten)]
    pub entity: T,
}

impl<T> Put<T> {
    /// 201 for a new entity, 200 for one that was there.
    pub fn answer(self) -> (StatusCode, Json<T>) {
        (if self.created { StatusCode::CREATED } else { StatusCode::OK }, Json(self.entity))
    }
}

/// A name for people: 1 to 256 characters.
pub fn check_name(name: &str) -> Result<()> {
    if (1..=256).contains(&name.chars().count()) { Ok(()) } else { Err(Problem::field("/name", "1 to 256 characters")) }
}

/// A time zone that both Meterbase and PostgreSQL can know: an IANA name.
pub fn check_time_zone(name: &str) -> Result<chrono_tz::Tz> {
    name.parse()
        .map_err(|_| Problem::field("/time_zone", format!("{name:?} is not an IANA time zone such as Europe/Paris")))
}

/// Key space of the per-provider advisory locks: "MTRB" in ASCII.
const PROVIDER_LOCK: i32 = 0x4d54_5242;

/// Holds off all ingest of a provider, and all other such changes, until the transaction ends. Taken before anything
/// changes that decides how readings are stamped: assignments, parents, time zones, metrics.
pub async fn lock_stamping(db: &mut PgConnection, provider_id: i32) -> sqlx::Result<()> {
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(PROVIDER_LOCK).bind(provider_id);
    lock.execute(db).await.map(drop)
}

/// Keeps what readings are stamped with as it is until the transaction ends; many can hold it at once.
/// Also gives the transaction its number at once, from which readers tell that it is under way.
pub async fn keep_stamping(db: &mut PgConnection, provider_id: i32) -> sqlx::Result<()> {
    let lock = sqlx::query("SELECT pg_current_xact_id()::text, pg_advisory_xact_lock_shared($1, $2)")
        .bind(PROVIDER_LOCK)
        .bind(provider_id);
    lock.execute(db).await.map(drop)
}

/// All resources' routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(providers::routes())
}
