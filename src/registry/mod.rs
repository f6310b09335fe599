//! The registry: who meters what for whom. One file per resource: routes, wire types, handlers.

pub mod audit;
pub mod calendars;
pub mod customers;
pub mod device_batch;
pub mod device_set;
pub mod devices;
pub mod fixed;
pub mod groups;
pub mod lookup;
pub mod metrics;
pub mod moves;
pub mod ownership;
pub mod providers;
pub mod time_zones;
pub mod trees;

use std::ops::RangeInclusive;

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
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
        (put_status(self.created), Json(self.entity))
    }
}

/// 201 for a new entity, 200 for one that was there.
pub fn put_status(created: bool) -> StatusCode {
    if created { StatusCode::CREATED } else { StatusCode::OK }
}

/// A name for people: 1 to 256 characters.
pub fn check_name(name: &str) -> Result<()> {
    check_text("/name", name, 1..=256)
}

/// The kind of a group or device: 1 to 64 characters.
pub fn check_kind(kind: &str) -> Result<()> {
    check_text("/kind", kind, 1..=64)
}

/// A text of so many characters, none of which is a control character (the database could not even store a NUL).
pub fn check_text(pointer: &str, text: &str, length: RangeInclusive<usize>) -> Result<()> {
    if !length.contains(&text.chars().count()) {
        Err(Problem::field(pointer, format!("{} to {} characters", length.start(), length.end())))
    } else if text.contains(char::is_control) {
        Err(Problem::field(pointer, "a control character"))
    } else {
        Ok(())
    }
}

/// The pattern for LIKE that finds a text anywhere, whatever characters it has.
fn like_anywhere(text: &str) -> String {
    let escaped: String =
        text.chars().flat_map(|c| ['%', '_', '\\'].contains(&c).then_some('\\').into_iter().chain([c])).collect();
    format!("%{escaped}%")
}

/// A time zone that both Meterbase and PostgreSQL can know: an IANA name.
pub fn check_time_zone(name: &str) -> Result<chrono_tz::Tz> {
    name.parse()
        .map_err(|_| Problem::field("/time_zone", format!("{name:?} is not an IANA time zone such as Europe/Paris")))
}

/// Key space of the per-provider advisory locks: "MTRB" in ASCII. The SQL function `keep_stamping` takes them shared.
const PROVIDER_LOCK: i32 = 0x4d54_5242;

/// Holds off all ingest of a provider, and all other such changes, until the transaction ends. Taken before anything
/// changes that decides how readings are stamped: assignments, parents, time zones, metrics.
pub async fn lock_stamping(db: &mut PgConnection, provider_id: i32) -> sqlx::Result<()> {
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(PROVIDER_LOCK).bind(provider_id);
    lock.execute(db).await.map(drop)
}

/// The instant of a change, for a transaction that has the lock: no earlier one can come after it.
pub async fn moment(db: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(db).await
}

/// Keeps what readings are stamped with as it is until the transaction ends; many can hold it at once.
pub async fn keep_stamping(db: &mut PgConnection, provider_id: i32) -> sqlx::Result<()> {
    let kept = sqlx::query(include_str!("../../sql/ingest/keep_stamping.sql")).bind(vec![provider_id]).bind(true);
    kept.execute(db).await.map(drop)
}

/// All resources' routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(providers::routes())
        .merge(customers::routes())
        .merge(time_zones::routes())
        .merge(trees::routes())
        .merge(groups::routes())
        .merge(devices::routes())
        .merge(device_batch::routes())
        .merge(moves::routes())
        .merge(metrics::routes())
        .merge(audit::routes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_wildcards_literally() {
        assert_eq!(like_anywhere("50%_\\a"), "%50\\%\\_\\\\a%");
    }
}
