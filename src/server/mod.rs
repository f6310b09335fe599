//! The server: listening, background work, shutdown. `serve`, `demo` and tests start the same one.

mod connections;
mod drain;
mod listen;
mod tls;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::alerts;
use crate::app::{self, App};
use crate::database::{self, Database, Edition, Found, Unusable};
use crate::events::{self, EventWatch};
use crate::http::callers::{self, Callers, NOTING};
use crate::ingest::{self, Ingest, Writers};
use crate::keys::{AuthorityError, IssuerFiles};
use crate::limits::{Guards, Limits};
use crate::migrate::{self, MigrateError};
use crate::observe::{self, gather};
use crate::profiles::ConfigWatch;
use crate::rollup::{self, columnstore, retention::Keep};
use crate::server::listen::Listeners;
use crate::verify::{self, schedule::Schedule};
use crate::webhooks::{self, Courier};

pub use crate::server::drain::{Drain, Peer, say_goodbye};
pub use crate::server::tls::{ClientAuthority, TlsError, TlsFiles};

/// How a server is run.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Host and port to listen on; port 0 lets the system choose one.
    pub listen: String,
    /// Certificate and key; without them the server speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The authority that gives certificates to devices; none for no such.
    pub issuer: Option<IssuerFiles>,
    /// Host and port, of this machine alone, on which plain HTTP is spoken beside.
    pub listen_http: Option<String>,
    /// Host and port on which there are the metrics and nothing else, in plain HTTP; without it they are among the API.
    pub listen_metrics: Option<String>,
    /// How often the database is asked what the metrics tell of it.
    pub metrics_every: Duration,
    /// A directory on the disk of the database; where it is embedded that is known.
    pub database_disk: Option<PathBuf>,
    /// What callers can make the server hold or wait for.
    pub limits: Limits,
    /// Most connections to the database for queries and the registry.
    pub query_connections: u32,
    /// Most connections to the database for storing readings.
    pub ingest_connections: u32,
    /// How readings are stored.
    pub ingest: ingest::Settings,
    /// After how long the database ends a query.
    pub query_timeout: Duration,
    /// After how long the database gives up storing readings.
    pub ingest_timeout: Duration,
    /// How long after a period's end its figures may still be awaited.
    pub late_horizon: chrono::Duration,
    /// How long readings and rollups are kept.
    pub keep: Keep,
    /// After how long chunks go to the columnstore of the Community edition; none for never.
    pub columnstore_after: Option<chrono::Duration>,
    /// How often the rollups are brought up to what has changed.
    pub refresh_interval: Duration,
    /// How often alerts are judged.
    pub alert_interval: Duration,
    /// How often a sample of the figures is verified; none for never.
    pub verify: Option<Schedule>,
    /// Where webhooks may lead.
    pub webhooks: webhooks::Settings,
    /// How long requests under way get to finish when the server stops.
    pub drain_timeout: Duration,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            tls: None,
            issuer: None,
            listen_http: None,
            listen_metrics: None,
            metrics_every: gather::EVERY,
            database_disk: None,
            limits: Limits::default(),
            query_connections: 16,
            ingest_connections: 4,
            ingest: ingest::Settings::default(),
            query_timeout: app::QUERY_TIMEOUT,
            ingest_timeout: app::INGEST_TIMEOUT,
            late_horizon: chrono::Duration::days(30),
            keep: Keep::default(),
            columnstore_after: Some(columnstore::DEFAULT_AFTER),
            refresh_interval: Duration::from_secs(2),
            alert_interval: Duration::from_secs(30),
            verify: None,
            webhooks: webhooks::Settings::default(),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0} {1}: {2}")]
    Listen(&'static str, String, io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Issuer(#[from] AuthorityError),
    #[error(transparent)]
    Database(#[from] Unusable),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("cannot keep metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Connections for readings that wait until a change of their provider's registry is done, and for those in quarantine that
/// are tried again.
const PATIENT_CONNECTIONS: u32 = 4;

/// Connections for what webhooks are to be told, and came of it.
const WEBHOOK_CONNECTIONS: u32 = 2;

/// Connections that a server has beside those for queries and ingest and those of its background work.
pub const OTHER_CONNECTIONS: u32 = PATIENT_CONNECTIONS + callers::CONNECTIONS + WEBHOOK_CONNECTIONS;

/// A running server.
#[derive(Debug)]
pub struct Server {
    url: String,
    metrics_url: String,
    found: Found,
    handle: Handle<Peer>,
    drain: Drain,
    serving: JoinHandle<io::Result<()>>,
    ingest: Arc<Ingest>,
    writers: Writers,
    background: JoinSet<()>,
    /// Ends the background work.
    stop: CancellationToken,
    drain_timeout: Duration,
}

/// How often an HTTP/2 connection is asked whether it is still there, and how long it has to answer.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Streams that one HTTP/2 connection may have open at once.
pub const MAX_STREAMS: u32 = 256;

/// Largest head of a request, in bytes. HTTP/1 reads bodies into a buffer of this size too.
pub const MAX_HEAD: u32 = 64 * 1024;

/// Connections that the metrics' own listener has at once.
pub const MAX_METRICS_CONNECTIONS: usize = 16;

/// How much of bodies a caller may send over HTTP/2 before the server asks for more, in bytes: of one request, and of
/// all on a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How long connections on which nothing is asked are kept when the server stops: what is on its way on them is answered.
const QUIET: Duration = Duration::from_secs(1);

/// How long before the end bodies that are still on their way are given up, so that their callers can be told.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often to look whether connections are left.
const POLL: Duration = Duration::from_millis(10);

/// How often the histograms of the metrics are drained, so that they do not grow while nobody scrapes them.
const METRICS_UPKEEP: Duration = Duration::from_secs(10);

impl Server {
    /// Checks the database, brings its schema to this version, and listens. Requests are answered when this returns.
    pub async fn start(config: &ServeConfig, database: &Database) -> Result<Self, StartError> {
        // Everything that needs no database comes first: its errors show at once.
        let tls = config.tls.as_ref().map(TlsFiles::load).transpose()?;
        let issuer = config.issuer.as_ref().map(IssuerFiles::load).transpose()?.map(Arc::new);
        let listeners = Listeners::open(config, tls.clone()).await?;
        let (url, metrics_url) = (listeners.url.clone(), listeners.metrics_url.clone());

        let mut db = database.connect().await?;
        let found = database::check(&mut db).await?;
        migrate::run(&mut db, found.edition).await?;
        if found.edition == Edition::Community {
            columnstore::apply(&mut db, config.columnstore_after).await.map_err(Unusable::Sql)?;
        }
        drop(db);

        let recorder = observe::start_metrics()?;
        let pools = u64::from(config.query_connections + config.ingest_connections + OTHER_CONNECTIONS);
        connections::make_room((config.limits.connections + MAX_METRICS_CONNECTIONS) as u64 + pools);
        let (ingest, writers) = Ingest::start(
            database::pool(&database.options, "ingest", config.ingest_connections, config.ingest_timeout),
            database::pool(&database.options, "ingest waiting", PATIENT_CONNECTIONS, config.ingest_timeout),
            config.ingest,
            &config.limits,
        );
        let replayer = ingest.replayer().clone();
        let (ingest, drain) = (Arc::new(ingest), Drain::default());
        let app =
            App { issuer, ..application(config, database, &found, ingest.clone(), drain.clone(), recorder.clone()) };
        let stop = CancellationToken::new();
        let mut background = JoinSet::new();
        background.spawn(until(stop.clone(), async move {
            loop {
                tokio::time::sleep(METRICS_UPKEEP).await;
                recorder.run_upkeep();
            }
        }));
        let refresher =
            rollup::run(database.options.clone(), found.edition, config.keep, config.refresh_interval, stop.clone());
        background.spawn(refresher);
        background.spawn(alerts::schedule::run(
            database.options.clone(),
            found.edition,
            config.alert_interval,
            stop.clone(),
        ));
        background.spawn(ingest::quarantine::run(replayer, config.limits.quarantine_age, stop.clone()));
        let pool = database::pool(&database.options, "webhooks", WEBHOOK_CONNECTIONS, config.query_timeout);
        for kept in [events::KEPT, events::PARTS, events::MINUTES, ingest::minutes::KEPT] {
            background.spawn(kept.run(pool.clone(), stop.clone()));
        }
        background.spawn(Courier::new(pool, &config.webhooks).run(stop.clone()));
        if let Some(schedule) = config.verify {
            background.spawn(verify::schedule::run(database.options.clone(), schedule, stop.clone()));
        }
        if let (Some(files), Some(tls)) = (config.tls.clone(), tls.clone()) {
            background.spawn(until(stop.clone(), tls::reload_on_hangup(files, tls)));
        }
        let disk = config.database_disk.clone().or_else(|| Some(database.embedded()?.postgres_dir()));
        background.spawn(gather::run(database.options.clone(), disk, app.metrics.gathered.clone(), stop.clone()));
        let handle = Handle::new();
        let serving = tokio::spawn(listeners.serve(handle.clone(), app));
        let drain_timeout = config.drain_timeout;
        Ok(Self { url, metrics_url, found, handle, drain, serving, ingest, writers, background, stop, drain_timeout })
    }

    /// Where it can be reached: scheme, address and the actual port.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its metrics are.
    pub fn metrics_url(&self) -> &str {
        &self.metrics_url
    }

    /// The database that it runs on.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Serves until `shutdown` is cancelled, then stops in order.
    pub async fn run_until(mut self, shutdown: CancellationToken) -> io::Result<()> {
        tokio::select! {
            () = shutdown.cancelled() => self.stop().await,
            ended = &mut self.serving => {
                self.stop.cancel();
                ended?
            }
        }
    }

    /// Takes no new connections, lets requests under way finish, ends the background work; within the limit.
    pub async fn stop(mut self) -> io::Result<()> {
        let end = Instant::now() + self.drain_timeout;
        self.drain.begin();
        // A request that comes now on a connection that was kept open is answered; were it closed at once, what is on its
        // way would be lost. So would be what came on a new connection and has not been read yet.
        let all_closed = async {
            while self.handle.connection_count() > 0 {
                tokio::time::sleep(POLL).await;
            }
        };
        let _closed = timeout(QUIET.min(self.drain_timeout / 4), all_closed).await;
        self.handle.graceful_shutdown(Some(end.duration_since(Instant::now())));
        let last_words = LAST_WORDS.min(self.drain_timeout / 4);
        let served = match timeout_at(end - last_words, &mut self.serving).await {
            Ok(served) => served,
            Err(_) => {
                self.drain.end();
                self.serving.await
            }
        };
        self.ingest.close();
        // What still waits is of callers that have gone; it is stored all the same, as far as there is time.
        if timeout_at(end, self.writers.ended()).await.is_err() {
            tracing::warn!("readings of callers that have gone were not stored in time");
        }
        // Only now: what a last request asked for is still followed up.
        self.stop.cancel();
        while self.background.join_next().await.is_some() {}
        served?
    }
}

/// Background work that ends when the server stops.
async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    stop.run_until_cancelled(work).await;
}

/// What the handlers share.
fn application(
    config: &ServeConfig,
    database: &Database,
    found: &Found,
    ingest: Arc<Ingest>,
    drain: Drain,
    recorder: metrics_exporter_prometheus::PrometheusHandle,
) -> App {
    let query = database::pool(&database.options, "query", config.query_connections, config.query_timeout);
    App {
        callers: Arc::new(Callers::start(&database.options, NOTING)),
        config_watch: Arc::new(ConfigWatch::start(query.clone())),
        event_watch: Arc::new(EventWatch::start(query.clone(), found.edition)),
        query,
        ingest,
        edition: found.edition,
        webhook_reach: Arc::new(config.webhooks.reach.clone()),
        late_horizon: config.late_horizon,
        guards: Guards::new(config.limits.clone()),
        drain,
        issuer: None,
        metrics: observe::Metrics {
            recorder,
            gathered: Arc::new(gather::Gathered::new(config.metrics_every)),
            found: found.clone(),
            is_apart: config.listen_metrics.is_some(),
        },
    }
}
