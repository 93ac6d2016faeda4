//! What is stored, and whether it can be reached: what the API tells operators.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lake::Lake;
use model::{
    ExportAsk, ExportDesk, Fault, FaultKind, ProjectId, Source, Stop, StopReason, StorageFigures, StoredOfProject,
    TableStorage,
};
use store::NativeStore;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::desk::Desk;
use crate::config;

/// What a probe waits for at most; supervisors wait as long or longer.
const PROBE_MAX: Duration = Duration::from_secs(4);

/// How long an answer of the source is taken for its state: it is asked less often than supervisors probe.
const SOURCE_FRESH: Duration = Duration::from_secs(5);

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

/// Ready is who reaches the metadata store and the source.
pub struct Reachable {
    store: NativeStore,
    source: Arc<dyn Source>,
    /// What the source last said. Whoever asks holds it, so that probes that come together ask once.
    seen: Mutex<Option<Seen>>,
}

/// When the source was asked, and why it could not be read, if so.
struct Seen {
    at: Instant,
    trouble: Option<(FaultKind, String)>,
}

impl Reachable {
    /// Nobody has been asked yet.
    pub fn new(store: NativeStore, source: Arc<dyn Source>) -> Self {
        Self { store, source, seen: Mutex::new(None) }
    }

    async fn ask_source(&self) -> Result<(), Fault> {
        let mut seen = self.seen.lock().await;
        if seen.as_ref().is_none_or(|seen| seen.at.elapsed() > SOURCE_FRESH) {
            // The least that a source can be asked; no project has this name.
            let Some(table) = tables::all().first() else { return Ok(()) };
            let nobody = ProjectId::new("-");
            let trouble = match timeout(PROBE_MAX, self.source.has_project(&nobody, table)).await {
                Ok(Ok(_)) => None,
                Ok(Err(fault)) => Some((fault.kind(), fault.public_message().to_owned())),
                Err(_) => Some((FaultKind::Timeout, format!("{} does not answer in {PROBE_MAX:?}", self.source))),
            };
            *seen = Some(Seen { at: Instant::now(), trouble });
        }
        match seen.as_ref().and_then(|seen| seen.trouble.clone()) {
            Some((kind, message)) => Err(Fault::new(kind, message)),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl api::Readiness for Reachable {
    async fn ready(&self) -> Result<(), Fault> {
        let away = || Fault::new(FaultKind::Timeout, format!("the metadata store does not answer in {PROBE_MAX:?}"));
        timeout(PROBE_MAX, self.store.ping()).await.unwrap_or_else(|_| Err(away()))?;
        self.ask_source().await
    }
}
