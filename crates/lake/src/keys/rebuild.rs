//! Makes the keys of a data file again from its key columns.

use model::{Fault, StoredTable};
use parquet::arrow::ProjectionMask;

use super::hash::KeyColumns;
use super::sidecar::{self, Entry};
use crate::file::{DataFile, TableSnapshot};
use crate::parquet_file;

/// The keys of a file in the form of their sidecar.
pub(crate) fn rebuild(snapshot: &TableSnapshot, file: &DataFile) -> Result<Vec<u8>, Fault> {
    let table: &StoredTable = &snapshot.table;
    let builder = parquet_file::open(snapshot, file)?;
    let wanted = table.key.iter().copied().chain([table.version, table.deleted]);
    let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(8_192)
        .build()
        .map_err(|cause| parquet_file::damaged(snapshot, file, cause))?;
    let mut entries = Vec::new();
    let mut scratch = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|cause| parquet_file::damaged(snapshot, file, cause))?;
        let columns = KeyColumns::of(&batch, table)?;
        for row in 0..batch.num_rows() {
            let number = u32::try_from(entries.len()).expect("the row count of an opened file fits");
            entries.push(Entry {
                hash: columns.hash(row, &mut scratch),
                version: columns.version(row),
                row: number,
                deleted: columns.is_deleted(row),
            });
        }
    }
    Ok(sidecar::encode(&mut entries))
}
