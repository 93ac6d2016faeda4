//! Random choices that are the same everywhere: integers only, from ChaCha8.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random choices.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    /// Stream number `stream` of a seed; streams do not overlap.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut chacha = ChaCha8Rng::from_seed(key);
        chacha.set_stream(stream);
        Self(chacha)
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`, which is not zero.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `from` up to and without `to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    /// Like [`Random::between`], small numbers more often: the cube of an even choice.
    pub(super) fn skewed(&mut self, from: u64, to: u64) -> u64 {
        let even = u128::from(self.bits() >> 40);
        from + ((u128::from(to - from) * even * even * even) >> 72) as u64
    }

    /// True in `share` of a thousand cases.
    pub(super) fn chance(&mut self, share: u64) -> bool {
        self.below(1_000) < share
    }

    /// True with this probability.
    pub(super) fn probably(&mut self, probability: f64) -> bool {
        // Exact: a double holds every 32-bit number, and a comparison rounds nothing.
        ((self.bits() >> 32) as f64) < probability * 4_294_967_296.0
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// So many hexadecimal digits, at most 16 at a time.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits);
        while text.len() < digits {
            let part = format!("{:016x}", self.bits());
            text.push_str(&part[..(digits - text.len()).min(16)]);
        }
        text
    }
}
