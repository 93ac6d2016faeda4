//! The rows of a snapshot that are not live, as positions per file.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use crate::file::DataFile;

/// For every file of one project the row numbers, counted from the file's first row, that are not live.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeadRows {
    pub(crate) files: HashMap<Box<str>, DeadOfFile>,
}

/// The rows of one file that are not live.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DeadOfFile {
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
}
