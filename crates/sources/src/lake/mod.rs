//! The embedded store as a source.
//!
//! A thin adaptor: [`lake::Lake`] prepares and reads, this names the source and answers what it can do.
//! Reads are snapshots, so a later attempt of a run reads exactly what the first one read.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use lake::Lake;
use model::{Fault, KindDescriptor, ProjectId, ReadRequest, Reading, Snapshot, Source, SourceCapabilities, TableSpec};

/// Reads from an embedded store.
#[derive(Clone, Debug)]
pub struct LakeSource {
    lake: Lake,
}

impl LakeSource {
    /// Reads from this store.
    pub fn new(lake: Lake) -> Self {
        Self { lake }
    }
}

impl fmt::Display for LakeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store in {}", self.lake.directory().display())
    }
}

#[async_trait]
impl Source for LakeSource {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities { snapshots: true }
    }

    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        self.lake.reading(request).await
    }

    async fn keeps(&self, snapshot: &Snapshot) -> Result<bool, Fault> {
        self.lake.keeps(snapshot).await
    }

    async fn has_project(&self, project: &ProjectId, table: &TableSpec) -> Result<bool, Fault> {
        self.lake.has_project(project, table.stored().name).await
    }
}

/// How the kind introduces itself. It is the default source, so no URL selects it.
pub fn descriptor() -> KindDescriptor {
    KindDescriptor {
        name: "lake",
        title: "Embedded store",
        doc: "The store in the data directory, filled by imports.",
        schemes: &[],
        options: serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        secrets: &[],
    }
}
