//! Visits every row of a set of files with all its stored versions, making missing keys on the way.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Fault, Stop};

use super::merge::{Broken, Version, merge};
use super::rebuild::rebuild;
use super::sidecar::{EntryReader, Unreadable};
use crate::disk;
use crate::file::{DataFile, TableSnapshot};

/// Memory of all readers together: small beside an export's budget, large enough to read in long strokes.
const BUFFERS_BYTES: usize = 32 << 20;

/// The files in the order that decides between versions of equal rank, oldest first.
pub(crate) fn by_sequence(files: &[Arc<DataFile>]) -> Vec<Arc<DataFile>> {
    let mut files = files.to_vec();
    files.sort_by_key(|file| file.sequence);
    files
}

/// Calls `each` for every row of `files` with its stored versions, newest first, and returns what it
/// made of a `fresh` state. `files` come [by sequence](by_sequence); versions name them by index.
///
/// Keys that are missing or damaged are made again once, which starts over with a fresh state.
pub(crate) fn each_row<S>(
    snapshot: &TableSnapshot,
    files: &[Arc<DataFile>],
    stop: &Stop,
    fresh: impl Fn() -> S,
    each: impl Fn(&mut S, &[Version]),
) -> Result<S, Fault> {
    let buffer_bytes = (BUFFERS_BYTES / files.len().max(1)).clamp(4 << 10, 256 << 10);
    let mut rebuilt: HashMap<usize, Option<Vec<u8>>> = HashMap::new();
    loop {
        let mut state = fresh();
        let opened = files.iter().enumerate().map(|(index, file)| {
            let reader = match rebuilt.get(&index) {
                Some(Some(bytes)) => EntryReader::of_bytes(bytes.clone(), file.rows, buffer_bytes),
                _ => EntryReader::open(&super::path_of(&snapshot.directory, &file.path), file.rows, buffer_bytes),
            };
            reader.map_err(|why| Broken { file: index, why })
        });
        let merged = opened
            .collect::<Result<Vec<_>, Broken>>()
            .and_then(|readers| merge(readers, stop, |versions| each(&mut state, versions)));
        let broken = match merged {
            Ok(()) => return Ok(state),
            Err(Broken { why: Unreadable::Fault(fault), .. }) => return Err(fault),
            Err(Broken { file, why: Unreadable::Damaged }) => file,
        };
        let file = &files[broken];
        if rebuilt.contains_key(&broken) {
            let path = super::path_of(&snapshot.directory, &file.path);
            return Err(Fault::corrupt(format!("cannot read the keys {}: they were damaged again", path.display()))
                .hint("check the disk of the data directory"));
        }
        rebuilt.insert(broken, remake(snapshot, file)?);
    }
}

/// Makes the keys of a file again. Returns them where they cannot be stored: a store on a read-only
/// disk can still be read.
fn remake(snapshot: &TableSnapshot, file: &DataFile) -> Result<Option<Vec<u8>>, Fault> {
    let bytes = rebuild(snapshot, file)?;
    let path = super::path_of(&snapshot.directory, &file.path);
    let stored = disk::create_directory(&super::directory(&snapshot.directory))
        .and_then(|()| disk::replace_unsynced(&path, &bytes));
    match stored {
        Ok(()) => Ok(None),
        Err(fault) => {
            tracing::debug!(path = %path.display(), %fault, "keys of a store file are made again for every read");
            Ok(Some(bytes))
        }
    }
}
