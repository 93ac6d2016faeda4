//! Limits of a source's load hold for all workers together: each process takes the share that the queue tells.

use std::sync::Arc;
use std::time::Duration;

use model::{JobStore, Source, Stop};

/// How long a process may go on with the share it had after others have come or gone.
const EVERY: Duration = Duration::from_secs(2);

/// Tells the source how many processes read from it, until `drain` is raised.
pub async fn share(source: Arc<dyn Source>, queue: impl JobStore, drain: Stop) {
    share_every(EVERY, source, queue, drain).await;
}

async fn share_every(wait: Duration, source: Arc<dyn Source>, queue: impl JobStore, drain: Stop) {
    while drain.reason().is_none() {
        match queue.workers().await {
            Ok(workers) => source.shared_by(workers.max(1)),
            // Whoever works with the store tells why; the share stays as it was.
            Err(fault) => tracing::debug!(fault = %fault, "the workers cannot be counted"),
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = drain.raised() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::Mutex;
    use std::time::Instant;

    use async_trait::async_trait;
    use model::{
        Claim, ClaimLimits, Fault, JobKind, Lane, NewJob, Outcome, ProjectId, ReadRequest, Reading, SourceCapabilities,
        StopReason, TableSpec,
    };
    use serde_json::json;
    use store::NativeStore;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Keeps what it is told.
    #[derive(Default)]
    struct Told(Mutex<Vec<usize>>);

    impl Told {
        fn last(&self) -> Option<usize> {
            self.0.lock().unwrap().last().copied()
        }

        /// Waits until it is told of so many processes.
        async fn until(&self, processes: usize) {
            let begun = Instant::now();
            while self.last() != Some(processes) {
                assert!(begun.elapsed() < PATIENCE, "{:?} and not {processes}", self.last());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    impl fmt::Display for Told {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a source without rows")
        }
    }

    #[async_trait]
    impl Source for Told {
        fn capabilities(&self) -> SourceCapabilities {
            SourceCapabilities { snapshots: false }
        }

        async fn prepare(&self, _request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
            Err(Fault::bug("nobody reads"))
        }

        async fn has_project(&self, _project: &ProjectId, _table: &TableSpec) -> Result<bool, Fault> {
            Ok(false)
        }

        fn shared_by(&self, processes: usize) {
            self.0.lock().unwrap().push(processes);
        }
    }

    /// A job that a worker carries out.
    async fn claimed(store: &NativeStore, worker: &str) -> Claim {
        let job = NewJob {
            project: ProjectId::new("p"),
            kind: JobKind::File,
            lane: Lane::Live,
            spec: json!({}),
            unique: None,
            not_before: None,
        };
        store.enqueue(job).await.unwrap();
        let limits = ClaimLimits {
            worker: worker.to_owned(),
            lease: PATIENCE,
            lanes: Lane::ALL.to_vec(),
            running_per_project_max: 10,
            windows_per_integration_max: 10,
            lost_max: 3,
        };
        store.claim(&limits).await.unwrap().expect("there is work")
    }

    #[tokio::test]
    async fn a_source_is_told_how_many_workers_there_are_until_the_drain() {
        let folder = tempfile::tempdir().unwrap();
        let store = NativeStore::open(folder.path()).await.unwrap();
        let (source, drain) = (Arc::new(Told::default()), Stop::new());
        let shared = Arc::clone(&source) as Arc<dyn Source>;
        let sharing = tokio::spawn(share_every(Duration::from_millis(20), shared, store.clone(), drain.clone()));
        // Where nobody works this process is the only one.
        source.until(1).await;
        let first = claimed(&store, "w1").await;
        let _others = [claimed(&store, "w2").await, claimed(&store, "w3").await];
        source.until(3).await;
        store.settle(first.lease, Outcome::Completed(json!({}))).await.unwrap();
        source.until(2).await;
        drain.raise(StopReason::HandOver);
        sharing.await.unwrap();
    }
}
