//! A ClickHouse that is connected when it is first read.
//!
//! A server starts, answers and keeps its queue while its ClickHouse is down; what is read meanwhile fails
//! and is tried again by whoever asked. Its tables are looked at again every minute, so that a deployment may
//! move to another layout under a server that runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::{Fault, ProjectId, ReadRequest, Reading, Source, SourceCapabilities, TableSpec};
use sources::clickhouse::{ClickHouseOptions, ClickHouseSource};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A look at the tables holds this long.
const FRESH: Duration = Duration::from_secs(60);

/// Connects with the first read, and with the next one where that failed.
pub struct LateSource {
    options: ClickHouseOptions,
    /// The connection and when its tables were looked at. Whoever looks holds it: reads that come together look once.
    connected: Mutex<Option<(Instant, ClickHouseSource)>>,
    /// How many processes read from it.
    processes: AtomicUsize,
}

impl LateSource {
    /// Nothing is sent yet.
    pub fn new(options: ClickHouseOptions) -> Self {
        Self { options, connected: Mutex::new(None), processes: AtomicUsize::new(1) }
    }

    async fn connected(&self) -> Result<ClickHouseSource, Fault> {
        let mut connected = self.connected.lock().await;
        let source = match &*connected {
            Some((looked, source)) if looked.elapsed() < FRESH => return Ok(source.clone()),
            Some((_, source)) => source.looking_again(tables::clickhouse_tables()).await?,
            None => ClickHouseSource::connect(self.options.clone(), tables::clickhouse_tables()).await?,
        };
        source.shared_by(self.processes.load(Ordering::Relaxed));
        // A server sorts a slice before it sends any of it.
        crate::ALLOCATOR.expect_bursts();
        *connected = Some((Instant::now(), source.clone()));
        Ok(source)
    }
}

impl fmt::Display for LateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

#[async_trait]
impl Source for LateSource {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities { snapshots: false, deletions: false }
    }

    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        self.connected().await?.prepare(request).await
    }

    async fn has_project(&self, project: &ProjectId, table: &TableSpec) -> Result<bool, Fault> {
        self.connected().await?.has_project(project, table).await
    }

    fn shared_by(&self, processes: usize) {
        self.processes.store(processes, Ordering::Relaxed);
        // Whoever connects just now reads the number after that, or is told the next one.
        if let Ok(connected) = self.connected.try_lock()
            && let Some((_, source)) = &*connected
        {
            source.shared_by(processes);
        }
    }
}
