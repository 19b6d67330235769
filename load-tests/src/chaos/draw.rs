//! What is drawn at random, the same for the same seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// The dice of one run.
#[derive(Debug)]
pub struct Draw(StdRng);

impl Draw {
    /// Dice for `purpose` (the name of a fault) in one round of a seed. Another purpose draws other
    /// numbers, so a run of one kind alone is the run of that kind among all.
    pub fn new(seed: u64, purpose: &str, round: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&round.to_le_bytes());
        for (place, byte) in purpose.bytes().enumerate() {
            bytes[16 + place % 16] ^= byte.rotate_left(u32::try_from(place / 16).unwrap_or(0));
        }
        Self(StdRng::from_seed(bytes))
    }

    /// A time between two numbers of milliseconds.
    pub fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.0.random_range(from..=to.max(from)))
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end.max(1))
    }

    /// A seed for somebody else's dice.
    pub fn seed(&mut self) -> u64 {
        self.0.random()
    }

    /// `count` of the items in a drawn order.
    pub fn some<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut drawn = items.to_vec();
        drawn.shuffle(&mut self.0);
        drawn.truncate(count);
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_another_purpose_something_else() {
        let draws = |purpose, round| {
            let mut draw = Draw::new(7, purpose, round);
            (draw.seed(), draw.milliseconds(5, 500), draw.below(1000))
        };
        assert_eq!(draws("kill", 1), draws("kill", 1));
        assert_ne!(draws("kill", 1), draws("kill", 2));
        assert_ne!(draws("kill", 1), draws("stop", 1));
        let some = Draw::new(7, "wallets", 0).some(&["a", "b", "c"], 2);
        assert!(some.len() == 2 && some[0] != some[1]);
    }
}
