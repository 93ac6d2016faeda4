//! The rows of a row group that are still wanted, and what has been decoded of them.
//!
//! Reading is a narrowing: each step decodes the columns it needs of the rows that are left, and
//! drops more rows. Columns that a later step needs again are held and narrowed along.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter;
use model::Fault;
use parquet::arrow::arrow_reader::RowSelection;
use roaring::RoaringBitmap;

use super::files::RowGroup;
use super::open::{GroupReader, OpenFile};

/// Rows of one row group.
pub(crate) struct Rows {
    file: Arc<OpenFile>,
    group: usize,
    total: usize,
    /// Which rows are left; `None` means all.
    left: Option<BooleanBuffer>,
    count: usize,
    /// Decoded columns of the rows that are left, by place in the table.
    held: Vec<(usize, ArrayRef)>,
}

impl Rows {
    /// The live rows of a row group.
    pub(crate) fn live(file: Arc<OpenFile>, group: &RowGroup, dead: Option<&RoaringBitmap>) -> Self {
        let total = group.rows as usize;
        let mut rows = Self { file, group: group.group, total, left: None, count: total, held: Vec::new() };
        if let Some(dead) = dead {
            let numbers = group.row_numbers();
            if dead.range_cardinality(numbers.clone()) > 0 {
                let mut live = BooleanBufferBuilder::new(total);
                live.append_n(total, true);
                dead.range(numbers.clone()).for_each(|row| live.set_bit((row - numbers.start) as usize, false));
                rows.retain(&live.finish());
            }
        }
        rows
    }

    /// How many rows are left.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many rows the row group has.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// The file they come from.
    pub(crate) fn file(&self) -> &Arc<OpenFile> {
        &self.file
    }

    /// The row group they come from.
    pub(crate) fn group(&self) -> usize {
        self.group
    }

    /// Keeps the rows, among those left, where `keep` is set.
    pub(crate) fn retain(&mut self, keep: &BooleanBuffer) {
        let kept = keep.count_set_bits();
        if kept == self.count {
            return;
        }
        let mask = BooleanArray::new(keep.clone(), None);
        for (_, array) in &mut self.held {
            *array = filter(array, &mask).expect("held columns are as long as the rows that are left");
        }
        self.left = Some(match &self.left {
            None => keep.clone(),
            Some(left) => {
                let mut both = BooleanBufferBuilder::new(self.total);
                both.append_n(self.total, false);
                left.set_indices().zip(keep.iter()).filter(|(_, keep)| *keep).for_each(|(row, _)| {
                    both.set_bit(row, true);
                });
                both.finish()
            }
        });
        self.count = kept;
    }

    /// Positions, within the row group, of the rows that are left.
    pub(crate) fn positions(&self) -> Vec<u32> {
        match &self.left {
            None => (0..self.total as u32).collect(),
            Some(left) => left.set_indices().map(|row| row as u32).collect(),
        }
    }

    /// Those of `columns` that are not held, ascending: files give them in that order, whatever order they are
    /// asked in.
    pub(crate) fn missing(&self, columns: &[usize]) -> Vec<usize> {
        let mut missing: Vec<usize> = columns.iter().copied().filter(|column| self.held(*column).is_none()).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// A held column.
    pub(crate) fn held(&self, column: usize) -> Option<&ArrayRef> {
        self.held.iter().find(|(of, _)| *of == column).map(|(_, array)| array)
    }

    /// Decodes and holds whatever of `columns` is not held yet.
    pub(crate) fn hold(&mut self, columns: &[usize]) -> Result<(), Fault> {
        let missing = self.missing(columns);
        if missing.is_empty() || self.count == 0 {
            return Ok(());
        }
        let mut reader = self.reader(&missing, self.count)?;
        let mut pieces: Vec<Vec<ArrayRef>> = Vec::new();
        while let Some(piece) = reader.next()? {
            pieces.push(piece);
        }
        for (index, column) in missing.into_iter().enumerate() {
            let parts: Vec<&dyn Array> = pieces.iter().map(|piece| &*piece[index] as &dyn Array).collect();
            let array = match &pieces[..] {
                [single] => Arc::clone(&single[index]),
                _ => arrow_select::concat::concat(&parts)
                    .map_err(|cause| Fault::corrupt("cannot join the pages of a column").because(cause))?,
            };
            if array.len() != self.count {
                return Err(Fault::corrupt(format!("a row group has {} of {} rows", array.len(), self.count)));
            }
            self.held.push((column, array));
        }
        Ok(())
    }

    /// Holds a column of the rows that are left that is not stored with them, under a place of its own.
    pub(crate) fn adopt(&mut self, place: usize, column: ArrayRef) {
        self.held.push((place, column));
    }

    /// Forgets the held columns that `keep` does not want.
    pub(crate) fn forget(&mut self, keep: impl Fn(usize) -> bool) {
        self.held.retain(|(column, _)| keep(*column));
    }

    /// Decodes columns of the rows that are left, at most `batch_rows` at once.
    pub(crate) fn reader(&self, columns: &[usize], batch_rows: usize) -> Result<GroupReader, Fault> {
        self.file.decode(self.group, columns, self.selection(), batch_rows)
    }

    fn selection(&self) -> Option<RowSelection> {
        self.left.as_ref().map(|left| RowSelection::from_filters(&[BooleanArray::new(left.clone(), None)]))
    }
}

/// A batch of columns that are all as long as `rows`.
pub(crate) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Fault> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|cause| Fault::corrupt("stored columns do not have the types of their table").because(cause))
}
