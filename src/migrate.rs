//! Brings a database to this version's schema: migrations once, in order, then all that is redefinable.
//!
//! refinery takes no lock, so the whole runs under an advisory lock: servers that start together wait for each other.

use refinery_core::traits::r#async::{AsyncQuery, AsyncTransaction};
use refinery_core::{AsyncMigrate, Migration, Target};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::database::{Edition, SCHEMA_LOCK};
use crate::{analytics, rollup};

mod embedded {
    refinery::embed_migrations!("migrations");
}

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("migration failed: {0}")]
    Migration(#[from] refinery_core::Error),
    #[error("{0}")]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Rollups(#[from] rollup::ApplyError),
    #[error(
        "the database has schema version {found}, this Meterbase knows {known}; use a Meterbase at least as new as the one that wrote it"
    )]
    TooNew { found: i32, known: i32 },
}

/// Version of the schema that this build brings.
pub fn known_version() -> i32 {
    embedded::migrations::runner().get_migrations().iter().map(Migration::version).max().unwrap_or(0)
}

/// Version of the schema in the database; none before the first migration.
pub async fn applied_version(db: &mut PgConnection) -> sqlx::Result<Option<i32>> {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('public.refinery_schema_history') IS NOT NULL")
        .fetch_one(&mut *db)
        .await?;
    if !there {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM refinery_schema_history").fetch_one(db).await
}

/// Applies what is missing, then the views, functions and rollups. Running it again changes nothing.
pub async fn run(db: &mut PgConnection, edition: Edition) -> Result<(), MigrateError> {
    run_to(db, edition, Target::Latest).await
}

/// Like [`run`]; stops at a version, and then leaves out what is redefinable: tests look at each version's own data.
pub async fn run_to(db: &mut PgConnection, edition: Edition, target: Target) -> Result<(), MigrateError> {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(SCHEMA_LOCK).execute(&mut *db).await?;
    let done = locked(db, edition, target).await;
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(SCHEMA_LOCK).execute(&mut *db).await?;
    done
}

async fn locked(db: &mut PgConnection, edition: Edition, target: Target) -> Result<(), MigrateError> {
    let (found, known) = (applied_version(db).await?.unwrap_or(0), known_version());
    if found > known {
        return Err(MigrateError::TooNew { found, known });
    }
    embedded::migrations::runner().set_target(target).run_async(&mut Driver(db)).await?;
    if matches!(target, Target::Latest) {
        db.execute(include_str!("../sql/schema/functions.sql")).await?;
        rollup::apply(db, edition).await?;
        db.execute(include_str!("../sql/schema/views.sql")).await?;
        analytics::apply(db).await?;
    }
    Ok(())
}

/// refinery's view of a connection of sqlx: one driver for everything.
struct Driver<'a>(&'a mut PgConnection);

impl AsyncTransaction for Driver<'_> {
    type Error = sqlx::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, queries: T) -> sqlx::Result<usize> {
        let mut transaction = self.0.begin().await?;
        let mut count = 0;
        for query in queries {
            transaction.execute(AssertSqlSafe(query)).await?;
            count += 1;
        }
        transaction.commit().await?;
        Ok(count)
    }
}

impl AsyncQuery<Vec<Migration>> for Driver<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> sqlx::Result<Vec<Migration>> {
        let rows = self.0.fetch_all(AssertSqlSafe(query)).await?;
        rows.iter().map(applied).collect()
    }
}

impl AsyncMigrate for Driver<'_> {}

/// A row of refinery's history: version, name, time of application as RFC 3339, checksum.
fn applied(row: &sqlx::postgres::PgRow) -> sqlx::Result<Migration> {
    let damaged = |what: &str| sqlx::Error::Decode(format!("refinery_schema_history has a damaged {what}").into());
    let applied_on = OffsetDateTime::parse(row.try_get(2)?, &Rfc3339).map_err(|_| damaged("applied_on"))?;
    let checksum = row.try_get::<&str, _>(3)?.parse().map_err(|_| damaged("checksum"))?;
    Ok(Migration::applied(row.try_get(0)?, row.try_get(1)?, applied_on, checksum))
}
