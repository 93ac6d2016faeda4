//! [`model::Reading`] of a stored table.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures_core::stream::BoxStream;
use model::{Fault, KeyRange, Micros, OrderKey, Plan, Reading, ScoreLookup, Snapshot, Stop};

use super::plan;
use super::scan::Scan;
use super::slice::SliceReader;
use super::stream::{blocking, stream};
use super::tally::TallyReader;
use crate::scores::LakeScores;

/// The live rows of one project in one snapshot.
pub(crate) struct StoredReading {
    scan: Arc<Scan>,
    snapshot: Snapshot,
}

impl StoredReading {
    /// The reading of a prepared request.
    pub(crate) fn new(scan: Scan, snapshot: Snapshot) -> Self {
        Self { scan: Arc::new(scan), snapshot }
    }
}

#[async_trait]
impl Reading for StoredReading {
    fn schema(&self) -> &SchemaRef {
        &self.scan.schema
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        Some(&self.snapshot)
    }

    async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault> {
        let (scan, after) = (Arc::clone(&self.scan), after.cloned());
        blocking(move |_| plan::plan(&scan, after.as_ref())).await
    }

    async fn earliest(&self) -> Result<Option<Micros>, Fault> {
        Ok(self.scan.files.earliest(self.scan.cursor, self.scan.window))
    }

    fn read(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        stream(SliceReader::new(Arc::clone(&self.scan), range, stop.clone()), stop)
    }

    fn tally(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        stream(TallyReader::new(Arc::clone(&self.scan), range, stop.clone()), stop)
    }

    fn scores(&self) -> Arc<dyn ScoreLookup> {
        Arc::new(LakeScores(Arc::clone(&self.scan.scores)))
    }

    async fn close(&self) -> Result<(), Fault> {
        // Nothing runs between polls, and files close with the last reader.
        Ok(())
    }
}
