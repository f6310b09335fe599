//! Chance that a seed repeats (splitmix64).

/// Throws from a seed: the same seed, the same throws.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `sides - 1`.
    pub fn below(&mut self, sides: usize) -> usize {
        (self.throw() % sides as u64) as usize
    }

    /// From `low` to `high`, both in it.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.throw() % (high - low + 1) as u64) as i64
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// Some of all, in their order, at least one.
    pub fn some_of<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        let one = self.below(all.len());
        let chosen: Vec<bool> = (0..all.len()).map(|place| place == one || self.percent(35)).collect();
        all.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(item, _)| item.clone()).collect()
    }
}
