//! Enriches and encodes batches on several cores, in order.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use model::{ByteCount, EncodedEvents, EventEncoder, Fault, OrderKey, RowCount};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

use crate::Budget;
use crate::enrich::Enrich;
use crate::key::Keys;
use crate::slice::{BatchPermit, Read, Slices};
use crate::task::{Feed, Task};

/// Rows that are encoded into one buffer: about two megabytes of JSON.
const CHUNK_ROWS: usize = 2_048;

/// What comes out, in order.
pub(super) enum Encoded {
    /// The events of a batch, under way.
    Chunks(Task<Result<Vec<Chunk>, Fault>>),
    /// So many planned bytes have been passed.
    Passed(ByteCount),
    /// There is no more.
    End,
}

/// Encoded events and the keys of their rows.
pub(super) struct Chunk {
    /// One event per row.
    pub(super) encoded: Arc<EncodedEvents>,
    keys: RecordBatch,
    /// Empty unless it was asked for.
    hashes: Vec<u64>,
}

impl Chunk {
    /// An event per row of `keys`, the key columns alone.
    pub(super) fn new(encoded: EncodedEvents, keys: RecordBatch) -> Result<Self, Fault> {
        if encoded.events.len() != keys.num_rows() {
            return Err(Fault::bug(format!("{} events were made of {} rows", encoded.events.len(), keys.num_rows())));
        }
        Ok(Self { encoded: Arc::new(encoded), keys, hashes: Vec::new() })
    }

    /// With the hashes of its rows' keys, for whoever keeps what was sent.
    fn hashed(mut self) -> Result<Self, Fault> {
        self.hashes = Keys::of(&self.keys)?.hashes();
        Ok(self)
    }

    /// The hashes of the keys of these rows; none unless they were asked for.
    pub(super) fn hashes(&self, rows: Range<usize>) -> &[u64] {
        self.hashes.get(rows).unwrap_or_default()
    }

    pub(super) fn rows(&self) -> RowCount {
        RowCount::from(self.keys.num_rows())
    }

    /// The position of a row in the total order.
    pub(super) fn key(&self, row: usize) -> Result<OrderKey, Fault> {
        Ok(Keys::of(&self.keys)?.order_key(row))
    }
}

/// Everything between batches and requests.
pub(super) struct Encoding {
    pub(super) enrich: Arc<Enrich>,
    pub(super) encoder: Arc<dyn EventEncoder>,
    /// Whether somebody keeps which rows are sent.
    pub(super) hashes_keys: bool,
}

impl Encoding {
    /// Starts encoding everything that `slices` deliver.
    pub(super) fn start(self, slices: Slices, budget: &Budget) -> Feed<Result<Encoded, Fault>> {
        Feed::spawn("encoding events", budget.batches_in_flight(), |out| self.forward(slices, out))
    }

    async fn forward(self, mut slices: Slices, out: Sender<Result<Encoded, Fault>>) {
        loop {
            let next = slices.next().await;
            // A batch is only started when there is room for its result. No room ever means that the delivery has ended.
            let Ok(place) = out.reserve().await else { return };
            let last = !matches!(next, Ok(Some(_)));
            place.send(next.map(|read| match read {
                Some(Read::Passed(bytes)) => Encoded::Passed(bytes),
                Some(Read::Rows(batch, permit)) => Encoded::Chunks(self.encode(batch, permit)),
                None => Encoded::End,
            }));
            if last {
                return;
            }
        }
    }

    fn encode(&self, batch: RecordBatch, permit: BatchPermit) -> Task<Result<Vec<Chunk>, Fault>> {
        let (enrich, encoder, runtime) = (Arc::clone(&self.enrich), Arc::clone(&self.encoder), Handle::current());
        let hashes_keys = self.hashes_keys;
        Task::blocking("encoding a batch of events", move || {
            let _permit = permit;
            let (rows, keys) = enrich.part(&runtime.block_on(enrich.apply(batch))?)?;
            let cuts = (0..rows.num_rows()).step_by(CHUNK_ROWS);
            cuts.map(|from| {
                let count = CHUNK_ROWS.min(rows.num_rows() - from);
                let chunk = Chunk::new(encoder.encode(&rows.slice(from, count))?, keys.slice(from, count))?;
                if hashes_keys { chunk.hashed() } else { Ok(chunk) }
            })
            .collect()
        })
    }
}
