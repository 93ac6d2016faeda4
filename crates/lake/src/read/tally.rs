//! The rows of a range for counting: every row group by itself, its rows in stored order, no keys.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use model::{Fault, KeyRange, Stop};

use super::files::RowGroup;
use super::fragment::{meets_range, narrowed, refuse_alone};
use super::rows::batch;
use super::scan::Scan;
use super::stream::Batches;

/// Reads the columns to be counted, a row group at a time: those are narrow, so that a row group of them is small.
pub(crate) struct TallyReader {
    scan: Arc<Scan>,
    range: KeyRange,
    stop: Stop,
    left: VecDeque<RowGroup>,
}

impl TallyReader {
    /// A reader of the range; decodes nothing yet.
    pub(crate) fn new(scan: Arc<Scan>, range: KeyRange, stop: Stop) -> Self {
        let meets = |group: &&RowGroup| scan.meets_window(group) && meets_range(group, &range);
        let left = scan.files.groups().iter().filter(meets).cloned().collect();
        Self { scan, range, stop, left }
    }
}

impl Batches for TallyReader {
    fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        while let Some(group) = self.left.pop_front() {
            self.stop.check()?;
            let scan = &self.scan;
            let Some(mut rows) = narrowed(scan, &group, &self.range, &self.stop)? else { continue };
            refuse_alone(scan, &group, &mut rows, scan.payload.iter().copied())?;
            scan.attach(&mut rows, &self.stop)?;
            let mut wanted = scan.payload.clone();
            wanted.push(scan.keys.time);
            wanted.sort_unstable();
            wanted.dedup();
            rows.hold(&wanted)?;
            let held = |place: usize| {
                let held = rows.held(place).ok_or_else(|| Fault::bug("a counted column was not decoded"))?;
                Ok(Arc::clone(held))
            };
            let inputs = scan.projected().map(held).collect::<Result<Vec<_>, Fault>>()?;
            let mut columns = scan.projection.apply(&batch(scan.projection.inputs(), inputs, rows.count())?)?;
            columns.push(held(scan.keys.time)?);
            return batch(&scan.tally_schema, columns, rows.count()).map(Some);
        }
        Ok(None)
    }
}
