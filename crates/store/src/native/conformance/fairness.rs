//! Projects and lanes do not starve one another (promise 15).

use std::collections::BTreeMap;

use model::{JobKind, NewJob, Outcome, PeopleStore, ProjectChange};
use serde_json::json;

use super::coverage::plan_backfill;
use super::integrations::{NOW, at, make, result, tick};
use super::*;

async fn add(store: &NativeStore, project: &str, lane: Lane) {
    let new = NewJob {
        project: ProjectId::new(project),
        kind: JobKind::File,
        lane,
        spec: json!({}),
        unique: None,
        not_before: None,
    };
    store.enqueue(new).await.unwrap();
}

pub(super) async fn projects_take_turns_however_many_jobs_they_have(store: NativeStore) {
    // The first project queues everything before the others come.
    for project in 0..10 {
        for _ in 0..8 {
            add(&store, &format!("p{project}"), Lane::Live).await;
        }
    }
    let mut started: BTreeMap<ProjectId, i32> = BTreeMap::new();
    let mut running = Vec::new();
    while let Some(claimed) = store.claim(&limits("w")).await.unwrap() {
        let n = *started.entry(claimed.job.project.clone()).and_modify(|n| *n += 1).or_insert(1);
        let fewest = if started.len() < 10 { 0 } else { *started.values().min().unwrap() };
        let most = *started.values().max().unwrap();
        assert!(most <= n + 2 && n <= fewest + 2, "{claimed:?} is number {n} of {started:?}");
        // Three run at once; the oldest ends when a fourth is to be claimed.
        running.push(claimed.lease);
        if running.len() == 3 {
            store.settle(running.remove(0), Outcome::Completed(json!(null))).await.unwrap();
        }
    }
    assert!(started.values().all(|n| *n == 8), "{started:?}");
}

pub(super) async fn a_busy_project_waits_for_idle_ones(store: NativeStore) {
    for _ in 0..3 {
        add(&store, "busy", Lane::Live).await;
    }
    let first = claim(&store, "w").await;
    add(&store, "late", Lane::Live).await;

    assert_eq!(claim(&store, "w").await.job.project.as_str(), "late");
    store.settle(first.lease, Outcome::Completed(json!(null))).await.unwrap();
    assert_eq!(claim(&store, "w").await.job.project.as_str(), "busy");
}

pub(super) async fn a_project_runs_at_most_its_number_of_jobs(store: NativeStore) {
    let id = project();
    store.create_project(&id, "P").await.unwrap();
    for _ in 0..5 {
        add(&store, "p", Lane::Live).await;
    }
    let first = claim(&store, "w").await;
    claim(&store, "w").await;
    claim(&store, "w").await;
    assert!(nothing_to_claim(&store).await);
    let quotas = Quotas { exports_active_max: Some(4), ..Quotas::default() };
    store.change_project(&id, ProjectChange { quotas: Some(quotas), ..ProjectChange::default() }).await.unwrap();
    claim(&store, "w").await;
    assert!(nothing_to_claim(&store).await);
    store.settle(first.lease, Outcome::Completed(json!(null))).await.unwrap();
    claim(&store, "w").await;
}

pub(super) async fn lanes_without_room_are_left_alone(store: NativeStore) {
    add(&store, "p", Lane::Backfill).await;
    let live_only = ClaimLimits { lanes: vec![Lane::Live], ..limits("w") };
    assert!(store.claim(&live_only).await.unwrap().is_none());
    add(&store, "p", Lane::Live).await;
    assert_eq!(store.claim(&live_only).await.unwrap().unwrap().job.lane, Lane::Live);
    assert_eq!(claim(&store, "w").await.job.lane, Lane::Backfill);
}

pub(super) async fn an_integration_leaves_places_to_others(store: NativeStore) {
    // Its destination is slow; beside the live window there are some of the past.
    make(&store, "slow", "2026-08-01 07:00").await;
    assert_eq!((tick(&store, NOW).await, plan_backfill(&store, 2).await), (1, 2));
    let many = |worker: &str| ClaimLimits { running_per_project_max: 10, ..limits(worker) };
    let few = |worker: &str| ClaimLimits { windows_per_integration_max: 1, ..many(worker) };
    let live = store.claim(&few("w")).await.unwrap().expect("the live window");
    assert_eq!(live.job.lane, Lane::Live);

    assert!(store.claim(&few("w")).await.unwrap().is_none());

    add(&store, "other", Lane::Live).await;
    assert_eq!(store.claim(&few("w")).await.unwrap().unwrap().job.project.as_str(), "other");
    // Another worker has places of its own, and one with many places takes several windows.
    assert_eq!(store.claim(&few("w2")).await.unwrap().unwrap().job.lane, Lane::Backfill);
    assert_eq!(store.claim(&many("w")).await.unwrap().unwrap().job.lane, Lane::Backfill);
    // What a worker lost keeps it from nothing.
    store.set_clock_ahead(LEASE + Duration::from_secs(1));
    let found = [store.claim(&few("w")).await.unwrap().unwrap(), store.claim(&few("w")).await.unwrap().unwrap()];
    assert_eq!(found.map(|claim| claim.job.project.to_string()), ["other", "p"]);
    assert!(store.claim(&few("w")).await.unwrap().is_none());
}

pub(super) async fn an_integration_leaves_jobs_of_its_project_to_others(store: NativeStore) {
    // Its destination is slow, and workers that have nothing else to do carry its windows out.
    make(&store, "slow", "2026-08-01 07:00").await;
    assert_eq!((tick(&store, NOW).await, plan_backfill(&store, 2).await), (1, 2));
    let [first, second] = [claim(&store, "w1").await, claim(&store, "w2").await];
    assert!(nothing_to_claim(&store).await);

    // The project may have three jobs running.
    add(&store, "p", Lane::Live).await;
    let other = claim(&store, "w1").await;
    assert_eq!(other.job.kind, JobKind::File);
    assert!(nothing_to_claim(&store).await);
    store.settle(other.lease, Outcome::Completed(json!(null))).await.unwrap();
    store.settle(first.lease, Outcome::Completed(result(1))).await.unwrap();
    let third = claim(&store, "w3").await;
    assert_eq!(third.job.kind, JobKind::Window);
    for lease in [second.lease, third.lease] {
        store.settle(lease, Outcome::Completed(result(1))).await.unwrap();
    }

    // Where it may have a single one there is nothing to leave.
    store.create_project(&project(), "P").await.unwrap();
    let quotas = Quotas { exports_active_max: Some(1), ..Quotas::default() };
    let change = ProjectChange { quotas: Some(quotas), ..ProjectChange::default() };
    store.change_project(&project(), change).await.unwrap();
    assert_eq!(tick(&store, at("2026-08-01 13:10")).await, 2);
    assert_eq!(claim(&store, "w1").await.job.kind, JobKind::Window);
    assert!(nothing_to_claim(&store).await);
}
