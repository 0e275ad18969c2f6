//! Where luck comes from: a number for each purpose of each run, whatever else was drawn before.
//!
//! A draw is found by its seed, its run, and its purpose: whose it is, for what, and for the how-manieth time.
//! So a run of one policy meets the luck that the same run of another meets, as far as they do the same things.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// What a number is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Purpose {
    /// Of which kind.
    pub what: u8,
    /// Whose.
    pub who: (u8, u8),
    /// For the how-manieth time.
    pub turn: u32,
}

/// A source of luck.
pub trait Draw {
    /// A number in [0, 1).
    fn unit(&mut self, purpose: Purpose) -> f64;

    /// One of so many, by their weights: finite, not negative, not all nothing.
    fn choose(&mut self, purpose: Purpose, weights: &[f64]) -> usize {
        if weights.len() < 2 {
            return 0;
        }
        let mut left = self.unit(purpose) * weights.iter().sum::<f64>();
        let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
        for (index, weight) in weights.iter().enumerate().take(last) {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        last
    }
}

/// The luck of one run.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: [u8; 32],
}

impl Stream {
    /// `branch` tells copies of a run apart, which go on with luck of their own; 0 for the run itself.
    pub fn new(seed: u64, run: u64, branch: u64) -> Stream {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&run.to_le_bytes());
        key[16..24].copy_from_slice(&branch.to_le_bytes());
        Stream { key }
    }
}

impl Draw for Stream {
    fn unit(&mut self, purpose: Purpose) -> f64 {
        let Purpose { what, who, turn } = purpose;
        let mut generator = ChaCha8Rng::from_seed(self.key);
        let [a, b, c, d] = turn.to_le_bytes();
        generator.set_stream(u64::from_le_bytes([what, who.0, who.1, 0, a, b, c, d]));
        // 53 bits: as many as a number between 1/2 and 1 has.
        (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
