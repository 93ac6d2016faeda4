//! SHA-256 that can be put down and taken up again.

use bytes::Bytes;
use model::{Fault, HashState};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest, Sha256};

use crate::task::Task;

/// A SHA-256 under way.
#[derive(Clone, Default)]
pub(crate) struct Hash(Sha256);

impl Hash {
    /// Continues from a recorded state.
    pub(crate) fn resume(state: &HashState) -> Result<Self, Fault> {
        let damaged = || Fault::corrupt("the checkpoint holds a damaged SHA-256 state").hint("start the export again");
        let bytes = from_hex(&state.0).ok_or_else(damaged)?;
        let state = SerializedState::<Sha256>::try_from(bytes.as_slice()).map_err(|_| damaged())?;
        Sha256::deserialize(&state).map(Self).map_err(|_| damaged())
    }

    /// What a successor needs to continue.
    pub(crate) fn state(&self) -> HashState {
        HashState(to_hex(&self.0.serialize()))
    }

    /// Adds bytes where the caller may be kept busy.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds bytes on a blocking thread.
    pub(crate) async fn updated(mut self, bytes: Bytes) -> Result<Self, Fault> {
        Task::blocking("hashing", move || {
            self.0.update(&bytes);
            self
        })
        .join()
        .await
    }

    /// The hash of everything added, in hexadecimal.
    pub(crate) fn finish(self) -> String {
        to_hex(&self.0.finalize())
    }
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_taken_up_at_any_byte_ends_the_same() {
        let bytes: Vec<u8> = (0..200u8).collect();
        let mut whole = Hash::default();
        whole.update(&bytes);
        let whole = whole.finish();
        for cut in 0..bytes.len() {
            let mut first = Hash::default();
            first.update(&bytes[..cut]);
            let mut second = Hash::resume(&first.state()).unwrap();
            second.update(&bytes[cut..]);
            assert_eq!(second.finish(), whole, "cut at {cut}");
        }
        assert_eq!(Hash::default().finish(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let state = Hash::default().state().0;
        for damaged in [&state[1..], "", "zz", &"ff".repeat(state.len() / 2)] {
            assert!(Hash::resume(&HashState(damaged.to_owned())).is_err(), "{damaged}");
        }
    }
}
