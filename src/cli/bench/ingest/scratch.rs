//! A database of the measurement's own: made, filled with a registry, emptied between two measurements, and dropped.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};

use crate::cli::bench::ingest::workload::{Totals, Workload};
use crate::cli::bench::registry::{PROVIDER, Size, name, registry};
use crate::cli::bench::steps::{self, vacuum};
use crate::cli::progress::{Progress, Unit};
use crate::cli::{Failure, say};
use crate::database::{self, Database, Edition, Found};
use crate::keys::{self, Scope};
use crate::migrate;

/// One for each workload.
pub struct Scratch {
    /// Connects to it.
    pub options: PgConnectOptions,
    name: String,
    /// Says that it is in use, for as long as this process lives: what has no such lock was left behind.
    _lock: PgConnection,
}

/// First key of the advisory lock of a run, "mbsb" in ASCII; the second is its process id. Locks of all databases are seen
/// in each.
const LOCK: i32 = 0x6d62_7362;

/// What of PostgreSQL's settings decides how fast it can write.
#[derive(Debug, Clone, Serialize, sqlx::FromRow)]
pub struct Settings {
    pub fsync: String,
    pub synchronous_commit: String,
    pub full_page_writes: String,
    pub wal_sync_method: String,
    pub shared_buffers: String,
    pub max_wal_size: String,
    pub max_connections: i32,
}

/// Days before today on which readings begin: all of them are in the past, and none is old enough for the columnstore.
const DAYS_BEFORE: i64 = 7;

/// The instant of a workload's round 0.
pub fn start(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().and_time(NaiveTime::MIN).and_utc() - TimeDelta::days(DAYS_BEFORE)
}

impl Scratch {
    /// An empty database beside the one that the command was given. Those of runs that were killed are dropped.
    pub async fn create(beside: &Database) -> Result<Self, Failure> {
        let mut db = beside.connect().await?;
        drop_left_behind(&mut db).await?;
        let pid = std::process::id();
        let lock = sqlx::query("SELECT pg_advisory_lock($1, $2)").bind(LOCK).bind(pid.cast_signed());
        lock.execute(&mut db).await?;
        sqlx::query("SET idle_session_timeout = 0").execute(&mut db).await?;
        let name = format!("meterbase_bench_{pid}");
        let create = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"));
        sqlx::query(create).execute(&mut db).await?;
        Ok(Self { options: beside.options.clone().database(&name), name, _lock: db })
    }

    /// Drops it, whoever is connected to it.
    pub async fn drop(self, beside: &Database) -> Result<(), Failure> {
        let mut db = beside.connect().await?;
        let drop = AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name));
        sqlx::query(drop).execute(&mut db).await?;
        Ok(())
    }

    pub async fn connect(&self) -> sqlx::Result<PgConnection> {
        self.options.connect().await
    }

    /// Brings in the schema and the registry that a workload needs.
    pub async fn fill(&self, workload: &Workload) -> Result<Found, Failure> {
        let mut db = self.connect().await?;
        let found = database::check(&mut db).await?;
        migrate::run(&mut db, found.edition).await?;
        steps::begin(&mut db).await?;
        let size = Self::size(workload);
        let steps = registry(size, &name("ingest", size));
        let progress = Progress::new("registering devices, steps", steps.len() as u64, Unit::Number);
        for (at, step) in (0..).zip(steps) {
            progress.at(at);
            step.run(&mut db).await?;
        }
        vacuum(&mut db, "vacuum of the registry").await?;
        Ok(found)
    }

    /// The registry that a workload needs.
    pub fn size(workload: &Workload) -> Size {
        let customers = (workload.channels / 50).clamp(1, 1000);
        Size { devices: workload.channels, customers, groups: 3 * customers }
    }

    /// A key that may post the provider's readings.
    pub async fn key(&self) -> Result<String, Failure> {
        self.key_of(PROVIDER, Scope::Ingest).await
    }

    /// A key for a provider.
    pub async fn key_of(&self, provider: &str, scope: Scope) -> Result<String, Failure> {
        let mut db = self.connect().await?;
        let id = sqlx::query_scalar("SELECT provider_id FROM provider WHERE key = $1::text").bind(provider);
        let id: i32 = id.fetch_one(&mut db).await?;
        Ok(keys::create(&mut db, scope, Some(id), Some("meterbase bench"), None).await?.reveal())
    }

    pub async fn settings(&self) -> Result<Settings, Failure> {
        let mut db = self.connect().await?;
        Ok(sqlx::query_as(include_str!("../../../../sql/bench/settings.sql")).fetch_one(&mut db).await?)
    }

    /// Fails where what is stored is not what was acknowledged.
    pub async fn verify(&self, acknowledged: Totals) -> Result<(), Failure> {
        let mut db = self.connect().await?;
        let stored: (i64, i64) =
            sqlx::query_as(include_str!("../../../../sql/bench/stored.sql")).fetch_one(&mut db).await?;
        let stored = (stored.0.cast_unsigned(), stored.1.cast_unsigned());
        if stored == (acknowledged.distinct, acknowledged.sum) {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "READINGS ARE LOST OR WRONG: {} were acknowledged with a sum of {} thousandths, {} are stored with a sum of {}",
            acknowledged.distinct, acknowledged.sum, stored.0, stored.1
        )))
    }

    /// Forgets the readings, but not the registry. No server may run.
    pub async fn empty(&self) -> Result<(), Failure> {
        let mut db = self.connect().await?;
        sqlx::raw_sql(include_str!("../../../../sql/bench/empty.sql")).execute(&mut db).await?;
        Ok(())
    }

    /// No work of TimescaleDB's own beside the measurement.
    pub async fn rest(&self, edition: Edition) -> Result<(), Failure> {
        if edition == Edition::Community {
            let mut db = self.connect().await?;
            sqlx::query(include_str!("../../../../sql/bench/no_policies.sql")).execute(&mut db).await?;
        }
        Ok(())
    }

    /// Lets each measurement begin after a checkpoint; false where the role may not ask for one.
    pub async fn checkpoint(&self) -> Result<bool, Failure> {
        let mut db = self.connect().await?;
        match sqlx::query("CHECKPOINT").execute(&mut db).await {
            Ok(_) => Ok(true),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Connections that a server can have beside those that there are.
    pub async fn free_connections(&self) -> Result<u32, Failure> {
        let mut db = self.connect().await?;
        let free: i32 =
            sqlx::query_scalar(include_str!("../../../../sql/bench/free_connections.sql")).fetch_one(&mut db).await?;
        Ok(free.try_into().unwrap_or(0))
    }
}

/// Drops the databases of runs that are gone.
async fn drop_left_behind(db: &mut PgConnection) -> Result<(), Failure> {
    let left: Vec<String> = sqlx::query_scalar(include_str!("../../../../sql/bench/left_behind.sql"))
        .bind(LOCK)
        .fetch_all(&mut *db)
        .await?;
    for name in left {
        say(&format!("dropping {name}, which a run that was killed left behind"));
        // Another run may be doing the same.
        let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        sqlx::query(drop).execute(&mut *db).await?;
    }
    Ok(())
}

/// insufficient_privilege
fn is_refusal(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42501"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_begin_at_midnight_a_week_ago() {
        let start = start("2026-11-21T18:30:00Z".parse().unwrap());
        assert_eq!(start, "2026-11-14T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
    }
}
