//! Positions in the total order as texts: cursors of pages and keys of rows.
//!
//! A cursor belongs to one request: one that was made for another, or by hand, is refused.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Fault, Micros, OrderKey, PageToken, RowKey, RowsAsk};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh64::xxh64;

/// Longest text that is looked at; ids of rows are far shorter.
const BYTES_MAX: usize = 8_000;

/// Which way a page goes from its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Rows from here on, older ones.
    Older(OrderKey),
    /// The rows right before here, newer ones.
    Newer(OrderKey),
}

// Ids hold any text, and one that JSON escapes cannot be borrowed from it.
#[derive(Serialize, Deserialize)]
struct Cursor<'a>(u64, bool, i64, Cow<'a, str>, Cow<'a, str>);

#[derive(Serialize, Deserialize)]
struct Key<'a>(i64, Cow<'a, str>, Cow<'a, str>);

impl From {
    /// Reads the cursor of a request.
    pub(super) fn read(ask: &RowsAsk, token: &PageToken) -> Result<Self, Fault> {
        let forged = || {
            Fault::of_field("cursor", "this is not the cursor of a page of this request")
                .hint("send the next or previous of another page with the same filters, or leave it out")
        };
        let said = decode(&token.0).ok_or_else(forged)?;
        let Cursor(asked, older, time, trace_id, id) = serde_json::from_slice(&said).map_err(|_| forged())?;
        if asked != fingerprint(ask) {
            return Err(forged());
        }
        let key = OrderKey { time: Micros(time), trace_id: trace_id.into(), id: id.into() };
        Ok(if older { Self::Older(key) } else { Self::Newer(key) })
    }

    /// The cursor that leads here.
    pub(super) fn token(&self, ask: &RowsAsk) -> PageToken {
        let (older, key) = match self {
            Self::Older(key) => (true, key),
            Self::Newer(key) => (false, key),
        };
        PageToken(encode(&Cursor(fingerprint(ask), older, key.time.0, Cow::from(&*key.trace_id), Cow::from(&*key.id))))
    }
}

/// What tells requests apart; it keeps nobody out, it finds mistakes.
fn fingerprint(ask: &RowsAsk) -> u64 {
    xxh64(format!("{ask:?}").as_bytes(), 0)
}

/// The key that finds a row again.
pub(super) fn row_key(key: &OrderKey) -> RowKey {
    RowKey(encode(&Key(key.time.0, Cow::from(&*key.trace_id), Cow::from(&*key.id))))
}

/// The position that a key names; `None` where no row was ever given this key.
pub(super) fn read_row_key(key: &RowKey) -> Option<OrderKey> {
    let said = decode(&key.0)?;
    let Key(time, trace_id, id) = serde_json::from_slice(&said).ok()?;
    Some(OrderKey { time: Micros(time), trace_id: trace_id.into(), id: id.into() })
}

fn encode(said: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(said).expect("numbers and texts have a JSON form"))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    (text.len() <= BYTES_MAX).then(|| URL_SAFE_NO_PAD.decode(text).ok())?
}
