//! Certificates that the server gives to devices: what they ask for is read, and signed by an authority whose key the server has.

use std::path::PathBuf;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

/// Where an authority's certificate and private key are, both PEM, and for how long its certificates are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub days: u16,
}

/// An authority that gives certificates to devices.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Until when its own certificate is good: none of those it gives is so for longer.
    until: DateTime<Utc>,
    lifetime: TimeDelta,
}

/// Why it cannot be used; each names the option to mend.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("{0} {1}: {2}")]
    Read(&'static str, PathBuf, std::io::Error),
    #[error("--issuing-ca-cert {0}: {1}")]
    Certificate(PathBuf, String),
    #[error(
        "--issuing-ca-key {0} is no private key in PKCS #8 (-----BEGIN PRIVATE KEY-----; `openssl pkcs8 -topk8 -nodes` makes one of others): {1}"
    )]
    Key(PathBuf, rcgen::Error),
    #[error("--issuing-ca-key {0} is not the key of --issuing-ca-cert {1}")]
    Pair(PathBuf, PathBuf),
}

/// What a device wants certified: a public key, of which it has shown that it has the private one.
#[derive(Debug)]
pub struct CertificateRequest {
    key: SubjectPublicKeyInfo,
    /// SHA-256 of the public key.
    pub public_key: [u8; 32],
}

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    #[error("not a certificate signing request in PEM form (-----BEGIN CERTIFICATE REQUEST-----)")]
    Format,
    #[error("longer than {MAX_REQUEST} characters")]
    Length,
    #[error("its signature is not that of its key")]
    Signature,
    #[error("a key of another kind than P-256, P-384, Ed25519 and RSA of 2048 to 8192 bits")]
    Key,
}

/// Longest request, in characters of PEM.
pub const MAX_REQUEST: usize = 8192;

/// By how much a device's clock may be behind.
const CLOCKS: TimeDelta = TimeDelta::hours(1);

/// A certificate as it was given.
pub struct Issued {
    pub pem: String,
    /// SHA-256 of its DER form.
    pub fingerprint: [u8; 32],
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("until", &self.until).finish_non_exhaustive()
    }
}

impl IssuerFiles {
    pub fn load(&self) -> Result<Authority, AuthorityError> {
        let read = |option, path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| AuthorityError::Read(option, path.clone(), error))
        };
        let unusable = |why: String| AuthorityError::Certificate(self.cert.clone(), why);
        let pem = read("--issuing-ca-cert", &self.cert)?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| unusable(format!("no certificate in PEM form: {error}")))?;
        let (_, certificate) =
            x509_parser::parse_x509_certificate(&der).map_err(|error| unusable(error.to_string()))?;
        if !certificate.is_ca() {
            return Err(unusable("it is not an authority's (basicConstraints CA:TRUE)".to_owned()));
        }
        let until = DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
            .unwrap_or(DateTime::<Utc>::MAX_UTC);
        if until <= Utc::now() {
            return Err(unusable(format!("it has ended on {}", until.format("%Y-%m-%d"))));
        }
        let key = KeyPair::from_pem(&read("--issuing-ca-key", &self.key)?)
            .map_err(|error| AuthorityError::Key(self.key.clone(), error))?;
        if key.subject_public_key_info() != certificate.public_key().raw {
            return Err(AuthorityError::Pair(self.key.clone(), self.cert.clone()));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| unusable(error.to_string()))?;
        Ok(Authority { issuer, until, lifetime: TimeDelta::days(self.days.into()) })
    }
}

impl CertificateRequest {
    /// Reads a request in PEM form. Nothing but its public key is taken of it.
    pub fn read(pem: &str) -> Result<Self, BadRequest> {
        if pem.len() > MAX_REQUEST {
            return Err(BadRequest::Length);
        }
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).map_err(|_| BadRequest::Format)?;
        let (rest, request) = X509CertificationRequest::from_der(&der).map_err(|_| BadRequest::Format)?;
        if !rest.is_empty() {
            return Err(BadRequest::Format);
        }
        let asked = &request.certification_request_info.subject_pki;
        if let Ok(PublicKey::RSA(rsa)) = asked.parsed()
            && !(2048..=8192).contains(&rsa.key_size())
        {
            return Err(BadRequest::Key);
        }
        let key = SubjectPublicKeyInfo::from_der(asked.raw).map_err(|_| BadRequest::Key)?;
        let known = [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_RSA_SHA256,
        ];
        if !known.contains(&key.algorithm()) {
            return Err(BadRequest::Key);
        }
        request.verify_signature().map_err(|_| BadRequest::Signature)?;
        Ok(Self { public_key: Sha256::digest(asked.raw).into(), key })
    }
}

impl Authority {
    /// Whether its own certificate has not ended.
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        now < self.until
    }

    /// Certifies a device's key. The name is the id of its API key, which no other certificate has; beside it stands whose device
    /// it is.
    pub fn issue(
        &self,
        request: &CertificateRequest,
        key_id: Uuid,
        [provider, device]: [&str; 2],
        now: DateTime<Utc>,
    ) -> Result<Issued, rcgen::Error> {
        // Certificates tell time to the second.
        let expires_at = (now + self.lifetime).min(self.until).trunc_subsecs(0);
        let mut serial = [0; 16];
        getrandom::fill(&mut serial).map_err(|_| rcgen::Error::RingUnspecified)?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, key_id.to_string());
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.distinguished_name = name;
        params.subject_alt_names =
            vec![SanType::URI(Ia5String::try_from(format!("urn:meterbase:{provider}:{device}"))?)];
        params.not_before = moment(now - CLOCKS);
        params.not_after = moment(expires_at);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let made = params.signed_by(&request.key, &self.issuer)?;
        Ok(Issued { pem: made.pem(), fingerprint: Sha256::digest(made.der()).into(), expires_at })
    }
}

fn moment(at: DateTime<Utc>) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.timestamp()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use rcgen::SignatureAlgorithm;

    use super::*;

    fn request(algorithm: &'static SignatureAlgorithm) -> (KeyPair, String) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let pem = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        (key, pem)
    }

    fn authority(days: i64) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let until = Utc::now() + TimeDelta::days(days);
        Authority { issuer: Issuer::new(params, KeyPair::generate().unwrap()), until, lifetime: TimeDelta::days(90) }
    }

    #[test]
    fn keys_of_each_kind_are_certified_as_they_are() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let (key, pem) = request(algorithm);
            let asked = CertificateRequest::read(&pem).unwrap();
            let id = Uuid::now_v7();
            let made = authority(300).issue(&asked, id, ["north", "m-1"], Utc::now()).unwrap();
            let der = CertificateDer::from_pem_slice(made.pem.as_bytes()).unwrap();
            let (_, read) = x509_parser::parse_x509_certificate(&der).unwrap();
            assert_eq!(read.public_key().raw, key.subject_public_key_info());
            assert_eq!(read.subject().to_string(), format!("CN={id}"));
            assert!(!read.is_ca());
            assert!(read.serial.bits() > 64 && read.raw_serial().len() <= 20);
        }
    }

    #[test]
    fn a_certificate_ends_with_its_authority_s() {
        let asked = CertificateRequest::read(&request(&rcgen::PKCS_ED25519).1).unwrap();
        let (now, short) = (Utc::now(), authority(30));
        let issue =
            |authority: &Authority| authority.issue(&asked, Uuid::now_v7(), ["p", "d"], now).unwrap().expires_at;
        assert_eq!(issue(&authority(300)), (now + TimeDelta::days(90)).trunc_subsecs(0));
        assert_eq!(issue(&short), short.until.trunc_subsecs(0));
    }

    #[test]
    fn what_is_no_request_of_its_key_is_refused() {
        let (_, pem) = request(&rcgen::PKCS_ECDSA_P256_SHA256);
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut broken = der.to_vec();
        *broken.last_mut().unwrap() ^= 1;
        let written = |der: &[u8]| {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
        };
        let why = |pem: &str| CertificateRequest::read(pem).unwrap_err();
        assert!(CertificateRequest::read(&written(&der)).is_ok());
        assert_eq!(why(&written(&broken)), BadRequest::Signature);
        assert_eq!(why(&written(&[&der[..], &[0]].concat())), BadRequest::Format);
        assert_eq!(why(&written(&der[..20])), BadRequest::Format);
        assert_eq!(why("no request"), BadRequest::Format);
        assert_eq!(why(&" ".repeat(MAX_REQUEST + 1)), BadRequest::Length);
    }
}
