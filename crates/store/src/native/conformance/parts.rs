//! Jobs that are split into parts.

use model::{Failure, FaultKind, JobKind, JobProgress, JobQuery, JobState, NewPart, Outcome, PageRequest, Stop, Task};
use serde_json::json;

use super::leases::checkpoint;
use super::*;

async fn split(store: &NativeStore) -> JobId {
    let id = queue(store, &project()).await;
    let whole = claim(store, "planner").await;
    let parts = (1..=3).map(|n| NewPart { kind: JobKind::File, spec: json!({"part": n}) }).collect();
    store.settle(whole.lease, Outcome::Split(parts)).await.unwrap();
    id
}

fn failure() -> Failure {
    Failure { step: None, kind: "rejected".to_owned(), message: "no".to_owned(), hint: None }
}

pub(super) async fn a_split_job_ends_when_its_parts_are_done(store: NativeStore) {
    let id = split(&store).await;
    // Other exports of the project, younger than the split one, wait for its parts.
    queue(&store, &project()).await;
    let mut leases = Vec::new();
    for n in 1..=3 {
        let part = claim(&store, "w").await;
        assert_eq!((part.job.parent.as_ref(), part.job.spec), (Some(&id), json!({"part": n})));
        leases.push((n, part.lease));
    }
    let progress = JobProgress { share: 0.5, rows: model::RowCount(10), ..JobProgress::default() };
    store.renew(&leases[0].1, &progress).await.unwrap();
    let shown = store.export(&project(), &id).await.unwrap();
    assert_eq!((shown.state.as_str(), shown.progress.rows.get(), shown.attempts), ("running", 10, 1));
    // They end in another order than they began.
    for (n, lease) in leases.into_iter().rev() {
        assert_eq!(store.job(&id).await.unwrap().unwrap().state, JobState::Running);
        store.settle(lease, Outcome::Completed(json!({"done": n}))).await.unwrap();
    }

    let whole = claim(&store, "publisher").await;

    assert_eq!((&whole.job.id, whole.lease.task, whole.job.attempt), (&id, Task::Run, 1));
    let results: Vec<_> = whole.job.parts.iter().map(|part| part.result.clone().unwrap()).collect();
    assert_eq!(results, [json!({"done": 1}), json!({"done": 2}), json!({"done": 3})]);
    store.settle(whole.lease, Outcome::Completed(receipt("f", 3, 30))).await.unwrap();
    assert_eq!(store.export(&project(), &id).await.unwrap().state.as_str(), "completed");
    let parts = JobQuery { parent: Some(id), ..JobQuery::default() };
    let page = store.page(&parts, &PageRequest::first(2)).await.unwrap();
    let rest = store.page(&parts, &PageRequest { items_max: 2, after: page.next.clone() }).await.unwrap();
    assert_eq!((page.items.len(), rest.items.len(), rest.next), (2, 1, None));
}

pub(super) async fn a_part_that_fails_fails_the_whole_and_another_try_keeps_what_is_done(store: NativeStore) {
    let id = split(&store).await;
    let (done, bad, slow) = (claim(&store, "a").await, claim(&store, "b").await, claim(&store, "c").await);
    store.settle(done.lease, Outcome::Completed(json!("kept"))).await.unwrap();
    let log = store.run_log(&slow.lease, Stop::new());
    log.record(&checkpoint(5)).await.unwrap();
    store.settle(bad.lease, Outcome::Failed(failure())).await.unwrap();

    let whole = store.export(&project(), &id).await.unwrap();
    assert_eq!((whole.state.as_str(), whole.failure), ("failed", Some(failure())));
    assert_eq!(log.record(&checkpoint(6)).await.unwrap_err().kind(), FaultKind::Conflict);
    assert!(nothing_to_claim(&store).await);

    store.retry(&id).await.unwrap();
    let (one, other) = (claim(&store, "a").await, claim(&store, "b").await);
    assert_eq!((one.job.id, other.job.id), (bad.job.id, slow.job.id));
    assert_eq!(other.job.checkpoint, Some(checkpoint(5)));
    store.settle(one.lease, Outcome::Completed(json!("second"))).await.unwrap();
    store.settle(other.lease, Outcome::Completed(json!("third"))).await.unwrap();
    let whole = claim(&store, "publisher").await;
    assert_eq!(whole.job.parts[0].result, Some(json!("kept")));
}

pub(super) async fn cancelling_a_split_job_stops_its_parts_and_cleans_up_once(store: NativeStore) {
    let id = split(&store).await;
    let (done, at_work) = (claim(&store, "a").await, claim(&store, "b").await);
    store.run_log(&done.lease, Stop::new()).record(&checkpoint(1)).await.unwrap();
    store.settle(done.lease, Outcome::Completed(json!("kept"))).await.unwrap();

    store.cancel(&id).await.unwrap();

    let told = store.renew(&at_work.lease, &JobProgress::default()).await.unwrap_err();
    assert_eq!(told.kind(), FaultKind::Cancelled);
    assert!(nothing_to_claim(&store).await);
    store.settle(at_work.lease, Outcome::CleanedUp).await.unwrap();
    let cleaner = claim(&store, "c").await;
    assert_eq!((&cleaner.job.id, cleaner.lease.task), (&id, Task::CleanUp));
    assert_eq!(cleaner.job.parts[0].checkpoint, Some(checkpoint(1)));
    store.settle(cleaner.lease, Outcome::CleanedUp).await.unwrap();
    assert!(nothing_to_claim(&store).await);
    let parts = JobQuery { parent: Some(id), ..JobQuery::default() };
    assert!(store.page(&parts, &PageRequest::first(9)).await.unwrap().items.is_empty());
}
