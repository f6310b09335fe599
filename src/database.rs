//! The database: what Meterbase needs of it, and how it is reached.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection, PgPool, Row};

use crate::embedded::{Embedded, EmbeddedError};

/// Major versions of PostgreSQL that are supported.
pub const POSTGRES_MAJORS: RangeInclusive<u32> = 15..=18;

/// Oldest TimescaleDB that is supported, as (major, minor).
pub const OLDEST_TIMESCALEDB: (u32, u32) = (2, 19);

/// How a transaction begins that only reads, and all of whose statements see the same.
pub const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Key of the advisory lock that is held while the schema changes: "meterbas" in ASCII.
pub const SCHEMA_LOCK: i64 = 0x6d65_7465_7262_6173;

/// The editions of TimescaleDB: what `timescaledb.license` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Edition {
    /// Hypertables; rollups are kept by Meterbase.
    Apache,
    /// Continuous aggregates, columnstore and policies.
    Community,
}

/// What the server found when it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub postgres: u32,
    pub timescaledb: String,
    pub edition: Edition,
}

/// Why a database cannot be used. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the database URL cannot be used: {0}")]
    Url(sqlx::Error),
    #[error("the database URL must begin with postgres:// or postgresql://")]
    Scheme,
    #[error("cannot connect to the database {0}: {1}")]
    Connect(String, String),
    #[error("PostgreSQL {0} is not supported; use 15 to 18")]
    Postgres(u32),
    #[error("the server has no TimescaleDB extension; install TimescaleDB 2.19 or later there")]
    NotAvailable,
    #[error("TimescaleDB {0} is too old; 2.19 or later is needed (ALTER EXTENSION timescaledb UPDATE)")]
    TimescaleTooOld(String),
    #[error("TimescaleDB is installed but not loaded; add it to shared_preload_libraries and restart PostgreSQL")]
    NotLoaded,
    #[error("the server has no extension btree_gist; install PostgreSQL's contrib modules there")]
    NoGist,
    #[error("the role {role:?} may not {what}; grant it, or let a superuser run: {remedy}")]
    Rights { role: String, what: &'static str, remedy: &'static str },
    #[error("timescaledb.license is {0:?}; set it to apache or timescale")]
    License(String),
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

impl Edition {
    /// The value of `timescaledb.license`.
    pub fn license(self) -> &'static str {
        match self {
            Self::Apache => "apache",
            Self::Community => "timescale",
        }
    }
}

impl std::fmt::Display for Edition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Apache => "Apache",
            Self::Community => "Community",
        })
    }
}

/// A database that can be reached, and the embedded PostgreSQL behind it if it is one.
#[derive(Debug)]
pub struct Database {
    /// How to connect to it.
    pub options: PgConnectOptions,
    embedded: Option<Embedded>,
}

impl Database {
    /// One that somebody else runs.
    pub fn at(options: PgConnectOptions) -> Self {
        Self { options, embedded: None }
    }

    pub fn of(embedded: Embedded) -> Self {
        Self { options: embedded.options(), embedded: Some(embedded) }
    }

    pub fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    pub async fn connect(&self) -> Result<PgConnection, Unusable> {
        let unreachable = |error: &dyn std::fmt::Display| Unusable::Connect(place(&self.options), error.to_string());
        match tokio::time::timeout(CONNECT_TIMEOUT, self.options.connect()).await {
            Ok(connected) => connected.map_err(|error| unreachable(&error)),
            Err(_) => Err(unreachable(&format_args!("no answer within {CONNECT_TIMEOUT:?}"))),
        }
    }

    /// To be called in the end: stops PostgreSQL if it was started for this.
    pub async fn close(self) -> Result<(), EmbeddedError> {
        match self.embedded {
            Some(embedded) => embedded.close().await,
            None => Ok(()),
        }
    }
}

/// How long to wait for a connection that a command begins with.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Where a database is, for messages: never with its password.
fn place(options: &PgConnectOptions) -> String {
    let (user, database) = (options.get_username(), options.get_database().unwrap_or(options.get_username()));
    match options.get_socket() {
        Some(socket) => format!("{database:?} as {user:?} at {}", socket.display()),
        None => format!("{database:?} as {user:?} at {}:{}", options.get_host(), options.get_port()),
    }
}

/// Options to connect with, from a URL.
pub fn options(url: &str) -> Result<PgConnectOptions, Unusable> {
    // The driver takes any scheme, and would look for a MySQL server's database in PostgreSQL.
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Unusable::Scheme);
    }
    PgConnectOptions::from_str(url).map(prepared).map_err(Unusable::Url)
}

/// What every connection of Meterbase has in common. Figures and times must not depend on the server's settings.
pub fn prepared(options: PgConnectOptions) -> PgConnectOptions {
    options
        .application_name("meterbase")
        .options([("TimeZone", "UTC"), ("DateStyle", "ISO"), ("search_path", "public"), ("synchronous_commit", "on")])
        // Compiling a statement over many chunks takes far longer than running it.
        .options([("jit", "off")])
        // A plan made without knowing the instants is one over all chunks there are.
        .options([("plan_cache_mode", "force_custom_plan")])
        // Late readings and moves change as much of the columnstore as they must.
        .options([("timescaledb.max_tuples_decompressed_per_dml_transaction", "0")])
        // The Community edition takes its skip scan for cheap where a condition beside it lets few rows through: one
        // device's owners were looked for among all assignments there are.
        .options([("timescaledb.enable_skipscan", "off")])
        .disable_statement_logging()
}

/// A pool whose statements are ended by the database after `statement_timeout`.
pub fn pool(options: &PgConnectOptions, name: &str, size: u32, statement_timeout: Duration) -> PgPool {
    let options = options
        .clone()
        .application_name(&format!("meterbase {name}"))
        .options([("statement_timeout", statement_timeout.as_millis().to_string())]);
    // No ping at every acquire: a dead connection fails its first statement. Whoever has changed nothing by then can try
    // another one; other callers are told 503.
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(5))
        .test_before_acquire(false)
        .after_release(|db, _| Box::pin(is_outside_of_transactions(db)))
        .connect_lazy_with(options)
}

/// Who goes away while BEGIN is under way leaves a transaction that sqlx does not know of, and does not roll back: what the next
/// ones write on that connection would not be committed. Such a connection is closed.
async fn is_outside_of_transactions(db: &mut PgConnection) -> sqlx::Result<bool> {
    // A statement outside of transactions begins one of its own: at the same instant where it is a single message.
    sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(db).await?.try_get(0)
}

/// Whether something that has changed nothing so far is worth another try on another connection of its pool: where
/// PostgreSQL was started again each connection is broken that there was before, and goes when somebody meets it. `tries`
/// counts those.
pub fn is_worth_another(error: &sqlx::Error, pool: &PgPool, tries: &mut u32) -> bool {
    *tries += 1;
    matches!(error, sqlx::Error::Io(_)) && *tries <= pool.options().get_max_connections()
}

/// Whether the database cannot be reached or cannot write, so that nothing else can be done just now either.
/// SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        // admin_shutdown and the like; connection exceptions but for protocol_violation, which what is sent may cause;
        // disk_full, out_of_memory, too_many_connections
        sqlx::Error::Database(db) => db.code().is_some_and(|code| {
            code.starts_with("57P") || (code.starts_with("08") && code != "08P01") || code.starts_with("53")
        }),
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
        _ => false,
    }
}

/// Whether the database has no space left: disk_full.
pub fn is_full(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|db| db.code().as_deref() == Some("53100"))
}

/// Checks versions and edition, and creates the extension where it is missing.
pub async fn check(db: &mut PgConnection) -> Result<Found, Unusable> {
    let number: String = sqlx::query_scalar("SHOW server_version_num").fetch_one(&mut *db).await?;
    let postgres = number.parse::<u32>().unwrap_or(0) / 10_000;
    if !POSTGRES_MAJORS.contains(&postgres) {
        return Err(Unusable::Postgres(postgres));
    }
    let timescaledb = extension(db).await?;
    if is_too_old(&timescaledb) {
        return Err(Unusable::TimescaleTooOld(timescaledb));
    }
    let license: Option<String> =
        sqlx::query_scalar("SELECT current_setting('timescaledb.license', true)").fetch_one(&mut *db).await?;
    let edition = match license.as_deref() {
        Some("apache") => Edition::Apache,
        Some("timescale") => Edition::Community,
        Some(other) => return Err(Unusable::License(other.to_owned())),
        None => return Err(Unusable::NotLoaded),
    };
    if let Some(missing) = Rights::ask(db).await?.missing() {
        return Err(missing);
    }
    Ok(Found { postgres, timescaledb, edition })
}

/// What the migrations need of the role, asked before them: their own errors would speak of a statement inside.
#[derive(Debug, sqlx::FromRow)]
pub struct Rights {
    pub role: String,
    gist_available: bool,
    may_have_gist: bool,
    may_create: bool,
    may_have_analytics: bool,
}

impl Rights {
    pub async fn ask(db: &mut PgConnection) -> sqlx::Result<Self> {
        sqlx::query_as(include_str!("../sql/schema/rights.sql")).fetch_one(db).await
    }

    /// The first that is missing.
    pub fn missing(&self) -> Option<Unusable> {
        let rights = |what, remedy| Some(Unusable::Rights { role: self.role.clone(), what, remedy });
        match self {
            Self { gist_available: false, .. } => Some(Unusable::NoGist),
            Self { may_have_gist: false, .. } => {
                rights("create the extension btree_gist", "CREATE EXTENSION btree_gist")
            }
            Self { may_create: false, .. } => {
                rights("create tables in the schema public", "GRANT CREATE ON SCHEMA public TO <role>")
            }
            Self { may_have_analytics: false, .. } => {
                rights("have the schema analytics", "CREATE SCHEMA analytics AUTHORIZATION <role>")
            }
            _ => None,
        }
    }
}

/// Whether a version of TimescaleDB, such as `2.19.3`, is older than what is supported.
pub fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < OLDEST_TIMESCALEDB
}

async fn extension(db: &mut PgConnection) -> Result<String, Unusable> {
    const INSTALLED: &str = "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'";
    if let Some(version) = sqlx::query_scalar(INSTALLED).fetch_optional(&mut *db).await? {
        return Ok(version);
    }
    let available: Option<String> =
        sqlx::query_scalar("SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'")
            .fetch_optional(&mut *db)
            .await?;
    available.ok_or(Unusable::NotAvailable)?;
    // IF NOT EXISTS alone does not keep two that come at the same time apart.
    sqlx::query("SELECT pg_advisory_lock($1)").bind(SCHEMA_LOCK).execute(&mut *db).await?;
    if let Err(error) = sqlx::query("CREATE EXTENSION IF NOT EXISTS timescaledb").execute(&mut *db).await {
        return Err(cannot_create(db, error).await);
    }
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(SCHEMA_LOCK).execute(&mut *db).await?;
    Ok(sqlx::query_scalar(INSTALLED).fetch_one(db).await?)
}

/// PostgreSQL ends the connection when TimescaleDB is created without being preloaded.
async fn cannot_create(db: &mut PgConnection, error: sqlx::Error) -> Unusable {
    let state = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
    if state == "42501" {
        let role = sqlx::query_scalar("SELECT current_user::text").fetch_one(db).await.unwrap_or_default();
        return Unusable::Rights {
            role,
            what: "create the extension timescaledb",
            remedy: "CREATE EXTENSION timescaledb",
        };
    }
    if error.to_string().contains("preload") { Unusable::NotLoaded } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for old in ["2.18.2", "2.9.0", "1.7.5", "nonsense"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["2.19.0", "2.19.3", "2.26.4", "3.0.0", "2.20.0-dev"] {
            assert!(!is_too_old(new), "{new}");
        }
    }

    #[test]
    fn other_schemes_are_refused_and_passwords_are_not_shown() {
        assert!(matches!(options("mysql://u:secret@h/d"), Err(Unusable::Scheme)));
        let options = options("postgres://u:secret@h:5433/d").expect("a URL");
        assert_eq!(place(&options), "\"d\" as \"u\" at h:5433");
    }
}
