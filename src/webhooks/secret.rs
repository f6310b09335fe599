//! Secrets of webhooks, and the signatures that are made with them: Standard Webhooks,
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A secret that signs what a webhook is sent. Its `Debug` hides it; [`Secret::reveal`] is the only way to see it.
#[derive(Clone, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Secret(Vec<u8>);

/// Length of a new one, in bytes.
const LENGTH: usize = 32;

impl Secret {
    /// A new secret from the operating system's random source.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = vec![0; LENGTH];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// As its owner is shown it, once.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// As the database keeps it: a signature cannot be made with less.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Signs a message that is sent at a time, in seconds since 1970.
    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The header `webhook-signature`: one signature for each secret that is good.
pub fn signatures(secrets: &[&Secret], id: &str, timestamp: i64, body: &str) -> String {
    secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_message_has_its_signature() {
        let text = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = Secret(STANDARD.decode(text).unwrap());
        assert_eq!(secret.reveal(), format!("whsec_{text}"));
        let body = r#"{"test": 2432232314}"#;
        let signed = signatures(&[&secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs_and_none_is_shown() {
        let (new, old) = (Secret::random().unwrap(), Secret::random().unwrap());
        let both = signatures(&[&new, &old], "id", 1, "{}");
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(first, signatures(&[&new], "id", 1, "{}"));
        assert_eq!(second, signatures(&[&old], "id", 1, "{}"));
        assert_ne!(first, second);
        assert_eq!(format!("{new:?}"), "Secret(..)");
    }
}
