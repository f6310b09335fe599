//! How far the rollups are.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};

use super::definition::ROLLUPS;
use super::leader;
use super::rebuild::Rebuild;
use crate::database::Edition;

/// Everything about the rollups of a database.
#[derive(Debug, Serialize)]
pub struct Status {
    /// `apache` or `community`.
    pub edition: String,
    pub pending: Pending,
    /// Who changes rollups right now; none where nobody does.
    pub refresher: Option<Refresher>,
    /// Rebuilds that are not done.
    pub rebuilds: Vec<Rebuild>,
    pub last_verification: Option<Verification>,
    /// Readings first, then each rollup after its source.
    pub relations: Vec<Relation>,
}

/// Changes that are still to be followed.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub struct Pending {
    pub changes: i64,
    pub hours: i64,
    pub since: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub struct Refresher {
    pub pid: i32,
    pub application: String,
    pub since: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize, sqlx::FromRow)]
pub struct Verification {
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    pub scope: String,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    pub compared: i64,
    pub differences: i64,
    pub left_out: i64,
}

/// `reading`, or a rollup.
#[derive(Debug, Serialize)]
pub struct Relation {
    pub name: String,
    /// Start of the oldest bucket that has a row, or the oldest reading.
    pub oldest: Option<DateTime<Utc>>,
    /// The same of the newest.
    pub newest: Option<DateTime<Utc>>,
    pub chunks: usize,
    pub compressed_chunks: i64,
    pub bytes: i64,
    /// From when on it is kept; none while nothing was dropped.
    pub kept_from: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Found {
    name: String,
    place: Option<String>,
    starts: Vec<DateTime<Utc>>,
    ends: Vec<DateTime<Utc>>,
    compressed: i64,
    bytes: i64,
    kept_from: Option<DateTime<Utc>>,
}

impl Status {
    pub async fn read(db: &mut PgConnection, edition: Edition) -> sqlx::Result<Self> {
        let names: Vec<_> = ["reading"].into_iter().chain(ROLLUPS.iter().map(|rollup| rollup.name.as_str())).collect();
        let found: Vec<Found> =
            sqlx::query_as(include_str!("../../sql/rollups/status.sql")).bind(names).fetch_all(&mut *db).await?;
        let mut relations = Vec::with_capacity(found.len());
        for found in found {
            relations.push(found.relation(db).await?);
        }
        Ok(Self {
            edition: edition.to_string().to_lowercase(),
            pending: pending(db).await?,
            refresher: sqlx::query_as(include_str!("../../sql/rollups/refresher.sql"))
                .bind(leader::LOCK)
                .fetch_optional(&mut *db)
                .await?,
            rebuilds: Rebuild::unfinished(db).await?,
            last_verification: sqlx::query_as(include_str!("../../sql/rollups/last_verification.sql"))
                .fetch_optional(db)
                .await?,
            relations,
        })
    }
}

/// What is still to be followed.
pub async fn pending(db: &mut PgConnection) -> sqlx::Result<Pending> {
    sqlx::query_as(include_str!("../../sql/rollups/pending.sql")).fetch_one(db).await
}

impl Found {
    async fn relation(self, db: &mut PgConnection) -> sqlx::Result<Relation> {
        let ranges: Vec<_> = self.starts.iter().copied().zip(self.ends.iter().copied()).collect();
        let oldest = self.extreme(db, "min", ranges.iter().copied()).await?;
        let newest = self.extreme(db, "max", ranges.iter().rev().copied()).await?;
        Ok(Relation {
            oldest,
            newest,
            chunks: ranges.len(),
            compressed_chunks: self.compressed,
            bytes: self.bytes,
            kept_from: self.kept_from,
            name: self.name,
        })
    }

    /// The least or greatest time in the first chunk that has any: the others need not be looked at.
    async fn extreme(
        &self,
        db: &mut PgConnection,
        which: &str,
        ranges: impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)>,
    ) -> sqlx::Result<Option<DateTime<Utc>>> {
        let Some(place) = &self.place else { return Ok(None) };
        let time = if self.name == "reading" { "ts" } else { "bucket" };
        let sql = format!("SELECT {which}({time}) FROM {place} WHERE {time} >= $1 AND {time} < $2");
        for (start, end) in ranges {
            let query = sqlx::query_scalar(AssertSqlSafe(sql.as_str())).bind(start).bind(end).persistent(false);
            let found: Option<DateTime<Utc>> = query.fetch_one(&mut *db).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
