//! Integrations: windows are planned once, the cursor moves forward only, and nothing is lost on the way.

use std::collections::BTreeMap;

use model::{
    Actor, BackfillState, Cadence, ChangedIntegration, CheckedIntegration, Cursor, Deletions, DuePlan, Failure,
    FaultKind, FileName, FileSettings, Integration, IntegrationId, IntegrationSettings, IntegrationStatus,
    IntegrationStore, IntegrationTable, JobKind, Micros, NewIntegration, Outcome, PageRequest, PeopleStore,
    RawSchedule, RowCount, RunCause, RunQuery, RunState, Schedule, SchedulerStore, Secret, SecretStore, Span, Start,
    WindowJob, WindowName, WindowPlan, WindowResult, WindowRun,
};

use super::score_names::{names_of, with_names};
use super::*;

/// "Now" of the tests, in the past of the store's clock.
pub(super) const NOW: Micros = Micros(1_785_585_600_000_000);

pub(super) fn at(text: &str) -> Micros {
    Micros::parse_text(text).unwrap()
}

fn checked(name: &str, start: Start) -> CheckedIntegration {
    CheckedIntegration {
        name: name.to_owned(),
        settings: IntegrationSettings {
            kind: "s3".to_owned(),
            options: BTreeMap::from([("bucket".to_owned(), "b".to_owned())]),
            tables: vec![IntegrationTable { table: "events".to_owned(), ..IntegrationTable::default() }],
            schedule: Schedule::new(RawSchedule::utc(Cadence::Hour)).unwrap(),
            cursor: Cursor::Ingested,
            lag_seconds: 300,
            start,
            deletions: Deletions::Count,
            catch_up_max: 2,
            files: Some(FileSettings::usual("parquet")),
        },
        secrets: BTreeMap::from([("secret_access_key".to_owned(), Secret::new("hunter2"))]),
        target: Some(name.to_owned()),
        keys: None,
        warnings: Vec::new(),
    }
}

pub(super) async fn make(store: &NativeStore, name: &str, start: &str) -> Integration {
    make_by(store, name, start, Actor::System).await
}

pub(super) async fn make_by(store: &NativeStore, name: &str, start: &str, by: Actor) -> Integration {
    let checked = checked(name, Start::Date { at: at(start) });
    let new = NewIntegration { project: project(), checked, by, paused: false };
    store.create_integration(new, NOW).await.unwrap()
}

pub(super) async fn shown(store: &NativeStore, id: &IntegrationId) -> Integration {
    store.integration(&project(), id).await.unwrap()
}

/// What one tick of the scheduler plans.
pub(super) async fn tick(store: &NativeStore, now: Micros) -> u64 {
    let due = store.integrations_due(now, 1_000).await.unwrap();
    let plans = due.iter().map(|due| plan_of(due, now));
    store.plan_windows(plans.collect(), now).await.unwrap()
}

fn plan_of(due: &DuePlan, now: Micros) -> WindowPlan {
    let ready = due.settings.schedule.boundary_upto(due.settings.ready(now)).unwrap();
    WindowPlan::upto(due, ready).unwrap_or_else(|| WindowPlan {
        integration: due.integration.clone(),
        expected: due.planned_upto,
        planned_upto: due.planned_upto,
        next_at: due.next_at(due.planned_upto.unwrap_or(now)),
        windows: Vec::new(),
        catch_up: None,
    })
}

pub(super) fn result(rows: u64) -> serde_json::Value {
    let manifest = Some(FileName::new("p/manifests/w.json").unwrap());
    serde_json::to_value(WindowResult { rows: RowCount(rows), manifest, ..WindowResult::default() }).unwrap()
}

/// Carries out the job that is next, and returns its window.
pub(super) async fn carry_out(store: &NativeStore) -> WindowJob {
    let claim = claim(store, "w").await;
    assert_eq!(claim.job.kind, JobKind::Window);
    let window: WindowJob = serde_json::from_value(claim.job.spec.clone()).unwrap();
    store.settle(claim.lease, Outcome::Completed(result(7))).await.unwrap();
    window
}

pub(super) async fn runs(store: &NativeStore, id: &IntegrationId) -> Vec<WindowRun> {
    store.window_runs(&project(), id, &RunQuery::default(), &PageRequest::first(100)).await.unwrap().items
}

pub(super) fn failure(kind: &str) -> Failure {
    Failure { step: None, kind: kind.to_owned(), message: "access denied".to_owned(), hint: None }
}

pub(super) async fn a_window_goes_from_plan_to_result_and_moves_the_cursor(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    assert_eq!(
        (made.status(), made.secrets.as_slice()),
        (IntegrationStatus::Waiting, &["secret_access_key".to_owned()][..])
    );
    // Two windows have ended by 12:00 less the lag: [10:00, 11:00) alone.
    assert_eq!(tick(&store, NOW).await, 1);
    let [run] = &runs(&store, &made.id).await[..] else { panic!("one run") };
    assert_eq!(
        (run.state, run.cause, run.name.stem().as_str()),
        (RunState::Queued, RunCause::Schedule, "2026-08-01T11-00-00")
    );
    assert_eq!(shown(&store, &made.id).await.next_at, Some(at("2026-08-01 12:05")));
    // Another tick finds nothing.
    assert_eq!(tick(&store, NOW).await, 0);

    let window = carry_out(&store).await;

    assert_eq!(window.span, Span { from: at("2026-08-01 10:00"), to: at("2026-08-01 11:00") });
    let after = shown(&store, &made.id).await;
    assert_eq!((after.cursor, after.status()), (Some(window.span.to), IntegrationStatus::UpToDate));
    let last = after.last_run.unwrap();
    assert_eq!((last.state, last.progress.rows.get(), last.attempts), (RunState::Completed, 7, 1));
    // Its job is needed no more.
    assert!(store.job(&last.id).await.unwrap().is_none());
    assert_eq!(store.run_before(&made.id, Span { from: window.span.to, to: NOW }).await.unwrap().unwrap().id, last.id);
}

pub(super) async fn a_plan_is_stored_once_however_many_schedulers_there_are(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 09:00").await;
    let due = store.integrations_due(NOW, 10).await.unwrap();
    let plan = plan_of(&due[0], NOW);
    assert_eq!(plan.windows.len(), 2);
    let both = tokio::join!(store.plan_windows(vec![plan.clone()], NOW), store.plan_windows(vec![plan.clone()], NOW));
    let stored = [both.0.unwrap(), both.1.unwrap()];
    assert_eq!(stored.iter().sum::<u64>(), 2, "{stored:?}");
    assert_eq!(store.plan_windows(vec![plan.clone()], NOW).await.unwrap(), 0);
    assert_eq!(runs(&store, &made.id).await.len(), 2);
    // A position that would go back is refused as well.
    let back = WindowPlan { expected: plan.planned_upto, planned_upto: plan.expected, windows: vec![], ..plan };
    store.plan_windows(vec![back.clone()], NOW).await.unwrap();
    assert_eq!(shown(&store, &made.id).await.planned_upto, back.expected);
}

pub(super) async fn windows_that_have_not_ended_by_the_stores_clock_are_not_planned(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    // A scheduler whose clock is years ahead.
    let ahead = at("2126-01-01");
    let due = store.integrations_due(ahead, 10).await.unwrap();
    assert_eq!(store.plan_windows(vec![plan_of(&due[0], ahead)], ahead).await.unwrap(), 0);
    assert!(runs(&store, &made.id).await.is_empty());
    assert_eq!(tick(&store, NOW).await, 1);
}

pub(super) async fn a_clock_that_is_minutes_ahead_takes_nothing_off_the_lag(store: NativeStore) {
    let made = make(&store, "a", "2126-08-01 11:00").await;
    let other = make(&store, "b", "2126-08-01 11:00").await;
    let clock = store.clock.now(&store.database).await.unwrap();
    let until = at("2126-08-01 12:02").0 - clock.0;
    store.set_clock_ahead(Duration::from_micros(u64::try_from(until).unwrap()));
    // The windows have ended, but their lag is over by the scheduler's clock alone.
    let ahead = at("2126-08-01 12:07");
    assert_eq!(tick(&store, ahead).await, 0);
    assert!(runs(&store, &made.id).await.is_empty());
    // Whoever does not want to wait gets what is ready.
    let now = store.run_integration(&project(), &other.id, ahead).await.unwrap();
    let ready = at("2126-08-01 11:57")..at("2126-08-01 11:59");
    assert!(now.len() == 1 && ready.contains(&now[0].name.span.to), "{now:?}");

    store.set_clock_ahead(Duration::from_secs(240));

    assert_eq!(tick(&store, ahead).await, 1);
    assert_eq!(runs(&store, &made.id).await[0].name.span.to, at("2126-08-01 12:00"));
}

pub(super) async fn the_newest_window_goes_first_and_the_cursor_waits_for_the_oldest(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 07:00").await;
    // Three windows before the live one: more than the two at a time, so they are caught up with.
    assert_eq!(tick(&store, NOW).await, 1);
    let live = carry_out(&store).await;
    assert_eq!(live.span.to, at("2026-08-01 11:00"));
    let behind = shown(&store, &made.id).await;
    assert_eq!((behind.cursor, behind.runs_active), (Some(at("2026-08-01 07:00")), 0));
    // No run is under way at this moment, and yet it is not up to date.
    assert_eq!(behind.status(), IntegrationStatus::Running);
    let (backfill, due) = store.backfills_due(10).await.unwrap().remove(0);
    let (windows, left) = backfill.next_windows(&due.settings.schedule, 1);
    let named = windows.iter().map(|span| WindowName::new(&due.grid, *span, 1)).collect();
    assert_eq!(store.plan_backfill(&backfill, named, left, NOW).await.unwrap(), 1);
    // The same plan again is void: its rest has moved.
    assert_eq!(store.plan_backfill(&backfill, vec![], None, NOW).await.unwrap(), 0);
    assert_eq!(carry_out(&store).await.span.from, at("2026-08-01 07:00"));
    assert_eq!(shown(&store, &made.id).await.cursor, Some(at("2026-08-01 08:00")));
    let (backfill, due) = store.backfills_due(10).await.unwrap().remove(0);
    let (windows, left) = backfill.next_windows(&due.settings.schedule, 5);
    assert_eq!(left, None);
    let named = windows.iter().map(|span| WindowName::new(&due.grid, *span, 1)).collect();
    assert_eq!(store.plan_backfill(&backfill, named, left, NOW).await.unwrap(), 2);
    carry_out(&store).await;
    carry_out(&store).await;

    assert!(store.backfills_due(10).await.unwrap().is_empty());

    let through = shown(&store, &made.id).await;
    assert_eq!((through.cursor, through.status()), (Some(at("2026-08-01 11:00")), IntegrationStatus::UpToDate));
    let page = store.backfills(&project(), &made.id, &PageRequest::first(10)).await.unwrap();
    assert_eq!((page.items[0].state, page.items[0].windows.completed), (BackfillState::Completed, 3));
    let covered = store.coverage(&project(), &made.id).await.unwrap();
    assert_eq!(covered.len(), 1);
    assert_eq!((covered[0].span.from, covered[0].windows), (at("2026-08-01 07:00"), 4));
}

pub(super) async fn a_window_under_way_keeps_the_next_one_waiting(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    assert_eq!(tick(&store, NOW).await, 1);
    let later = at("2026-08-01 13:10");
    assert_eq!(tick(&store, later).await, 0);
    carry_out(&store).await;
    // Both hours that ended meanwhile, the newer one first.
    assert_eq!(tick(&store, later).await, 2);
    assert_eq!(carry_out(&store).await.span.to, at("2026-08-01 13:00"));
    assert_eq!(carry_out(&store).await.span.to, at("2026-08-01 12:00"));
    assert_eq!(shown(&store, &made.id).await.cursor, Some(at("2026-08-01 13:00")));
}

pub(super) async fn a_fault_pauses_an_integration_once_and_resuming_tries_again(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    let other = make(&store, "b", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    let first = claim(&store, "w").await;
    let id = first.job.id.clone();
    store.settle(first.lease, Outcome::Failed(failure("credentials"))).await.unwrap();
    let stopped = if runs(&store, &made.id).await[0].id == id { &made } else { &other };
    let paused = shown(&store, &stopped.id).await;
    assert_eq!(paused.status(), IntegrationStatus::Failed);
    assert_eq!(paused.pause.unwrap().failure.unwrap().kind, "credentials");
    assert_eq!(paused.cursor, None);
    // The other one goes on.
    carry_out(&store).await;
    let due = store.integrations_due(at("2026-08-01 15:00"), 10).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_ne!(due[0].integration, stopped.id);

    store.resume_integration(&project(), &stopped.id).await.unwrap();

    let window = carry_out(&store).await;
    assert_eq!(window.integration, stopped.id);
    assert_eq!(shown(&store, &stopped.id).await.cursor, Some(window.span.to));
}

pub(super) async fn where_an_integration_begins_changes_before_its_first_window_alone(store: NativeStore) {
    let made = make(&store, "a", "2026-08-02 00:00").await;
    let change = |version, start| ChangedIntegration { version, checked: checked("a", start) };
    let earlier = Start::Date { at: at("2026-08-01 10:00") };
    let changed = store.change_integration(&project(), &made.id, change(1, earlier)).await.unwrap();
    assert_eq!(changed.planned_upto, Some(at("2026-08-01 10:00")));
    assert_eq!(tick(&store, NOW).await, 1);

    let refused = store.change_integration(&project(), &made.id, change(2, Start::History)).await.unwrap_err();

    assert!(refused.kind() == FaultKind::BadRequest && refused.public_message().contains("start"), "{refused}");
    assert!(refused.public_hint().is_some_and(|hint| hint.contains("backfill")), "{refused}");
    // Everything else may change, whether the start is repeated or not.
    let same = store.change_integration(&project(), &made.id, change(2, earlier)).await.unwrap();
    assert_eq!((same.version, same.planned_upto), (3, Some(at("2026-08-01 11:00"))));
}

pub(super) async fn running_now_ends_a_window_early_and_the_next_one_follows(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 11:00").await;
    let runs = store.run_integration(&project(), &made.id, NOW).await.unwrap();
    let stems: Vec<_> = runs.iter().map(|run| run.name.stem()).collect();
    assert_eq!(stems, ["2026-08-01T11-00-00_2026-08-01T11-55-00"]);
    assert_eq!(runs[0].cause, RunCause::Request);
    // Whoever asks again, or after the scheduler, is shown the run that is under way.
    let again = store.run_integration(&project(), &made.id, NOW).await.unwrap();
    assert_eq!(again.iter().map(|run| &run.id).collect::<Vec<_>>(), [&runs[0].id]);
    carry_out(&store).await;
    assert!(store.run_integration(&project(), &made.id, NOW).await.unwrap().is_empty());
    assert_eq!(tick(&store, at("2026-08-01 12:06")).await, 1);
    assert_eq!(carry_out(&store).await.span, Span { from: at("2026-08-01 11:55"), to: NOW });
    let causes = self::runs(&store, &made.id).await.into_iter().map(|run| run.cause);
    assert_eq!(causes.collect::<Vec<_>>(), [RunCause::Schedule, RunCause::Request]);
}

pub(super) async fn a_change_names_its_version_and_keys_belong_to_one_integration(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    let new =
        NewIntegration { project: project(), checked: checked("a", Start::Now), by: Actor::System, paused: false };
    assert_eq!(store.create_integration(new.clone(), NOW).await.unwrap_err().kind(), FaultKind::Conflict);
    let change = |version| ChangedIntegration {
        version,
        checked: CheckedIntegration {
            secrets: BTreeMap::from([("secret_access_key".to_owned(), Secret::new("changed"))]),
            target: Some("moved".to_owned()),
            ..checked("renamed", Start::Now)
        },
    };
    let changed = store.change_integration(&project(), &made.id, change(1)).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.version, changed.grid), ("renamed", 2, made.grid));
    assert_eq!(
        store.change_integration(&project(), &made.id, change(1)).await.unwrap_err().kind(),
        FaultKind::Conflict
    );
    let secret = Integration::secret(&made.id, "secret_access_key");
    assert_eq!(store.secret(&secret).await.unwrap(), Some(Secret::new("changed")));
    // The place it left is free.
    store.create_integration(new, NOW).await.unwrap();
    // Files may share their keys where manifests do not.
    let with_keys = |name: &str| CheckedIntegration { keys: Some("k".to_owned()), ..checked(name, Start::Now) };
    let new = |name| NewIntegration { project: project(), checked: with_keys(name), by: Actor::System, paused: false };
    let first = store.create_integration(new("b"), NOW).await.unwrap();
    assert_eq!(store.create_integration(new("c"), NOW).await.unwrap_err().kind(), FaultKind::Conflict);
    store.delete_integration(&project(), &first.id).await.unwrap();
    store.create_integration(new("c"), NOW).await.unwrap();
}

pub(super) async fn deleting_an_integration_cancels_its_work_and_keeps_its_history(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    carry_out(&store).await;
    tick(&store, at("2026-08-01 12:06")).await;

    store.delete_integration(&project(), &made.id).await.unwrap();

    assert!(nothing_to_claim(&store).await);
    assert_eq!(store.integration(&project(), &made.id).await.unwrap_err().kind(), FaultKind::NotFound);
    assert!(store.integration_of_job(&made.id).await.unwrap().is_none());
    let states: Vec<_> = runs(&store, &made.id).await.into_iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Cancelled, RunState::Completed]);
    assert!(store.secret_fields("integration", made.id.as_str()).await.unwrap().is_empty());
    assert!(store.integrations_due(at("2026-08-02"), 10).await.unwrap().is_empty());
}

pub(super) async fn a_deleted_project_takes_its_integrations_with_it(store: NativeStore) {
    store.create_project(&project(), "P").await.unwrap();
    let made = make(&store, "a", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    let exported = claim(&store, "w").await;
    store.settle(exported.lease, with_names(&[names_of("scores", &["a"])], &[])).await.unwrap();
    tick(&store, at("2026-08-01 13:10")).await;
    store.delete_project(&project()).await.unwrap();
    assert!(nothing_to_claim(&store).await);
    assert!(store.integration_of_job(&made.id).await.unwrap().is_none());
    assert!(store.score_names(&made.id).await.unwrap().is_empty());
}

pub(super) async fn another_project_sees_nothing_of_integrations(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    let other = ProjectId::new("other");
    assert!(store.integration(&other, &made.id).await.is_err());
    assert!(store.window_runs(&other, &made.id, &RunQuery::default(), &PageRequest::first(10)).await.is_err());
    assert!(store.coverage(&other, &made.id).await.is_err());
    assert!(store.delete_integration(&other, &made.id).await.is_err());
    assert!(store.resume_integration(&other, &made.id).await.is_err());
    assert!(store.integrations(&other, &PageRequest::first(10)).await.unwrap().items.is_empty());
    assert_eq!(store.integrations(&project(), &PageRequest::first(10)).await.unwrap().items.len(), 1);
}
