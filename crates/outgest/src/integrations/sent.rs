//! Which rows of a window were sent as events, kept with its run until it is compared with its source.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Fault, JobId, KeptFrom, SchedulerStore, SentKeys, TableName};

/// The keys of one table of a run.
pub struct RunSentKeys {
    /// Where they are kept.
    pub store: Arc<dyn SchedulerStore>,
    /// The run.
    pub run: JobId,
    /// The table.
    pub table: TableName,
    /// Token of the lease under which they are kept: a worker that lost the run keeps none.
    pub token: u64,
}

#[async_trait]
impl SentKeys for RunSentKeys {
    async fn keep(&self, number: u64, hashes: &[u64]) -> Result<(), Fault> {
        let from = KeptFrom { run: self.run.clone(), table: self.table.to_string(), number, token: self.token };
        self.store.keep_sent_keys(&from, hashes).await
    }
}
