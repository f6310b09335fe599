//! Certificates of callers: what TLS has checked of them, and how a key names one.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::name::RdnSequence;

/// The certificate with which a connection was made: one of an authority that the server was told of, and whose private key the
/// caller has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of its DER form.
    pub fingerprint: [u8; 32],
    /// Its subject, as RFC 4514 writes it: `CN=meter-17,O=Northwind`.
    pub subject: String,
    /// Until when it is good. A connection may last longer.
    pub until: DateTime<Utc>,
}

/// What a key wants of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// This very certificate.
    Fingerprint([u8; 32]),
    /// Any whose subject this is, also one that follows on another.
    Subject(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error("not the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons")]
    Fingerprint,
    #[error("not a subject as RFC 4514 writes it, such as CN=meter-17,O=Northwind")]
    Subject,
}

impl ClientCertificate {
    /// What a certificate in DER form says.
    pub fn read(der: &[u8]) -> Result<Self, x509_cert::der::Error> {
        let certificate = Certificate::from_der(der)?.tbs_certificate;
        let until = DateTime::<Utc>::from(certificate.validity.not_after.to_system_time());
        Ok(Self { fingerprint: Sha256::digest(der).into(), subject: certificate.subject.to_string(), until })
    }
}

impl CertificateName {
    /// A certificate in DER form.
    pub fn of(der: &[u8]) -> Self {
        Self::Fingerprint(Sha256::digest(der).into())
    }

    /// As `openssl x509 -fingerprint -sha256` prints it, or plain.
    pub fn fingerprint(text: &str) -> Result<Self, BadName> {
        let digits = text.replace(':', "");
        let mut fingerprint = [0; 32];
        hex::decode_to_slice(digits, &mut fingerprint).map_err(|_| BadName::Fingerprint)?;
        Ok(Self::Fingerprint(fingerprint))
    }

    /// As `openssl x509 -subject -nameopt RFC2253` prints it.
    pub fn subject(text: &str) -> Result<Self, BadName> {
        match RdnSequence::from_str(text) {
            Ok(name) if !name.0.is_empty() => Ok(Self::Subject(name.to_string())),
            _ => Err(BadName::Subject),
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(fingerprint) => f.write_str(&hex::encode(fingerprint)),
            Self::Subject(subject) => f.write_str(subject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_openssl_prints_them() {
        let plain = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let printed = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
        let read = CertificateName::fingerprint(plain).unwrap();
        assert_eq!(CertificateName::fingerprint(printed), Ok(read.clone()));
        assert_eq!(read.to_string(), plain);
        for wrong in ["", "00", &plain[1..], "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"] {
            assert_eq!(CertificateName::fingerprint(wrong), Err(BadName::Fingerprint), "{wrong}");
        }
    }

    #[test]
    fn subjects_are_written_in_one_way() {
        let read = |text| CertificateName::subject(text).map(|name| name.to_string());
        assert_eq!(read("CN=meter-17,O=Northwind"), Ok("CN=meter-17,O=Northwind".to_owned()));
        // A comma within a name does not make two of it.
        assert_eq!(read("CN=meter-17\\,O=Northwind"), Ok("CN=meter-17\\,O=Northwind".to_owned()));
        for wrong in ["", "meter-17", "CN"] {
            assert_eq!(read(wrong), Err(BadName::Subject), "{wrong}");
        }
    }

    #[test]
    fn what_a_certificate_says_is_read() {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Northwind");
        params.distinguished_name.push(rcgen::DnType::CommonName, "meter-17, O=Contoso");
        params.not_after = rcgen::date_time_ymd(2031, 5, 6);
        let made = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let read = ClientCertificate::read(made.der()).unwrap();
        // As `openssl x509 -subject -nameopt RFC2253` prints it.
        assert_eq!(read.subject, "CN=meter-17\\, O=Contoso,O=Northwind");
        assert_eq!(read.until, "2031-05-06T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
        assert!(ClientCertificate::read(b"no certificate").is_err());
    }
}
