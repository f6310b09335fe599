//! An authority that gives out certificates, and a server that takes them.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, Utc};
use meterbase::keys::CertificateName;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use reqwest::tls::Version;
use reqwest::{Certificate, Client, ClientBuilder, Identity};
use sqlx::ConnectOptions;
use tempfile::TempDir;

use crate::binary::{Serving, meterbase};
use crate::harness::TestApp;

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its private key.
pub struct Issued {
    pub certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name, "Authorities");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Its private key.
    pub fn key_pem(&self) -> String {
        self.0.key().serialize_pem()
    }

    /// A certificate with the subject `CN=<name>,O=Northwind`, good until a day.
    pub fn issue(&self, name: &str, until: DateTime<Utc>) -> Issued {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("names");
        params.distinguished_name = named(name, "Northwind");
        let month = u8::try_from(until.month()).expect("a month");
        params.not_after = rcgen::date_time_ymd(until.year(), month, u8::try_from(until.day()).expect("a day"));
        let key = KeyPair::generate().expect("a key");
        Issued { certificate: params.signed_by(&key, &self.0).expect("a certificate"), key }
    }
}

fn named(name: &str, organisation: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::OrganizationName, organisation);
    named.push(DnType::CommonName, name);
    named
}

impl Issued {
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// As `openssl x509 -fingerprint -sha256` prints it.
    pub fn fingerprint(&self) -> String {
        let digits = CertificateName::of(self.certificate.der()).to_string().to_uppercase();
        let pairs: Vec<_> = digits.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair)).collect();
        pairs.join(":")
    }

    /// A client that shows it.
    pub fn client(&self, server: &Authority) -> Client {
        let pem = format!("{}{}", self.certificate.pem(), self.key.serialize_pem());
        let identity = Identity::from_pem(pem.as_bytes()).expect("an identity");
        builder(server).identity(identity).build().expect("a client")
    }
}

/// Of clients that show no certificate, and trust a server's authority.
pub fn builder(server: &Authority) -> ClientBuilder {
    let root = Certificate::from_pem(server.pem().as_bytes()).expect("a certificate");
    Client::builder().tls_certs_only([root])
}

/// A client of one version of TLS.
pub fn of_version(server: &Authority, version: Version) -> Client {
    builder(server).tls_version_min(version).tls_version_max(version).build().expect("a client")
}

/// The files of a server.
pub struct Files {
    directory: TempDir,
}

impl Files {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Puts the server's certificate and key there.
    pub fn write_server(&self, issued: &Issued) {
        self.write("cert.pem", &issued.certificate.pem());
        self.write("key.pem", &issued.key_pem());
    }

    /// A server with these files, and with further options.
    pub fn serve(&self, app: &TestApp, options: &[&str]) -> std::process::Command {
        let mut command = meterbase();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", app.options.to_url_lossy().as_str()]);
        command.args(["--tls-cert".as_ref(), self.path("cert.pem").as_path()] as [&Path; 2]);
        command.args(["--tls-key".as_ref(), self.path("key.pem").as_path()] as [&Path; 2]);
        command.args(options);
        command
    }
}

/// Where a server is found under the name in its certificate.
pub fn url(server: &Serving) -> String {
    server.url.replace("127.0.0.1", "localhost")
}
