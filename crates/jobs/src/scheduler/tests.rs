//! Ticks over a real store: everything due is planned, quickly, and nobody waits for anybody.

use std::collections::BTreeMap;
use std::time::Instant;

use model::{
    Actor, Cadence, CheckedIntegration, Cursor, Deletions, FaultKind, FileSettings, Integration, IntegrationSettings,
    IntegrationStore, IntegrationTable, NewIntegration, PageRequest, ProjectId, RawSchedule, RunQuery, Schedule, Start,
    WindowRun,
};
use pipeline::RealWaits;
use store::NativeStore;

use super::*;

/// Twelve o'clock.
const NOON: Micros = Micros(1_785_585_600_000_000);

/// There is one, there is none, or the source is away; `None`: it never answers.
type FirstRow = Option<Result<Option<Micros>, Fault>>;

/// First rows by integration.
struct Rows(fn(&DuePlan) -> FirstRow);

#[async_trait]
impl FirstRows for Rows {
    async fn first_row(&self, due: &DuePlan, _: Micros) -> Result<Option<Micros>, Fault> {
        match (self.0)(due) {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

fn scheduler(store: &NativeStore, rows: fn(&DuePlan) -> FirstRow) -> Scheduler {
    Scheduler::new(
        Arc::new(store.clone()),
        Arc::new(Rows(rows)),
        Arc::new(RealWaits),
        || NOON,
        Duration::from_secs(24 * 3_600),
    )
}

async fn store() -> (NativeStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (NativeStore::open(folder.path()).await.unwrap(), folder)
}

async fn make(store: &NativeStore, number: usize, start: Start, cadence: Cadence, lag_seconds: u32) -> Integration {
    let settings = IntegrationSettings {
        kind: "s3".to_owned(),
        options: BTreeMap::new(),
        tables: vec![IntegrationTable::default()],
        schedule: Schedule::new(RawSchedule::utc(cadence)).unwrap(),
        cursor: Cursor::Ingested,
        lag_seconds,
        start,
        deletions: Deletions::Count,
        catch_up_max: 4,
        files: Some(FileSettings::usual("parquet")),
    };
    let checked = CheckedIntegration {
        name: format!("integration {number}"),
        settings,
        secrets: BTreeMap::new(),
        target: Some(number.to_string()),
        keys: None,
        warnings: Vec::new(),
    };
    let project = ProjectId::new(format!("p{}", number % 50));
    let new = NewIntegration { project, checked, by: Actor::System, paused: false };
    store.create_integration(new, NOON.minus_seconds(7_200)).await.unwrap()
}

async fn runs(store: &NativeStore, of: &Integration) -> Vec<WindowRun> {
    store.window_runs(&of.project, &of.id, &RunQuery::default(), &PageRequest::first(200)).await.unwrap().items
}

#[tokio::test]
async fn a_tick_over_5000_integrations_takes_less_than_a_second() {
    let (store, _folder) = store().await;
    let start = Start::Date { at: NOON.minus_seconds(3_600) };
    for number in 0..5_000 {
        make(&store, number, start, Cadence::Hour, 0).await;
    }
    let scheduler = scheduler(&store, |_| None);
    let began = Instant::now();
    let ticked = scheduler.tick(NOON, &mut BetweenTicks::default()).await.unwrap();
    let took = began.elapsed();
    assert_eq!(ticked.windows, 5_000);
    // The second tick finds nothing to do.
    let again = Instant::now();
    assert_eq!(scheduler.tick(NOON, &mut BetweenTicks::default()).await.unwrap(), Ticked::default());
    println!("5,000 integrations due: {took:?}; none due: {:?}", again.elapsed());
    // A second is promised of the optimised build.
    let allowed = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
    assert!(took < allowed, "{took:?}");
    // Others are far behind: each has a window that has just ended, and six before it to be caught up with.
    let long_ago = Start::Date { at: NOON.minus_seconds(7 * 3_600) };
    for number in 5_000..5_500 {
        make(&store, number, long_ago, Cadence::Hour, 0).await;
    }
    for live in [500, 0] {
        let began = Instant::now();
        let ticked = scheduler.tick(NOON, &mut BetweenTicks::default()).await.unwrap();
        let took = began.elapsed();
        println!("500 catch-ups: {took:?} for {} of their windows", ticked.backfill_windows);
        assert_eq!(ticked.windows, live);
        assert!(took < allowed, "{took:?}");
    }
}

#[tokio::test]
async fn an_integration_whose_source_does_not_answer_keeps_nobody_waiting() {
    let (store, _folder) = store().await;
    let mut history = Vec::new();
    for number in 0..8 {
        history.push(make(&store, number, Start::History, Cadence::Hour, 0).await);
    }
    let other = make(&store, 100, Start::Date { at: NOON.minus_seconds(3_600) }, Cadence::Hour, 0).await;
    let scheduler = scheduler(&store, |_| None);
    let mut between = BetweenTicks::default();
    let ticked = scheduler.tick(NOON, &mut between).await.unwrap();
    assert_eq!((ticked.windows, between.of.len()), (1, LOOK_UPS_MAX));
    assert_eq!(runs(&store, &other).await.len(), 1);
}

#[tokio::test]
async fn the_whole_history_begins_with_the_window_of_the_first_row() {
    let (store, _folder) = store().await;
    let made = make(&store, 1, Start::History, Cadence::Hour, 300).await;
    // Half past five in the morning.
    let scheduler = scheduler(&store, |_| Some(Ok(Some(NOON.minus_seconds(6 * 3_600 + 1_800)))));
    let mut between = BetweenTicks::default();
    scheduler.tick(NOON, &mut between).await.unwrap();
    between.finished().await;
    let ticked = scheduler.tick(NOON, &mut between).await.unwrap();
    // [10:00, 11:00) at once; the five before it are caught up with, four at a time.
    assert_eq!((ticked.windows, ticked.backfill_windows), (1, 4));
    let windows = runs(&store, &made).await;
    assert_eq!(windows[0].name.stem(), "2026-08-01T11-00-00");
    assert_eq!(windows.last().unwrap().name.stem(), "2026-08-01T06-00-00");
}

#[tokio::test]
async fn no_row_and_no_answer_are_asked_again_after_a_while() {
    let (store, _folder) = store().await;
    let made = make(&store, 1, Start::History, Cadence::Hour, 0).await;
    for rows in [(|_: &DuePlan| Some(Ok(None))) as fn(&DuePlan) -> _, |_| {
        Some(Err(Fault::new(FaultKind::Unavailable, "the source is away")))
    }] {
        let scheduler = scheduler(&store, rows);
        let mut between = BetweenTicks::default();
        scheduler.tick(NOON, &mut between).await.unwrap();
        between.finished().await;
        let seen = store.integration(&made.project, &made.id).await.unwrap();
        assert!(seen.planned_upto.is_none());
        assert!(store.integrations_due(NOON, 10).await.unwrap().len() <= 1);
    }
    assert_eq!(store.integrations_due(NOON.minus_seconds(-61), 10).await.unwrap().len(), 1);
}

/// With windows as short as the clock is ahead there is always one that is not ready.
#[tokio::test]
async fn a_clock_that_is_ahead_gets_the_windows_that_are_ready() {
    let (store, _folder) = store().await;
    let began = store.clock().await.unwrap();
    let start = Start::Date { at: began.minus_seconds(600) };
    let made = make(&store, 1, start, Cadence::Minutes { minutes: 1 }, 0).await;
    let ahead = began.minus_seconds(-300);

    let ticked = scheduler(&store, |_| None).tick(ahead, &mut BetweenTicks::default()).await.unwrap();

    let ended = store.clock().await.unwrap();
    let seen = store.integration(&made.project, &made.id).await.unwrap();
    let upto = seen.planned_upto.unwrap();
    let boundary = |at| seen.settings.schedule.boundary_upto(at).unwrap();
    assert!(upto >= boundary(began) && upto <= ended, "{upto} of {began} to {ended}");
    assert!(ticked.windows >= 1 && seen.next_at.unwrap() <= ended.minus_seconds(-60), "{ticked:?}");
}

#[test]
fn backfills_that_a_tick_had_no_time_for_come_first_even_if_the_last_one_is_done() {
    let place = |second: i64, id: &str| (NOON.minus_seconds(-second), BackfillId::new(id));
    let due = [place(1, "a"), place(2, "b"), place(2, "c"), place(4, "d")];
    for (last, first) in [
        (place(0, "z"), 0),
        (place(1, "a"), 1),
        (place(2, "bb"), 2),
        (place(3, "a"), 3),
        (place(4, "d"), 0),
        (place(5, "a"), 0),
    ] {
        assert_eq!(first_behind(due.clone(), &last), first, "{last:?}");
    }
}

/// A lag above the period is allowed: windows come later, and none is left out or comes twice.
#[tokio::test]
async fn a_lag_that_is_longer_than_the_period_loses_no_window() {
    let (store, _folder) = store().await;
    let start = Start::Date { at: NOON.minus_seconds(1_800) };
    let made = make(&store, 1, start, Cadence::Minutes { minutes: 1 }, 300).await;
    let scheduler = scheduler(&store, |_| None);
    let mut between = BetweenTicks::default();
    scheduler.tick(NOON, &mut between).await.unwrap();
    let windows = runs(&store, &made).await;
    assert_eq!(windows[0].name.span.to, NOON.minus_seconds(300));
    let seen = store.integration(&made.project, &made.id).await.unwrap();
    assert_eq!(seen.planned_upto, Some(NOON.minus_seconds(300)));
    assert_eq!(seen.next_at, Some(NOON.minus_seconds(-60)));
}
