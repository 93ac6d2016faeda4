//! Dead rows that were found before, beside the keys they were found from.
//!
//! `_keys/dead-<hash of project and files>.rows`: magic and version (8 bytes), number of files (u32),
//! for each its path and two roaring bitmaps, all with their length (u32), then XXH3-64 over all of
//! it. Nothing in it is needed: what cannot be read is found again.

use std::fs;
use std::path::{Path, PathBuf};

use model::ProjectId;
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::dead::{DeadOfFile, DeadRows};
use crate::disk;
use crate::file::TableSnapshot;

const MAGIC: [u8; 8] = *b"OGDEAD\0\x01";

/// How names of these files begin.
pub(crate) const PREFIX: &str = "dead-";

/// Where the dead rows of these files are kept.
pub(crate) fn path(snapshot: &TableSnapshot, project: &ProjectId) -> PathBuf {
    let mut digest = Xxh3::new();
    let mut part = |bytes: &[u8]| {
        digest.update(&(bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    part(project.as_str().as_bytes());
    for file in snapshot.of_project(project) {
        part(file.path.as_bytes());
        part(file.sequence.to_string().as_bytes());
    }
    super::directory(&snapshot.directory).join(format!("{PREFIX}{:032x}.rows", digest.digest128()))
}

/// What was found before, where it is whole.
pub(super) fn read(path: &Path) -> Option<DeadRows> {
    let bytes = fs::read(path).ok()?;
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
    if checksum != xxh3_64(content).to_le_bytes() {
        return None;
    }
    let mut rest = content.strip_prefix(&MAGIC)?;
    let count = take_length(&mut rest)?;
    let mut found = DeadRows::default();
    for _ in 0..count {
        let path = std::str::from_utf8(take(&mut rest)?).ok()?;
        let dead = RoaringBitmap::deserialize_from(take(&mut rest)?).ok()?;
        let deleted = RoaringBitmap::deserialize_from(take(&mut rest)?).ok()?;
        found.files.insert(path.into(), DeadOfFile { dead, deleted });
    }
    rest.is_empty().then_some(found)
}

/// Keeps what was found. Failing to is no failure of the read.
pub(super) fn write(path: &Path, found: &DeadRows) {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(found.files.len() as u32).to_le_bytes());
    for (file, rows) in &found.files {
        put(&mut bytes, file.as_bytes());
        for bitmap in [&rows.dead, &rows.deleted] {
            let mut serialized = Vec::with_capacity(bitmap.serialized_size());
            bitmap.serialize_into(&mut serialized).expect("writing to memory cannot fail");
            put(&mut bytes, &serialized);
        }
    }
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    if let Err(fault) = disk::replace_unsynced(path, &bytes) {
        tracing::debug!(path = %path.display(), %fault, "dead rows are found anew by the next read");
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
    bytes.extend_from_slice(part);
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (length, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*length) as usize)
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(rest)?;
    let (part, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(part)
}
