//! `meterbase serve`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::cli::bounds::Bounds;
use crate::cli::{DatabaseArgs, Failure, print, say, until};
use crate::core::network::Network;
use crate::database::Database;
use crate::embedded::Role;
use crate::ingest;
use crate::keys::{self, IssuerFiles, Scope};
use crate::rollup::{columnstore, retention::Keep};
use crate::server::{ClientAuthority, OTHER_CONNECTIONS, ServeConfig, Server, TlsFiles};
use crate::verify::{sample::Sample, schedule::Schedule};
use crate::webhooks::{self, Reach};

/// Run the server
///
/// Brings the database's schema to this version, then serves the HTTP API, its documentation under /docs, and metrics
/// under /metrics or at an address of their own. Without a database URL it runs a PostgreSQL of its own in the data directory; the first start prints
/// an admin key. The address is printed on standard output once the server can be reached. SIGTERM and SIGINT let
/// requests under way finish; SIGHUP reads the TLS files again.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  meterbase serve
  meterbase serve --listen 0.0.0.0:8443 --tls-cert chain.pem --tls-key key.pem
  DATABASE_URL=postgres://meterbase:secret@db/meterbase meterbase serve --log-format json")]
pub struct ServeArgs {
    /// Host and port to listen on; port 0 takes any free one
    #[arg(long, env = "METERBASE_LISTEN", value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Certificate chain in PEM form: turns HTTPS on
    #[arg(long, env = "METERBASE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM form
    #[arg(long, env = "METERBASE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Certificates, in PEM form, of the authorities whose certificates callers may have instead of a key's text
    ///
    /// A certificate is good for what the key is for that names it (`meterbase keys create --certificate`). Callers without one
    /// send a key as ever. SIGHUP reads this file and the other two again.
    #[arg(long, env = "METERBASE_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Refuse connections without such a certificate
    #[arg(long, env = "METERBASE_TLS_CLIENT_REQUIRED", requires = "tls_client_ca", value_parser = FalseyValueParser::new())]
    tls_client_required: bool,
    /// Certificate, in PEM form, of an authority that gives devices which enroll certificates of their own
    ///
    /// They are taken where --tls-client-ca names the authority too. A renewed one is read when the server starts.
    #[arg(
        long,
        env = "METERBASE_ISSUING_CA_CERT",
        value_name = "FILE",
        requires = "issuing_ca_key",
        requires = "tls_client_ca"
    )]
    issuing_ca_cert: Option<PathBuf>,
    /// Private key of that authority, in PEM form (PKCS #8)
    #[arg(long, env = "METERBASE_ISSUING_CA_KEY", value_name = "FILE", requires = "issuing_ca_cert")]
    issuing_ca_key: Option<PathBuf>,
    /// For how long the certificates are good that it gives, at most as long as its own
    #[arg(long, env = "METERBASE_ISSUING_DAYS", value_name = "DAYS", default_value = "90",
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    issuing_days: u16,
    /// Host and port on which plain HTTP is spoken too, for callers on this machine alone
    #[arg(long, env = "METERBASE_LISTEN_HTTP", value_name = "LOOPBACK:PORT", requires = "tls_cert")]
    listen_http: Option<String>,
    /// Host and port on which there are the metrics and nothing else, in plain HTTP and without a key; then they are not
    /// among the API
    ///
    /// Whoever reaches it can read them: a loopback address, such as 127.0.0.1:9464, or one of a network for monitoring alone.
    #[arg(long, env = "METERBASE_LISTEN_METRICS", value_name = "HOST:PORT")]
    listen_metrics: Option<String>,
    /// How often the database is asked what the metrics tell of it
    #[arg(long, env = "METERBASE_METRICS_EVERY", value_name = "TIME", default_value = "15s", value_parser = some_time)]
    metrics_every: Duration,
    /// A directory on the disk of the database, where PostgreSQL runs on this machine: the metrics tell how much is free
    /// [default: that of the embedded PostgreSQL]
    #[arg(long, env = "METERBASE_DATABASE_DISK", value_name = "DIRECTORY")]
    database_disk: Option<PathBuf>,
    /// How long after a period's end its figures may still change; until then they are not final
    #[arg(long, env = "METERBASE_LATE_HORIZON", value_name = "TIME", default_value = "30d", value_parser = time)]
    late_horizon: Duration,
    /// How often the rollups are brought up to what has changed; where that takes longer, after a rest of up to 3 s
    #[arg(long, env = "METERBASE_REFRESH_INTERVAL", value_name = "TIME", default_value = "2s", value_parser = some_time)]
    refresh_interval: Duration,
    /// How often the figures are compared with what alerts say
    #[arg(long, env = "METERBASE_ALERT_INTERVAL", value_name = "TIME", default_value = "30s", value_parser = some_time)]
    alert_interval: Duration,
    /// How often a sample of the figures is recomputed from readings and compared; 0s for never
    ///
    /// One server at a time does it, slowly. What it finds is logged, and is in the metrics meterbase_verify_differences
    /// and meterbase_verify_last_run_timestamp_seconds.
    #[arg(long, env = "METERBASE_VERIFY_EVERY", value_name = "TIME", default_value = "1d", value_parser = time)]
    verify_every: Duration,
    /// How much is compared each time: 3d for three days drawn at random, 5% for so much of all days
    #[arg(long, env = "METERBASE_VERIFY_SAMPLE", value_name = "PERCENT|DAYS", default_value = "3d")]
    verify_sample: Sample,
    /// How long requests under way get to finish when the server stops
    ///
    /// It takes no new connections, /readyz answers 503, and each answer ends its connection. Connections on which nothing is
    /// asked are closed after a second; bodies that are not there a second before the end are answered 503.
    #[arg(long, env = "METERBASE_DRAIN_TIMEOUT", value_name = "TIME", default_value = "20s", value_parser = time)]
    drain_timeout: Duration,
    /// Let webhooks lead to any address, those of private networks too, and by plain HTTP
    #[arg(long, env = "METERBASE_WEBHOOK_ALLOW_PRIVATE", value_parser = FalseyValueParser::new())]
    webhook_allow_private: bool,
    /// Networks such as 10.0.0.0/8 to which webhooks may lead, by plain HTTP too [default: none]
    ///
    /// Otherwise they lead to addresses of the Internet, by HTTPS. What a name leads to is looked at each time.
    #[arg(long, env = "METERBASE_WEBHOOK_ALLOW", value_name = "NETWORK", value_delimiter = ',')]
    webhook_allow: Vec<Network>,
    #[command(flatten)]
    storage: Storage,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    pools: Pools,
    #[command(flatten)]
    bounds: Bounds,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Storage")]
pub struct Storage {
    /// How long readings are kept [default: for ever]
    ///
    /// Older ones are dropped by whole chunks; their figures stay as they are, and readings that come for that time are
    /// rejected. At least 7d, and the late horizon.
    #[arg(long, env = "METERBASE_KEEP_READINGS", value_name = "TIME", value_parser = some_time)]
    keep_readings: Option<Duration>,
    /// How long figures by the hour are kept [default: for ever]
    #[arg(long, env = "METERBASE_KEEP_HOURLY", value_name = "TIME", value_parser = some_time)]
    keep_hourly: Option<Duration>,
    /// How long figures by the day are kept [default: for ever]
    #[arg(long, env = "METERBASE_KEEP_DAILY", value_name = "TIME", value_parser = some_time)]
    keep_daily: Option<Duration>,
    /// How long figures by the month are kept [default: for ever]
    #[arg(long, env = "METERBASE_KEEP_MONTHLY", value_name = "TIME", value_parser = some_time)]
    keep_monthly: Option<Duration>,
    /// After how long readings and figures are compressed, or never; on the Community edition of TimescaleDB
    ///
    /// Compressed chunks (TimescaleDB's columnstore) take a fraction of the space, and late readings still go in.
    #[arg(long, env = "METERBASE_COLUMNSTORE_AFTER", value_name = "TIME", default_value = "40d", value_parser = columnstore_after)]
    columnstore_after: ColumnstoreAfter,
}

/// After how long chunks go to the columnstore; none for never.
#[derive(Debug, Clone, Copy)]
struct ColumnstoreAfter(Option<chrono::Duration>);

impl Storage {
    fn keep(&self) -> Keep {
        Keep {
            readings: self.keep_readings,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            monthly: self.keep_monthly,
        }
    }
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database connections")]
pub struct Pools {
    /// Most connections for queries and the registry
    #[arg(long, env = "METERBASE_QUERY_CONNECTIONS", value_name = "NUMBER", default_value = "16",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    query_connections: u32,
    /// Connections for storing readings, each for one transaction at a time; with two or more, one is for requests of up to
    /// 500 readings alone
    #[arg(long, env = "METERBASE_INGEST_CONNECTIONS", value_name = "NUMBER", default_value = "4",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    ingest_connections: u32,
    /// Readings that are stored in one transaction, about: a larger request is not split
    #[arg(long, env = "METERBASE_FLUSH_READINGS", value_name = "NUMBER", default_value = "10000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    flush_readings: u32,
    /// How long readings wait for others to be stored with
    #[arg(long, env = "METERBASE_FLUSH_AFTER", value_name = "TIME", default_value = "2ms", value_parser = some_time)]
    flush_after: Duration,
    /// How long they wait for that while others are being stored and they are fewer than 1,000, at most until those are; readings of
    /// requests of 1,000 or more for each processor also for such requests that are being read
    #[arg(long, env = "METERBASE_FLUSH_BEHIND", value_name = "TIME", default_value = "30ms", value_parser = some_time)]
    flush_behind: Duration,
    /// After how long the database ends a query
    #[arg(long, env = "METERBASE_QUERY_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = some_time)]
    query_timeout: Duration,
    /// After how long the database gives up storing a batch of readings
    #[arg(long, env = "METERBASE_INGEST_TIMEOUT", value_name = "TIME", default_value = "120s", value_parser = some_time)]
    ingest_timeout: Duration,
}

impl Pools {
    /// The most connections that one server takes.
    pub fn total(&self) -> u32 {
        self.query_connections + self.ingest_connections + BACKGROUND_CONNECTIONS
    }
}

/// Connections that a server has beside its pools, for its background work.
const BACKGROUND_CONNECTIONS: u32 = 5 + OTHER_CONNECTIONS;

impl ServeArgs {
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        if let Some(fault) = self.storage.keep().fault(self.late_horizon) {
            return Err(Failure::Usage(fault));
        }
        let config = self.config();
        // A signal during the start ends it there; after the start it lets requests finish.
        let (server, database) = until(stop.clone(), async {
            let database = self.database.open(Role::Server).await?;
            Ok((Server::start(&config, &database).await?, database))
        })
        .await?;
        let greeted = greet(&server, &database).await;
        let served = server.run_until(stop).await;
        let closed = database.close().await;
        greeted?;
        served?;
        closed?;
        tracing::info!("stopped");
        Ok(())
    }

    fn config(&self) -> ServeConfig {
        let required = self.tls_client_required;
        let clients = self.tls_client_ca.clone().map(|ca| ClientAuthority { ca, required });
        let tls = self.tls_cert.clone().zip(self.tls_key.clone()).map(|(cert, key)| TlsFiles { cert, key, clients });
        let issuer = self.issuing_ca_cert.clone().zip(self.issuing_ca_key.clone());
        let issuer = issuer.map(|(cert, key)| IssuerFiles { cert, key, days: self.issuing_days });
        ServeConfig {
            listen: self.listen.clone(),
            tls,
            issuer,
            listen_http: self.listen_http.clone(),
            listen_metrics: self.listen_metrics.clone(),
            metrics_every: self.metrics_every,
            database_disk: self.database_disk.clone(),
            limits: self.bounds.limits(),
            query_connections: self.pools.query_connections,
            ingest_connections: self.pools.ingest_connections,
            ingest: ingest::Settings {
                flush_readings: self.pools.flush_readings as usize,
                linger: ingest::Linger::new(self.pools.flush_after, self.pools.flush_behind),
            },
            query_timeout: self.pools.query_timeout,
            ingest_timeout: self.pools.ingest_timeout,
            late_horizon: chrono::Duration::from_std(self.late_horizon).unwrap_or(chrono::Duration::MAX),
            keep: self.storage.keep(),
            columnstore_after: self.storage.columnstore_after.0,
            refresh_interval: self.refresh_interval,
            alert_interval: self.alert_interval,
            verify: (!self.verify_every.is_zero())
                .then_some(Schedule { every: self.verify_every, sample: self.verify_sample }),
            webhooks: webhooks::Settings {
                reach: Reach { private: self.webhook_allow_private, networks: self.webhook_allow.clone() },
                ..webhooks::Settings::default()
            },
            drain_timeout: self.drain_timeout,
        }
    }
}

/// Says where the server is and how to begin.
async fn greet(server: &Server, database: &Database) -> Result<(), Failure> {
    let found = server.found();
    tracing::info!("PostgreSQL {} with TimescaleDB {} ({} edition)", found.postgres, found.timescaledb, found.edition);
    if let Some(embedded) = database.embedded() {
        tracing::info!("data directory {}; SQL: {}", embedded.data_dir().display(), embedded.psql());
    }
    tracing::info!("serving {0}, documentation at {0}/docs", server.url());
    first_key(database).await?;
    print(server.url())
}

/// A database without any key gets an admin key, which is shown this once.
async fn first_key(database: &Database) -> Result<(), Failure> {
    let mut db: PgConnection = database.connect().await?;
    if sqlx::query_scalar("SELECT EXISTS (SELECT FROM api_key)").fetch_one(&mut db).await? {
        return Ok(());
    }
    if database.embedded().is_none() {
        tracing::warn!("there is no API key yet: make one with `meterbase keys create --scope admin`");
        return Ok(());
    }
    let key = keys::create(&mut db, Scope::Admin, None, Some("first key"), None).await?;
    say("\nThe first admin key of this database, shown this once:\n");
    say(&key.reveal());
    say("\nMore of them: meterbase keys create --help\n");
    Ok(())
}

/// A length of time: a number and one of ms, s, m, h, d.
pub fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a number with a unit, such as 500ms, 20s, 5m, 12h or 30d");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)
}

/// Like [`time`], for what makes no sense without any.
pub fn some_time(text: &str) -> Result<Duration, String> {
    time(text).and_then(|time| if time.is_zero() { Err("must be more than nothing".to_owned()) } else { Ok(time) })
}

/// A time that is long enough for the columnstore, or never.
fn columnstore_after(text: &str) -> Result<ColumnstoreAfter, String> {
    if text == "never" {
        return Ok(ColumnstoreAfter(None));
    }
    let after = chrono::Duration::from_std(time(text)?).map_err(|_| format!("{text:?} is too long"))?;
    if after.is_zero() {
        return Ok(ColumnstoreAfter(None));
    }
    if after < columnstore::LEAST_AFTER {
        return Err(format!("must be at least {}d, or never", columnstore::LEAST_AFTER.num_days()));
    }
    Ok(ColumnstoreAfter(Some(after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_added_to_is_not_compressed() {
        let after = |text| columnstore_after(text).map(|after| after.0.map(|after| after.num_days()));
        assert_eq!(after("40d"), Ok(Some(40)));
        assert_eq!(after("168h"), Ok(Some(7)));
        assert_eq!((after("never"), after("0d")), (Ok(None), Ok(None)));
        assert_eq!(after("6d"), Err("must be at least 7d, or never".to_owned()));
        assert!(after("40").is_err());
    }

    #[test]
    fn lengths_of_time_have_units() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for wrong in ["", "5", "s", "1.5s", "-1s", "99999999999999999999d", "18446744073709551615d"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        assert!(some_time("0s").is_err());
    }
}
