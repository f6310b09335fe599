//! A password, and what PostgreSQL keeps of it: a verifier of SCRAM-SHA-256 (RFC 5802 and 7677). Made here, so that no
//! statement holds the password and no log of statements does.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac_array;
use sha2::{Digest, Sha256};

/// A password. Its `Debug` hides it; [`Password::reveal`] is the only way to see it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password has 16 to 128 characters of printable ASCII without spaces")]
pub struct BadPassword;

/// As PostgreSQL does it.
const ITERATIONS: u32 = 4096;

impl Password {
    /// A new one from the operating system's random source, of 160 bits.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 20];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// One that somebody chose. Characters that SASLprep would change are refused.
    pub fn chosen(text: &str) -> Result<Self, BadPassword> {
        let good = (16..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        good.then(|| Self(text.to_owned())).ok_or(BadPassword)
    }

    /// The password's text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What `CREATE ROLE ... PASSWORD` takes instead of it.
    pub fn verifier(&self) -> Result<String, getrandom::Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        Ok(self.verifier_with(&salt, ITERATIONS))
    }

    fn verifier_with(&self, salt: &[u8], iterations: u32) -> String {
        let salted = pbkdf2_hmac_array::<Sha256, 32>(self.0.as_bytes(), salt, iterations);
        let stored_key = Sha256::digest(mac(&salted, b"Client Key"));
        let server_key = mac(&salted, b"Server Key");
        let [salt, stored_key, server_key] = [salt, &stored_key, &server_key].map(|bytes| STANDARD.encode(bytes));
        format!("SCRAM-SHA-256${iterations}:{salt}${stored_key}:{server_key}")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(...)")
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc_is_met() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Password("pencil".to_owned()).verifier_with(&salt, 4096);
        let keys = verifier.strip_prefix("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$").unwrap();
        let (stored_key, server_key) = keys.split_once(':').unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let exchange =
            format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}");
        let sign = |key: &str| mac(&STANDARD.decode(key).unwrap(), exchange.as_bytes());
        assert_eq!(STANDARD.encode(sign(server_key)), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let client_key: Vec<_> = proof.iter().zip(sign(stored_key)).map(|(a, b)| a ^ b).collect();
        assert_eq!(STANDARD.encode(Sha256::digest(client_key)), stored_key);
    }

    #[test]
    fn what_is_no_password_is_refused_and_what_is_one_is_hidden() {
        for bad in ["", "short", "with spaces in between", "späte Gärten im Süden", "tab\there and no more"] {
            assert_eq!(Password::chosen(bad), Err(BadPassword), "{bad}");
        }
        let password = Password::random().unwrap();
        assert_eq!(Password::chosen(password.reveal()).as_ref(), Ok(&password));
        assert!(!format!("{password:?}").contains(password.reveal()));
    }
}
