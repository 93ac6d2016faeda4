//! The rows of a snapshot that are not live, as positions per file.
//!
//! They are found by one merge over the keys of a project's files and kept beside the keys, under a
//! name made of the files they belong to: further exports of the same snapshot, and of later ones
//! that changed other projects only, find them again.

use std::collections::HashMap;

use model::{Fault, ProjectId, Stop};
use roaring::RoaringBitmap;

use super::rows::{by_sequence, each_row};
use super::{Version, cache};
use crate::file::{DataFile, TableSnapshot};

/// For every file of one project the row numbers, counted from the file's first row, that are not live.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeadRows {
    pub(super) files: HashMap<Box<str>, DeadOfFile>,
}

/// The rows of one file that are not live.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DeadOfFile {
    /// All of them.
    pub dead: RoaringBitmap,
    /// Those that are the newest version of their row, and mark it deleted.
    pub deleted: RoaringBitmap,
}

impl DeadRows {
    /// Rows of the file that do not exist for a reader: superseded, or deletions. `None` where all live.
    pub fn of(&self, file: &DataFile) -> Option<&RoaringBitmap> {
        self.files.get(&file.path).map(|rows| &rows.dead).filter(|rows| !rows.is_empty())
    }

    /// Rows of the file that are the newest version of their row and mark it deleted. `None` where there are none.
    pub fn deletions_of(&self, file: &DataFile) -> Option<&RoaringBitmap> {
        self.files.get(&file.path).map(|rows| &rows.deleted).filter(|rows| !rows.is_empty())
    }

    /// How many rows of the file live.
    pub fn live_rows(&self, file: &DataFile) -> u64 {
        file.rows - self.of(file).map_or(0, RoaringBitmap::len)
    }

    /// Rows of the file that a newer version replaces. A rewrite of the file may leave them out.
    pub(crate) fn superseded_of(&self, file: &DataFile) -> RoaringBitmap {
        self.files.get(&file.path).map(|rows| &rows.dead - &rows.deleted).unwrap_or_default()
    }
}

/// Finds the dead rows of a project, or finds what was found before.
pub(crate) fn dead_rows(snapshot: &TableSnapshot, project: &ProjectId, stop: &Stop) -> Result<DeadRows, Fault> {
    let files = by_sequence(snapshot.of_project(project));
    // A single file holds every key once; only deletions could be dead.
    if files.len() <= 1 && !files.iter().any(|file| file.has_deletions()) {
        return Ok(DeadRows::default());
    }
    let path = cache::path(snapshot, project);
    if let Some(found) = cache::read(&path) {
        return Ok(found);
    }
    let fresh = || files.iter().map(|file| Marks::of_rows(file.rows)).collect::<Vec<_>>();
    let marks = each_row(snapshot, &files, stop, fresh, |marks, versions| mark_dead(marks, versions))?;
    let mut found = DeadRows::default();
    for (file, marks) in files.iter().zip(&marks) {
        let dead = RoaringBitmap::from_lsb0_bytes(0, &marks.dead);
        if !dead.is_empty() {
            let deleted = RoaringBitmap::from_lsb0_bytes(0, &marks.deleted);
            found.files.insert(file.path.clone(), DeadOfFile { dead, deleted });
        }
    }
    cache::write(&path, &found);
    Ok(found)
}

/// One bit a row. Rows are met in the order of their keys' hashes, for which a plain array of bits is
/// several times faster than a compressed one.
struct Marks {
    dead: Vec<u8>,
    deleted: Vec<u8>,
}

impl Marks {
    fn of_rows(rows: u64) -> Self {
        let bytes = usize::try_from(rows.div_ceil(8)).expect("rows of a file fit 32 bits");
        Self { dead: vec![0; bytes], deleted: vec![0; bytes] }
    }
}

fn mark_dead(marks: &mut [Marks], versions: &[Version]) {
    let (newest, older) = versions.split_first().expect("a row has a version");
    if newest.entry.deleted {
        set(&mut marks[newest.file].dead, newest.entry.row);
        set(&mut marks[newest.file].deleted, newest.entry.row);
    }
    for version in older {
        set(&mut marks[version.file].dead, version.entry.row);
    }
}

fn set(bits: &mut [u8], row: u32) {
    bits[row as usize / 8] |= 1 << (row % 8);
}
