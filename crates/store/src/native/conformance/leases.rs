//! One worker at a time, and nothing lost with it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use model::{
    ByteCount, Checkpoint, ClaimLimits, DeliveryCounts, Enqueued, Failure, FaultKind, FileName, HashState, JobKind,
    JobProgress, JobState, JobStore, KeyDigest, Lane, NewJob, OpenFile, Outcome, RowCount, Stop, StopReason,
    TableDelivery, TableName, Task, UploadState, Wish,
};
use serde_json::json;

use super::*;

/// A checkpoint of a run that has so many bytes durable.
pub(super) fn checkpoint(bytes: u64) -> Checkpoint {
    let open = OpenFile {
        name: FileName::new("f").unwrap(),
        after: None,
        block_end: ByteCount(bytes),
        encoder: None,
        upload: UploadState::default(),
        upload_bytes: ByteCount(bytes),
        ahead_sha256: None,
        sha256: HashState::default(),
        rows: RowCount(1),
        digest: KeyDigest::default(),
        cursor_min: None,
        cursor_max: None,
    };
    Checkpoint { version: 1, open: Some(open), ..Checkpoint::default() }
}

/// A checkpoint of a window of events, whose second table has so many rows accounted for.
fn checkpoint_of_events(rows: u64) -> Checkpoint {
    let table = |name: &str, rows| TableDelivery {
        table: TableName::new(name),
        destination: "there".to_owned(),
        counts: DeliveryCounts { read: RowCount(rows), ..DeliveryCounts::default() },
    };
    Checkpoint { version: 1, tables: vec![table("events", 7), table("scores", rows)], ..Checkpoint::default() }
}

fn failure() -> Failure {
    Failure { step: Some("reading".to_owned()), kind: "unavailable".to_owned(), message: "gone".to_owned(), hint: None }
}

fn unique_job(key: &str) -> NewJob {
    NewJob {
        project: project(),
        kind: JobKind::File,
        lane: Lane::Live,
        spec: json!({}),
        unique: Some(key.to_owned()),
        not_before: None,
    }
}

pub(super) async fn workers_are_counted_while_their_leases_last(store: NativeStore) {
    assert_eq!(store.workers().await.unwrap(), 0);
    for key in ["a", "b", "c"] {
        store.enqueue(unique_job(key)).await.unwrap();
    }
    let first = claim(&store, "w1").await;
    let _second = claim(&store, "w1").await;
    assert_eq!(store.workers().await.unwrap(), 1, "by name");
    let short = ClaimLimits { lease: Duration::from_millis(1), ..limits("w2") };
    store.claim(&short).await.unwrap().expect("there is work");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(store.workers().await.unwrap(), 1, "the other one's lease ran out");
    store.settle(first.lease, Outcome::Completed(json!({}))).await.unwrap();
    assert_eq!(store.workers().await.unwrap(), 1, "it has another job");
}

pub(super) async fn a_job_goes_from_queue_to_result(store: NativeStore) {
    let new = NewJob { spec: json!({"do": 1}), ..unique_job("k") };
    let Enqueued::New(id) = store.enqueue(new).await.unwrap() else { panic!("it existed") };

    let claimed = claim(&store, "w1").await;
    assert_eq!((&claimed.job.id, claimed.lease.task, claimed.job.attempt), (&id, Task::Run, 1));
    assert_eq!(claimed.job.spec, json!({"do": 1}));
    assert!(nothing_to_claim(&store).await);
    store.settle(claimed.lease, Outcome::Completed(json!({"rows": 7}))).await.unwrap();

    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!((job.state, job.result, job.worker), (JobState::Completed, Some(json!({"rows": 7})), None));
    assert!(job.started_at.is_some() && job.finished_at >= job.started_at);
    assert!(nothing_to_claim(&store).await);
}

pub(super) async fn a_lease_that_ran_out_goes_to_another_worker_and_the_first_can_change_nothing(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let first = claim(&store, "stopped").await;
    let stop = Stop::new();
    let log = store.run_log(&first.lease, stop.clone());
    log.record(&checkpoint(10)).await.unwrap();

    store.set_clock_ahead(LEASE + Duration::from_secs(1));
    let second = claim(&store, "successor").await;

    assert_eq!((&second.job.id, second.job.attempt), (&id, 2));
    assert_eq!(second.job.checkpoint, Some(checkpoint(10)));
    let refused = log.record(&checkpoint(20)).await.unwrap_err();
    assert_eq!((refused.kind(), stop.reason()), (FaultKind::Conflict, Some(StopReason::LeaseLost)));
    assert_eq!(store.renew(&first.lease, &JobProgress::default()).await.unwrap_err().kind(), FaultKind::Conflict);
    assert_eq!(store.wishes(&first.lease).next().await, Some(Wish::Lost));
    let settled = store.settle(first.lease, Outcome::Completed(receipt("f", 1, 1))).await.unwrap_err().fault;
    assert_eq!(settled.kind(), FaultKind::Conflict);
    store.run_log(&second.lease, Stop::new()).record(&checkpoint(20)).await.unwrap();
    store.settle(second.lease, Outcome::Completed(receipt("f", 1, 1))).await.unwrap();
}

pub(super) async fn renewing_keeps_a_job_however_long_it_takes(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let claimed = claim(&store, "w").await;
    let progress = JobProgress { share: 0.5, rows: RowCount(3), ..JobProgress::default() };
    for _ in 0..4 {
        store.set_clock_ahead(LEASE - Duration::from_secs(5));
        store.renew(&claimed.lease, &progress).await.unwrap();
        assert!(nothing_to_claim(&store).await);
    }
    assert_eq!(store.job(&id).await.unwrap().unwrap().progress, progress);
}

pub(super) async fn a_failed_attempt_waits_as_long_as_it_was_told(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let claimed = claim(&store, "w").await;
    let wait = Duration::from_secs(100);
    store.settle(claimed.lease, Outcome::Retry { failure: failure(), wait }).await.unwrap();

    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!((job.state, job.failure), (JobState::Queued, Some(failure())));
    assert!(nothing_to_claim(&store).await);
    store.set_clock_ahead(wait - Duration::from_secs(10));
    assert!(nothing_to_claim(&store).await);
    store.set_clock_ahead(Duration::from_secs(11));
    let again = claim(&store, "w").await;
    assert_eq!((again.job.attempt, again.job.failures), (2, 1));
    store.settle(again.lease, Outcome::Failed(failure())).await.unwrap();
    assert_eq!(store.job(&id).await.unwrap().unwrap().state, JobState::Failed);
    assert!(nothing_to_claim(&store).await);
}

pub(super) async fn a_worker_that_goes_away_leaves_checkpoint_and_attempt(store: NativeStore) {
    queue(&store, &project()).await;
    let claimed = claim(&store, "leaving").await;
    store.run_log(&claimed.lease, Stop::new()).record(&checkpoint(10)).await.unwrap();
    store.settle(claimed.lease, Outcome::HandedOver).await.unwrap();

    let next = claim(&store, "next").await;
    assert_eq!((next.job.attempt, next.job.failures, next.job.checkpoint), (1, 0, Some(checkpoint(10))));
}

pub(super) async fn a_job_that_kills_its_workers_is_given_up(store: NativeStore) {
    let id = queue(&store, &project()).await;
    for _ in 0..3 {
        claim(&store, "doomed").await;
        store.set_clock_ahead(LEASE + Duration::from_secs(1));
    }
    assert!(nothing_to_claim(&store).await);
    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(job.failure.unwrap().message, "3 workers in a row ended while they had this job");
}

pub(super) async fn getting_further_forgives_lost_workers(store: NativeStore) {
    queue(&store, &project()).await;
    for attempt in 1..8 {
        let claimed = claim(&store, "doomed").await;
        assert_eq!(claimed.job.attempt, attempt);
        store.run_log(&claimed.lease, Stop::new()).record(&checkpoint(u64::from(attempt))).await.unwrap();
        store.set_clock_ahead(LEASE + Duration::from_secs(1));
    }
}

pub(super) async fn sending_events_is_getting_further(store: NativeStore) {
    queue(&store, &project()).await;
    let again = || Outcome::Retry { failure: failure(), wait: Duration::ZERO };
    for attempt in 1..6 {
        let claimed = claim(&store, "w").await;
        assert_eq!((claimed.job.attempt, claimed.job.failures), (attempt, u32::from(attempt > 1)));
        let log = store.run_log(&claimed.lease, Stop::new());
        log.record(&checkpoint_of_events(u64::from(attempt))).await.unwrap();
        store.settle(claimed.lease, again()).await.unwrap();
    }
    // One that sends nothing gets no further.
    let stuck = claim(&store, "w").await;
    store.run_log(&stuck.lease, Stop::new()).record(&checkpoint_of_events(5)).await.unwrap();
    store.settle(stuck.lease, again()).await.unwrap();
    assert_eq!(claim(&store, "w").await.job.failures, 2);
}

pub(super) async fn a_cancelled_job_is_final_and_its_worker_may_only_clean_up(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let claimed = claim(&store, "w").await;
    let stop = Stop::new();
    let log = store.run_log(&claimed.lease, stop.clone());
    log.record(&checkpoint(10)).await.unwrap();

    store.cancel(&id).await.unwrap();

    assert_eq!(store.job(&id).await.unwrap().unwrap().state, JobState::Cancelled);
    assert_eq!(store.renew(&claimed.lease, &JobProgress::default()).await.unwrap_err().kind(), FaultKind::Cancelled);
    assert_eq!(log.record(&checkpoint(20)).await.unwrap_err().kind(), FaultKind::Cancelled);
    assert_eq!(stop.reason(), Some(StopReason::Cancelled));
    // What is being removed is recorded.
    log.record(&Checkpoint::default()).await.unwrap();
    assert!(store.export(&project(), &id).await.unwrap().cleanup);
    assert!(nothing_to_claim(&store).await);
    assert_eq!(store.cancel(&id).await.unwrap_err().kind(), FaultKind::Conflict);
    store.settle(claimed.lease, Outcome::CleanedUp).await.unwrap();
    assert!(!store.export(&project(), &id).await.unwrap().cleanup);
    store.set_clock_ahead(Duration::from_secs(3_600));
    assert!(nothing_to_claim(&store).await);

    store.retry(&id).await.unwrap();
    let again = claim(&store, "w").await;
    assert_eq!((again.lease.task, again.job.checkpoint), (Task::Run, None));
    store.cancel(&id).await.unwrap();
    let late = store.settle(again.lease, Outcome::Completed(receipt("f", 1, 1))).await.unwrap_err().fault;
    assert_eq!(late.kind(), FaultKind::Cancelled);
}

pub(super) async fn what_a_dead_worker_left_of_a_cancelled_job_is_cleaned_up_by_another(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let dead = claim(&store, "dead").await;
    store.run_log(&dead.lease, Stop::new()).record(&checkpoint(10)).await.unwrap();
    store.cancel(&id).await.unwrap();
    assert!(nothing_to_claim(&store).await);

    store.set_clock_ahead(Duration::from_secs(60));
    let cleaner = claim(&store, "cleaner").await;

    assert_eq!((cleaner.lease.task, cleaner.job.checkpoint.as_ref()), (Task::CleanUp, Some(&checkpoint(10))));
    store.renew(&cleaner.lease, &JobProgress::default()).await.unwrap();
    let wait = Duration::from_secs(5);
    store.settle(cleaner.lease, Outcome::Retry { failure: failure(), wait }).await.unwrap();
    assert_eq!(store.job(&id).await.unwrap().unwrap().state, JobState::Cancelled);
    store.set_clock_ahead(wait + Duration::from_secs(1));
    let cleaner = claim(&store, "cleaner").await;
    store.settle(cleaner.lease, Outcome::CleanedUp).await.unwrap();
    store.set_clock_ahead(Duration::from_secs(3_600));
    assert!(nothing_to_claim(&store).await);
}

pub(super) async fn a_wish_reaches_the_worker_at_once(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let claimed = claim(&store, "w").await;
    let mut wishes = store.wishes(&claimed.lease);
    assert!(tokio::time::timeout(Duration::from_millis(200), wishes.next()).await.is_err());

    store.cancel(&id).await.unwrap();

    let wish = tokio::time::timeout(Duration::from_secs(2), wishes.next()).await.unwrap();
    assert_eq!(wish, Some(Wish::Cancel));
}

pub(super) async fn a_job_is_unique_while_it_is_active(store: NativeStore) {
    let Enqueued::New(first) = store.enqueue(unique_job("window 1")).await.unwrap() else { panic!("it existed") };
    assert_eq!(store.enqueue(unique_job("window 1")).await.unwrap(), Enqueued::Existing(first.clone()));
    let claimed = claim(&store, "w").await;
    assert_eq!(store.enqueue(unique_job("window 1")).await.unwrap(), Enqueued::Existing(first.clone()));
    store.settle(claimed.lease, Outcome::Failed(failure())).await.unwrap();

    let Enqueued::New(second) = store.enqueue(unique_job("window 1")).await.unwrap() else { panic!("it existed") };

    assert_ne!(first, second);
    assert_eq!(store.retry(&first).await.unwrap_err().kind(), FaultKind::Conflict);
}

pub(super) async fn many_workers_share_the_jobs_without_doubling_any(store: NativeStore) {
    for n in 0..40 {
        store.enqueue(unique_job(&n.to_string())).await.unwrap();
    }
    let worker = |n: usize| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut done = Vec::new();
            let limits = ClaimLimits { running_per_project_max: 100, ..limits(&format!("w{n}")) };
            while let Some(claimed) = store.claim(&limits).await.unwrap() {
                done.push(claimed.job.id.clone());
                store.settle(claimed.lease, Outcome::Completed(json!(n))).await.unwrap();
            }
            done
        })
    };
    let workers: Vec<_> = (0..4).map(worker).collect();
    let mut times: BTreeMap<JobId, u32> = BTreeMap::new();
    for worker in workers {
        for id in worker.await.unwrap() {
            *times.entry(id).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 40);
    assert!(times.values().all(|times| *times == 1));
}
