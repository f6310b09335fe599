//! Pseudo-random numbers that are the same on every machine and in every version: SplitMix64 (Steele, Lea and Flood,
//! "Fast splittable pseudorandom number generators", 2014). Not for secrets.

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a place, such as (seed, device, day). Streams of different places are unrelated.
    pub fn of(place: &[u64]) -> Self {
        let mut stream = Self(0);
        for part in place {
            stream.0 ^= *part;
            stream.0 = stream.draw();
        }
        stream
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to `bound`, which is not reached. 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// True in so many of a thousand cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// A number around `mean`, from 0 to twice the mean, values near the mean more often.
    pub fn around(&mut self, mean: i64) -> i64 {
        let bound = mean.unsigned_abs() + 1;
        (self.below(bound) + self.below(bound)) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        // Computed with the reference implementation in C, seed 1234567: <https://prng.di.unimi.it/splitmix64.c>
        let mut stream = Random(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| stream.draw()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn bounds_hold() {
        let mut stream = Random::of(&[7, 7]);
        for _ in 0..10_000 {
            assert!(stream.below(10) < 10);
            assert!((0..=200).contains(&stream.around(100)));
        }
        assert_eq!(stream.below(0), 0);
    }
}
