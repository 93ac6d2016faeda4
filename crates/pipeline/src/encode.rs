//! Cuts enriched rows into blocks and encodes them on all cores, in order.

use std::sync::Arc;

use model::{BlockEncoder, ByteCount, EncodedBlock, Fault, OrderKey, RowCount};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Budget;
use crate::budget::permits;
use crate::canonical::{Block, Cutter};
use crate::enrich::{Enriched, MeasuredRows};
use crate::key::{KeySummary, Keys, out_of_order};
use crate::progress::Watch;
use crate::task::{Feed, Task};

/// What the writer takes, in order.
pub(crate) enum Encoded {
    /// A block under way, and how many planned bytes lie behind it.
    Block(Task<Result<BlockToWrite, Fault>>, ByteCount),
    /// There is no more.
    End(Totals),
}

/// An encoded block and what checkpoint and manifest say about it.
pub(crate) struct BlockToWrite {
    pub(crate) block: EncodedBlock,
    pub(crate) keys: KeySummary,
    pub(crate) last: OrderKey,
    /// Rows and encoded form; given back when the block is written.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// What happened to the rows that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Rows that came from the source.
    pub(crate) read: RowCount,
    /// Rows of them that the limit cut.
    pub(crate) cut: RowCount,
}

/// Everything between enriched rows and the writer.
pub(crate) struct Encoding {
    pub(crate) cutter: Cutter,
    pub(crate) encoder: Arc<dyn BlockEncoder>,
    /// Rows that may still be written; `None` without limit.
    pub(crate) limit_left: Option<RowCount>,
    /// Last row of an earlier attempt.
    pub(crate) after: Option<OrderKey>,
    pub(crate) watch: Arc<Watch>,
}

impl Encoding {
    /// Starts encoding everything that `enriched` delivers.
    pub(crate) fn start(
        self,
        enriched: Feed<Result<Enriched, Fault>>,
        budget: &Budget,
    ) -> Feed<Result<Encoded, Fault>> {
        Feed::spawn("encoding", budget.blocks_in_flight(), |out| {
            let blocks = BlockQueue {
                encoder: Arc::clone(&self.encoder),
                memory: Arc::new(Semaphore::new(permits(budget.block_bytes) as usize)),
                memory_max: permits(budget.block_bytes),
                out,
            };
            self.forward(enriched, blocks)
        })
    }

    async fn forward(self, enriched: Feed<Result<Enriched, Fault>>, blocks: BlockQueue) {
        if let Err(fault) = self.encode_all(enriched, &blocks).await {
            blocks.fail(fault).await;
        }
    }

    async fn encode_all(
        mut self,
        mut enriched: Feed<Result<Enriched, Fault>>,
        blocks: &BlockQueue,
    ) -> Result<(), Fault> {
        let mut totals = Totals::default();
        let mut passed = ByteCount::ZERO;
        while let Some(next) = enriched.next().await? {
            let mut batch = match next? {
                Enriched::Passed(bytes) => {
                    passed = bytes;
                    // A filter may leave so little that no block tells how far the run is for long.
                    if blocks.all_written() {
                        self.watch.passed(passed);
                    }
                    continue;
                }
                Enriched::Rows(rows) => rows.join().await.flatten()?,
            };
            self.follows(&batch)?;
            totals.read += RowCount::from(batch.rows.num_rows());
            totals.cut += self.cut_to_limit(&mut batch);
            let full = self.cutter.push(&batch);
            // The cutter's rows are bounded by one block: from here on the source may read ahead again.
            drop(batch);
            for block in full {
                if !blocks.put(block, passed).await {
                    return Ok(());
                }
            }
            if totals.cut > RowCount::ZERO {
                break;
            }
        }
        if let Some(rest) = self.cutter.finish()
            && !blocks.put(rest, passed).await
        {
            return Ok(());
        }
        blocks.end(totals).await;
        Ok(())
    }

    /// Notes the batch's last row, and fails where its first one does not follow the one before.
    fn follows(&mut self, batch: &MeasuredRows) -> Result<(), Fault> {
        let keys = Keys::of(&batch.keys)?;
        let first = keys.order_key(0);
        if let Some(before) = &self.after
            && *before >= first
        {
            return Err(out_of_order(before, &first));
        }
        self.after = Some(keys.order_key(keys.len() - 1));
        Ok(())
    }

    /// Shortens the batch to what the limit leaves and returns how many rows it lost. One row more than the limit is
    /// always waited for: only a row that was really cut makes the export truncated.
    fn cut_to_limit(&mut self, batch: &mut MeasuredRows) -> RowCount {
        let Some(left) = &mut self.limit_left else { return RowCount::ZERO };
        let rows = RowCount::from(batch.rows.num_rows());
        let kept = rows.min(*left);
        *left = left.saturating_sub(kept);
        batch.rows = batch.rows.slice(0, kept.get() as usize);
        batch.keys = batch.keys.slice(0, kept.get() as usize);
        batch.cell_bytes.truncate(kept.get() as usize);
        rows.saturating_sub(kept)
    }
}

/// Starts the encoding of blocks, bounded in number and bytes.
struct BlockQueue {
    encoder: Arc<dyn BlockEncoder>,
    memory: Arc<Semaphore>,
    memory_max: u32,
    out: Sender<Result<Encoded, Fault>>,
}

impl BlockQueue {
    /// Starts a block once there is room for it; false where nobody waits for blocks any more.
    async fn put(&self, block: Block, passed: ByteCount) -> bool {
        let Ok(place) = self.out.reserve().await else { return false };
        // Rows and their encoded form exist side by side for a while: between a third (compressed) and
        // once (text) the size of the rows. A larger block passes alone.
        let wanted = permits(ByteCount(block.cell_bytes.saturating_mul(3) / 2)).min(self.memory_max);
        let permit = Arc::clone(&self.memory).acquire_many_owned(wanted).await;
        let permit = permit.expect("the semaphore is never closed");
        let encoder = Arc::clone(&self.encoder);
        let encoding = Task::blocking("encoding a block", move || encode(&block, &*encoder, permit));
        place.send(Ok(Encoded::Block(encoding, passed)));
        true
    }

    /// Whether no block is under way.
    fn all_written(&self) -> bool {
        self.memory.available_permits() == self.memory_max as usize
    }

    async fn end(&self, totals: Totals) {
        // A closed channel means that the run has ended already.
        self.out.send(Ok(Encoded::End(totals))).await.ok();
    }

    async fn fail(&self, fault: Fault) {
        self.out.send(Err(fault)).await.ok();
    }
}

fn encode(block: &Block, encoder: &dyn BlockEncoder, permit: OwnedSemaphorePermit) -> Result<BlockToWrite, Fault> {
    let mut keys = KeySummary::default();
    let mut last = None;
    for batch in &block.keys {
        let batch = Keys::of(batch)?;
        keys.add(&batch);
        last = Some(batch.order_key(batch.len() - 1));
    }
    let last = last.ok_or_else(|| Fault::bug("a block has no row"))?;
    let encoded = encoder.encode(&block.rows)?;
    if encoded.rows.get() != keys.digest.rows() {
        return Err(Fault::bug(format!("a block of {} rows was encoded as {} rows", keys.digest.rows(), encoded.rows)));
    }
    Ok(BlockToWrite { block: encoded, keys, last, _permit: permit })
}
