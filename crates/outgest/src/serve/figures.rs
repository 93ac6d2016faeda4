//! What is stored: what the API tells owners and operators.

use async_trait::async_trait;
use lake::Lake;
use model::{ExportAsk, ExportDesk, Fault, ProjectId, Stop, StopReason, StorageFigures, StoredOfProject, TableStorage};

use super::desk::Desk;
use crate::config;

/// Figures of the embedded store.
pub struct LakeFigures(pub Lake);

#[async_trait]
impl StorageFigures for LakeFigures {
    async fn storage(&self, project: &ProjectId) -> Result<StoredOfProject, Fault> {
        let (lake, project, left) = (self.0.clone(), project.clone(), RaisedOnDrop(Stop::new()));
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
        Ok(StoredOfProject { tables: counted.into_iter().map(table).collect(), note: None })
    }
}

/// Ends work that nobody waits for any more.
struct RaisedOnDrop(Stop);

impl Drop for RaisedOnDrop {
    fn drop(&mut self) {
        self.0.raise(StopReason::Cancelled);
    }
}

/// Figures of another source, as far as it tells them to somebody who plans an export.
pub struct SourceFigures(pub Desk);

#[async_trait]
impl StorageFigures for SourceFigures {
    async fn storage(&self, project: &ProjectId) -> Result<StoredOfProject, Fault> {
        let mut tables = Vec::new();
        for stored in tables::stored() {
            let ask = ExportAsk { table: stored.name.to_owned(), ..ExportAsk::default() };
            let checked = self.0.check(project, &ask, config::now()).await?;
            let planned = self.0.estimate(project, &checked).await?;
            tables.push(TableStorage {
                table: ask.table,
                rows_stored: Some(planned.rows_max),
                rows: planned.rows_max,
                bytes: None,
                files: None,
                oldest: None,
                newest: None,
            });
        }
        let note = format!(
            "Rows are counted with all their stored versions. How much space they take is known to {}.",
            self.0.source
        );
        Ok(StoredOfProject { tables, note: Some(note) })
    }
}
