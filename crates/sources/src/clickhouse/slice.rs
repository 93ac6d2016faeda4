//! The rows of a range, a batch at a time.
//!
//! The range is read slice by slice as planned. A slice that meets a limit of memory or time is halved
//! and goes on behind the last row that came; a row above the size limit ends the read by name.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType, UInt64Type};
use futures_core::stream::BoxStream;
use futures_util::TryStreamExt;
use lake::sizes::{rows_within, trimmed};
use model::{ByteCount, Fault, FaultKind, KeyRange, Micros, OrderKey, Reading, Slice, Stop};

use super::columns::requested;
use super::few::SomeRows;
use super::limits::halvings;
use super::reading::ClickHouseReading;

/// Rows of a batch at most, as everywhere in the engine.
const BATCH_ROWS_MAX: usize = 8192;
/// Rows of a block at least: below, the server's work per block shows.
const BLOCK_ROWS_MIN: u64 = 128;

/// Reads a range.
pub(super) struct SliceReader {
    reading: Arc<ClickHouseReading>,
    stop: Stop,
    /// The whole range, until it has been divided.
    whole: Option<KeyRange>,
    /// What is left to read, in order.
    left: VecDeque<Part>,
    /// Which rows are read, where that is not every one.
    some: Option<SomeRows>,
    /// The answer for the first of it.
    answer: Option<BoxStream<'static, Result<RecordBatch, Fault>>>,
    /// What is left of the server's last block.
    rest: Option<RecordBatch>,
}

/// What one query reads.
#[derive(Clone, Debug)]
struct Part {
    range: KeyRange,
    /// Rows of the blocks that are asked for.
    block_rows: u64,
    /// Which of the planned slices it is, or is of.
    slice: usize,
    /// Whether its last position has come: what is left of the answer is its end.
    is_read: bool,
    /// How often it was halved since a row came.
    halved: u32,
}

impl Part {
    /// Of a slice: its blocks are about as large as batches. A batch that is cut from a larger block keeps all of
    /// it in memory; smaller ones cost a tenth more of our time at half the size.
    fn of(number: usize, slice: &Slice, whole: &KeyRange, batch_bytes_max: ByteCount) -> Option<Self> {
        let range = slice.range.and(whole)?;
        let row_bytes = (slice.bytes.get() / slice.rows.get().max(1)).max(1);
        let block_rows = (batch_bytes_max.get() / row_bytes).clamp(BLOCK_ROWS_MIN, BATCH_ROWS_MAX as u64);
        Some(Self { range, block_rows, slice: number, is_read: false, halved: 0 })
    }
}

impl SliceReader {
    /// Nothing is sent yet.
    pub(super) fn new(reading: Arc<ClickHouseReading>, range: KeyRange, stop: Stop) -> Self {
        let (whole, left) = (Some(range), VecDeque::new());
        Self { reading, stop, whole, left, some: None, answer: None, rest: None }
    }

    /// The same for a few rows of a range, which is read at once.
    pub(super) fn of_rows(reading: Arc<ClickHouseReading>, range: KeyRange, some: SomeRows, stop: Stop) -> Self {
        let block_rows = BATCH_ROWS_MAX as u64;
        let part = Part { range: range.clone(), block_rows, slice: 0, is_read: false, halved: 0 };
        Self { whole: None, left: VecDeque::from([part]), some: Some(some), ..Self::new(reading, range, stop) }
    }

    /// The next rows; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        loop {
            self.stop.check()?;
            if let Some(rest) = self.rest.take() {
                return self.cut(rest).map(Some);
            }
            if let Some(whole) = self.whole.take() {
                let planned = self.reading.planned(&self.stop).await?;
                let bytes_max = self.reading.request.batch_bytes_max;
                let slices = planned.slices.iter().enumerate();
                self.left = slices.filter_map(|(number, slice)| Part::of(number, slice, &whole, bytes_max)).collect();
            }
            let Some(part) = self.left.front().cloned() else { return Ok(None) };
            match self.receive(&part).await {
                Ok(Some(block)) => {
                    self.left[0].halved = 0;
                    self.reading.note_changes(&block)?;
                    let block = requested(&block, &self.reading.compiled.outputs, self.reading.schema())?;
                    if let Some(last) = last_key(&block) {
                        match part.range.after(&last) {
                            Some(left) => self.left[0].range = left,
                            None => self.left[0].is_read = true,
                        }
                    }
                    self.rest = Some(block);
                }
                Ok(None) => {
                    self.answer = None;
                    self.left.pop_front();
                }
                Err(fault) if part.is_read => {
                    tracing::debug!(fault = %fault, "an answer broke behind its last row");
                    self.answer = None;
                    self.left.pop_front();
                }
                Err(fault) => {
                    self.answer = None;
                    self.narrow(fault, part).await?;
                }
            }
        }
    }

    /// The next block of the answer for a range, which is asked for where that was not done yet.
    async fn receive(&mut self, part: &Part) -> Result<Option<RecordBatch>, Fault> {
        if self.answer.is_none() {
            let reading = &self.reading;
            let query = match &self.some {
                Some(some) => some.query(reading, reading.compiled.read(), &part.range)?,
                None => reading.query(reading.compiled.read(), &part.range, "rows", &self.stop).await?,
            };
            let Some(query) = query else { return Ok(None) };
            if self.some.is_none() {
                reading.reached(part.slice, &self.stop).await?;
            }
            let (client, stop) = (&reading.shared.client, self.stop.clone());
            self.answer = Some(match &self.some {
                Some(_) => client.stream_of_few(query, part.block_rows, stop),
                None => client.stream_of_slice(query, part.block_rows, stop),
            });
        }
        match &mut self.answer {
            Some(answer) => answer.try_next().await,
            None => Ok(None),
        }
    }

    /// A batch from the beginning of a block; what is too much for it waits.
    fn cut(&mut self, block: RecordBatch) -> Result<RecordBatch, Fault> {
        let count = block.num_rows().min(BATCH_ROWS_MAX);
        let fits = rows_within(block.columns(), 0, count, self.reading.request.batch_bytes_max.get());
        if fits < block.num_rows() {
            self.rest = Some(block.slice(fits, block.num_rows() - fits));
        }
        let columns = block.slice(0, fits).columns().iter().map(trimmed).collect();
        RecordBatch::try_new(block.schema(), columns)
            .map_err(|error| Fault::bug("a batch cannot be cut").because(error))
    }

    /// Goes on with smaller ranges where that can help, else the fault stands.
    async fn narrow(&mut self, fault: Fault, part: Part) -> Result<(), Fault> {
        let Part { range, halved, .. } = part.clone();
        // At a row above the limit a query of ours ends itself, which is a refusal like any other; before
        // that, a giant one may meet the server's own limit.
        if matches!(fault.kind(), FaultKind::Rejected | FaultKind::TooLarge { .. })
            && let Some(too_large) = self.reading.oversized(&range, &self.stop).await
        {
            return Err(too_large);
        }
        if halved >= halvings(&fault) {
            return Err(fault);
        }
        let middle = match self.reading.middle(&range, &self.stop).await? {
            Middle::At(middle) => middle,
            Middle::OfOneRow => return Err(fault),
            Middle::OfNone => {
                tracing::debug!(fault = %fault, "an answer broke behind its last row");
                self.left.pop_front();
                return Ok(());
            }
        };
        tracing::debug!(fault = %fault, "a slice is halved");
        // What takes more memory than was planned has larger rows, of which a block is to have fewer.
        let block_rows = match fault.kind() {
            FaultKind::TooLarge { .. } => (part.block_rows / 2).max(BLOCK_ROWS_MIN),
            _ => part.block_rows,
        };
        self.left.pop_front();
        let halves = [KeyRange { to: Some(middle.clone()), ..range.clone() }, KeyRange { from: Some(middle), ..range }];
        for range in halves.into_iter().rev() {
            self.left.push_front(Part { range, block_rows, halved: halved + 1, ..part.clone() });
        }
        Ok(())
    }
}

impl ClickHouseReading {
    /// Tells the look-up of scores which rows come next.
    async fn reached(&self, slice: usize, stop: &Stop) -> Result<(), Fault> {
        let stretches = self.scores.stretches();
        let stretch = stretches.around(&self.planned(stop).await?.slices, slice);
        if let Some(bounds) = stretch.and_then(|stretch| self.bounds(&stretch)) {
            stretches.reached(bounds);
        }
        Ok(())
    }

    /// The fault for the first row above the size limit; `None` where there is none, or it cannot be found.
    async fn oversized(&self, range: &KeyRange, stop: &Stop) -> Option<Fault> {
        let query = self.query(self.compiled.oversized(), range, "the largest row", stop).await.ok()??;
        let row = self.shared.client.rows(query, stop).await.ok()?;
        if row.num_rows() == 0 {
            return None;
        }
        let bytes = ByteCount(row.column_by_name("row_bytes")?.as_primitive_opt::<UInt64Type>()?.value(0));
        let id = row.column_by_name("k_id")?.as_string_opt::<i32>()?.value(0);
        let limit = self.request.row_bytes_max;
        Some(
            Fault::new(
                FaultKind::TooLarge { limit: Some(limit) },
                format!("row {id} has {} stored, above the limit of {}", bytes.human(), limit.human()),
            )
            .hint("raise the row size limit or filter the row out"),
        )
    }

    /// A position that divides a range, where it has two rows.
    async fn middle(&self, range: &KeyRange, stop: &Stop) -> Result<Middle, Fault> {
        let (earliest, latest) = self.planned(stop).await?.times;
        let Some(bounds) = self.bounds(range) else { return Ok(Middle::OfNone) };
        let (lo, hi) = (bounds.lo.max(earliest), bounds.hi.min(latest));
        if lo < hi {
            return Ok(Middle::At(OrderKey::at(Micros(lo + (hi - lo) / 2))));
        }
        let Some(query) = self.query(self.compiled.count(), range, "the number of rows", stop).await? else {
            return Ok(Middle::OfNone);
        };
        let counted = self.shared.client.rows(query, stop).await?;
        let count = counted.column(0).as_primitive_opt::<UInt64Type>().map_or(0, |count| count.value(0));
        if count == 0 {
            return Ok(Middle::OfNone);
        }
        let middle = self.query(self.compiled.middle(), range, "the middle row", stop).await?;
        let Some(mut query) = middle.filter(|_| count > 1) else { return Ok(Middle::OfOneRow) };
        query.parameters.push(("before".to_owned(), (count / 2).to_string()));
        let found = key_of(&self.shared.client.rows(query, stop).await?);
        Ok(found.map_or(Middle::OfOneRow, Middle::At))
    }
}

/// The middle of a range's rows.
enum Middle {
    At(OrderKey),
    OfOneRow,
    OfNone,
}

/// The position of the last row of a batch.
fn last_key(batch: &RecordBatch) -> Option<OrderKey> {
    let first = batch.num_columns() - <dyn Reading>::KEY_COLUMNS;
    let row = batch.num_rows().checked_sub(1)?;
    Some(OrderKey {
        time: Micros(batch.column(first).as_primitive::<TimestampMicrosecondType>().value(row)),
        trace_id: batch.column(first + 1).as_string::<i32>().value(row).into(),
        id: batch.column(first + 2).as_string::<i32>().value(row).into(),
    })
}

/// The position that a query for one tells.
fn key_of(answer: &RecordBatch) -> Option<OrderKey> {
    if answer.num_rows() == 0 {
        return None;
    }
    let text = |name: &str| Some(answer.column_by_name(name)?.as_string_opt::<i32>()?.value(0));
    Some(OrderKey {
        time: Micros(answer.column_by_name("k_micros")?.as_primitive_opt::<Int64Type>()?.value(0)),
        trace_id: text("k_trace")?.into(),
        id: text("k_id")?.into(),
    })
}
