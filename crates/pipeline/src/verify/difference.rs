//! What verification can find, in words.

use std::fmt;

use model::{ByteCount, FileName, Micros, RowCount};

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The manifest's total is not the sum over its files.
    Total {
        /// `rows` or `bytes`.
        of: &'static str,
        /// What the manifest says.
        stated: u64,
        /// The sum over its files.
        summed: u64,
    },
    /// The manifest lists a file twice.
    ListedTwice(FileName),
    /// The key digest of a file in the manifest counts other rows than the manifest says.
    DigestRows {
        /// The file.
        file: FileName,
        /// Rows the manifest says.
        stated: RowCount,
        /// Rows its digest counts.
        digested: RowCount,
    },
    /// The manifest's cursor bounds of a file lie outside its window, or contradict each other.
    OutsideWindow {
        /// The file.
        file: FileName,
        /// Smallest cursor value.
        cursor_min: Option<Micros>,
        /// Largest cursor value.
        cursor_max: Option<Micros>,
    },
    /// The file is not there.
    Missing(FileName),
    /// The file has another size.
    Size {
        /// The file.
        file: FileName,
        /// Bytes the manifest says.
        stated: ByteCount,
        /// Bytes it has.
        found: ByteCount,
    },
    /// The file has other content.
    Content {
        /// The file.
        file: FileName,
        /// SHA-256 the manifest says.
        stated: String,
        /// SHA-256 it has.
        found: String,
    },
    /// The file has another number of rows.
    Rows {
        /// The file.
        file: FileName,
        /// Rows the manifest says.
        stated: RowCount,
        /// Rows it has.
        found: RowCount,
    },
    /// The file cannot be read as what the manifest says it is.
    Unreadable {
        /// The file.
        file: FileName,
        /// Why.
        why: String,
    },
    /// A row of the source is not in the export, although it was stored when the export was made.
    RowMissing(RowName),
    /// A row was stored after the export and belongs to its window.
    RowLate(RowName),
    /// A row was exported more than once.
    RowTwice(RowName),
    /// A row was exported and is no longer in the source, in no window: it was deleted since, or lost.
    RowGone(RowName),
    /// A row is in the export, but the source, where it has not changed since, does not count it to the export.
    RowExtra(RowName),
    /// A row was exported in another version than the source has, where it has not changed since the export.
    RowVersion(RowName),
    /// Rows of a bucket differ, which rows cannot be told from the digest alone.
    Bucket {
        /// Bucket of the key digest.
        bucket: u8,
        /// Rows of it in the manifest.
        exported: RowCount,
        /// Rows of it in the source.
        stored: RowCount,
    },
}

/// A row for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowName {
    /// Its trace; empty where the table has none.
    pub trace_id: String,
    /// Its id.
    pub id: String,
    /// When its version was stored, where that is known.
    pub ingested: Option<Micros>,
}

impl Difference {
    /// The row that the run lacks, or has in an older version than it should; `None` for any other difference.
    pub fn lacking(&self) -> Option<&RowName> {
        match self {
            Self::RowMissing(row) | Self::RowLate(row) | Self::RowVersion(row) => Some(row),
            _ => None,
        }
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.trace_id.is_empty() {
            write!(f, "{}/", self.trace_id)?;
        }
        f.write_str(&self.id)?;
        match self.ingested {
            Some(ingested) => write!(f, ", stored {ingested}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total { of, stated, summed } => {
                write!(f, "the manifest says {stated} {of}, its files add up to {summed}")
            }
            Self::ListedTwice(file) => write!(f, "{file}: listed twice in the manifest"),
            Self::DigestRows { file, stated, digested } => {
                write!(f, "{file}: the manifest says {stated} rows, its key digest counts {digested}")
            }
            Self::OutsideWindow { file, cursor_min, cursor_max } => {
                let show = |bound: &Option<Micros>| bound.map_or("nothing".to_owned(), |bound| bound.to_string());
                write!(f, "{file}: rows from {} to {} do not lie in the window", show(cursor_min), show(cursor_max))
            }
            Self::Missing(file) => write!(f, "{file}: missing"),
            Self::Size { file, stated, found } => {
                write!(f, "{file}: {found} bytes, the manifest says {stated}")
            }
            Self::Content { file, stated, found } => {
                write!(f, "{file}: its content has SHA-256 {found}, the manifest says {stated}")
            }
            Self::Rows { file, stated, found } => write!(f, "{file}: {found} rows, the manifest says {stated}"),
            Self::Unreadable { file, why } => write!(f, "{file}: cannot be read back: {why}"),
            Self::RowMissing(row) => write!(f, "missing row: {row}, is in the source and not in the export"),
            Self::RowLate(row) => write!(f, "late row: {row}, after the export"),
            Self::RowTwice(row) => write!(f, "doubled row: {row}, was exported more than once"),
            Self::RowGone(row) => write!(f, "gone row: {row}, was exported and is no longer in the source"),
            Self::RowExtra(row) => write!(f, "extra row: {row}, was exported and does not belong to the export"),
            Self::RowVersion(row) => write!(f, "wrong version: {row}, was exported in another version"),
            Self::Bucket { bucket, exported, stored } => {
                write!(f, "key digest bucket {bucket:02x}: {exported} rows exported, other {stored} in the source")
            }
        }
    }
}
