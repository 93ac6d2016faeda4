//! Scores of the rows that come next, by trace: a stretch of the order at a time.
//!
//! The keys of scores do not start with the trace, so every look-up goes through all scores of the project.
//! Where they are too many to hold, those of a stretch of rows are asked for at once: a few look-ups for a
//! run in place of one for each batch. Which stretch it is tells the reader of slices; a trace that is in
//! none that is held is asked for by itself, so that nothing depends on the guess.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use model::{KeyRange, Micros, RowCount, ScoreRow, Slice};

use super::by_trace::ByTrace;
use crate::clickhouse::reading::Bounds;

/// Rows of a stretch: with a score for every fourth of them its scores are what may be held.
const ROWS: u64 = 400_000;
/// Below, a stretch would be no more than a few batches.
const ROWS_MIN: u64 = 8_000;
/// Batches of one stretch are still under way when those of the next begin.
const STRETCHES_HELD: usize = 2;

/// The stretches of one reading.
pub(in crate::clickhouse) struct Stretches {
    /// Rows that a stretch has at most; fewer where its scores were too many.
    rows: AtomicU64,
    /// Where rows come from.
    now: Mutex<Option<Bounds>>,
    /// Locked while a stretch is fetched, so that it is fetched once.
    pub(in crate::clickhouse) held: tokio::sync::Mutex<Held>,
}

/// Stretches whose scores are here, the latest last.
#[derive(Default)]
pub(in crate::clickhouse) struct Held {
    stretches: VecDeque<Stretch>,
}

struct Stretch {
    bounds: Bounds,
    since: Option<Micros>,
    by_trace: ByTrace,
}

impl Stretches {
    pub(super) fn new() -> Self {
        Self { rows: AtomicU64::new(ROWS), now: Mutex::default(), held: tokio::sync::Mutex::default() }
    }

    /// Notes that rows come from these bounds.
    pub(in crate::clickhouse) fn reached(&self, bounds: Bounds) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Some(bounds);
    }

    /// Where rows come from; `None` before the first.
    pub(super) fn now(&self) -> Option<Bounds> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The range of the stretch in which this slice lies, of adjacent slices.
    pub(in crate::clickhouse) fn around(&self, slices: &[Slice], place: usize) -> Option<KeyRange> {
        let most = RowCount(self.rows.load(Ordering::Relaxed));
        let (mut first, mut rows) = (0, RowCount(0));
        let mut last = 0;
        for (number, slice) in slices.iter().enumerate() {
            if number > first && rows.get() + slice.rows.get() > most.get() {
                if number > place {
                    break;
                }
                (first, rows) = (number, RowCount(0));
            }
            rows += slice.rows;
            last = number;
        }
        Some(KeyRange { from: slices.get(first)?.range.from.clone(), to: slices.get(last)?.range.to.clone() })
    }

    /// The scores of a stretch are too many to hold: those that follow are shorter.
    pub(super) fn shorten(&self) {
        let rows = self.rows.load(Ordering::Relaxed);
        self.rows.store((rows / 2).max(ROWS_MIN), Ordering::Relaxed);
    }
}

impl Held {
    /// Puts the scores of these traces to `found` and returns the traces that are in no stretch.
    pub(in crate::clickhouse) fn find<'a>(
        &self,
        since: Option<Micros>,
        traces: &[&'a str],
        found: &mut Vec<ScoreRow>,
    ) -> Vec<&'a str> {
        let mut missing = Vec::new();
        for trace in traces.iter().copied() {
            let mut stretches = self.stretches.iter().rev().filter(|stretch| stretch.since == since);
            match stretches.find(|stretch| stretch.by_trace.knows(trace)) {
                Some(stretch) => found.extend(stretch.by_trace.scores(trace)),
                None => missing.push(trace),
            }
        }
        missing
    }

    /// Whether a stretch was fetched, or was too long to be held.
    pub(super) fn has(&self, bounds: Bounds, since: Option<Micros>) -> bool {
        self.stretches.iter().any(|stretch| stretch.bounds == bounds && stretch.since == since)
    }

    /// Takes the scores of a stretch in; the oldest goes.
    pub(super) fn hold(&mut self, bounds: Bounds, since: Option<Micros>, by_trace: ByTrace) {
        self.stretches.push_back(Stretch { bounds, since, by_trace });
        if self.stretches.len() > STRETCHES_HELD {
            self.stretches.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{ByteCount, OrderKey};

    use super::*;

    fn slices(rows: &[u64]) -> Vec<Slice> {
        let at = |place: usize| OrderKey::at(Micros(1_000 - place as i64));
        let slice = |(place, rows): (usize, &u64)| Slice {
            range: KeyRange { from: (place > 0).then(|| at(place)), to: Some(at(place + 1)) },
            rows: RowCount(*rows),
            bytes: ByteCount(1),
        };
        rows.iter().enumerate().map(slice).collect()
    }

    #[test]
    fn adjacent_slices_make_a_stretch_of_so_many_rows() {
        let (stretches, slices) = (Stretches::new(), slices(&[300_000, 100_000, 500_000, 10, 20]));
        let around = |place| stretches.around(&slices, place).unwrap();
        let of = |first: usize, last: usize| KeyRange {
            from: slices[first].range.from.clone(),
            to: slices[last].range.to.clone(),
        };
        assert_eq!([0, 1, 2, 3, 4].map(around), [of(0, 1), of(0, 1), of(2, 2), of(3, 4), of(3, 4)]);
        stretches.shorten();
        assert_eq!(stretches.around(&slices, 1).unwrap(), of(1, 1));
    }

    #[test]
    fn only_traces_of_held_stretches_are_known() {
        let (mut held, mut found) = (Held::default(), Vec::new());
        for (lo, trace) in [(3, "a"), (2, "b"), (1, "c")] {
            held.hold(Bounds { lo, hi: lo }, None, ByTrace::of(Vec::new(), [trace].into_iter()));
        }
        assert_eq!(held.find(None, &["a", "b", "c", "d"], &mut found), ["a", "d"]);
        assert_eq!(held.find(Some(Micros(1)), &["b"], &mut found), ["b"], "a look-up with another bound");
        assert!(held.has(Bounds { lo: 2, hi: 2 }, None) && !held.has(Bounds { lo: 3, hi: 3 }, None));
        assert!(found.is_empty());
    }
}
