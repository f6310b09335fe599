//! How fast keys may send: a rate and a burst each, kept as the instant at which all of the burst is free again (the generic
//! cell rate algorithm of ITU-T I.371). It counts in this process alone: two servers on one database let a key send twice
//! as much.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys that are remembered before those that have all of their burst free are forgotten.
const REMEMBERED: usize = 10_000;

/// The burst of a rate that comes without one, in seconds of that rate.
const BURST_SECONDS: u32 = 10;

/// How many readings may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// For how long on end, each second; more than 0.
    pub per_second: u32,
    /// At once; more than 0.
    pub burst: u32,
}

/// What a key may send just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub rate: Rate,
    /// Readings that it may send at once.
    pub remaining: u32,
    /// When that is the whole burst again.
    pub full_in: Duration,
}

/// Why readings may not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    /// They may be after this time.
    Now(Standing, Duration),
    /// They are more than the burst.
    Ever(Standing),
}

/// Of each key that sent something, its rate and when all of its burst is free again.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<i32, (Rate, Instant)>>);

impl Rate {
    /// None where there is no limit, which a rate of 0 says too. A burst of 0 is that of ten seconds.
    pub fn new(per_second: u32, burst: u32) -> Option<Self> {
        let burst = if burst == 0 { per_second.saturating_mul(BURST_SECONDS) } else { burst };
        (per_second > 0).then_some(Self { per_second, burst })
    }

    /// How long it takes until so many more may be sent, to less than a nanosecond.
    fn time(self, readings: u32) -> Duration {
        Duration::from_nanos(u64::from(readings) * 1_000_000_000 / u64::from(self.per_second))
    }

    /// How it stands when all of the burst is free again after a time.
    fn standing(self, full_in: Duration) -> Standing {
        let taken = (full_in.as_nanos() * u128::from(self.per_second)).div_ceil(1_000_000_000);
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        Standing { rate: self, remaining: self.burst.saturating_sub(taken), full_in }
    }
}

impl Rates {
    /// Lets a key send so many readings, all or none. Where its rate is another one than before, it begins anew.
    pub fn take(&self, key_id: i32, rate: Rate, readings: usize, now: Instant) -> Result<Standing, TooMany> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED && !keys.contains_key(&key_id) {
            keys.retain(|_, (_, full_at)| *full_at > now);
        }
        let known = keys.get(&key_id).filter(|(of, _)| *of == rate).map(|(_, full_at)| *full_at);
        let full_in = known.map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now));
        let standing = rate.standing(full_in);
        let Some(readings) = u32::try_from(readings).ok().filter(|readings| *readings <= rate.burst) else {
            return Err(TooMany::Ever(standing));
        };
        if readings > standing.remaining {
            return Err(TooMany::Now(standing, full_in.saturating_sub(rate.time(rate.burst - readings))));
        }
        let full_in = full_in + rate.time(readings);
        keys.insert(key_id, (rate, now + full_in));
        Ok(rate.standing(full_in))
    }

    /// Gives back what was just taken at this rate: those readings were not sent after all. Later it would be more than the
    /// burst, for some of it has come back by itself.
    pub fn give_back(&self, key_id: i32, rate: Rate, readings: usize) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = keys.get_mut(&key_id).filter(|(of, _)| *of == rate);
        if let Some((_, full_at)) = taken {
            let earlier = full_at.checked_sub(rate.time(u32::try_from(readings).unwrap_or(u32::MAX)));
            *full_at = earlier.unwrap_or(*full_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_is_free_again_at_the_rate() {
        let (rates, rate, start) = (Rates::default(), Rate::new(10, 20).unwrap(), Instant::now());
        let take = |n, ms| rates.take(7, rate, n, start + MS * ms);
        let standing = |remaining, ms| Standing { rate, remaining, full_in: MS * ms };
        assert_eq!(take(15, 0), Ok(standing(5, 1500)));
        assert_eq!(take(6, 0), Err(TooMany::Now(standing(5, 1500), MS * 100)));
        // What was refused took nothing.
        assert_eq!(take(6, 99), Err(TooMany::Now(standing(5, 1401), MS)));
        assert_eq!(take(6, 100), Ok(standing(0, 2000)));
        assert_eq!(take(20, 2099), Err(TooMany::Now(standing(19, 1), MS)));
        assert_eq!(take(20, 2100), Ok(standing(0, 2000)));
        assert_eq!(take(21, 9000), Err(TooMany::Ever(standing(20, 0))));
        assert_eq!(take(0, 9000), Ok(standing(20, 0)));
    }

    #[test]
    fn what_was_not_sent_after_all_may_be_sent_again() {
        let (rates, rate, now) = (Rates::default(), Rate::new(10, 20).unwrap(), Instant::now());
        assert!(rates.take(7, rate, 15, now).is_ok());
        assert_eq!(rates.take(7, rate, 5, now).map(|standing| standing.remaining), Ok(0));
        rates.give_back(7, rate, 5);
        assert!(rates.take(7, rate, 6, now).is_err());
        assert_eq!(rates.take(7, rate, 5, now).map(|standing| standing.remaining), Ok(0));
        // What was taken at another rate is not in this one.
        let other = Rate::new(10, 30).unwrap();
        assert!(rates.take(7, other, 30, now).is_ok());
        rates.give_back(7, rate, 20);
        assert!(rates.take(7, other, 1, now).is_err());
        rates.give_back(8, rate, 20);
    }

    #[test]
    fn keys_do_not_share_and_another_rate_begins_anew() {
        let (rates, now) = (Rates::default(), Instant::now());
        let (slow, fast) = (Rate::new(1, 1).unwrap(), Rate::new(2, 4).unwrap());
        assert!(rates.take(1, slow, 1, now).is_ok());
        assert!(rates.take(1, slow, 1, now).is_err());
        assert!(rates.take(2, slow, 1, now).is_ok());
        assert!(rates.take(1, fast, 4, now).is_ok());
        assert!(rates.take(1, fast, 1, now).is_err());
        assert_eq!(Rate::new(0, 5), None);
        assert_eq!(Rate::new(3, 0), Some(Rate { per_second: 3, burst: 30 }));
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate_over_any_time(
            per_second in 1..1000_u32,
            burst in 1..5000_u32,
            sent in prop::collection::vec((0..3_000_u32, 1..6000_usize), 1..60),
        ) {
            let (rates, rate, start) = (Rates::default(), Rate { per_second, burst }, Instant::now());
            let (mut now, mut taken) = (Duration::ZERO, Vec::new());
            for (pause, readings) in sent {
                now += MS * pause;
                match rates.take(1, rate, readings, start + now) {
                    Ok(_) => taken.push((now, readings as u128)),
                    Err(TooMany::Ever(_)) => prop_assert!(readings as u128 > u128::from(burst)),
                    // After the time that was told they may be sent.
                    Err(TooMany::Now(_, wait)) => {
                        prop_assert!(wait > Duration::ZERO);
                        now += wait;
                        prop_assert!(rates.take(1, rate, readings, start + now).is_ok());
                        taken.push((now, readings as u128));
                    }
                }
            }
            for (first, (since, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for (at, readings) in &taken[first..] {
                    sum += readings;
                    let allowed = u128::from(burst) * 1_000_000_000 + (*at - *since).as_nanos() * u128::from(per_second);
                    prop_assert!(sum * 1_000_000_000 <= allowed + 1_000_000_000);
                }
            }
        }
    }
}
