//! A ClickHouse that is connected when it is first read.
//!
//! A server starts, answers and keeps its queue while its ClickHouse is down; what is read meanwhile fails
//! and is tried again by whoever asked.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::{Fault, ProjectId, ReadRequest, Reading, Source, SourceCapabilities, TableSpec};
use sources::clickhouse::{ClickHouseOptions, ClickHouseSource};
use tokio::sync::OnceCell;

/// Connects with the first read, and with the next one where that failed.
pub struct LateSource {
    options: ClickHouseOptions,
    connected: OnceCell<ClickHouseSource>,
}

impl LateSource {
    /// Nothing is sent yet.
    pub fn new(options: ClickHouseOptions) -> Self {
        Self { options, connected: OnceCell::new() }
    }

    async fn connected(&self) -> Result<&ClickHouseSource, Fault> {
        let connect = || ClickHouseSource::connect(self.options.clone(), tables::clickhouse_tables());
        self.connected.get_or_try_init(connect).await
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
}
