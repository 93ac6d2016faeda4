//! What of the past is exported: the time that windows cover, backfills, and rows that a comparison finds missing.

use model::{
    Backfill, BackfillCause, BackfillOrder, BackfillState, Comparison, DuePlan, FaultKind, FoundLater,
    IntegrationStore, JobKind, Micros, NewBackfill, Outcome, PageRequest, RowCount, RowsOfTable, RunCause, RunQuery,
    RunState, SchedulerStore, Span, WindowName,
};
use sea_orm::ConnectionTrait;

use super::integrations::{NOW, at, carry_out, failure, make, runs, shown, tick};
use super::*;

/// The first `most` windows of the only backfill that is due, planned.
pub(super) async fn plan_backfill(store: &NativeStore, most: usize) -> u64 {
    let due = store.backfills_due(10).await.unwrap().remove(0);
    plan_windows_of(store, due, most).await
}

/// The first `most` windows of the only backfill of this cause that is due, planned.
async fn plan_backfill_by(store: &NativeStore, cause: BackfillCause, most: usize) -> u64 {
    let due = store.backfills_due(10).await.unwrap();
    let due = due.into_iter().find(|(backfill, _)| backfill.cause == cause).expect("one is due");
    plan_windows_of(store, due, most).await
}

async fn plan_windows_of(store: &NativeStore, (backfill, due): (Backfill, DuePlan), most: usize) -> u64 {
    let (windows, left) = backfill.next_windows(&due.settings.schedule, most);
    let named = windows.iter().map(|span| WindowName::new(&due.grid, *span, 1)).collect();
    store.plan_backfill(&backfill, named, left, NOW).await.unwrap()
}

/// What comparing a window came to.
pub(super) fn compared(found: FoundLater, missing: &[RowsOfTable]) -> Outcome {
    Outcome::Completed(serde_json::to_value(Comparison { found, missing: missing.to_vec() }).unwrap())
}

pub(super) async fn years_of_windows_are_covered_to_the_last_one(store: NativeStore) {
    const PAST: i64 = 60_000;
    const HOUR: i64 = 3_600 * Micros::PER_SECOND;
    let made = make(&store, "a", "2026-08-01 10:00").await;
    let first = Micros(at("2026-08-01 10:00").0 - PAST * HOUR);
    let past = format!(
        "INSERT INTO window_run (id, integration_id, project_id, from_at, to_at, on_grid, revision, cause,
                                 holds_cursor, state, planned_at, attempts)
         WITH RECURSIVE past (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM past WHERE n + 1 < {PAST})
         SELECT 'past ' || CAST(n AS TEXT), '{}', 'p', {first} + n * {HOUR}, {first} + (n + 1) * {HOUR}, true, 1,
                'schedule', true, CASE n WHEN 30000 THEN 'failed' ELSE 'completed' END, 0, 1 FROM past",
        made.id,
        first = first.0,
    );
    store.database.execute_unprepared(&past).await.unwrap();
    assert_eq!(tick(&store, NOW).await, 1);
    claim(&store, "w").await;

    let covered = store.coverage(&project(), &made.id).await.unwrap();

    let told: Vec<_> = covered.iter().map(|part| (part.state.unwrap(), part.windows)).collect();
    let (completed, failed) = (RunState::Completed, RunState::Failed);
    assert_eq!(told, [(completed, 30_000), (failed, 1), (completed, 29_999), (RunState::Running, 1)]);
    assert_eq!((covered[0].span.from, covered[3].span.to), (first, at("2026-08-01 11:00")));
}

pub(super) async fn a_backfill_gives_new_revisions_and_leaves_the_cursor_alone(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    carry_out(&store).await;
    let span = Span { from: at("2026-08-01 09:30"), to: at("2026-08-01 11:00") };
    let new = NewBackfill { span, order: BackfillOrder::NewestFirst, parallel_max: 8, by: Actor::System };
    let beyond = NewBackfill { span: Span { to: NOW, ..span }, ..new.clone() };
    let fault = store.create_backfill(&project(), &made.id, beyond).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::BadRequest);
    store.create_backfill(&project(), &made.id, new).await.unwrap();
    let (backfill, due) = store.backfills_due(10).await.unwrap().remove(0);
    let (windows, left) = backfill.next_windows(&due.settings.schedule, 8);
    let named = windows.iter().map(|span| WindowName::new(&due.grid, *span, 1)).collect();
    assert_eq!(store.plan_backfill(&backfill, named, left, NOW).await.unwrap(), 2);
    let stems: Vec<_> = runs(&store, &made.id).await.iter().map(|run| run.name.stem()).collect();
    let again = "2026-08-01T11-00-00.r2".to_owned();
    assert!(
        stems.contains(&again) && stems.contains(&"2026-08-01T09-30-00_2026-08-01T10-00-00".to_owned()),
        "{stems:?}"
    );
    assert_eq!(shown(&store, &made.id).await.cursor, Some(at("2026-08-01 11:00")));
    store.cancel_backfill(&project(), &made.id, &backfill.id).await.unwrap();
    assert!(nothing_to_claim(&store).await);
    let query = RunQuery { states: vec![RunState::Cancelled], backfill: Some(backfill.id) };
    let cancelled = store.window_runs(&project(), &made.id, &query, &PageRequest::first(10)).await.unwrap();
    assert_eq!(cancelled.items.len(), 2);
}

pub(super) async fn what_the_schedule_missed_cannot_be_left_out(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 00:00").await;
    assert_eq!(tick(&store, NOW).await, 1);
    carry_out(&store).await;
    let backfill = store.backfills(&project(), &made.id, &PageRequest::first(10)).await.unwrap().items.remove(0);
    let before = shown(&store, &made.id).await.cursor;

    let refused = store.cancel_backfill(&project(), &made.id, &backfill.id).await.unwrap_err();

    assert!(refused.kind() == FaultKind::Conflict && refused.public_hint().is_some(), "{refused}");
    assert_eq!((before, shown(&store, &made.id).await.cursor), (Some(at("2026-08-01 00:00")), before));
    // Its windows are exported, and only then the cursor passes them.
    while !store.backfills_due(10).await.unwrap().is_empty() {
        for _ in 0..plan_backfill(&store, 2).await {
            carry_out(&store).await;
        }
    }
    assert_eq!(shown(&store, &made.id).await.cursor, Some(at("2026-08-01 11:00")));
}

pub(super) async fn a_backfill_that_is_cancelled_beside_a_catch_up_leaves_no_window_out(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 07:00").await;
    assert_eq!(tick(&store, NOW).await, 1);
    assert_eq!(carry_out(&store).await.span.to, at("2026-08-01 11:00"));
    // Somebody does not want to wait for the three windows that are caught up with two at a time.
    let span = Span { from: at("2026-08-01 07:00"), to: at("2026-08-01 10:00") };
    let new = NewBackfill { span, order: BackfillOrder::OldestFirst, parallel_max: 64, by: Actor::System };
    let asked = store.create_backfill(&project(), &made.id, new).await.unwrap();
    assert_eq!(plan_backfill_by(&store, BackfillCause::Request, 64).await, 3);
    // What is under way may be cancelled: it is waited for, and the cursor passes none of it.
    assert_eq!(plan_backfill_by(&store, BackfillCause::CatchUp, 2).await, 0);
    assert_eq!(carry_out(&store).await.span.from, at("2026-08-01 07:00"));
    assert_eq!(shown(&store, &made.id).await.cursor, Some(at("2026-08-01 07:00")));

    store.cancel_backfill(&project(), &made.id, &asked.id).await.unwrap();

    assert_eq!(shown(&store, &made.id).await.cursor, Some(at("2026-08-01 07:00")));
    let mut exported = Vec::new();
    for windows in [2, 1] {
        assert_eq!(plan_backfill_by(&store, BackfillCause::CatchUp, 2).await, windows);
        for _ in 0..windows {
            exported.push(carry_out(&store).await.span.from);
        }
    }
    assert_eq!(exported, ["2026-08-01 07:00", "2026-08-01 08:00", "2026-08-01 09:00"].map(at));
    assert!(store.backfills_due(10).await.unwrap().is_empty());
    assert_eq!(shown(&store, &made.id).await.cursor, Some(at("2026-08-01 11:00")));
}

pub(super) async fn a_window_that_has_a_run_is_left_out_and_planning_goes_on(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 09:00").await;
    // The one that would be the live window.
    let known = format!(
        "INSERT INTO window_run (id, integration_id, project_id, from_at, to_at, on_grid, revision, cause,
                                 holds_cursor, state, planned_at, attempts)
         VALUES ('known', '{}', 'p', {}, {}, true, 1, 'backfill', false, 'completed', 0, 1)",
        made.id,
        at("2026-08-01 10:00").0,
        at("2026-08-01 11:00").0,
    );
    store.database.execute_unprepared(&known).await.unwrap();

    assert_eq!(tick(&store, NOW).await, 1);

    assert_eq!(carry_out(&store).await.span.from, at("2026-08-01 09:00"));
    assert!(nothing_to_claim(&store).await);
    assert_eq!(runs(&store, &made.id).await.len(), 2);
    assert_eq!(shown(&store, &made.id).await.cursor, Some(at("2026-08-01 11:00")));
    // No run that is not there keeps the next window waiting.
    assert_eq!(tick(&store, at("2026-08-01 12:06")).await, 1);
}

pub(super) async fn a_backfill_waits_for_a_window_of_which_some_rows_are_exported(store: NativeStore) {
    for order in [BackfillOrder::OldestFirst, BackfillOrder::NewestFirst] {
        let made = make(&store, order.as_str(), "2026-08-01 11:00").await;
        // Three windows, of which the middle one has a revision with some rows under way.
        for now in ["2026-08-01 12:06", "2026-08-01 13:06", "2026-08-01 14:06"] {
            tick(&store, at(now)).await;
            carry_out(&store).await;
        }
        let middle = runs(&store, &made.id).await.remove(1);
        store.plan_reconciliations(Micros(i64::MAX), 10).await.unwrap();
        let missing = [RowsOfTable::new("events", [("t1".to_owned(), "s1".to_owned())])];
        let compares = [claim(&store, "w").await, claim(&store, "w").await, claim(&store, "w").await];
        for compare in compares {
            let is_middle = compare.job.spec["run"].as_str() == Some(middle.id.as_str());
            let missing = if is_middle { &missing[..] } else { &[] };
            store.settle(compare.lease, compared(FoundLater::default(), missing)).await.unwrap();
        }
        let span = Span { from: at("2026-08-01 11:00"), to: at("2026-08-01 14:00") };
        let new = NewBackfill { span, order, parallel_max: 8, by: Actor::System };
        store.create_backfill(&project(), &made.id, new).await.unwrap();
        assert_eq!(plan_backfill(&store, 8).await, 1);
        assert_eq!(plan_backfill(&store, 8).await, 0);
        // The revision ends, and so does the first window of the backfill.
        let rows = [carry_out(&store).await, carry_out(&store).await].map(|window| window.rows.len());
        assert_eq!(rows.iter().sum::<usize>(), 1);
        assert_eq!(plan_backfill(&store, 8).await, 2);
        let windows = [carry_out(&store).await, carry_out(&store).await].map(|window| (window.span, window.revision));
        assert!(windows.contains(&(middle.name.span, 3)), "{windows:?}");
        assert!(store.backfills_due(10).await.unwrap().is_empty());
        let ended = store.backfills(&project(), &made.id, &PageRequest::first(1)).await.unwrap().items.remove(0);
        assert_eq!((ended.state, ended.windows.completed), (BackfillState::Completed, 3));
        store.delete_integration(&project(), &made.id).await.unwrap();
    }
}

pub(super) async fn missing_rows_become_a_revision_and_nothing_else_does(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    carry_out(&store).await;
    let run = runs(&store, &made.id).await.remove(0);
    // By the store's clock, which is what completed it.
    let exported = run.finished_at.unwrap();
    let tomorrow = Micros(exported.0 + 24 * 3_600 * 1_000_000);
    assert_eq!(store.plan_reconciliations(Micros(exported.0 - 1), 10).await.unwrap(), 0);
    assert_eq!(store.plan_reconciliations(exported, 10).await.unwrap(), 1);
    assert_eq!(store.plan_reconciliations(exported, 10).await.unwrap(), 0);
    let compare = claim(&store, "w").await;
    assert_eq!((compare.job.kind, compare.job.spec["run"].as_str()), (JobKind::Reconcile, Some(run.id.as_str())));
    let found =
        FoundLater { at: tomorrow, missing_rows: RowCount(1), superseded_rows: RowCount(3), ..FoundLater::default() };
    let missing = vec![RowsOfTable::new("events", [("t1".to_owned(), "s1".to_owned())])];
    store.settle(compare.lease, compared(found, &missing)).await.unwrap();

    let revision = carry_out(&store).await;

    assert_eq!((revision.revision, revision.rows, revision.supersedes.is_some()), (2, missing, true));
    let all = runs(&store, &made.id).await;
    assert_eq!((all.len(), all[0].cause), (2, RunCause::Reconcile));
    let later = all[1].found_later.clone().unwrap();
    assert_eq!((later.superseded_rows.get(), later.revision), (3, Some(all[0].id.clone())));
    assert_eq!(shown(&store, &made.id).await.cursor, Some(at("2026-08-01 11:00")));
}

pub(super) async fn a_comparison_that_fails_is_told_and_made_again(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    carry_out(&store).await;
    let found_later = async || runs(&store, &made.id).await.remove(0).found_later.unwrap();
    assert_eq!(store.plan_reconciliations(Micros(i64::MAX), 10).await.unwrap(), 1);
    let compare = claim(&store, "w").await;
    store.settle(compare.lease, Outcome::Failed(failure("credentials"))).await.unwrap();
    assert_eq!(found_later().await.failure, Some(failure("credentials")));

    assert_eq!(store.plan_reconciliations(Micros(i64::MAX), 10).await.unwrap(), 1);
    let compare = claim(&store, "w").await;
    store.settle(compare.lease, compared(FoundLater { at: NOW, ..FoundLater::default() }, &[])).await.unwrap();
    assert_eq!(found_later().await, FoundLater { at: NOW, ..FoundLater::default() });
    assert_eq!(store.plan_reconciliations(Micros(i64::MAX), 10).await.unwrap(), 0);
}
