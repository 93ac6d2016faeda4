//! Merges the sorted keys of many files, meeting all versions of a row together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use model::Stop;

use super::sidecar::{Entry, EntryReader, Unreadable};

/// A stored version of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Index of the file among those merged.
    pub file: usize,
    /// Its key entry.
    pub entry: Entry,
}

/// The keys of a file could not be read.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Index of the file among those merged.
    pub file: usize,
    /// Why.
    pub why: Unreadable,
}

/// Calls `each` once per row with all its stored versions, the newest first.
///
/// Readers come in the order of their files' sequences, oldest first, which decides between versions
/// of equal rank. Memory is that of the readers and of one row's versions. Ends early once `stop` is raised.
pub(crate) fn merge(readers: Vec<EntryReader>, stop: &Stop, mut each: impl FnMut(&[Version])) -> Result<(), Broken> {
    /// Entries between two looks at the flag, far less than a millisecond of work.
    const STRIDE: u64 = 4096;
    let mut cursors = Vec::with_capacity(readers.len());
    let mut heads = BinaryHeap::with_capacity(readers.len());
    for (file, mut reader) in readers.into_iter().enumerate() {
        let head = reader.next().map_err(|why| Broken { file, why })?;
        if let Some(entry) = head {
            heads.push(Reverse((entry.hash, file)));
        }
        cursors.push((reader, head));
    }
    let mut versions: Vec<Version> = Vec::new();
    let mut met = 0_u64;
    while let Some(mut top) = heads.peek_mut() {
        let Reverse((hash, file)) = *top;
        met += 1;
        if met.is_multiple_of(STRIDE) {
            stop.check().map_err(|fault| Broken { file, why: Unreadable::Fault(fault) })?;
        }
        let (reader, head) = &mut cursors[file];
        let entry = head.take().expect("a file in the heap has a head");
        if versions.first().is_some_and(|first| first.entry.hash != hash) {
            settle(&mut versions, &mut each);
        }
        versions.push(Version { file, entry });
        *head = reader.next().map_err(|why| Broken { file, why })?;
        match head {
            // Replacing the top sifts once, where pop and push would twice.
            Some(entry) => *top = Reverse((entry.hash, file)),
            None => {
                PeekMut::pop(top);
            }
        }
    }
    if !versions.is_empty() {
        settle(&mut versions, &mut each);
    }
    Ok(())
}

fn settle(versions: &mut Vec<Version>, each: &mut impl FnMut(&[Version])) {
    if versions.len() > 1 {
        versions.sort_by_key(|version| Reverse((version.entry.version, version.file)));
    }
    each(versions);
    versions.clear();
}
