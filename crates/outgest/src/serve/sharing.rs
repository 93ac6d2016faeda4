//! Limits of a source's load hold for all workers together: each process takes the share that the queue tells.
//!
//! The queue knows workers by the jobs that they carry out: those that wait are not counted. When jobs come all of them
//! may begin at once, so a process counts when a job of its own begins, and not seconds later.

use std::sync::Arc;
use std::time::Duration;

use model::{JobStore, Source, Stop};
use tokio::sync::Notify;

/// How long a process may go on with the share it had after others have come or gone.
const EVERY: Duration = Duration::from_secs(2);

/// How long after a job has begun workers are counted once more: others that waited have their jobs by then, and most
/// runs are still being planned.
const TOGETHER: Duration = Duration::from_millis(250);

/// Tells whoever counts workers that a job of this process begins. Clones tell the same one.
#[derive(Clone, Debug, Default)]
pub struct Beginnings(Arc<Notify>);

impl Beginnings {
    /// A job begins, which the queue knows by now.
    pub fn tell(&self) {
        self.0.notify_one();
    }
}

/// Tells the source how many processes read from it, until `drain` is raised.
pub async fn share(source: Arc<dyn Source>, queue: impl JobStore, beginnings: Beginnings, drain: Stop) {
    share_every(EVERY, source, queue, beginnings, drain).await;
}

async fn share_every(
    every: Duration,
    source: Arc<dyn Source>,
    queue: impl JobStore,
    beginnings: Beginnings,
    drain: Stop,
) {
    let mut wait = every;
    while drain.reason().is_none() {
        match queue.workers().await {
            Ok(workers) => source.shared_by(workers.max(1)),
            // Whoever works with the store tells why; the share stays as it was.
            Err(fault) => tracing::debug!(fault = %fault, "the workers cannot be counted"),
        }
        wait = tokio::select! {
            () = tokio::time::sleep(wait) => every,
            () = beginnings.0.notified() => TOGETHER,
            _ = drain.raised() => return,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use model::{Claim, ClaimLimits, JobKind, Lane, NewJob, Outcome, ProjectId, StopReason};
    use serde_json::json;
    use store::NativeStore;

    use super::*;
    use crate::data::told::ToldSource;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// Waits until a source is told of so many processes.
    async fn until(source: &ToldSource, processes: usize) {
        let begun = Instant::now();
        while source.told().last() != Some(&processes) {
            assert!(begun.elapsed() < PATIENCE, "{:?} and not {processes}", source.told().last());
            tokio::time::sleep(Duration::from_millis(10)).await;
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
        let (source, drain) = (ToldSource::default(), Stop::new());
        let shared = Arc::new(source.clone()) as Arc<dyn Source>;
        let every = Duration::from_millis(20);
        let sharing = tokio::spawn(share_every(every, shared, store.clone(), Beginnings::default(), drain.clone()));
        // Where nobody works this process is the only one.
        until(&source, 1).await;
        let first = claimed(&store, "w1").await;
        let _others = [claimed(&store, "w2").await, claimed(&store, "w3").await];
        until(&source, 3).await;
        store.settle(first.lease, Outcome::Completed(json!({}))).await.unwrap();
        until(&source, 2).await;
        drain.raise(StopReason::HandOver);
        sharing.await.unwrap();
    }

    #[tokio::test]
    async fn workers_are_counted_when_a_job_begins_and_once_more_when_others_have_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let store = NativeStore::open(folder.path()).await.unwrap();
        let (source, beginnings, drain) = (ToldSource::default(), Beginnings::default(), Stop::new());
        let shared = Arc::new(source.clone()) as Arc<dyn Source>;
        // Nobody waits for the next time.
        let every = Duration::from_secs(3_600);
        let sharing = tokio::spawn(share_every(every, shared, store.clone(), beginnings.clone(), drain.clone()));
        until(&source, 1).await;
        let _jobs = [claimed(&store, "w1").await, claimed(&store, "w2").await];
        beginnings.tell();
        until(&source, 2).await;
        let begun = Instant::now();
        while source.told().len() < 3 {
            assert!(begun.elapsed() < PATIENCE, "{:?}", source.told());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drain.raise(StopReason::HandOver);
        sharing.await.unwrap();
        assert_eq!(source.told(), [1, 2, 2]);
    }
}
