//! Every bound of a run in one place.
//!
//! The default is to keep a whole process under 256 MiB (promise 12): what is listed here adds up to
//! 52 MiB and the block being cut, at most 8 MiB; the rest is for the program, its threads and what
//! source and destination hold themselves. Bytes are counted where a queue could grow; queues that are bounded by a number of
//! items say so. A row larger than a bound passes alone: a bound delays, it never refuses.

use std::time::Duration;

use model::ByteCount;

/// Bounds of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of source rows that are read ahead, over all slices.
    pub prefetch_bytes: ByteCount,
    /// Bytes of one batch from the source: small enough that several fit into the prefetch, large
    /// enough that the cost per batch does not show.
    pub batch_bytes: ByteCount,
    /// Bytes of blocks between cut and writer, rows and encoded form together. Two blocks of the
    /// largest format (8 MiB of cells) fit, so that it is encoded on two cores at least.
    pub block_bytes: ByteCount,
    /// Slices read at once. More would load a shared database without reading faster.
    pub reads_max: usize,
    /// Threads that enrich and encode.
    pub threads: usize,
    /// A checkpoint is recorded when so many more bytes are durable: each costs one commit of the
    /// metadata store, each byte since the last one is encoded again after a crash.
    pub checkpoint_bytes: ByteCount,
    /// How long steps are tried again that ask the source, or the place where checkpoints are recorded.
    pub patience: Patience,
    /// How long steps are tried again that ask the destination.
    pub destination_patience: Patience,
    /// First wait of a backoff; doubled each time.
    pub backoff_min: Duration,
    /// Longest wait of a backoff.
    pub backoff_max: Duration,
    /// How long cleaning up after a stop or a fault may take.
    pub cleanup_max: Duration,
}

/// How long a step that fails is tried again before the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Attempts without progress.
    pub attempts_max: u32,
    /// Attempts without progress, where the last of them had no answer in time: each may have taken minutes.
    pub unanswered_max: u32,
    /// Longest wait that a receiver can ask for. Whoever asks for a longer one has the run end, so that it can
    /// be taken up again later.
    pub asked_wait_max: Duration,
}

impl Patience {
    /// For whoever is the only one to try again: about two minutes with the waits between, unless the receiver asks
    /// for longer ones.
    pub const LONG: Self = Self { attempts_max: 12, unanswered_max: 12, asked_wait_max: Duration::from_secs(15 * 60) };

    /// For a run that others wait behind, and that is taken up again by itself: what heals at once is waited for, a
    /// few seconds long, and nothing else.
    pub const SHORT: Self = Self { attempts_max: 4, unanswered_max: 1, asked_wait_max: Duration::from_secs(10) };
}

impl Budget {
    /// The bounds for a machine with so many cores.
    pub fn for_cores(cores: usize) -> Self {
        Self {
            prefetch_bytes: ByteCount::mebibytes(20),
            batch_bytes: ByteCount::mebibytes(4),
            block_bytes: ByteCount::mebibytes(32),
            reads_max: 4,
            threads: cores.max(1),
            checkpoint_bytes: ByteCount::mebibytes(16),
            patience: Patience::LONG,
            destination_patience: Patience::LONG,
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(30),
            cleanup_max: Duration::from_secs(30),
        }
    }

    /// The bounds of a delivery of events: a process under 128 MiB. Rows become three to ten times as many
    /// bytes of JSON, so fewer are read ahead; requests are bounded by the receiver's limits. Receivers ask
    /// for waits of up to a minute.
    pub fn for_events(cores: usize) -> Self {
        Self {
            prefetch_bytes: ByteCount::mebibytes(8),
            batch_bytes: ByteCount::mebibytes(1),
            reads_max: 2,
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
            ..Self::for_cores(cores)
        }
    }

    /// The same bounds for a run that holds one of a worker's few places: what its destination does not do soon is
    /// tried again later, and others have the place meanwhile. The source is the same for all of them.
    pub fn sharing_places(self) -> Self {
        Self { destination_patience: Patience::SHORT, ..self }
    }

    /// Enrichments and measurements under way at once.
    pub(crate) fn batches_in_flight(&self) -> usize {
        self.threads + 1
    }

    /// Blocks under way at once: one per core, one being written, one being cut.
    pub(crate) fn blocks_in_flight(&self) -> usize {
        self.threads + 2
    }
}

/// Permits of a semaphore that stand for bytes. They are counted in KiB, since at most 2^32 can be
/// asked for at once, and nothing is free.
pub(crate) fn permits(bytes: ByteCount) -> u32 {
    u32::try_from(bytes.get().div_ceil(1024)).unwrap_or(u32::MAX).max(1)
}

impl Default for Budget {
    /// The bounds for this machine.
    fn default() -> Self {
        Self::for_cores(std::thread::available_parallelism().map_or(1, usize::from))
    }
}
