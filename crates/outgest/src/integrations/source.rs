//! The source as windows read it: it is the server's, and whoever runs the server looks after it.
//!
//! Where it does not accept its password, or lacks a table or a column of one, windows wait until the source reads again,
//! as they wait for one that is away; a fault that pauses an integration would pause all of them, and somebody would have
//! to resume each. A request that is refused as such stays a fault of its integration.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use model::{
    End, Fault, FaultKind, KeyRange, Micros, OrderKey, Plan, ProjectId, ReadRequest, Reading, RowCount, ScoreLookup,
    ScoreName, ScoreRow, ScoreScope, Snapshot, Source, SourceCapabilities, Stop, TableSpec,
};

/// A source whose faults that only its operator can mend are waited out.
pub struct PatientSource {
    source: Arc<dyn Source>,
}

impl PatientSource {
    /// The same rows.
    pub fn new(source: Arc<dyn Source>) -> Self {
        Self { source }
    }

    fn patience(&self) -> Patience {
        Patience { snapshots: self.source.capabilities().snapshots }
    }
}

type Batches = BoxStream<'static, Result<RecordBatch, Fault>>;

/// Which faults are waited out.
#[derive(Clone, Copy)]
struct Patience {
    /// Whether the source reads snapshots.
    snapshots: bool,
}

impl Patience {
    /// The fault as windows take it.
    fn of(self, fault: Fault) -> Fault {
        match fault.kind() {
            FaultKind::Configuration | FaultKind::Credentials => fault.with_kind(FaultKind::Unavailable),
            // A snapshot that is gone does not come back: the next attempt does without it.
            FaultKind::NotFound if !self.snapshots => fault.with_kind(FaultKind::Unavailable),
            _ => fault,
        }
    }

    fn of_batches(self, batches: Batches) -> Batches {
        batches.map(move |batch| batch.map_err(|fault| self.of(fault))).boxed()
    }
}

impl fmt::Display for PatientSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Source for PatientSource {
    fn capabilities(&self) -> SourceCapabilities {
        self.source.capabilities()
    }

    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        let patience = self.patience();
        let reading = self.source.prepare(request).await.map_err(|fault| patience.of(fault))?;
        Ok(Arc::new(PatientReading { reading, patience }))
    }

    async fn has_project(&self, project: &ProjectId, table: &TableSpec) -> Result<bool, Fault> {
        self.source.has_project(project, table).await.map_err(|fault| self.patience().of(fault))
    }

    async fn keeps(&self, snapshot: &Snapshot) -> Result<bool, Fault> {
        self.source.keeps(snapshot).await.map_err(|fault| self.patience().of(fault))
    }

    fn shared_by(&self, processes: usize) {
        self.source.shared_by(processes);
    }
}

/// A reading of such a source.
struct PatientReading {
    reading: Arc<dyn Reading>,
    patience: Patience,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Reading for PatientReading {
    fn schema(&self) -> &SchemaRef {
        self.reading.schema()
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        self.reading.snapshot()
    }

    async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault> {
        self.reading.plan(after).await.map_err(|fault| self.patience.of(fault))
    }

    async fn earliest(&self) -> Result<Option<Micros>, Fault> {
        self.reading.earliest().await.map_err(|fault| self.patience.of(fault))
    }

    async fn part(&self, range: &KeyRange, end: End, rows: RowCount, before: u32) -> Result<Option<KeyRange>, Fault> {
        self.reading.part(range, end, rows, before).await.map_err(|fault| self.patience.of(fault))
    }

    fn read(self: Arc<Self>, range: KeyRange, stop: Stop) -> Batches {
        self.patience.of_batches(Arc::clone(&self.reading).read(range, stop))
    }

    fn few(self: Arc<Self>, range: KeyRange, end: End, rows: RowCount, stop: Stop) -> Batches {
        self.patience.of_batches(Arc::clone(&self.reading).few(range, end, rows, stop))
    }

    fn tally(self: Arc<Self>, range: KeyRange, stop: Stop) -> Batches {
        self.patience.of_batches(Arc::clone(&self.reading).tally(range, stop))
    }

    async fn once_each(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        self.reading.once_each(batch).await.map_err(|fault| self.patience.of(fault))
    }

    async fn warnings(&self) -> Result<Vec<String>, Fault> {
        self.reading.warnings().await.map_err(|fault| self.patience.of(fault))
    }

    async fn changed(&self) -> Result<RowCount, Fault> {
        self.reading.changed().await.map_err(|fault| self.patience.of(fault))
    }

    fn scores(&self) -> Arc<dyn ScoreLookup> {
        Arc::new(PatientScores { scores: self.reading.scores(), patience: self.patience })
    }

    async fn close(&self) -> Result<(), Fault> {
        self.reading.close().await.map_err(|fault| self.patience.of(fault))
    }
}

/// The scores of such a reading.
struct PatientScores {
    scores: Arc<dyn ScoreLookup>,
    patience: Patience,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ScoreLookup for PatientScores {
    async fn score_names(&self, scope: &ScoreScope) -> Result<Vec<ScoreName>, Fault> {
        self.scores.score_names(scope).await.map_err(|fault| self.patience.of(fault))
    }

    async fn scores(&self, scope: &ScoreScope, traces: &[&str]) -> Result<Vec<ScoreRow>, Fault> {
        self.scores.scores(scope, traces).await.map_err(|fault| self.patience.of(fault))
    }
}
