//! A digest of row keys that a source can recompute with one aggregate query.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh64::xxh64;

use crate::Micros;

/// Number of buckets of a [`KeyDigest`].
pub const DIGEST_BUCKETS: usize = 256;

/// Row count and wrapping sum of key hashes per bucket (promise 7).
///
/// The hash of a row is XXH64 (seed 0) over `trace_id`, a zero byte, the id, a zero byte and
/// `event_ts` in decimal microseconds; its lowest byte is the bucket. Order does not matter, so
/// digests of parts add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDigest {
    rows: Vec<u64>,
    sums: Vec<u64>,
}

impl Default for KeyDigest {
    fn default() -> Self {
        Self { rows: vec![0; DIGEST_BUCKETS], sums: vec![0; DIGEST_BUCKETS] }
    }
}

impl KeyDigest {
    /// Adds a row. `scratch` is reused between calls.
    pub fn add(&mut self, trace_id: &str, id: &str, version: Option<Micros>, scratch: &mut Vec<u8>) {
        let hash = Self::hash(trace_id, id, version, scratch);
        let bucket = usize::from(Self::bucket_of(hash));
        self.rows[bucket] += 1;
        self.sums[bucket] = self.sums[bucket].wrapping_add(hash);
    }

    /// The hash of a row. `scratch` is reused between calls.
    pub fn hash(trace_id: &str, id: &str, version: Option<Micros>, scratch: &mut Vec<u8>) -> u64 {
        use std::io::Write;
        scratch.clear();
        scratch.extend_from_slice(trace_id.as_bytes());
        scratch.push(0);
        scratch.extend_from_slice(id.as_bytes());
        scratch.push(0);
        if let Some(version) = version {
            write!(scratch, "{}", version.0).expect("writing to memory cannot fail");
        }
        xxh64(scratch, 0)
    }

    /// The bucket of a row with this hash.
    pub fn bucket_of(hash: u64) -> u8 {
        hash.to_le_bytes()[0]
    }

    /// Rows and sum of hashes of a bucket.
    pub fn bucket(&self, bucket: u8) -> (u64, u64) {
        (self.rows[usize::from(bucket)], self.sums[usize::from(bucket)])
    }

    /// Adds the rows of another digest.
    pub fn merge(&mut self, other: &Self) {
        for bucket in 0..DIGEST_BUCKETS {
            self.rows[bucket] += other.rows[bucket];
            self.sums[bucket] = self.sums[bucket].wrapping_add(other.sums[bucket]);
        }
    }

    /// Rows in all buckets.
    pub fn rows(&self) -> u64 {
        self.rows.iter().sum()
    }

    /// Buckets in which the two differ.
    pub fn differing_buckets(&self, other: &Self) -> Vec<u8> {
        (0..=u8::MAX)
            .filter(|bucket| {
                let bucket = usize::from(*bucket);
                self.rows[bucket] != other.rows[bucket] || self.sums[bucket] != other.sums[bucket]
            })
            .collect()
    }
}

/// Serialised as one text: `count:sum` in hexadecimal per bucket that has rows, `bucket=count:sum`, comma separated.
impl Serialize for KeyDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts: Vec<String> = (0..DIGEST_BUCKETS)
            .filter(|bucket| self.rows[*bucket] > 0)
            .map(|bucket| format!("{bucket:02x}={:x}:{:016x}", self.rows[bucket], self.sums[bucket]))
            .collect();
        serializer.serialize_str(&parts.join(","))
    }
}

impl<'de> Deserialize<'de> for KeyDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let parsed = part.split_once('=').and_then(|(bucket, rest)| {
                let (rows, sum) = rest.split_once(':')?;
                Some((
                    usize::from(u8::from_str_radix(bucket, 16).ok()?),
                    u64::from_str_radix(rows, 16).ok()?,
                    u64::from_str_radix(sum, 16).ok()?,
                ))
            });
            let Some((bucket, rows, sum)) = parsed else {
                return Err(serde::de::Error::custom(format!("{part:?} is not a digest bucket")));
            };
            digest.rows[bucket] = rows;
            digest.sums[bucket] = sum;
        }
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_add_up_in_any_order_and_survive_text() {
        let rows = [("t1", "a", 1), ("t1", "b", 2), ("t2", "a", 3)];
        let mut scratch = Vec::new();
        let mut forward = KeyDigest::default();
        for (trace, id, version) in rows {
            forward.add(trace, id, Some(Micros(version)), &mut scratch);
        }
        let mut merged = KeyDigest::default();
        for (trace, id, version) in rows.into_iter().rev() {
            let mut one = KeyDigest::default();
            one.add(trace, id, Some(Micros(version)), &mut scratch);
            merged.merge(&one);
        }
        assert_eq!(forward, merged);
        assert_eq!(forward.rows(), 3);
        let text = serde_json::to_string(&forward).unwrap();
        assert_eq!(serde_json::from_str::<KeyDigest>(&text).unwrap(), forward);
        merged.add("t3", "a", None, &mut scratch);
        assert_eq!(merged.differing_buckets(&forward).len(), 1);
    }
}
