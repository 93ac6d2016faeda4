//! Compares which rows were sent as events with those the source has now.
//!
//! What a receiver has cannot be read back, so the hashes of keys and versions that were kept while sending stand for
//! it. Rows of the source whose hash is not among them were not sent, or in an older version. Which rows the other
//! hashes belong to is not known, only how many there are: rows that have changed since, or are gone.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use model::{Fault, RowCount, Stop};

use super::keys::stored_row;
use super::source::{Ingested, Stored};
use super::{Against, Difference, VerifyReport};
use crate::key::Keys;
use crate::retry::Retrying;
use crate::task::Task;
use crate::{Budget, Waits};

/// Keys looked at in one round: 64 MB of hashes.
const KEYS_PER_ROUND: u64 = 8_000_000;

/// Reads the hashes that were kept, in pieces and in no order; once for every round.
pub type SentHashes<'a> = &'a (dyn Fn() -> BoxStream<'static, Result<Vec<u64>, Fault>> + Send + Sync);

/// A delivery that is to be compared with its source.
pub struct SentVerification<'a> {
    /// Rows that were sent, those that were refused included.
    pub rows: RowCount,
    /// The hashes of their keys.
    pub hashes: SentHashes<'a>,
    /// The source.
    pub against: Against,
    /// Raised when the comparison should end early.
    pub stop: Stop,
    /// Clock and chance of every wait.
    pub waits: Arc<dyn Waits>,
    /// Bounds of memory and patience.
    pub budget: Budget,
}

/// The part of the keys whose hash falls into a round.
struct Round {
    number: u64,
    rounds: u64,
    /// Sorted.
    sent: Vec<u64>,
    met: u64,
    rows: RowCount,
    found: VerifyReport,
}

/// Names every row of the source that was not sent in the version that it has now. Fails where the hashes are not those
/// of all rows that were sent.
pub async fn verify_sent(verification: SentVerification<'_>) -> Result<VerifyReport, Fault> {
    let rounds = verification.rows.get().div_ceil(KEYS_PER_ROUND).max(1);
    in_rounds(verification, rounds).await
}

pub(super) async fn in_rounds(verification: SentVerification<'_>, rounds: u64) -> Result<VerifyReport, Fault> {
    let SentVerification { rows, hashes, against, stop, waits, budget } = verification;
    let stored = Stored { against, budget, stop: stop.clone(), retrying: Retrying::new(waits, stop.clone(), &budget) };
    let work = async {
        let mut report = VerifyReport { rows_in_source: Some(RowCount::ZERO), ..VerifyReport::default() };
        let mut kept = 0;
        for number in 0..rounds {
            let sent = of_round(hashes, number, rounds).await?;
            kept += sent.len() as u64;
            let round = Round { number, rounds, sent, met: 0, rows: RowCount::ZERO, found: VerifyReport::default() };
            let round = stored.fold(stored.request(), round, Round::take_stored).await?;
            report.rows_superseded += RowCount(round.sent.len() as u64 - round.met);
            report.merge(VerifyReport { rows_in_source: Some(round.rows), ..round.found });
        }
        if kept != rows.get() {
            return Err(Fault::corrupt(format!("the keys of {kept} rows were kept, but {rows} rows were sent")));
        }
        Ok(report)
    };
    tokio::select! {
        biased;
        reason = stop.raised() => Err(reason.fault()),
        report = work => report,
    }
}

/// The hashes that fall into a round, sorted.
async fn of_round(hashes: SentHashes<'_>, number: u64, rounds: u64) -> Result<Vec<u64>, Fault> {
    let mut sent = Vec::new();
    let mut pieces = hashes();
    while let Some(piece) = pieces.try_next().await? {
        sent.extend(piece.into_iter().filter(|hash| hash % rounds == number));
    }
    let sort = move || {
        sent.sort_unstable();
        sent
    };
    Task::blocking("sorting keys", sort).join().await
}

impl Round {
    fn take_stored(mut self, batch: &RecordBatch) -> Result<Self, Fault> {
        let (keys, ingested) = (Keys::of(batch)?, Ingested::of(batch));
        for (row, hash) in keys.hashes().into_iter().enumerate() {
            if hash % self.rounds != self.number {
                continue;
            }
            self.rows += RowCount(1);
            match self.sent.binary_search(&hash) {
                Ok(_) => self.met += 1,
                Err(_) => self.found.add(Difference::RowMissing(stored_row(&keys, &ingested, row))),
            }
        }
        Ok(self)
    }
}
