//! A read that keeps to its bounds and ends with the call that wanted it.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use model::{
    Bound, BrowseBounds, ByteCount, End, Fault, FaultKind, KeyRange, OrderKey, Plan, ReadRequest, Reading, RowCount,
    Source, Stop, StopReason,
};
use tokio::time::Instant;

/// A prepared read. Dropping it ends the read, on the source's side too.
pub(super) struct Open {
    pub(super) reading: Arc<dyn Reading>,
    stop: Stop,
    until: Instant,
    bytes_left: ByteCount,
}

/// Why reading a range ended.
pub(super) enum Ended {
    /// Every row of it was seen.
    Seen,
    /// The reader has enough.
    Enough,
    /// A bound was met.
    At(Bound),
}

/// Whether the reader wants more rows.
pub(super) enum More {
    Yes,
    No,
}

impl Open {
    /// Prepares a read; the time starts now.
    pub(super) async fn new(source: &dyn Source, request: ReadRequest, bounds: &BrowseBounds) -> Result<Self, Fault> {
        let until = Instant::now() + bounds.time;
        let reading = in_time(until, source.prepare(request)).await?;
        Ok(Self { reading, stop: Stop::new(), until, bytes_left: bounds.bytes })
    }

    /// The slices after a position.
    pub(super) async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault> {
        in_time(self.until, self.reading.plan(after)).await
    }

    /// The part of a range that the source looks through next for so many rows at an end of it.
    pub(super) async fn part(
        &self,
        range: &KeyRange,
        end: End,
        rows: RowCount,
        before: u32,
    ) -> Result<Option<KeyRange>, Fault> {
        in_time(self.until, self.reading.part(range, end, rows, before)).await
    }

    /// Hands batches with so many rows at an end of a range to `take` until it has enough or a bound is met.
    pub(super) async fn few(
        &mut self,
        range: KeyRange,
        end: End,
        rows: usize,
        take: impl FnMut(RecordBatch) -> Result<More, Fault>,
    ) -> Result<Ended, Fault> {
        let batches = Arc::clone(&self.reading).few(range, end, RowCount::from(rows), self.stop.clone());
        self.follow(batches, take).await
    }

    /// The same for counting: rows come in any order, and of their keys only the time.
    pub(super) async fn tally(
        &mut self,
        range: KeyRange,
        take: impl FnMut(RecordBatch) -> Result<More, Fault>,
    ) -> Result<Ended, Fault> {
        let batches = Arc::clone(&self.reading).tally(range, self.stop.clone());
        self.follow(batches, take).await
    }

    async fn follow(
        &mut self,
        mut batches: BoxStream<'static, Result<RecordBatch, Fault>>,
        mut take: impl FnMut(RecordBatch) -> Result<More, Fault>,
    ) -> Result<Ended, Fault> {
        loop {
            let next = match tokio::time::timeout_at(self.until, batches.next()).await {
                Ok(Some(batch)) => batch?,
                Ok(None) => return Ok(Ended::Seen),
                Err(_) => return Ok(Ended::At(Bound::Time)),
            };
            let bytes = bytes_of(&next);
            if let More::No = take(next)? {
                return Ok(Ended::Enough);
            }
            if bytes >= self.bytes_left {
                return Ok(Ended::At(Bound::Bytes));
            }
            self.bytes_left = self.bytes_left.saturating_sub(bytes);
        }
    }
}

/// Bytes of the cells of a batch: a batch may be a part of larger buffers that others share.
fn bytes_of(batch: &RecordBatch) -> ByteCount {
    let of_column = |column: &ArrayRef| match column.to_data().get_slice_memory_size() {
        Ok(bytes) => bytes,
        Err(_) => column.get_array_memory_size(),
    };
    batch.columns().iter().map(|column| ByteCount::from(of_column(column))).sum()
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stop.raise(StopReason::Cancelled);
        // Only the source's own end of a read can stop its work there, and a drop cannot wait for that.
        let reading = Arc::clone(&self.reading);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { pipeline::end_reading(&*reading).await });
        }
    }
}

/// Nothing can be answered before these steps are through, so their end is that of the call.
async fn in_time<T>(until: Instant, step: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match tokio::time::timeout_at(until, step).await {
        Ok(done) => done,
        Err(_) => {
            Err(Fault::new(FaultKind::Timeout, "the source did not answer in time")
                .hint("ask for a shorter time range"))
        }
    }
}
