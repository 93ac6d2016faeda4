//! Compares a finished run with its files and its source (promise 8).
//!
//! The manifest must not contradict itself; files are read back and compared with it by size,
//! SHA-256 and rows; the source is read again, keys only, and compared with the manifest's key
//! digest. Where they differ, the keys in the files are compared with those in the source, so that each
//! difference is named by its key; of files that do not hold the key columns, or cannot be read row by
//! row, only what the digest itself tells is named, otherwise the bucket.
//!
//! What was sent as events cannot be read back: [`verify_sent`] compares the keys that were kept.

mod difference;
mod file;
mod keys;
mod manifest;
mod sent;
mod source;

use std::sync::Arc;

use model::{Destination, Fault, Format, FormatOptions, Manifest, ReadRequest, RowCount, RowsOfTable, Source, Stop};

pub use difference::{Difference, RowName};
pub use sent::{SentHashes, SentVerification, verify_sent};

use crate::retry::Retrying;
use crate::{Budget, Waits};
use file::Files;
use keys::KeyColumns;
use source::Stored;

/// What is to be verified, and how.
#[derive(Clone)]
pub struct Verification {
    /// The manifest, as it was read.
    pub manifest: Manifest,
    /// Where its files lie.
    pub destination: Arc<dyn Destination>,
    /// The format of its files.
    pub format: &'static dyn Format,
    /// What they were written with.
    pub options: FormatOptions,
    /// What of the files is read.
    pub files: FilesRead,
    /// Columns whose cells may differ from what is stored, because they are masked: keys are not read from them.
    pub altered: Vec<String>,
    /// The source, where it is to be compared too.
    pub against: Option<Against>,
    /// Raised when the verification should end early.
    pub stop: Stop,
    /// Clock and chance of every wait.
    pub waits: Arc<dyn Waits>,
    /// Bounds of memory and patience.
    pub budget: Budget,
}

/// What of the files is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilesRead {
    /// All of them, to compare size, hash and rows with the manifest.
    #[default]
    All,
    /// The keys in them, and only where the manifest's digest differs from the source.
    Suspects,
}

/// The source of a run.
#[derive(Clone)]
pub struct Against {
    /// Where the rows came from.
    pub source: Arc<dyn Source>,
    /// The request of the run, without its snapshot: the source is looked at as it is now. Columns do not matter.
    pub request: ReadRequest,
    /// Compares the keys in the files row by row even where the digests agree: finds a file and a
    /// manifest that were changed alike. Files without key columns are refused. The source decides
    /// over all stored versions, also those that were too old for the export to look at.
    pub full: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VerifyReport {
    /// Files that were read back.
    pub files_read: usize,
    /// Rows found in them.
    pub rows_in_files: RowCount,
    /// Rows that the source has now; `None` where it was not compared.
    pub rows_in_source: Option<RowCount>,
    /// Exported rows that have a newer version by now, or were deleted: not a difference, a later window has them.
    pub rows_superseded: RowCount,
    /// Rows that were stored after an export whose window has no end: not a difference, another export has them.
    pub rows_since: RowCount,
    /// What is not as it should be; of very many differences the first ones.
    pub differences: Vec<Difference>,
    /// Differences beyond those.
    pub differences_more: u64,
    /// Those of them that are rows which the run lacks.
    pub lacking_more: RowCount,
}

/// Differences that are named, as many as a revision can name rows. Of a manifest that has little to do with its source
/// every row differs.
const DIFFERENCES_MAX: usize = RowsOfTable::NAMED_MAX;

impl VerifyReport {
    /// Adds a difference, by name as long as there are not too many.
    fn add(&mut self, difference: Difference) {
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        } else {
            self.differences_more += 1;
            self.lacking_more += RowCount(u64::from(difference.lacking().is_some()));
        }
    }

    /// Adds what was found of another table of the same window.
    pub fn merge(&mut self, other: Self) {
        self.files_read += other.files_read;
        self.rows_in_files += other.rows_in_files;
        self.rows_in_source = match (self.rows_in_source, other.rows_in_source) {
            (Some(before), Some(rows)) => Some(before + rows),
            (before, rows) => before.or(rows),
        };
        self.rows_superseded += other.rows_superseded;
        self.rows_since += other.rows_since;
        self.differences_more += other.differences_more;
        self.lacking_more += other.lacking_more;
        other.differences.into_iter().for_each(|difference| self.add(difference));
    }
}

/// Compares a finished run with its files and, where given, its source. Differences are not faults:
/// a fault means that the comparison itself could not be made.
pub async fn verify(verification: Verification) -> Result<VerifyReport, Fault> {
    let Verification { manifest, destination, format, options, files, altered, against, stop, waits, budget } =
        verification;
    let retrying = Retrying::new(waits, stop.clone(), &budget);
    let work = async {
        let mut report = VerifyReport { differences: manifest::contradictions(&manifest), ..VerifyReport::default() };
        let read = if files == FilesRead::All { manifest.files.as_slice() } else { &[] };
        let files = Files { destination: &*destination, format, options: &options };
        for receipt in read {
            file::compare(receipt, &files, &retrying, &mut report).await?;
        }
        if let Some(against) = against {
            let stored = Stored { against, budget, stop: stop.clone(), retrying: retrying.clone() };
            let columns = KeyColumns::of(&manifest, &stored.against.request.table, &altered);
            source::compare(&manifest, columns, &stored, &files, &mut report).await?;
        }
        Ok(report)
    };
    tokio::select! {
        biased;
        reason = stop.raised() => Err(reason.fault()),
        report = work => report,
    }
}

#[cfg(test)]
mod tests;
