//! What an operator says of webhooks.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::core::network::{self, Network};
use crate::webhooks::post::ATTEMPT_TIME;

#[derive(Debug, Clone)]
pub struct Settings {
    pub reach: Reach,
    /// How long an attempt may take.
    pub patience: Duration,
    pub clock: Clock,
}

/// Where webhooks may lead. The Internet's addresses by HTTPS, always; others, and plain HTTP, where an operator allows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// To any address there is.
    pub private: bool,
    /// To those of these networks.
    pub networks: Vec<Network>,
}

/// How far the time of deliveries is ahead of the database's: not at all, but in tests. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Default for Settings {
    fn default() -> Self {
        Self { reach: Reach::default(), patience: ATTEMPT_TIME, clock: Clock::default() }
    }
}

impl Reach {
    /// Whether the operator allows an address that is not the Internet's, and to speak plain HTTP to it.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.private || self.networks.iter().any(|network| network.contains(address))
    }

    /// Whether an address can be spoken to, by HTTPS or else in the clear.
    pub fn permits(&self, address: IpAddr, is_plain: bool) -> bool {
        self.trusts(address) || (!is_plain && network::is_public(address))
    }

    /// Whether there is any address to which plain HTTP can be spoken.
    pub fn is_extended(&self) -> bool {
        self.private || !self.networks.is_empty()
    }
}

impl Clock {
    /// In seconds.
    pub fn ahead(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64
    }

    /// For tests.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs().cast_signed(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_reached_where_it_is_allowed() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let strict = Reach::default();
        assert!(strict.permits(address("8.8.8.8"), false) && !strict.permits(address("8.8.8.8"), true));
        assert!(!strict.permits(address("10.0.0.1"), false) && !strict.is_extended());
        let some = Reach { private: false, networks: vec!["10.0.0.0/8".parse().unwrap()] };
        assert!(some.permits(address("10.0.0.1"), true) && !some.permits(address("192.168.0.1"), false));
        assert!(!some.permits(address("8.8.8.8"), true) && some.is_extended());
        let any = Reach { private: true, networks: Vec::new() };
        assert!(any.permits(address("::1"), true) && any.permits(address("8.8.8.8"), true));
    }
}
