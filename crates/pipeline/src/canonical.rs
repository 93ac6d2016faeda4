//! Cuts rows at the same points whatever batches they came in (promise 3).
//!
//! A stretch ends before the row that would take it above 4 MiB of cell bytes, or with its 8,192nd
//! row; a block is a number of stretches that the format names, fewer where rows larger than a stretch
//! take it to so many times 4 MiB. The count starts at the first row of a
//! file and again behind every block, and files end with a block, so a later attempt that starts
//! behind any block cuts as an undisturbed one does. The cut is without copies: a block is the
//! stretches of batches that lie in it.
//!
//! The cell bytes of a row are defined by its values alone: null is 0, text its bytes, everything
//! of fixed width 8, a list or map the sum of its elements plus 8 for each.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use model::{ByteCount, Fault};

use crate::enrich::MeasuredRows;

/// Where stretches end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CanonicalRule {
    pub(crate) rows_max: usize,
    pub(crate) cell_bytes_max: ByteCount,
}

impl CanonicalRule {
    /// The rule of every file. It is part of what a file's bytes are: changing it changes all files.
    pub(crate) const STANDARD: Self = Self { rows_max: 8_192, cell_bytes_max: ByteCount::mebibytes(4) };
}

/// Adjacent rows that are encoded at once.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The columns of the file.
    pub(crate) rows: Vec<RecordBatch>,
    /// The key columns, cut alike.
    pub(crate) keys: Vec<RecordBatch>,
    pub(crate) cell_bytes: u64,
}

/// Turns batches into blocks.
pub(crate) struct Cutter {
    rule: CanonicalRule,
    stretches_per_block: usize,
    block: Block,
    full_stretches: usize,
    stretch_rows: usize,
    stretch_bytes: u64,
    /// Cell bytes of the full stretches of the block.
    full_bytes: u64,
}

impl Cutter {
    pub(crate) fn new(rule: CanonicalRule, stretches_per_block: usize) -> Self {
        Self {
            rule,
            stretches_per_block: stretches_per_block.max(1),
            block: Block::default(),
            full_stretches: 0,
            stretch_rows: 0,
            stretch_bytes: 0,
            full_bytes: 0,
        }
    }

    /// Takes rows and returns the blocks that they complete.
    pub(crate) fn push(&mut self, batch: &MeasuredRows) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut taken = 0;
        for (row, bytes) in batch.cell_bytes.iter().copied().enumerate() {
            let too_large = self.stretch_bytes + bytes > self.rule.cell_bytes_max.get() && self.stretch_rows > 0;
            if too_large && self.end_stretch() {
                self.take(batch, taken..row);
                taken = row;
                blocks.push(std::mem::take(&mut self.block));
            }
            self.stretch_rows += 1;
            self.stretch_bytes += bytes;
            if self.stretch_rows == self.rule.rows_max && self.end_stretch() {
                self.take(batch, taken..row + 1);
                taken = row + 1;
                blocks.push(std::mem::take(&mut self.block));
            }
        }
        self.take(batch, taken..batch.cell_bytes.len());
        blocks
    }

    /// The rows behind the last full block.
    pub(crate) fn finish(self) -> Option<Block> {
        (!self.block.rows.is_empty()).then_some(self.block)
    }

    /// Ends a stretch and says whether the block ends with it.
    fn end_stretch(&mut self) -> bool {
        self.full_stretches += 1;
        self.full_bytes += self.stretch_bytes;
        (self.stretch_rows, self.stretch_bytes) = (0, 0);
        let block_bytes_max = self.stretches_per_block as u64 * self.rule.cell_bytes_max.get();
        let ends = self.full_stretches == self.stretches_per_block || self.full_bytes >= block_bytes_max;
        if ends {
            (self.full_stretches, self.full_bytes) = (0, 0);
        }
        ends
    }

    fn take(&mut self, batch: &MeasuredRows, range: std::ops::Range<usize>) {
        if !range.is_empty() {
            self.block.rows.push(batch.rows.slice(range.start, range.len()));
            self.block.keys.push(batch.keys.slice(range.start, range.len()));
            self.block.cell_bytes += batch.cell_bytes[range].iter().sum::<u64>();
        }
    }
}

/// Cell bytes of every row of a batch.
pub(crate) fn cell_bytes(batch: &RecordBatch) -> Result<Vec<u64>, Fault> {
    let mut rows = vec![0; batch.num_rows()];
    for column in batch.columns() {
        add_cell_bytes(column, &mut rows)?;
    }
    Ok(rows)
}

fn add_cell_bytes(array: &dyn Array, rows: &mut [u64]) -> Result<(), Fault> {
    match array.data_type() {
        DataType::Utf8 => {
            let lengths = array.as_string::<i32>().value_offsets().windows(2).map(length);
            add(array, rows, lengths.map(|length| length as u64));
        }
        DataType::Boolean
        | DataType::Int64
        | DataType::UInt64
        | DataType::Float64
        | DataType::Decimal128(_, _)
        | DataType::Timestamp(_, _) => add(array, rows, std::iter::repeat(8)),
        DataType::Struct(_) => {
            let mut fields = vec![0; array.len()];
            for field in array.as_struct().columns() {
                add_cell_bytes(field, &mut fields)?;
            }
            add(array, rows, fields.into_iter());
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            add_elements(array, rows, list.values(), list.value_offsets())?;
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            add_elements(array, rows, map.entries(), map.value_offsets())?;
        }
        other => return Err(Fault::bug(format!("a column of type {other} has no cell size"))),
    }
    Ok(())
}

fn add_elements(array: &dyn Array, rows: &mut [u64], elements: &dyn Array, offsets: &[i32]) -> Result<(), Fault> {
    let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    let mut bytes = vec![8; last - first];
    add_cell_bytes(&elements.slice(first, last - first), &mut bytes)?;
    let mut rest = bytes.as_slice();
    let sums = offsets.windows(2).map(|pair| {
        let (own, behind) = rest.split_at(length(pair));
        rest = behind;
        own.iter().sum()
    });
    add(array, rows, sums);
    Ok(())
}

/// Adds to each row its bytes, unless it is null: what lies under a null is not a value.
fn add(array: &dyn Array, rows: &mut [u64], bytes: impl Iterator<Item = u64>) {
    let added = rows.iter_mut().zip(bytes);
    match array.nulls() {
        None => added.for_each(|(row, bytes)| *row += bytes),
        Some(nulls) => added.zip(nulls).for_each(|((row, bytes), is_valid)| *row += if is_valid { bytes } else { 0 }),
    }
}

fn length(offsets: &[i32]) -> usize {
    // Arrow offsets never fall.
    (offsets[1] - offsets[0]) as usize
}
