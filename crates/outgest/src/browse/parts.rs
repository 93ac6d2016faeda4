//! The parts in which a range is looked through for a few rows, one after the other from one of its ends.
//!
//! Where the source names parts, these; else the slices of its plan.

use std::collections::VecDeque;

use model::{End, Fault, KeyRange, RowCount};

use super::open::Open;

/// What is left to look through.
pub(super) struct Parts {
    left: Left,
    end: End,
    rows: RowCount,
}

enum Left {
    /// A range, and how many parts of it came before.
    Range(KeyRange, u32),
    Slices(VecDeque<KeyRange>),
}

impl Parts {
    /// Of a range, for so many rows at one of its ends.
    pub(super) fn of(range: KeyRange, end: End, rows: usize) -> Self {
        Self { left: Left::Range(range, 0), end, rows: RowCount::from(rows) }
    }

    /// The next part; `None` after the last.
    pub(super) async fn next(&mut self, open: &Open) -> Result<Option<KeyRange>, Fault> {
        if let Left::Range(range, before) = &self.left {
            match open.part(range, self.end, self.rows, *before).await? {
                Some(part) => {
                    self.left = match rest(range, &part, self.end) {
                        Some(rest) => Left::Range(rest, before + 1),
                        None => Left::Slices(VecDeque::new()),
                    };
                    return Ok(Some(part));
                }
                None => {
                    let slices = open.plan(None).await?.slices;
                    self.left = Left::Slices(slices.iter().filter_map(|slice| slice.range.and(range)).collect());
                }
            }
        }
        Ok(match (&mut self.left, self.end) {
            (Left::Slices(slices), End::First) => slices.pop_front(),
            (Left::Slices(slices), End::Last) => slices.pop_back(),
            (Left::Range(..), _) => None,
        })
    }
}

/// What lies behind a part at an end of a range.
fn rest(range: &KeyRange, part: &KeyRange, end: End) -> Option<KeyRange> {
    // A part that ends where the range does leaves nothing of it.
    let (from, to) = match end {
        End::First => (part.to.clone(), range.to.clone()),
        End::Last => (range.from.clone(), part.from.clone()),
    };
    (from != to).then_some(KeyRange { from, to })
}
