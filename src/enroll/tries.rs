//! How often an address may be refused. Tokens cannot be guessed; but every try asks the database, and who has no key has
//! nothing else that limits it.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Instant;

use crate::limits::rate::{Rate, Rates};

/// Most refused tries of one address at once. One more is free each second.
pub const MOST_REFUSED: u32 = 60;

const RATE: Rate = Rate { per_second: 1, burst: MOST_REFUSED };

/// Addresses share so many counts, so that nobody fills the memory with them; which ones share, nobody outside can know.
const COUNTS: u64 = 4096;

#[derive(Debug, Default)]
pub struct Tries {
    rates: Rates,
    seed: RandomState,
}

impl Tries {
    /// Takes a try, to be given back where it is not refused. False where there is none left.
    pub fn take(&self, address: Option<IpAddr>, now: Instant) -> bool {
        self.rates.take(self.count_of(address), RATE, 1, now).is_ok()
    }

    pub fn give_back(&self, address: Option<IpAddr>) {
        self.rates.give_back(self.count_of(address), RATE, 1);
    }

    /// Whoever has one address of IPv6 has 2^64 of them.
    fn count_of(&self, address: Option<IpAddr>) -> i32 {
        let network = match address {
            Some(IpAddr::V6(address)) => u64::from_be_bytes(*address.octets().first_chunk().unwrap_or(&[0; 8])),
            Some(IpAddr::V4(address)) => u64::from(u32::from(address)),
            None => 0,
        };
        i32::try_from(self.seed.hash_one(network) % COUNTS).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_network_has_so_many_tries_and_one_more_each_second() {
        let (tries, start) = (Tries::default(), Instant::now());
        let address = |text: &str| Some(text.parse().unwrap());
        for _ in 0..MOST_REFUSED {
            assert!(tries.take(address("2001:db8::1"), start));
        }
        assert!(!tries.take(address("2001:db8::2"), start));
        assert!(tries.take(address("2001:db8::2"), start + Duration::from_secs(1)));
        tries.give_back(address("2001:db8::1"));
        assert!(tries.take(address("2001:db8::1"), start + Duration::from_secs(1)));
        assert!(!tries.take(address("2001:db8::1"), start + Duration::from_secs(1)));
    }

    #[test]
    fn memory_is_bounded_however_many_addresses_try() {
        let tries = Tries::default();
        let counts: std::collections::HashSet<_> =
            (0..100_000_u32).map(|number| tries.count_of(Some(IpAddr::V4(number.into())))).collect();
        assert!(counts.len() <= COUNTS as usize && counts.len() > 4000);
    }
}
