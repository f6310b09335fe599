//! The database server: versions, settings, clock, and what is in the schema.

use std::collections::HashMap;
use std::time::Instant;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::database::{self, OLDEST_TIMESCALEDB, POSTGRES_MAJORS, Rights};
use crate::doctor::{Finding, releases};
use crate::migrate;

pub async fn postgres(db: &mut PgConnection) -> sqlx::Result<Finding> {
    let (version, number): (String, i32) =
        sqlx::query_as("SELECT current_setting('server_version'), current_setting('server_version_num')::integer")
            .fetch_one(db)
            .await?;
    let major = u32::try_from(number / 10_000).unwrap_or(0);
    Ok(if POSTGRES_MAJORS.contains(&major) {
        Finding::ok("postgresql", version)
    } else {
        Finding::problem("postgresql", version, "use PostgreSQL 15 to 18")
    })
}

pub async fn timescaledb(db: &mut PgConnection) -> sqlx::Result<Finding> {
    let (installed, available, loaded): (Option<String>, Option<String>, bool) =
        sqlx::query_as(include_str!("../../sql/doctor/timescaledb.sql")).fetch_one(db).await?;
    let (major, minor) = OLDEST_TIMESCALEDB;
    let what = "timescaledb";
    Ok(match (installed, available) {
        (_, None) => Finding::problem(what, "not on the server", "install TimescaleDB there"),
        (None, Some(available)) => {
            let mend = "meterbase migrate makes the extension, if the role may; else CREATE EXTENSION timescaledb";
            Finding::problem(what, format!("{available} is there, but not in this database"), mend)
        }
        (Some(version), _) if !loaded => Finding::problem(
            what,
            format!("{version} is not loaded"),
            "add timescaledb to shared_preload_libraries and restart PostgreSQL",
        ),
        (Some(version), _) if database::is_too_old(&version) => Finding::problem(
            what,
            format!("{version} is too old"),
            format!("install {major}.{minor} or later, then ALTER EXTENSION timescaledb UPDATE"),
        ),
        (Some(version), Some(available)) if version != available => Finding::warning(
            what,
            format!("{version} in this database, {available} on the server"),
            "ALTER EXTENSION timescaledb UPDATE, as the first statement of a session",
        ),
        (Some(version), _) => Finding::ok(what, version),
    })
}

/// What is known to be wrong with the release of TimescaleDB that this database has.
pub async fn flaws(db: &mut PgConnection, settings: &Settings) -> sqlx::Result<Vec<Finding>> {
    let (version, number): (String, i32) =
        sqlx::query_as(include_str!("../../sql/doctor/release.sql")).fetch_one(db).await?;
    let community = settings.text("timescaledb.license") == "timescale";
    Ok(releases::known_flaws(&version, community, u32::try_from(number / 10_000).unwrap_or(0)))
}

pub async fn rights(db: &mut PgConnection) -> sqlx::Result<Finding> {
    let rights = Rights::ask(db).await?;
    Ok(match rights.missing() {
        None => Finding::ok("rights", format!("the role {} has what it needs", rights.role)),
        Some(missing) => {
            Finding::problem("rights", missing.to_string(), "grant it, or let the owner of the database run Meterbase")
        }
    })
}

pub async fn schema(db: &mut PgConnection) -> sqlx::Result<Finding> {
    let known = migrate::known_version();
    Ok(match migrate::applied_version(db).await? {
        Some(applied) if applied == known => Finding::ok("schema", format!("version {applied}, current")),
        Some(applied) if applied > known => Finding::problem(
            "schema",
            format!("version {applied}, this Meterbase knows {known}"),
            "use a Meterbase at least as new as the one that wrote it",
        ),
        Some(applied) => {
            Finding::problem("schema", format!("version {applied}, current is {known}"), "run meterbase migrate")
        }
        None => Finding::problem("schema", "there is none", "run meterbase migrate, or start a server"),
    })
}

/// The settings of this connection, by name.
pub struct Settings(HashMap<String, String>);

impl Settings {
    pub async fn read(db: &mut PgConnection) -> sqlx::Result<Self> {
        let all: Vec<(String, String)> =
            sqlx::query_as(include_str!("../../sql/doctor/settings.sql")).fetch_all(db).await?;
        Ok(Self(all.into_iter().collect()))
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or(0)
    }

    pub fn edition(&self) -> Finding {
        match self.text("timescaledb.license") {
            "apache" => Finding::ok("edition", "Apache: Meterbase keeps the rollups"),
            "timescale" => Finding::ok("edition", "Community: continuous aggregates"),
            other => Finding::problem(
                "edition",
                format!("timescaledb.license is {other:?}"),
                "set timescaledb.license to apache or timescale",
            ),
        }
    }

    /// What decides whether a committed reading survives a crash of the machine.
    pub fn durability(&self) -> Vec<Finding> {
        let on = |name, danger: &str| match self.text(name) {
            "off" => Finding::problem(name, format!("off: {danger}"), format!("set {name} = on")),
            value => Finding::ok(name, value),
        };
        let checksums = match self.text("data_checksums") {
            "on" => Finding::ok("data_checksums", "on"),
            _ => Finding::warning(
                "data_checksums",
                "off: damage done by disks goes unnoticed",
                "stop PostgreSQL and run pg_checksums --enable",
            ),
        };
        let wal_level = match self.text("wal_level") {
            "minimal" => Finding::warning(
                "wal_level",
                "minimal: no base backups, no recovery to a point in time, no replicas",
                "set wal_level = replica and restart PostgreSQL",
            ),
            level => Finding::ok("wal_level", level),
        };
        vec![
            on("fsync", "a crash of the machine can destroy the database"),
            on("full_page_writes", "a crash of the machine can destroy the database"),
            on("synchronous_commit", "acknowledged readings can be lost in a crash"),
            checksums,
            wal_level,
        ]
    }

    /// TimescaleDB asks for a worker slot for each of its own workers, the parallel ones, and three more.
    pub fn workers(&self) -> Finding {
        let own = self.number("timescaledb.max_background_workers");
        let needed = own + self.number("max_parallel_workers") + 3;
        let there = self.number("max_worker_processes");
        let found = format!("max_worker_processes {there}, timescaledb.max_background_workers {own}");
        if there >= needed {
            Finding::ok("workers", found)
        } else {
            let mend = format!("set max_worker_processes to {needed} or more and restart PostgreSQL");
            Finding::warning("workers", found, mend)
        }
    }
}

/// Whether a server's pools fit into what the database lets in.
pub async fn connections(db: &mut PgConnection, settings: &Settings, ours: u32) -> sqlx::Result<Finding> {
    let others: i64 = sqlx::query_scalar(include_str!("../../sql/doctor/others.sql")).fetch_one(db).await?;
    let reserved = settings.number("superuser_reserved_connections") + settings.number("reserved_connections");
    let free = settings.number("max_connections") - reserved - others;
    let found = format!("{free} free for Meterbase, one server takes up to {ours}");
    Ok(if free >= i64::from(ours) {
        Finding::ok("connections", found)
    } else {
        let mend = "raise max_connections, or lower --query-connections and --ingest-connections";
        Finding::warning("connections", found, mend)
    })
}

/// Seconds by which the clocks may differ before it shows: readings from now would seem to come from the future.
const CLOCK_WARNING: f64 = 1.0;
const CLOCK_PROBLEM: f64 = 60.0;

pub async fn clock(db: &mut PgConnection) -> sqlx::Result<Finding> {
    let (asked, started) = (Utc::now(), Instant::now());
    let theirs: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(db).await?;
    let half = started.elapsed() / 2;
    let ahead = (theirs - asked).as_seconds_f64() - half.as_secs_f64();
    let found = format!("the database's is {ahead:+.3} s from this machine's");
    let mend = "let both machines keep their clocks with NTP";
    Ok(match ahead.abs() {
        off if off < CLOCK_WARNING => Finding::ok("clock", found),
        off if off < CLOCK_PROBLEM => Finding::warning("clock", found, mend),
        _ => Finding::problem("clock", found, mend),
    })
}

/// Age of changes, in seconds, from which on nobody seems to keep the rollups.
const ROLLUPS_LATE: f64 = 600.0;

pub async fn rollups(db: &mut PgConnection) -> sqlx::Result<Finding> {
    let (pending, age): (i64, Option<f64>) =
        sqlx::query_as(include_str!("../../sql/doctor/rollups.sql")).fetch_one(db).await?;
    Ok(match age {
        None => Finding::ok("rollups", "all changes are in them"),
        Some(age) if age < ROLLUPS_LATE => Finding::ok("rollups", format!("{pending} changes to follow")),
        Some(age) => Finding::warning(
            "rollups",
            format!("{pending} changes to follow, the oldest {age:.0} s old"),
            "let a server run: it keeps them; if one does, its log says what is in the way",
        ),
    })
}

pub async fn keys(db: &mut PgConnection) -> sqlx::Result<Finding> {
    let (admin, ending): (i64, i64) = sqlx::query_as(include_str!("../../sql/doctor/keys.sql")).fetch_one(db).await?;
    Ok(match (admin, ending) {
        (0, _) => Finding::warning("keys", "no admin key", "meterbase keys create --scope admin"),
        (_, 0) => Finding::ok("keys", format!("{admin} good admin keys")),
        (_, ending) => Finding::warning(
            "keys",
            format!("{ending} keys end within 14 days"),
            "meterbase keys list shows them; make new ones in time",
        ),
    })
}
