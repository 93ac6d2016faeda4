//! [`model::Reading`] of a grouped relation.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures_core::stream::BoxStream;
use model::{
    ByteCount, Fault, Grouped, KeyRange, Micros, OrderKey, Plan, ReadRequest, Reading, RowCount, ScoreLookup, Slice,
    Snapshot, Stop, Window,
};

use super::scan::GroupedScan;
use super::slice::GroupedSlice;
use super::times::TimesOfGroups;
use crate::lake::Lake;
use crate::read::{ProjectFiles, blocking, stream};
use crate::scores::{LakeScores, Scores};

/// Decoded bytes of a slice, as for stored tables.
const SLICE_BYTES: u64 = 12 * 1024 * 1024;
/// Rows behind the groups of a slice, whose small columns are decoded to aggregate them.
const SLICE_ROWS: u64 = 64 * 1024;

/// The groups of one project in one snapshot.
pub(crate) struct GroupedReading {
    scan: Arc<GroupedScan>,
    snapshot: Snapshot,
    window: Window,
}

impl GroupedReading {
    /// Compiles the request and finds its groups.
    pub(crate) fn prepare(
        lake: &Lake,
        request: &ReadRequest,
        grouped: &Grouped,
        files: ProjectFiles,
        scores: Arc<Scores>,
        snapshot: Snapshot,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        let scan = GroupedScan::prepare(lake, request, grouped, files, scores, stop)?;
        Ok(Self { scan: Arc::new(scan), snapshot, window: request.window })
    }
}

fn plan(scan: &GroupedScan, after: Option<&OrderKey>) -> Result<Plan, Fault> {
    let Some(whole) = after.map_or(Some(KeyRange::ALL), |key| KeyRange::ALL.after(key)) else {
        return Ok(Plan::default());
    };
    let per_group = scan.bytes_per_group()?;
    let mut slices: Vec<Slice> = Vec::new();
    let (mut groups, mut rows) = (0, 0);
    for group in scan.folding.index.within(&whole) {
        let more = scan.folding.index.rows(group).len() as u64;
        let full = slices.is_empty() || rows + more > SLICE_ROWS || (groups + 1) * per_group > SLICE_BYTES;
        if full {
            let from = scan.folding.index.key(group);
            if let Some(last) = slices.last_mut() {
                last.range.to = Some(from.clone());
            }
            let range = KeyRange { from: Some(from), to: None };
            slices.push(Slice { range, rows: RowCount::ZERO, bytes: ByteCount::ZERO });
            (groups, rows) = (0, 0);
        }
        groups += 1;
        rows += more;
        if let Some(last) = slices.last_mut() {
            last.rows = RowCount(groups);
            last.bytes = ByteCount(groups * per_group);
        }
    }
    if let Some(first) = slices.first_mut() {
        first.range.from = whole.from;
    }
    Ok(Plan { slices })
}

impl GroupedScan {
    /// About the decoded bytes of one group: a row of what is fetched, and what is aggregated.
    fn bytes_per_group(&self) -> Result<u64, Fault> {
        let (mut bytes, mut rows) = (0, 0);
        let aggregated = self.folding.files.columns(self.folding.inputs.input_names())?;
        for group in self.folding.files.groups() {
            let firsts = self.filter_firsts.places.iter().chain(&self.other_firsts.places).chain(&aggregated);
            bytes += self.folding.files.file(group.file)?.weight(group.group, firsts.copied()).bytes;
            rows += u64::from(group.rows);
        }
        // Key columns and offsets are there even where nothing else is.
        Ok(100 + bytes / rows.max(1))
    }
}

#[async_trait]
impl Reading for GroupedReading {
    fn schema(&self) -> &SchemaRef {
        &self.scan.schema
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        Some(&self.snapshot)
    }

    async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault> {
        let (scan, after) = (Arc::clone(&self.scan), after.cloned());
        blocking(move |_| plan(&scan, after.as_ref())).await
    }

    async fn earliest(&self) -> Result<Option<Micros>, Fault> {
        // The time of a group is that of one of its rows.
        Ok(self.scan.folding.files.earliest(self.scan.cursor, self.window))
    }

    fn read(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        stream(GroupedSlice::new(Arc::clone(&self.scan), &range, stop.clone()), stop)
    }

    fn tally(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        match TimesOfGroups::new(&self.scan, &range, stop.clone()) {
            Some(times) => stream(times, stop),
            None => self.read(range, stop),
        }
    }

    fn scores(&self) -> Arc<dyn ScoreLookup> {
        Arc::new(LakeScores(Arc::clone(&self.scan.scores)))
    }

    async fn close(&self) -> Result<(), Fault> {
        // Nothing runs between polls, and files close with the last reader.
        Ok(())
    }
}
