//! Random tokens and ids, and the hashes that are kept of them.

use std::fmt::Write;
use std::sync::Mutex;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Generate, Key};
use model::Micros;
use sha2::{Digest, Sha256};
use uuid::{ContextV7, Timestamp, Uuid};

/// 256 random bits in hexadecimal: not to be guessed, and safe in URLs, headers and cookies.
pub(super) fn random_token() -> String {
    hex(&Key::<Aes256Gcm>::generate())
}

/// What is stored of a token. Tokens are random, so a fast hash without salt is enough.
pub(super) fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

/// Keeps the ids of one process in order within a tick of the clock.
static IDS: Mutex<ContextV7> = Mutex::new(ContextV7::new());

/// An id that sorts by time: rows of one moment lie together in the index.
pub(super) fn new_id(now: Micros) -> String {
    let micros = u64::try_from(now.0).unwrap_or_default();
    let (seconds, nanos) = (micros / 1_000_000, (micros % 1_000_000) as u32 * 1_000);
    Uuid::new_v7(Timestamp::from_unix(&IDS, seconds, nanos)).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to memory cannot fail");
        text
    })
}
