//! Times of groups for counting them over time: known without a look at any row.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use model::{Fault, KeyRange, Stop};

use super::scan::GroupedScan;
use crate::read::{Batches, batch, tally_schema};

/// Groups of a batch.
const BATCH_ROWS_MAX: usize = 8192;

/// Gives the times of the groups of a range.
pub(super) struct TimesOfGroups {
    scan: Arc<GroupedScan>,
    stop: Stop,
    left: Range<usize>,
}

impl TimesOfGroups {
    /// The groups of a range; `None` where columns or a filter need more than their times.
    pub(super) fn new(scan: &Arc<GroupedScan>, range: &KeyRange, stop: Stop) -> Option<Self> {
        let is_enough = !scan.has_columns && scan.filter.steps().next().is_none();
        is_enough.then(|| Self { left: scan.folding.index.within(range), scan: Arc::clone(scan), stop })
    }
}

impl Batches for TimesOfGroups {
    fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        self.stop.check()?;
        let groups = self.left.by_ref().take(BATCH_ROWS_MAX);
        let mut times = TimestampMicrosecondBuilder::with_capacity(groups.len());
        groups.for_each(|group| times.append_value(self.scan.folding.index.time(group).0));
        let times: ArrayRef = Arc::new(times.finish().with_timezone("UTC"));
        let rows = times.len();
        if rows == 0 {
            return Ok(None);
        }
        batch(&tally_schema(&[]), vec![times], rows).map(Some)
    }
}
