//! Data files opened for reading: parsed footers, kept within bounds, and row groups decoded from them.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;
use model::Fault;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelectionPolicy,
};
use parquet::basic::{ConvertedType, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::file::{DataFile, TableSnapshot};
use crate::parquet_file::damaged;
use crate::physical;

/// Rows are skipped one stretch at a time where stretches, wanted and unwanted, are this long on average;
/// below it all rows are decoded and the wanted ones copied out. The library prefers that up to 32, which
/// is right for numbers: of payloads it writes every byte first. Measured on 1,000,000 events, CPU seconds
/// with 32 and with 3: 3.9 and 2.6 for 2 % of the rows, 5.9 and 5.3 for 14 %, 11.5 and 12.5 for 46 %.
const SKIPPED_RUN_MIN: usize = 3;

/// A data file with its parsed footer.
#[derive(Debug)]
pub(crate) struct OpenFile {
    snapshot: TableSnapshot,
    file: Arc<DataFile>,
    handle: Handle,
    metadata: ArrowReaderMetadata,
    /// For every column of the table the Parquet leaves that hold it.
    leaves: Vec<Vec<usize>>,
    logical: SchemaRef,
}

/// What reading some columns of a row group costs, from its metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Bytes of the decoded columns.
    pub bytes: u64,
    /// Bytes of the largest decoded page.
    pub page_bytes_max: u64,
    /// No row is larger than this.
    pub row_bytes_max: u64,
}

impl Weight {
    /// How many of the row group's `rows` to decode at once to stay near `wanted` bytes.
    pub(crate) fn batch_rows(&self, rows: usize, wanted: u64) -> usize {
        // Rows of a batch, as everywhere in the engine.
        const ROWS_MAX: u64 = 8192;
        // Three times the size that row groups are written at. A larger one holds huge rows or endless
        // repetitions; where a page of it is huge as well, an average says nothing about the next row.
        const PLAIN_BYTES_MAX: u64 = 48 * 1024 * 1024;
        if self.bytes > PLAIN_BYTES_MAX && self.page_bytes_max > 2 * wanted {
            return 1;
        }
        let average = (self.bytes / (rows.max(1) as u64)).max(1);
        (wanted / average).clamp(1, ROWS_MAX) as usize
    }
}

impl OpenFile {
    /// Opens a file of a snapshot; `logical` is the schema of its table as readers know it.
    pub(crate) fn open(snapshot: &TableSnapshot, file: &Arc<DataFile>, logical: &SchemaRef) -> Result<Self, Fault> {
        let handle = Handle { file: Arc::new(snapshot.open(file)?), bytes: file.bytes };
        // Pages are found by the offset index; bounds per page would cost memory and save little
        // in files whose row groups hold a few thousand rows.
        let options = ArrowReaderOptions::new()
            .with_schema(snapshot.physical_schema())
            .with_offset_index_policy(PageIndexPolicy::Optional)
            .with_column_index_policy(PageIndexPolicy::Skip);
        let metadata = ArrowReaderMetadata::load(&handle, options).map_err(|cause| damaged(snapshot, file, cause))?;
        let rows = metadata.metadata().file_metadata().num_rows();
        if u64::try_from(rows) != Ok(file.rows) {
            return Err(damaged(snapshot, file, format!("it has {rows} rows where the log says {}", file.rows)));
        }
        // With the table's own schema, columns stand in the file as they do in the table.
        let descriptor = metadata.parquet_schema();
        let mut leaves = vec![Vec::new(); logical.fields().len()];
        for leaf in 0..descriptor.num_columns() {
            leaves[descriptor.get_column_root_idx(leaf)].push(leaf);
        }
        Ok(Self {
            snapshot: snapshot.clone(),
            file: Arc::clone(file),
            handle,
            metadata,
            leaves,
            logical: Arc::clone(logical),
        })
    }

    fn damaged(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Fault {
        damaged(&self.snapshot, &self.file, cause)
    }

    /// The footer.
    pub(crate) fn footer(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// The schema of the file as it is stored.
    pub(crate) fn stored_schema(&self) -> &Schema {
        self.metadata.schema()
    }

    /// The metadata of a row group.
    pub(crate) fn group(&self, group: usize) -> &RowGroupMetaData {
        self.footer().row_group(group)
    }

    /// The Parquet leaf of a column that is not nested.
    pub(crate) fn leaf(&self, column: usize) -> usize {
        self.leaves[column][0]
    }

    /// What decoding these columns of a row group costs.
    pub(crate) fn weight(&self, group: usize, columns: impl IntoIterator<Item = usize>) -> Weight {
        let pages = self.footer().offset_index().map(|index| &index[group]);
        let mut weight = Weight::default();
        for leaf in columns.into_iter().flat_map(|column| &self.leaves[column]) {
            let chunk = self.group(group).column(*leaf);
            let values = chunk.num_values().max(0) as u64;
            let nested = chunk.column_descr().max_rep_level() > 0;
            let sized = |width| (width * values, if nested { width * values } else { width });
            let (content, largest) = match chunk.column_type() {
                Type::BYTE_ARRAY => {
                    // Dictionaries make the stored size a poor guess of the decoded one, so the recorded
                    // sizes of the plain values are preferred.
                    let pages = pages.and_then(|pages| pages[*leaf].unencoded_byte_array_data_bytes());
                    let content = match (pages, chunk.unencoded_byte_array_data_bytes()) {
                        (_, Some(bytes)) => bytes,
                        (Some(pages), None) => pages.iter().sum(),
                        (None, None) => chunk.uncompressed_size(),
                    };
                    let content = content.max(0) as u64;
                    let largest =
                        pages.and_then(|pages| pages.iter().max()).map_or(content, |page| (*page).max(0) as u64);
                    (content + 4 * values, largest + if nested { 4 * values } else { 4 })
                }
                Type::BOOLEAN => (values.div_ceil(8), 1),
                // Decimals, which Parquet keeps in as few bytes as it can, take 16 in memory.
                _ if chunk.column_descr().converted_type() == ConvertedType::DECIMAL => sized(16),
                _ => sized(8),
            };
            weight.bytes += content;
            weight.page_bytes_max = weight.page_bytes_max.max(largest);
            weight.row_bytes_max += content.min(largest);
        }
        weight
    }

    /// Decodes all columns of a row group as they are stored, at most `batch_bytes` at once or one row.
    pub(crate) fn decode_stored(&self, group: usize, batch_bytes: u64) -> Result<ParquetRecordBatchReader, Fault> {
        let rows = usize::try_from(self.group(group).num_rows()).unwrap_or(usize::MAX);
        let batch_rows = self.weight(group, 0..self.leaves.len()).batch_rows(rows, batch_bytes);
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.handle.clone(), self.metadata.clone())
            .with_row_groups(vec![group])
            .with_batch_size(batch_rows)
            .build()
            .map_err(|cause| self.damaged(cause))
    }

    /// Decodes columns of the selected rows of a row group; `columns` are ascending places in the table.
    pub(crate) fn decode(
        self: &Arc<Self>,
        group: usize,
        columns: &[usize],
        selection: Option<RowSelection>,
        batch_rows: usize,
    ) -> Result<GroupReader, Fault> {
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.handle.clone(), self.metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied()))
                .with_batch_size(batch_rows.max(1));
        if let Some(selection) = selection {
            let policy = RowSelectionPolicy::Auto { threshold: SKIPPED_RUN_MIN };
            builder = builder.with_row_selection(selection).with_row_selection_policy(policy);
        }
        let reader = builder.build().map_err(|cause| self.damaged(cause))?;
        Ok(GroupReader { file: Arc::clone(self), columns: columns.to_vec(), reader })
    }
}

/// Decoded columns of one row group, batch by batch.
pub(crate) struct GroupReader {
    file: Arc<OpenFile>,
    columns: Vec<usize>,
    reader: ParquetRecordBatchReader,
}

impl GroupReader {
    /// The next rows: one array per asked column, in the asked order, as readers know them.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<ArrayRef>>, Fault> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let batch: RecordBatch = batch.map_err(|cause| self.file.damaged(cause))?;
        let (_, columns, _) = batch.into_parts();
        let columns = self.columns.iter().zip(columns).map(|(&column, mut stored)| {
            // Buffers of text were doubled until the texts fitted. Decoded rows wait in queues that count what they
            // show: left alone, 4,000,000 events kept another 50 MB.
            stored.shrink_to_fit();
            physical::convert_array(&stored, self.file.logical.field(column).data_type())
        });
        columns.collect::<Result<Vec<_>, Fault>>().map(Some)
    }
}

/// Reads at positions, so that any number of readers share one open file.
#[derive(Clone, Debug)]
struct Handle {
    file: Arc<File>,
    bytes: u64,
}

/// A sequential reader of a [`Handle`].
struct From {
    handle: Handle,
    position: u64,
}

impl Read for From {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.handle.file.read_at(into, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Length for Handle {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Handle {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(From { handle: self.clone(), position: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // Damaged footers name absurd lengths; memory is asked for only where the file has the bytes.
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are beyond the end of the file")));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Opened files, the least recently used closed when their footers take too much memory.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    kept: Mutex<Vec<(usize, Arc<OpenFile>)>>,
}

/// Bytes of parsed footers kept. A footer of a million events takes about 8 MiB, and slices
/// in flight are neighbours in time, so that a few files suffice.
const FOOTER_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Files kept open, well below the usual limit of 1,024 descriptors.
const OPEN_FILES_MAX: usize = 128;

impl OpenFiles {
    /// The file at this place of a list, opened by `open` unless it still is.
    pub(crate) fn get(
        &self,
        place: usize,
        open: impl FnOnce() -> Result<OpenFile, Fault>,
    ) -> Result<Arc<OpenFile>, Fault> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut kept = lock();
            if let Some(at) = kept.iter().position(|(of, _)| *of == place) {
                let found = kept.remove(at);
                let file = Arc::clone(&found.1);
                kept.push(found);
                return Ok(file);
            }
        }
        // Two threads may open the same file at once; that costs time, never correctness.
        let file = Arc::new(open()?);
        let mut kept = lock();
        kept.push((place, Arc::clone(&file)));
        let mut bytes: usize = kept.iter().map(|(_, file)| file.footer().memory_size()).sum();
        while kept.len() > 1 && (bytes > FOOTER_BYTES_MAX || kept.len() > OPEN_FILES_MAX) {
            bytes -= kept.remove(0).1.footer().memory_size();
        }
        Ok(file)
    }
}
