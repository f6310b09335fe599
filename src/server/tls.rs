//! Certificates: the server's own, and those of callers. TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tower::Layer;

use crate::keys::ClientCertificate;

/// Where certificate chain and private key are, all PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Whose certificates callers may have; none where no certificate is asked for.
    pub clients: Option<ClientAuthority>,
}

/// Which certificates of callers are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthority {
    /// Certificates of the authorities, PEM.
    pub ca: PathBuf,
    /// Whether a connection without a certificate is refused.
    pub required: bool,
}

/// Why they cannot be used; each names the option to mend.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{option} {path}: {error}")]
    Read { option: &'static str, path: PathBuf, error: io::Error },
    #[error("{option} {path}: no {what} in PEM form: {error}")]
    Pem { option: &'static str, path: PathBuf, what: &'static str, error: pem::Error },
    #[error("--tls-cert {0} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate(PathBuf),
    #[error("--tls-client-ca {0} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoAuthority(PathBuf),
    #[error("--tls-client-ca {path}: {error}")]
    Authority { path: PathBuf, error: String },
    #[error("--tls-cert {cert} and --tls-key {key} cannot be used together: {error}")]
    Pair { cert: PathBuf, key: PathBuf, error: rustls::Error },
}

impl TlsFiles {
    pub fn load(&self) -> Result<RustlsConfig, TlsError> {
        Ok(RustlsConfig::from_config(self.config()?))
    }

    fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = certificates("--tls-cert", &self.cert)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(self.cert.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&read("--tls-key", &self.key)?)
            .map_err(|error| bad_pem("--tls-key", &self.key, "private key", error))?;
        let pair = |error| TlsError::Pair { cert: self.cert.clone(), key: self.key.clone(), error };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(pair)?;
        let builder = match &self.clients {
            Some(clients) => builder.with_client_cert_verifier(clients.verifier(provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ClientAuthority {
    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let unusable =
            |error: &dyn std::fmt::Display| TlsError::Authority { path: self.ca.clone(), error: error.to_string() };
        let mut roots = RootCertStore::empty();
        for root in certificates("--tls-client-ca", &self.ca)? {
            roots.add(root).map_err(|error| unusable(&error))?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoAuthority(self.ca.clone()));
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = if self.required { verifier } else { verifier.allow_unauthenticated() };
        verifier.build().map_err(|error| unusable(&error))
    }
}

/// Makes encrypted streams of connections, and tells requests the certificate that the caller has shown.
#[derive(Clone)]
pub struct Identified(pub RustlsAcceptor);

type Accepting<Stream, Service> = Pin<Box<dyn Future<Output = io::Result<(Stream, Service)>> + Send>>;

impl<S: Send + 'static> Accept<TcpStream, S> for Identified {
    type Stream = <RustlsAcceptor as Accept<TcpStream, S>>::Stream;
    type Service = AddExtension<S, Option<Arc<ClientCertificate>>>;
    type Future = Accepting<Self::Stream, Self::Service>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let certificate = shown.map(|der| ClientCertificate::read(der)).transpose().map_err(io::Error::other)?;
            Ok((stream, Extension(certificate.map(Arc::new)).layer(service)))
        })
    }
}

/// On SIGHUP reads the files again, so that a renewed certificate needs no restart.
pub async fn reload_on_hangup(files: TlsFiles, tls: RustlsConfig) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return tracing::error!(%error, "cannot wait for SIGHUP: certificates are not read again"),
    };
    while hangup.recv().await.is_some() {
        match files.config() {
            Ok(config) => {
                tls.reload_from_config(config);
                tracing::info!("the certificate was read again");
            }
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(&read(option, path)?).collect::<Result<Vec<_>, _>>();
    found.map_err(|error| bad_pem(option, path, "certificate", error))
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Read { option, path: path.to_owned(), error })
}

fn bad_pem(option: &'static str, path: &Path, what: &'static str, error: pem::Error) -> TlsError {
    TlsError::Pem { option, path: path.to_owned(), what, error }
}
