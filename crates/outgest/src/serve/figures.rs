//! What is stored, and whether it can be reached: what the API tells operators.

use std::sync::Arc;

use async_trait::async_trait;
use lake::Lake;
use model::{Fault, FaultKind, ProjectId, Source, Stop, StopReason, StorageFigures, TableStorage};
use store::NativeStore;

/// Figures of the embedded store; of another source they are not known.
pub struct LakeFigures(pub Option<Lake>);

#[async_trait]
impl StorageFigures for LakeFigures {
    async fn storage(&self, project: &ProjectId) -> Result<Vec<TableStorage>, Fault> {
        let Some(lake) = self.0.clone() else {
            return Err(Fault::new(FaultKind::Conflict, "figures are known for rows in the embedded store only")
                .hint("ask the source itself how much it stores"));
        };
        let (project, left) = (project.clone(), RaisedOnDrop(Stop::new()));
        let stop = left.0.clone();
        let counted = tokio::task::spawn_blocking(move || lake.project_info(&project, &stop)).await;
        let counted = counted.map_err(|panic| Fault::bug("counting stored rows panicked").because(panic))??;
        let table = |(name, info): (&'static str, lake::ProjectInfo)| TableStorage {
            table: name.to_owned(),
            rows_stored: Some(info.rows),
            rows: info.live_rows,
            bytes: Some(info.bytes),
            files: Some(info.files as u64),
            oldest: Some(info.time.min),
            newest: Some(info.time.max),
        };
        Ok(counted.into_iter().map(table).collect())
    }
}

/// Ends work that nobody waits for any more.
struct RaisedOnDrop(Stop);

impl Drop for RaisedOnDrop {
    fn drop(&mut self) {
        self.0.raise(StopReason::Cancelled);
    }
}

/// Ready is who reaches the metadata store and the source.
pub struct Reachable {
    /// The metadata store.
    pub store: NativeStore,
    /// Where rows come from.
    pub source: Arc<dyn Source>,
}

#[async_trait]
impl api::Readiness for Reachable {
    async fn ready(&self) -> Result<(), Fault> {
        self.store.ping().await?;
        // The least that a source can be asked; no project has this name.
        let Some(table) = tables::all().first() else { return Ok(()) };
        self.source.has_project(&ProjectId::new("-"), table).await.map(drop)
    }
}
