//! Merges data files by their order into new ones, leaving out rows that nobody needs any more.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::interleave::interleave_record_batch;
use model::{Fault, OrderKey, ProjectId, StoredTable};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use roaring::RoaringBitmap;

use super::plan::{FILE_CELL_BYTES, FILE_ROWS};
use crate::append::{CHUNK_BYTES, CHUNK_ROWS, FileWriter, Staging};
use crate::cells::row_bytes;
use crate::file::{DataFile, Sequence, TableSnapshot};
use crate::order::{OrderValues, RowOrder};
use crate::parquet_file;
use crate::physical::logical_schema;
use crate::read::OpenFile;

/// Cells that all inputs together hold decoded, and as much of earlier batches whose rows are not written yet:
/// where most rows are left out, a few that stay would keep many batches.
const INPUT_BYTES: u64 = 48 << 20;

/// A file to merge and the rows of it to leave out.
pub(super) struct Part {
    pub file: Arc<DataFile>,
    pub dropped: RoaringBitmap,
}

/// Merges files of one project into files that do not overlap, in `staging`.
///
/// They get the greatest sequence of their parts, so several parts must not hold a version that
/// another file of the snapshot supersedes.
pub(super) fn merge(snapshot: &TableSnapshot, parts: Vec<Part>, staging: &mut Staging) -> Result<(), Fault> {
    let Some(project) = parts.first().map(|part| part.file.project.clone()) else { return Ok(()) };
    let sequence = parts.iter().map(|part| part.file.sequence).max().unwrap_or_default();
    let share = INPUT_BYTES / parts.len() as u64;
    let mut inputs = Vec::with_capacity(parts.len());
    let mut heads = BinaryHeap::with_capacity(parts.len());
    for part in parts {
        let mut input = Input::open(snapshot, part, share)?;
        if input.advance(snapshot)? {
            heads.push(Reverse((input.key(), inputs.len())));
        }
        inputs.push(input);
    }
    let mut gathered = Gathered::default();
    let mut output = Output { table: &snapshot.table, project, sequence, staging, writer: None };
    while let Some(Reverse((_, index))) = heads.pop() {
        let input = &mut inputs[index];
        // Rows of one file tend to follow each other: they are taken without going through the heap.
        loop {
            gathered.take(input);
            if gathered.is_full() {
                output.write(&mut gathered)?;
            }
            if !input.advance(snapshot)? {
                break;
            }
            if let Some(Reverse((next, other))) = heads.peek()
                && !input.precedes(next, index < *other)
            {
                heads.push(Reverse((input.key(), index)));
                break;
            }
        }
    }
    if !gathered.picks.is_empty() {
        output.write(&mut gathered)?;
    }
    output.end_file()
}

/// The new files, one after the other.
struct Output<'a> {
    table: &'a StoredTable,
    project: ProjectId,
    sequence: Sequence,
    staging: &'a mut Staging,
    writer: Option<FileWriter<'a>>,
}

impl Output<'_> {
    fn write(&mut self, gathered: &mut Gathered) -> Result<(), Fault> {
        let writer = self.writer.get_or_insert_with(|| {
            let name = self.staging.next_name();
            FileWriter::create(self.table, self.staging.table_directory(), name, self.project.clone())
        });
        let sources: Vec<_> = gathered.sources.iter().collect();
        let rows = interleave_record_batch(&sources, &gathered.picks)
            .map_err(|cause| Fault::bug("cannot gather rows of store files").because(cause))?;
        writer.write(&rows, gathered.bytes)?;
        gathered.clear();
        if writer.cell_bytes() >= FILE_CELL_BYTES || writer.rows() >= FILE_ROWS { self.end_file() } else { Ok(()) }
    }

    fn end_file(&mut self) -> Result<(), Fault> {
        if let Some(writer) = self.writer.take() {
            self.staging.add(DataFile { sequence: self.sequence, ..writer.finish()? });
        }
        Ok(())
    }
}

/// A file that is read batch by batch, one row group after the other: what the log says of the whole file is
/// an average, and the next row may be as large as all the others.
struct Input {
    file: Arc<DataFile>,
    opened: OpenFile,
    dropped: RoaringBitmap,
    batch_bytes: u64,
    next_group: usize,
    reader: Option<ParquetRecordBatchReader>,
    order: RowOrder,
    batch: RecordBatch,
    order_values: Option<OrderValues>,
    sizes: Vec<u64>,
    row: usize,
    /// Number of the first row after `batch`.
    next_row: u32,
    /// Where `batch` stands among the gathered sources, and of which gathering.
    source: Option<(u64, usize)>,
}

impl Input {
    fn open(snapshot: &TableSnapshot, part: Part, batch_bytes: u64) -> Result<Self, Fault> {
        let Part { file, dropped } = part;
        // Damage that still decodes would get a checksum of its own here, and never be found again.
        snapshot.prove(&file)?;
        let opened = OpenFile::open(snapshot, &file, &logical_schema(&snapshot.table))?;
        Ok(Self {
            file,
            opened,
            dropped,
            batch_bytes,
            next_group: 0,
            reader: None,
            order: RowOrder::of(&snapshot.table),
            batch: RecordBatch::new_empty(snapshot.physical_schema()),
            order_values: None,
            sizes: Vec::new(),
            row: 0,
            next_row: 0,
            source: None,
        })
    }

    /// Moves to the next row that is kept; false at the end.
    fn advance(&mut self, snapshot: &TableSnapshot) -> Result<bool, Fault> {
        let mut row = if self.next_row == 0 { 0 } else { self.row + 1 };
        loop {
            while row == self.batch.num_rows() {
                let Some(batch) = self.next_batch(snapshot)? else { return Ok(false) };
                self.batch = batch;
                self.order_values = Some(self.order.values(&self.batch)?);
                self.sizes = row_bytes(&self.batch);
                self.next_row += self.batch.num_rows() as u32;
                self.source = None;
                row = 0;
            }
            let number = self.next_row - (self.batch.num_rows() - row) as u32;
            if !self.dropped.contains(number) {
                self.row = row;
                return Ok(true);
            }
            row += 1;
        }
    }

    fn next_batch(&mut self, snapshot: &TableSnapshot) -> Result<Option<RecordBatch>, Fault> {
        loop {
            if let Some(batch) = self.reader.as_mut().and_then(Iterator::next) {
                return batch.map(Some).map_err(|cause| parquet_file::damaged(snapshot, &self.file, cause));
            }
            if self.next_group == self.opened.footer().num_row_groups() {
                return Ok(None);
            }
            self.reader = Some(self.opened.decode_stored(self.next_group, self.batch_bytes)?);
            self.next_group += 1;
        }
    }

    fn order_values(&self) -> &OrderValues {
        self.order_values.as_ref().expect("an input stands on a row")
    }

    fn key(&self) -> OrderKey {
        self.order_values().key_at(self.row)
    }

    /// Whether the current row comes before `other`; `first_on_tie` decides where they are equal.
    fn precedes(&self, other: &OrderKey, first_on_tie: bool) -> bool {
        let ours = self.order_values().at(self.row);
        let other = (Reverse(other.time.0), &*other.trace_id, &*other.id);
        ours < other || first_on_tie && ours == other
    }
}

/// Rows on their way into a file.
#[derive(Default)]
struct Gathered {
    sources: Vec<RecordBatch>,
    picks: Vec<(usize, usize)>,
    bytes: u64,
    source_bytes: u64,
    /// How often it was emptied.
    generation: u64,
}

impl Gathered {
    fn take(&mut self, input: &mut Input) {
        let source = match input.source {
            Some((generation, source)) if generation == self.generation => source,
            _ => {
                self.sources.push(input.batch.clone());
                self.source_bytes += input.sizes.iter().sum::<u64>();
                self.sources.len() - 1
            }
        };
        input.source = Some((self.generation, source));
        self.picks.push((source, input.row));
        self.bytes += input.sizes[input.row];
    }

    fn is_full(&self) -> bool {
        self.bytes >= CHUNK_BYTES || self.picks.len() >= CHUNK_ROWS || self.source_bytes >= 2 * INPUT_BYTES
    }

    fn clear(&mut self) {
        self.sources.clear();
        self.picks.clear();
        self.bytes = 0;
        self.source_bytes = 0;
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, StringArray};
    use tempfile::tempdir;

    use super::*;
    use crate::fixture::{NOW, Row, batch, new_lake, row};

    const HUGE_BYTES: usize = 13 << 20;

    /// Appends rows, those with a payload of 6 with a huge text.
    fn append(lake: &crate::Lake, rows: &[Row]) {
        let rows: Vec<(RecordBatch, bool)> =
            rows.iter().map(|row| (batch(std::slice::from_ref(row)), row.payload == 6)).collect();
        let mut appender = lake.append("events").unwrap();
        for (batch, huge) in rows {
            let place = batch.schema().index_of("input").unwrap();
            let mut columns = batch.columns().to_vec();
            if huge {
                columns[place] = Arc::new(StringArray::from(vec!["x".repeat(HUGE_BYTES)])) as ArrayRef;
            }
            appender.push(RecordBatch::try_new(batch.schema(), columns).unwrap()).unwrap();
        }
        appender.commit(NOW, "WRITE").unwrap();
    }

    #[test]
    fn rows_that_are_huge_beside_small_ones_are_read_one_by_one() {
        let directory = tempdir().unwrap();
        let lake = new_lake(directory.path());
        // The small ones make the average small; the huge ones stand in a row.
        let small = (0..600).map(|n| row("t", &format!("{n:04}"), 10_000 - n, 1, 1));
        let huge = (0..4).map(|n| row("u", &format!("{n}"), n, 1, 6));
        append(&lake, &small.chain(huge).collect::<Vec<_>>());
        let snapshot = lake.snapshot("events").unwrap();
        assert_eq!((snapshot.files.len(), snapshot.files[0].rows), (1, 604));
        let part = Part { file: Arc::clone(&snapshot.files[0]), dropped: RoaringBitmap::new() };
        let mut input = Input::open(&snapshot, part, INPUT_BYTES / 2).unwrap();
        let (mut rows, mut bytes_max) = (0, 0);
        while input.advance(&snapshot).unwrap() {
            rows += 1;
            bytes_max = bytes_max.max(input.sizes.iter().sum::<u64>());
        }
        assert_eq!(rows, 604);
        assert!(bytes_max < 2 * HUGE_BYTES as u64, "{bytes_max} bytes were decoded at once");
    }
}
