//! Exports as people see them.

use futures_util::StreamExt;
use model::{
    ExportQuery, ExportState, FailedAttempt, Failure, FaultKind, Idempotency, JobProgress, Outcome, PageRequest,
    PageToken, RowCount, Stop, Task,
};

use super::leases::checkpoint;
use super::*;

async fn complete(store: &NativeStore, bytes: u64) -> JobId {
    let claimed = claim(store, "w").await;
    store.run_log(&claimed.lease, Stop::new()).record(&checkpoint(bytes)).await.unwrap();
    store.settle(claimed.lease, Outcome::Completed(receipt("f.csv", 7, bytes))).await.unwrap();
    claimed.job.id
}

pub(super) async fn an_export_shows_its_life(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let show = async || store.export(&project(), &id).await.unwrap();
    let queued = show().await;
    assert_eq!((queued.state, queued.attempts, queued.started_at), (ExportState::Queued, 0, None));
    assert!(queued.name.ends_with("Z - events as CSV"), "{}", queued.name);
    let epoch = queued.created_at.0 / 1_000;
    assert_eq!(queued.file_name.as_str(), format!("{epoch}-og-events-export-p.csv"));

    let claimed = claim(&store, "w").await;
    let progress = JobProgress { share: 0.25, rows: RowCount(2), ..JobProgress::default() };
    store.renew(&claimed.lease, &progress).await.unwrap();
    let running = show().await;
    assert_eq!((running.state, running.progress.rows.get(), running.attempts), (ExportState::Running, 2, 1));

    store.settle(claimed.lease, Outcome::Completed(receipt("f.csv", 7, 70))).await.unwrap();
    let completed = show().await;
    assert_eq!(completed.state, ExportState::Completed);
    assert_eq!((completed.progress.rows.get(), completed.progress.share, completed.truncated), (7, 1.0, true));
    assert!(completed.progress.rows_per_second > 0.0 && completed.progress.seconds_left.is_none());
    assert_eq!(completed.files[0].sha256, "ab");
    assert_eq!(completed.manifest.unwrap().as_str(), "f.csv.manifest.json");
    assert_eq!(completed.warnings, ["cut"]);
    assert_eq!(completed.expires_at.unwrap().0, completed.finished_at.unwrap().0 + 24 * 3_600 * 1_000_000);
    assert_eq!((completed.downloads, completed.downloaded_at), (0, None));
    store.note_download(&project(), &id).await.unwrap();
    store.note_download(&project(), &id).await.unwrap();
    store.note_download(&ProjectId::new("other"), &id).await.unwrap();
    let downloaded = show().await;
    assert_eq!(downloaded.downloads, 2);
    assert!(downloaded.downloaded_at >= completed.finished_at);
    assert_eq!(store.retry_export(&project(), &id, Quotas::default()).await.unwrap_err().kind(), FaultKind::Conflict);
    assert_eq!(store.cancel_export(&project(), &id).await.unwrap_err().kind(), FaultKind::Conflict);
}

pub(super) async fn the_same_call_makes_one_export(store: NativeStore) {
    let call = |key: &str, fingerprint: &str| NewExport {
        idempotency: Some(Idempotency { key: key.to_owned(), fingerprint: fingerprint.to_owned() }),
        ..new_export(&project())
    };
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let (store, call) = (store.clone(), call("k", "body"));
            tokio::spawn(async move { store.create_export(call).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    let mut ids = std::collections::BTreeSet::new();
    for created in calls {
        match created.await.unwrap() {
            CreatedExport::New(export) => {
                new += 1;
                ids.insert(export.id);
            }
            CreatedExport::Existing(export) => drop(ids.insert(export.id)),
        }
    }
    assert_eq!((new, ids.len()), (1, 1));
    assert_eq!(store.create_export(call("k", "other")).await.unwrap_err().kind(), FaultKind::Conflict);
    assert!(matches!(store.create_export(call("k2", "body")).await.unwrap(), CreatedExport::New(_)));
    let elsewhere = NewExport { project: ProjectId::new("q"), ..call("k", "other") };
    assert!(matches!(store.create_export(elsewhere).await.unwrap(), CreatedExport::New(_)));
}

pub(super) async fn quotas_say_what_is_used_up_and_until_when(store: NativeStore) {
    let two = Quotas { exports_queued_max: Some(2), ..Quotas::default() };
    let with = |quotas| NewExport { quotas, ..new_export(&project()) };
    store.create_export(with(two)).await.unwrap();
    store.create_export(with(two)).await.unwrap();
    let full = store.create_export(with(two)).await.unwrap_err();
    assert_eq!(full.kind(), FaultKind::Throttled);
    assert!(full.public_message().contains("2 exports of this project are queued"), "{full}");
    assert!(matches!(full.retry(), model::Retry::After(_)));

    let id = complete(&store, 100).await;
    let day = Quotas { bytes_per_day_max: Some(100), ..Quotas::default() };
    let over = store.create_export(with(day)).await.unwrap_err();
    let model::Retry::After(wait) = over.retry() else { panic!("{over} says no time") };
    assert!((86_000..=86_400).contains(&wait.as_secs()), "{wait:?}");
    // Deleting does not give the bytes back.
    store.delete_export(&project(), &id).await.unwrap();
    let cleaner = claim(&store, "c").await;
    assert_eq!(cleaner.lease.task, Task::CleanUp);
    store.settle(cleaner.lease, Outcome::CleanedUp).await.unwrap();
    assert_eq!(store.create_export(with(day)).await.unwrap_err().kind(), FaultKind::Throttled);
    store.set_clock_ahead(Duration::from_secs(86_401));
    store.create_export(with(day)).await.unwrap();

    let rows = Quotas { rows_per_export_max: Some(10), ..Quotas::default() };
    let mut many = with(rows);
    many.checked.limit = Some(RowCount(11));
    assert_eq!(store.create_export(many).await.unwrap_err().kind(), FaultKind::Throttled);
}

pub(super) async fn an_export_expires_and_its_files_are_removed(store: NativeStore) {
    let id = queue(&store, &project()).await;
    complete(&store, 10).await;
    assert!(nothing_to_claim(&store).await);

    store.set_clock_ahead(Duration::from_secs(24 * 3_600 + 1));

    assert_eq!(store.export(&project(), &id).await.unwrap().state, ExportState::Expired);
    let states = |states: &[ExportState]| ExportQuery { states: states.to_vec(), ..ExportQuery::default() };
    let list = async |query| store.exports(&project(), &query, &PageRequest::first(9)).await.unwrap().items.len();
    assert_eq!(list(states(&[ExportState::Expired])).await, 1);
    assert_eq!(list(states(&[ExportState::Completed, ExportState::Failed])).await, 0);
    let cleaner = claim(&store, "c").await;
    assert_eq!((&cleaner.job.id, cleaner.lease.task), (&id, Task::CleanUp));
    assert_eq!(cleaner.job.checkpoint, Some(checkpoint(10)));
    store.settle(cleaner.lease, Outcome::CleanedUp).await.unwrap();
    assert!(nothing_to_claim(&store).await);
    assert_eq!(store.export(&project(), &id).await.unwrap().state, ExportState::Expired);
}

pub(super) async fn deleting_hides_at_once_and_removes_later(store: NativeStore) {
    let queued = queue(&store, &project()).await;
    store.delete_export(&project(), &queued).await.unwrap();
    assert!(store.job(&queued).await.unwrap().is_none());

    let running = queue(&store, &project()).await;
    let claimed = claim(&store, "w").await;
    store.run_log(&claimed.lease, Stop::new()).record(&checkpoint(10)).await.unwrap();
    store.delete_export(&project(), &running).await.unwrap();
    assert_eq!(store.export(&project(), &running).await.unwrap_err().kind(), FaultKind::NotFound);
    assert_eq!(store.delete_export(&project(), &running).await.unwrap_err().kind(), FaultKind::NotFound);
    let told = store.renew(&claimed.lease, &JobProgress::default()).await.unwrap_err();
    assert_eq!(told.kind(), FaultKind::Cancelled);
    store.settle(claimed.lease, Outcome::CleanedUp).await.unwrap();
    assert!(store.job(&running).await.unwrap().is_none());
}

pub(super) async fn another_project_sees_nothing(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let other = ProjectId::new("other");
    let kinds = [
        store.export(&other, &id).await.unwrap_err().kind(),
        store.cancel_export(&other, &id).await.unwrap_err().kind(),
        store.retry_export(&other, &id, Quotas::default()).await.unwrap_err().kind(),
        store.delete_export(&other, &id).await.unwrap_err().kind(),
        store.watch_export(&other, &id).next().await.unwrap().unwrap_err().kind(),
    ];
    assert!(kinds.iter().all(|kind| *kind == FaultKind::NotFound), "{kinds:?}");
    let page = store.exports(&other, &ExportQuery::default(), &PageRequest::first(9)).await.unwrap();
    assert!(page.items.is_empty());
    assert_eq!(store.export(&project(), &id).await.unwrap().state, ExportState::Queued);
}

pub(super) async fn pages_stay_in_step_while_exports_are_added(store: NativeStore) {
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.push(queue(&store, &project()).await);
    }
    expected.reverse();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let request = PageRequest { items_max: 3, after };
        let page = store.exports(&project(), &ExportQuery::default(), &request).await.unwrap();
        seen.extend(page.items.into_iter().map(|export| export.id));
        queue(&store, &project()).await;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    let forged = PageRequest { items_max: 3, after: Some(PageToken("1; DROP TABLE job".to_owned())) };
    let refused = store.exports(&project(), &ExportQuery::default(), &forged).await.unwrap_err();
    assert_eq!(refused.kind(), FaultKind::BadRequest);
}

pub(super) async fn files_made_in_the_same_millisecond_have_names_of_their_own(store: NativeStore) {
    // "a b" and "a-b" look the same in a file name, whatever the time.
    let mut names = std::collections::BTreeSet::new();
    for project in ["a b", "a-b", "a b", "a-b"] {
        let CreatedExport::New(export) = store.create_export(new_export(&ProjectId::new(project))).await.unwrap()
        else {
            panic!("it existed")
        };
        names.insert(export.file_name);
    }
    assert_eq!(names.len(), 4);
}

pub(super) async fn watching_tells_every_change_until_the_end(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let mut watched = store.watch_export(&project(), &id);
    let mut next = async || {
        let next = tokio::time::timeout(Duration::from_secs(5), watched.next()).await.unwrap();
        next.map(|export| export.unwrap().state)
    };
    assert_eq!(next().await, Some(ExportState::Queued));
    let claimed = claim(&store, "w").await;
    assert_eq!(next().await, Some(ExportState::Running));
    store.settle(claimed.lease, Outcome::Completed(receipt("f", 1, 1))).await.unwrap();
    assert_eq!(next().await, Some(ExportState::Completed));
    assert_eq!(next().await, None);
}

pub(super) async fn failed_attempts_are_told_to_the_end(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let failure = |attempt: u32| Failure {
        step: Some("writing".to_owned()),
        kind: "unavailable".to_owned(),
        message: format!("no answer {attempt}"),
        hint: None,
    };
    let wait = Duration::from_secs(0);
    let many = u32::try_from(FailedAttempt::KEPT).unwrap() + 2;
    for attempt in 1..=many {
        let claimed = claim(&store, "w").await;
        store.settle(claimed.lease, Outcome::Retry { failure: failure(attempt), wait }).await.unwrap();
    }
    // An attempt that ends with its worker is none that failed.
    let claimed = claim(&store, "leaving").await;
    store.settle(claimed.lease, Outcome::HandedOver).await.unwrap();
    assert_eq!(complete(&store, 10).await, id);

    let told = store.export(&project(), &id).await.unwrap();
    assert_eq!((told.state, told.failure), (ExportState::Completed, None));
    let expected: Vec<(u32, Failure)> = (3..=many).map(|attempt| (attempt, failure(attempt))).collect();
    let kept: Vec<(u32, Failure)> = told.failed_attempts.into_iter().map(|one| (one.attempt, one.failure)).collect();
    assert_eq!(kept, expected);
    let listed = store.exports(&project(), &ExportQuery::default(), &PageRequest::first(10)).await.unwrap();
    assert_eq!(listed.items[0].failed_attempts.len(), FailedAttempt::KEPT);
}

pub(super) async fn a_failed_export_is_tried_again_from_where_it_stopped(store: NativeStore) {
    let id = queue(&store, &project()).await;
    let claimed = claim(&store, "w").await;
    store.run_log(&claimed.lease, Stop::new()).record(&checkpoint(10)).await.unwrap();
    let failure = Failure {
        step: Some("writing".to_owned()),
        kind: "credentials".to_owned(),
        message: "access denied".to_owned(),
        hint: Some("check the key".to_owned()),
    };
    store.settle(claimed.lease, Outcome::Failed(failure.clone())).await.unwrap();
    let failed = store.export(&project(), &id).await.unwrap();
    assert_eq!((failed.state, failed.failure), (ExportState::Failed, Some(failure)));

    let retried = store.retry_export(&project(), &id, Quotas::default()).await.unwrap();
    assert_eq!((retried.state, retried.failure), (ExportState::Queued, None));
    assert_eq!(claim(&store, "w").await.job.checkpoint, Some(checkpoint(10)));

    // What nobody tries again is removed when its time is over.
    let abandoned = queue(&store, &project()).await;
    let claimed = claim(&store, "w").await;
    store.run_log(&claimed.lease, Stop::new()).record(&checkpoint(10)).await.unwrap();
    let gone = Failure { step: None, kind: "rejected".to_owned(), message: "no".to_owned(), hint: None };
    store.settle(claimed.lease, Outcome::Failed(gone)).await.unwrap();
    store.set_clock_ahead(Duration::from_secs(24 * 3_600 + 1));
    let mut cleaned = Vec::new();
    while let Some(next) = store.claim(&limits("c")).await.unwrap() {
        if next.lease.task == Task::CleanUp {
            cleaned.push(next.job.id);
        }
    }
    assert_eq!(cleaned, [abandoned]);
}
