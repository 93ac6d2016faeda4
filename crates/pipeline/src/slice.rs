//! Reads the slices of a plan: several at once, handed on in order, bounded in bytes.
//!
//! A slice reserves the bytes that it is expected to deliver before it is requested, in order, so the
//! first unfinished slice always has its reservation and cannot be starved by those behind it. Plans do
//! not know what the filter leaves; slices that are through tell it for those that follow. Within its reservation a
//! slice accounts for the batches it really delivers: a slice larger than its estimate simply waits
//! until earlier batches are used up. A slice that fails continues after its last delivered row, so
//! nothing is delivered twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, RecordBatch};
use futures_util::StreamExt;
use model::{ByteCount, Fault, KeyRange, Plan, Reading, Slice, Stop};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Budget;
use crate::budget::permits;
use crate::key::Keys;
use crate::retry::{Attempts, Retrying};
use crate::task::Feed;

/// Batches of one slice that wait to be used. Bytes are bounded by the reservation; this bounds the
/// bookkeeping of a source that delivers many tiny batches.
const BATCHES_WAITING: usize = 64;

/// What comes out of the slices, in order.
pub(crate) enum Read {
    /// Rows, and the bytes that they occupy.
    Rows(RecordBatch, BatchPermit),
    /// So many planned bytes have been passed.
    Passed(ByteCount),
}

/// Bytes of the prefetch that a batch occupies; given back when dropped.
pub(crate) struct BatchPermit {
    _batch: OwnedSemaphorePermit,
    _slice: Arc<Mutex<OwnedSemaphorePermit>>,
}

#[cfg(test)]
impl BatchPermit {
    /// A permit of nobody's budget.
    pub(crate) fn for_tests() -> Self {
        let one = || Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a new semaphore has its permit");
        Self { _batch: one(), _slice: Arc::new(Mutex::new(one())) }
    }
}

/// The slices of a plan, being read.
pub(crate) struct Slices {
    reading: Arc<dyn Reading>,
    retrying: Retrying,
    opened: Feed<Reads>,
    current: Option<Reads>,
}

/// What one slice delivers.
type Reads = Feed<Result<Read, Fault>>;

impl Slices {
    /// Starts reading.
    pub(crate) fn start(
        reading: Arc<dyn Reading>,
        plan: Plan,
        budget: &Budget,
        stop: Stop,
        retrying: Retrying,
    ) -> Self {
        // One slice is being drained outside the channel.
        let waiting = budget.reads_max.saturating_sub(1).max(1);
        let launcher = Launcher { reading: Arc::clone(&reading), stop, retrying: retrying.clone(), budget: *budget };
        let opened = Feed::spawn("reading ahead", waiting, |out| launcher.launch(plan, out));
        Self { reading, retrying, opened, current: None }
    }

    /// What comes next; `None` after the last slice. Nothing follows a fault.
    pub(crate) async fn next(&mut self) -> Result<Option<Read>, Fault> {
        loop {
            if let Some(current) = &mut self.current
                && let Some(read) = current.next().await?
            {
                match self.once_each(read).await? {
                    Some(read) => return Ok(Some(read)),
                    None => continue,
                }
            }
            match self.opened.next().await? {
                Some(opened) => self.current = Some(opened),
                None => return Ok(None),
            }
        }
    }

    /// What was read, without rows that came before; `None` where nothing is left of it.
    async fn once_each(&self, read: Result<Read, Fault>) -> Result<Option<Read>, Fault> {
        Ok(match read? {
            Read::Rows(batch, permit) => {
                let ask = || self.reading.once_each(batch.clone());
                let batch = self.retrying.until_ok("looking for rows that moved", ask).await?;
                (batch.num_rows() > 0).then_some(Read::Rows(batch, permit))
            }
            passed => Some(passed),
        })
    }
}

struct Launcher {
    reading: Arc<dyn Reading>,
    stop: Stop,
    retrying: Retrying,
    budget: Budget,
}

impl Launcher {
    async fn launch(self, plan: Plan, opened: Sender<Reads>) {
        let all = permits(self.budget.prefetch_bytes);
        let prefetch = Arc::new(Semaphore::new(all as usize));
        let left = Arc::new(Left::default());
        let mut behind = ByteCount::ZERO;
        for slice in plan.slices {
            let Ok(place) = opened.reserve().await else { return };
            // Half at most, so that the next slice is asked for while a large one is used up.
            let reserved = permits(left.expected(slice.bytes).max(self.budget.batch_bytes)).min((all / 2).max(1));
            let reservation = Arc::clone(&prefetch).acquire_many_owned(reserved).await;
            let reservation = reservation.expect("the semaphore is never closed");
            let reader = SliceReader {
                reading: Arc::clone(&self.reading),
                stop: self.stop.clone(),
                retrying: self.retrying.clone(),
                own: Arc::new(Semaphore::new(reserved as usize)),
                reserved,
                reservation: Arc::new(Mutex::new(reservation)),
                behind,
                left: Arc::clone(&left),
            };
            behind += slice.bytes;
            place.send(Feed::spawn("reading a slice", BATCHES_WAITING, |out| reader.read(slice, out)));
        }
    }
}

struct SliceReader {
    reading: Arc<dyn Reading>,
    stop: Stop,
    retrying: Retrying,
    own: Arc<Semaphore>,
    reserved: u32,
    reservation: Arc<Mutex<OwnedSemaphorePermit>>,
    behind: ByteCount,
    left: Arc<Left>,
}

/// What the filter left of the slices that are through.
#[derive(Default)]
struct Left {
    planned: AtomicU64,
    delivered: AtomicU64,
}

impl Left {
    /// Notes a slice. The two sums may be read apart: they steer, nothing depends on them.
    fn note(&self, planned: ByteCount, delivered: ByteCount) {
        self.planned.fetch_add(planned.get(), Ordering::Relaxed);
        self.delivered.fetch_add(delivered.get(), Ordering::Relaxed);
    }

    /// Twice as many bytes as the slices before let expect, at most those planned.
    fn expected(&self, planned: ByteCount) -> ByteCount {
        let (before, delivered) = (self.planned.load(Ordering::Relaxed), self.delivered.load(Ordering::Relaxed));
        if before == 0 {
            return planned;
        }
        let share = (delivered as f64 / before as f64 * 2.0).min(1.0);
        ByteCount((planned.get() as f64 * share) as u64)
    }
}

impl SliceReader {
    async fn read(self, slice: Slice, out: Sender<Result<Read, Fault>>) {
        let mut rest = Some(slice.range.clone());
        let mut attempts = Attempts::default();
        let mut delivered = ByteCount::ZERO;
        while let Some(range) = rest.take() {
            let mut left = Some(range);
            match self.deliver(&mut left, &slice, &mut delivered, &mut attempts, &out).await {
                Ok(Delivered::Everything) => {}
                Ok(Delivered::NobodyListens) => return,
                Err(fault) => match self.retrying.wait("reading", &mut attempts, fault).await {
                    Ok(()) => rest = left,
                    Err(fault) => {
                        // A closed channel means that the run has ended: nobody needs the fault.
                        out.send(Err(fault)).await.ok();
                        return;
                    }
                },
            }
        }
        self.left.note(slice.bytes, delivered);
        self.give_back_surplus();
        out.send(Ok(Read::Passed(self.behind + slice.bytes))).await.ok();
    }

    /// Reads `left` once and shortens it by what was delivered.
    async fn deliver(
        &self,
        left: &mut Option<KeyRange>,
        slice: &Slice,
        delivered: &mut ByteCount,
        attempts: &mut Attempts,
        out: &Sender<Result<Read, Fault>>,
    ) -> Result<Delivered, Fault> {
        let Some(range) = left.clone() else { return Ok(Delivered::Everything) };
        let mut batches = Arc::clone(&self.reading).read(range, self.stop.clone());
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let last = Keys::of(&batch)?.order_key(batch.num_rows() - 1);
            let bytes = memory_of(&batch);
            let permit = self.permit(bytes).await;
            *delivered += bytes;
            *left = left.as_ref().and_then(|range| range.after(&last));
            attempts.made_progress();
            let passed = self.behind + slice.bytes.min(*delivered);
            for read in [Read::Rows(batch, permit), Read::Passed(passed)] {
                if out.send(Ok(read)).await.is_err() {
                    return Ok(Delivered::NobodyListens);
                }
            }
        }
        // A stopped stream ends early without a fault: the rows behind it must not pass as read.
        self.stop.check()?;
        Ok(Delivered::Everything)
    }

    async fn permit(&self, bytes: ByteCount) -> BatchPermit {
        let batch = Arc::clone(&self.own).acquire_many_owned(permits(bytes).min(self.reserved)).await;
        BatchPermit { _batch: batch.expect("the semaphore is never closed"), _slice: Arc::clone(&self.reservation) }
    }

    /// The slice was smaller than planned: what it will not use serves the next ones.
    fn give_back_surplus(&self) {
        let surplus = self.own.forget_permits(self.reserved as usize);
        drop(self.reservation.lock().unwrap_or_else(PoisonError::into_inner).split(surplus));
    }
}

enum Delivered {
    Everything,
    NobodyListens,
}

/// Bytes of a batch in memory, counted by what it shows, not by the buffers it shares with others.
fn memory_of(batch: &RecordBatch) -> ByteCount {
    let bytes = batch.columns().iter().map(|column| {
        // Types without a size rule do not occur; their buffers would be counted in full.
        column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size())
    });
    ByteCount::from(bytes.sum::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_leaves_little_lets_more_slices_be_read_at_once() {
        let (left, planned) = (Left::default(), ByteCount::mebibytes(10));
        assert_eq!(left.expected(planned), planned, "nothing is known before the first slice");
        left.note(planned, ByteCount::mebibytes(1));
        assert_eq!(left.expected(planned), ByteCount::mebibytes(2));
        left.note(planned, ByteCount::mebibytes(30));
        assert_eq!(left.expected(planned), planned, "never more than planned");
    }
}
