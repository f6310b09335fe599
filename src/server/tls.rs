//! Certificate and key: TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{SignalKind, signal};

/// Where certificate chain and private key are, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
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
    #[error("--tls-cert {cert} and --tls-key {key} cannot be used together: {error}")]
    Pair { cert: PathBuf, key: PathBuf, error: rustls::Error },
}

impl TlsFiles {
    pub fn load(&self) -> Result<RustlsConfig, TlsError> {
        Ok(RustlsConfig::from_config(self.config()?))
    }

    fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&read("--tls-cert", &self.cert)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| bad_pem("--tls-cert", &self.cert, "certificate", error))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(self.cert.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&read("--tls-key", &self.key)?)
            .map_err(|error| bad_pem("--tls-key", &self.key, "private key", error))?;
        let pair = |error| TlsError::Pair { cert: self.cert.clone(), key: self.key.clone(), error };
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
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

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Read { option, path: path.to_owned(), error })
}

fn bad_pem(option: &'static str, path: &Path, what: &'static str, error: pem::Error) -> TlsError {
    TlsError::Pem { option, path: path.to_owned(), what, error }
}
