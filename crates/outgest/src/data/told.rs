//! A source for tests: it has no rows, and keeps how many processes it was told of.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::{Fault, ProjectId, ReadRequest, Reading, Source, SourceCapabilities, TableSpec};

/// Keeps what it is told. Clones are the same source.
#[derive(Clone, Debug, Default)]
pub struct ToldSource {
    told: Arc<Mutex<Vec<usize>>>,
}

impl ToldSource {
    /// Numbers of processes in the order in which it was told of them.
    pub fn told(&self) -> Vec<usize> {
        self.told.lock().unwrap().clone()
    }
}

impl fmt::Display for ToldSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source without rows")
    }
}

#[async_trait]
impl Source for ToldSource {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities { snapshots: false }
    }

    async fn prepare(&self, _request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        Err(Fault::bug("nobody reads"))
    }

    async fn has_project(&self, _project: &ProjectId, _table: &TableSpec) -> Result<bool, Fault> {
        Ok(true)
    }

    fn shared_by(&self, processes: usize) {
        self.told.lock().unwrap().push(processes);
    }
}
