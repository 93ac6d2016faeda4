//! Opens data files for reading and says in the store's words what is wrong with them.

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::Path;

use model::{Fault, FaultKind};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use crate::disk;
use crate::file::{DataFile, TableSnapshot};
use crate::log;

impl TableSnapshot {
    /// Opens a file of this table after comparing its size with the log's.
    pub fn open(&self, file: &DataFile) -> Result<File, Fault> {
        let path = self.path(file);
        let missing = |why: &str| {
            Fault::corrupt(format!("cannot read store file {}: {why}", path.display()))
                .hint("restore the store from a backup")
        };
        let opened = match File::open(&path) {
            Ok(opened) => opened,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(match log::replaced_by(self, file) {
                    Some(version) => self.outlived(&path, version),
                    None => missing("it is missing"),
                });
            }
            Err(cause) => return Err(disk::fault("open", &path, cause)),
        };
        let bytes = opened.metadata().map_err(|cause| disk::fault("read", &path, cause))?.len();
        if bytes != file.bytes {
            return Err(missing(&format!("it has {bytes} bytes where the log says {}", file.bytes)));
        }
        Ok(opened)
    }

    /// The fault of a reader whose file was replaced and has gone since: nothing is damaged.
    fn outlived(&self, path: &Path, replaced_by: u64) -> Fault {
        let (name, version) = (self.table.name, self.version);
        let message = format!(
            "cannot go on reading version {version} of {name}: version {replaced_by} replaced {}, and it was cleaned \
             away since",
            path.display()
        );
        Fault::new(FaultKind::NotFound, message)
            .hint("start anew; where the data directory cannot be written, raise retention.replaced_files")
    }
}

/// A reader of a file's batches, yet to be told what to read.
pub(crate) fn open(snapshot: &TableSnapshot, file: &DataFile) -> Result<ParquetRecordBatchReaderBuilder<File>, Fault> {
    let opened = snapshot.open(file)?;
    let options = ArrowReaderOptions::new().with_schema(snapshot.physical_schema());
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(opened, options)
        .map_err(|cause| damaged(snapshot, file, cause))?;
    let rows = builder.metadata().file_metadata().num_rows();
    if u64::try_from(rows) != Ok(file.rows) {
        let why = format!("it has {rows} rows where the log says {}", file.rows);
        return Err(damaged(snapshot, file, why));
    }
    Ok(builder)
}

/// The fault of a data file whose bytes contradict themselves.
pub(crate) fn damaged(
    snapshot: &TableSnapshot,
    file: &DataFile,
    cause: impl Into<Box<dyn Error + Send + Sync>>,
) -> Fault {
    Fault::corrupt(format!("cannot read store file {}: its content is damaged", snapshot.path(file).display()))
        .hint("restore the store from a backup")
        .because(cause)
}
