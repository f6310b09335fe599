//! What only the database knows, asked for by one task of each server: to look at `/metrics` costs the database nothing,
//! however often it is done.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio_util::sync::CancellationToken;

use super::page::Sample;
use super::task::Task;
use crate::database;
use crate::verify::schedule;

/// How often it is asked unless an operator says otherwise.
pub const EVERY: Duration = Duration::from_secs(15);

/// Every so many rounds what takes longer is asked too: ten minutes.
const SELDOM: u32 = 40;

/// After so many rounds without any that ended, what was found is too old to be told.
const TOO_OLD: u32 = 8;

/// After how long the database gives up an answer.
const STATEMENT_TIMEOUT: &str = "5s";

/// The same of what is asked for seldom: it looks at some days of the whole fleet.
const SELDOM_TIMEOUT: &str = "60s";

/// After how long a database that says nothing is taken for one that is away.
const PATIENCE: Duration = Duration::from_secs(20);
const SELDOM_PATIENCE: Duration = Duration::from_secs(200);

/// What the database said when it was last asked.
#[derive(Debug)]
pub struct Gathered {
    every: Duration,
    known: Mutex<Option<Known>>,
}

type Figures = Vec<(&'static str, f64)>;

#[derive(Debug, Clone)]
struct Known {
    at: Instant,
    /// None while it is away.
    often: Option<Figures>,
    seldom: Figures,
    /// Known without the database.
    disk: Figures,
}

impl Default for Gathered {
    fn default() -> Self {
        Self::new(EVERY)
    }
}

impl Gathered {
    /// Nothing is known yet.
    pub fn new(every: Duration) -> Self {
        Self { every, known: Mutex::new(None) }
    }

    /// What is known as of now.
    pub fn samples(&self) -> Vec<Sample> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = (self.every * TOO_OLD).max(SELDOM_PATIENCE);
        let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < longest) else { return Vec::new() };
        let mut figures = vec![("meterbase_database_up", f64::from(u8::from(known.often.is_some())))];
        if let Some(often) = &known.often {
            figures.extend(often.iter().chain(&known.seldom));
        }
        figures.extend(&known.disk);
        figures.into_iter().map(|(name, value)| Sample::of(name, value)).collect()
    }

    fn tell(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

/// Asks as often as `gathered` says until `stop`. `disk` is a directory on the disk of the database, where it is known.
pub async fn run(
    options: PgConnectOptions,
    disk: Option<PathBuf>,
    gathered: std::sync::Arc<Gathered>,
    stop: CancellationToken,
) {
    let options = options.application_name("meterbase metrics").options([("statement_timeout", STATEMENT_TIMEOUT)]);
    stop.run_until_cancelled(run_always(options, disk, &gathered)).await;
}

async fn run_always(options: PgConnectOptions, disk: Option<PathBuf>, gathered: &Gathered) {
    let (mut connection, mut seldom, mut rounds) = (None, None, 0_u32);
    loop {
        let began = Instant::now();
        let often = match answered(PATIENCE, ask_often(&mut connection, &options)).await {
            // PostgreSQL may have been started again: the connection is broken, and the next one is good.
            Err(_) if connection.take().is_some() => answered(PATIENCE, ask_often(&mut connection, &options)).await,
            answer => answer,
        };
        if let Err(error) = &often {
            tracing::warn!(%error, "the database could not be asked what the metrics tell of it");
            connection = None;
            seldom = None;
        }
        let known = Known {
            at: Instant::now(),
            seldom: seldom.clone().unwrap_or_default(),
            disk: disk_of(disk.clone()).await,
            often: often.ok(),
        };
        let mut well = known.often.is_some();
        gathered.tell(known.clone());
        if let Some(db) = connection.as_mut().filter(|_| seldom.is_none() || rounds.is_multiple_of(SELDOM)) {
            match answered(SELDOM_PATIENCE, ask_seldom(db)).await {
                Ok(figures) => {
                    gathered.tell(Known { seldom: figures.clone(), ..known });
                    seldom = Some(figures);
                }
                Err(error) => {
                    tracing::warn!(%error, "the database could not be asked about all devices");
                    (connection, seldom, well) = (None, Some(Vec::new()), false);
                }
            }
        }
        rounds = rounds.wrapping_add(1);
        Task::Metrics.ended(began, well);
        tokio::time::sleep(gathered.every).await;
    }
}

/// What is asked, but not for longer than `patience`.
async fn answered<T>(patience: Duration, asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
}

async fn ask_often(connection: &mut Option<PgConnection>, options: &PgConnectOptions) -> sqlx::Result<Figures> {
    let db = match connection {
        Some(db) => db,
        None => connection.insert(options.connect().await?),
    };
    let mut figures = Figures::new();
    let lag = sqlx::query_scalar(include_str!("../../sql/metrics/rollup_lag.sql")).fetch_one(&mut *db).await;
    figures.extend(told(lag)?.map(|lag: f64| ("meterbase_rollup_lag_seconds", lag)));
    let quarantine = sqlx::query_as(include_str!("../../sql/metrics/quarantine.sql")).fetch_one(&mut *db).await;
    if let Some((all, fullest)) = told::<(i64, i64)>(quarantine)? {
        figures.push(("meterbase_quarantine_readings", all as f64));
        figures.push(("meterbase_quarantine_fullest_readings", fullest as f64));
    }
    let last = sqlx::query_as(include_str!("../../sql/verify/last.sql")).bind(schedule::NAME);
    if let Some((differences, finished_at)) = told::<Option<(i64, f64)>>(last.fetch_optional(&mut *db).await)?.flatten()
    {
        figures.push(("meterbase_verify_differences", differences as f64));
        figures.push(("meterbase_verify_last_run_timestamp_seconds", finished_at));
    }
    Ok(figures)
}

async fn ask_seldom(db: &mut PgConnection) -> sqlx::Result<Figures> {
    let mut figures = Figures::new();
    sqlx::query("SELECT set_config('statement_timeout', $1, false)").bind(SELDOM_TIMEOUT).execute(&mut *db).await?;
    let size = sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut *db).await;
    figures.extend(told(size)?.map(|size: i64| ("meterbase_database_size_bytes", size as f64)));
    let devices = sqlx::query_as(include_str!("../../sql/metrics/devices.sql")).fetch_one(&mut *db).await;
    if let Some((registered, active, silent)) = told::<(i64, i64, i64)>(devices)? {
        figures.push(("meterbase_registered_devices", registered as f64));
        figures.push(("meterbase_active_devices", active as f64));
        figures.push(("meterbase_silent_devices", silent as f64));
    }
    sqlx::query("SELECT set_config('statement_timeout', $1, false)").bind(STATEMENT_TIMEOUT).execute(db).await?;
    Ok(figures)
}

/// None for what the database could not tell; an error where it can tell nothing.
fn told<T>(answer: sqlx::Result<T>) -> sqlx::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.as_database_error().is_some() && !database::is_unavailable(&error) => {
            tracing::warn!(%error, "a metric is not known");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A disk that does not answer holds up this task and one thread, and nothing else.
async fn disk_of(directory: Option<PathBuf>) -> Figures {
    let Some(directory) = directory else { return Figures::new() };
    let asked = tokio::task::spawn_blocking(move || space(&directory));
    match asked.await {
        Ok(Ok((free, size))) => {
            vec![("meterbase_database_disk_free_bytes", free), ("meterbase_database_disk_size_bytes", size)]
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the space on the disk of the database is not known");
            Figures::new()
        }
        Err(_) => Figures::new(),
    }
}

/// Free for others than root, and all, in bytes.
fn space(directory: &Path) -> nix::Result<(f64, f64)> {
    let found = statvfs(directory)?;
    let block = found.fragment_size() as f64;
    Ok((found.blocks_available() as f64 * block, found.blocks() as f64 * block))
}
