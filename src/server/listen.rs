//! The addresses that the server listens on: the API's, one for this machine alone, and one for the metrics.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::DefaultAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;

use super::connections::Acceptor;
use super::drain::{Door, Peer};
use super::tls::Identified;
use super::{CONNECTION_WINDOW, MAX_HEAD, MAX_STREAMS, PING_INTERVAL, STREAM_WINDOW, ServeConfig, StartError};
use crate::app::{self, App};
use crate::limits::Budget;
use crate::service;

/// What listens, before there is anything to answer with.
pub struct Listeners {
    api: TcpListener,
    tls: Option<RustlsConfig>,
    plain: Option<TcpListener>,
    metrics: Option<TcpListener>,
    pub url: String,
    pub metrics_url: String,
}

impl Listeners {
    pub async fn open(config: &ServeConfig, tls: Option<RustlsConfig>) -> Result<Self, StartError> {
        let (api, address) = listen("--listen", &config.listen).await?;
        let plain = match &config.listen_http {
            Some(plain) => Some(listen_here(plain).await?),
            None => None,
        };
        if tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!("no --tls-cert: keys and readings travel in the clear, unless a proxy in front adds TLS");
        }
        let url = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
        let mut metrics_url = format!("{url}/metrics");
        let metrics = match &config.listen_metrics {
            Some(metrics) => {
                let (metrics, address) = listen("--listen-metrics", metrics).await?;
                metrics_url = format!("http://{address}/metrics");
                tracing::info!("metrics on {metrics_url}");
                Some(metrics)
            }
            None => None,
        };
        Ok(Self { api, tls, plain, metrics, url, metrics_url })
    }

    /// Serves at all of them until they are closed, or one fails.
    pub async fn serve(self, handle: Handle<Peer>, app: App) -> io::Result<()> {
        let Self { api, tls, plain, metrics, .. } = self;
        let guards = app.guards.clone();
        let own =
            metrics.map(|metrics| (metrics, None, service::metrics_alone(app.clone()), &guards.metrics_connections));
        let router = app::router(app.clone());
        let plain = plain.map(|plain| (plain, None, router.clone(), &guards.connections));
        let all = [Some((api, tls, router, &guards.connections)), plain, own];
        let serving = all.into_iter().flatten().map(|(listener, tls, router, connections)| {
            serve(Door::new(listener, app.drain.clone()), tls, router, handle.clone(), connections.clone(), &app)
        });
        futures::future::try_join_all(serving).await.map(drop)
    }
}

async fn listen(option: &'static str, address: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let unusable = |error| StartError::Listen(option, address.to_owned(), error);
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => unusable(io::Error::other("not a host and a port such as 127.0.0.1:8080")),
        _ => unusable(error),
    })?;
    let bound = listener.local_addr().map_err(unusable)?;
    Ok((listener, bound))
}

/// For callers of this machine alone.
async fn listen_here(address: &str) -> Result<TcpListener, StartError> {
    const OPTION: &str = "--listen-http";
    let (listener, bound) = listen(OPTION, address).await?;
    if !bound.ip().is_loopback() {
        let error = io::Error::other("plain HTTP is spoken on a loopback address alone, such as 127.0.0.1:8080");
        return Err(StartError::Listen(OPTION, address.to_owned(), error));
    }
    tracing::info!("plain HTTP for this machine on http://{bound}");
    Ok(listener)
}

async fn serve(
    door: Door,
    tls: Option<RustlsConfig>,
    router: Router,
    handle: Handle<Peer>,
    connections: Arc<Budget>,
    app: &App,
) -> io::Result<()> {
    let limits = app.guards.limits.clone();
    let goodbyes = app.guards.goodbyes.clone();
    let service = router.into_make_service_with_connect_info::<Peer>();
    let mut server = axum_server::Server::<Peer>::from_listener(door).handle(handle);
    let http = server.http_builder();
    http.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_buf_size(MAX_HEAD as usize);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL)
        .max_header_list_size(MAX_HEAD)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS);
    match tls {
        Some(tls) => {
            let inner = Identified(RustlsAcceptor::new(tls));
            server.acceptor(Acceptor { inner, connections, limits, goodbyes, is_plain: false }).serve(service).await
        }
        None => {
            let inner = DefaultAcceptor::new();
            server.acceptor(Acceptor { inner, connections, limits, goodbyes, is_plain: true }).serve(service).await
        }
    }
}
