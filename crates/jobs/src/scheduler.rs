//! The scheduler: windows that have ended become jobs.
//!
//! ```text
//!   tick ─► integrations whose time has come ─► windows by arithmetic ─► stored with the position they lead to
//!        ─► backfills with room ─────────────► their next windows
//!        ─► windows of yesterday ────────────► comparisons with the source
//! ```
//!
//! A tick asks for what is due and stores what follows from it; it never waits for a source or a
//! destination. What needs a source, the first row of an integration that begins with the whole history, is
//! looked up beside the ticks, a few at a time, and only its own integration waits for it. Several schedulers
//! may run: the store takes each plan once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use model::{
    Backfill, BackfillId, DuePlan, Fault, IntegrationId, Micros, SchedulerStore, Stop, WindowName, WindowPlan,
};
use pipeline::Waits;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Integrations that one tick looks at.
const INTEGRATIONS_PER_TICK: usize = 10_000;

/// Backfills that one tick looks at.
const BACKFILLS_PER_TICK: usize = 500;

/// One tick plans for as many of them as it can in this time: each is a transaction, and windows that have just ended
/// wait for the next tick.
const BACKFILLS_TIME: Duration = Duration::from_millis(300);

/// Comparisons that one tick queues.
const RECONCILIATIONS_PER_TICK: usize = 200;

/// First rows that are looked up at the same time: each reads from the source.
const LOOK_UPS_MAX: usize = 4;

/// Before a first row is looked for again where there was none, or where the source did not answer.
const NO_ROW_WAIT_SECONDS: i64 = 60;

/// Between two ticks, however many signals there are.
const PAUSE: Duration = Duration::from_millis(500);

/// Knows when the first row of an integration was stored, or started.
#[async_trait]
pub trait FirstRows: Send + Sync {
    /// The earliest cursor value of any row of any of its tables; `None` where there is no row.
    async fn first_row(&self, due: &DuePlan, now: Micros) -> Result<Option<Micros>, Fault>;
}

/// Plans windows.
pub struct Scheduler {
    store: Arc<dyn SchedulerStore>,
    rows: Arc<dyn FirstRows>,
    waits: Arc<dyn Waits>,
    now: fn() -> Micros,
    compare_after: Duration,
}

/// What a tick has planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Windows that have ended.
    pub windows: u64,
    /// Windows of backfills.
    pub backfill_windows: u64,
    /// Comparisons with the source.
    pub reconciliations: u64,
}

impl Scheduler {
    /// A scheduler that has windows compared with their source so long after their export; it does nothing before
    /// [`Scheduler::schedule`].
    pub fn new(
        store: Arc<dyn SchedulerStore>,
        rows: Arc<dyn FirstRows>,
        waits: Arc<dyn Waits>,
        now: fn() -> Micros,
        compare_after: Duration,
    ) -> Self {
        Self { store, rows, waits, now, compare_after }
    }

    /// Plans until `stop` is raised.
    pub async fn schedule(self, stop: Stop) {
        let ticking = async {
            let mut between = BetweenTicks::default();
            let mut changes = self.store.changes();
            while changes.next().await.is_some() {
                let now = (self.now)();
                between.collect();
                match self.tick(now, &mut between).await {
                    Ok(ticked) if ticked == Ticked::default() => {}
                    Ok(ticked) => tracing::info!(
                        windows = ticked.windows,
                        backfill_windows = ticked.backfill_windows,
                        reconciliations = ticked.reconciliations,
                        "planned what is due"
                    ),
                    Err(fault) => tracing::warn!(fault = %fault, "windows could not be planned; the next tick will"),
                }
                self.waits.sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = ticking => {}
            _ = stop.raised() => {}
        }
    }

    /// One tick. Everything that fails is found again by the next one.
    pub async fn tick(&self, now: Micros, between: &mut BetweenTicks) -> Result<Ticked, Fault> {
        // The store takes no window that is not ready by its own clock: a process whose clock is ahead would plan such
        // windows alone, again and again.
        let now = now.min(self.store.clock().await?);
        let due = self.store.integrations_due(now, INTEGRATIONS_PER_TICK).await?;
        let mut plans = Vec::with_capacity(due.len());
        for due in due {
            match due.planned_upto {
                Some(_) => plans.push(plan(&due, now)),
                None => between.begin(due, Arc::clone(&self.store), Arc::clone(&self.rows), now),
            }
        }
        let windows = self.store.plan_windows(plans, now).await?;
        let mut ticked = Ticked { windows, ..Ticked::default() };
        let mut backfills = self.store.backfills_due(BACKFILLS_PER_TICK).await?;
        if let Some(last) = between.last_backfill.take() {
            let waited = first_behind(backfills.iter().map(|(backfill, _)| place(backfill)), &last);
            backfills.rotate_left(waited);
        }
        let until = Instant::now() + BACKFILLS_TIME;
        for (backfill, due) in backfills {
            let room = u64::from(backfill.parallel_max).saturating_sub(backfill.windows.active);
            let most = usize::try_from(room).unwrap_or(usize::MAX);
            let (spans, left) = backfill.next_windows(&due.settings.schedule, most);
            let names = spans.into_iter().map(|span| WindowName::new(&due.grid, span, 1)).collect();
            ticked.backfill_windows += self.store.plan_backfill(&backfill, names, left, now).await?;
            if Instant::now() >= until {
                between.last_backfill = Some(place(&backfill));
                break;
            }
        }
        let patience = i64::try_from(self.compare_after.as_micros()).unwrap_or(i64::MAX);
        let exported_upto = Micros(now.0.saturating_sub(patience));
        ticked.reconciliations = self.store.plan_reconciliations(exported_upto, RECONCILIATIONS_PER_TICK).await?;
        Ok(ticked)
    }
}

/// The windows of an integration that have ended; where there is none, when to look again.
fn plan(due: &DuePlan, now: Micros) -> WindowPlan {
    let upto = due.settings.schedule.boundary_upto(due.settings.ready(now));
    let planned = upto.and_then(|upto| WindowPlan::upto(due, upto));
    planned.unwrap_or_else(|| stay(due, due.next_at(due.planned_upto.unwrap_or(now))))
}

/// Where a backfill is in the order in which the store names those that are due.
type Place = (Micros, BackfillId);

fn place(backfill: &Backfill) -> Place {
    (backfill.created_at, backfill.id.clone())
}

/// The first backfill that the last tick had no time for, by the last one that it planned, which need not be due any
/// more.
fn first_behind(due: impl IntoIterator<Item = Place>, last: &Place) -> usize {
    due.into_iter().position(|place| place > *last).unwrap_or(0)
}

/// Nothing but another time to look.
fn stay(due: &DuePlan, next_at: Micros) -> WindowPlan {
    WindowPlan {
        integration: due.integration.clone(),
        expected: due.planned_upto,
        planned_upto: due.planned_upto,
        next_at,
        windows: Vec::new(),
        catch_up: None,
    }
}

/// What is kept between ticks: the first rows that are being looked up, and how far backfills were planned.
#[derive(Default)]
pub struct BetweenTicks {
    running: JoinSet<IntegrationId>,
    of: HashSet<IntegrationId>,
    /// The last backfill that a tick planned, where it had no time for the others.
    last_backfill: Option<Place>,
}

impl BetweenTicks {
    /// Begins to look a first row up, unless that is going on already or there is no room.
    fn begin(&mut self, due: DuePlan, store: Arc<dyn SchedulerStore>, rows: Arc<dyn FirstRows>, now: Micros) {
        if self.of.len() >= LOOK_UPS_MAX || !self.of.insert(due.integration.clone()) {
            return;
        }
        self.running.spawn(async move {
            let integration = due.integration.clone();
            let plan = match rows.first_row(&due, now).await {
                Ok(Some(first)) => {
                    // The window that holds the first row is a whole one.
                    let begins = due.settings.schedule.boundary_upto(first).unwrap_or(first);
                    WindowPlan { planned_upto: Some(begins), ..stay(&due, now) }
                }
                Ok(None) => stay(&due, now.minus_seconds(-NO_ROW_WAIT_SECONDS)),
                Err(fault) => {
                    tracing::warn!(integration.id = %integration, project.id = %due.project, fault = %fault,
                        "the first row of an integration could not be looked up");
                    stay(&due, now.minus_seconds(-NO_ROW_WAIT_SECONDS))
                }
            };
            if let Err(fault) = store.plan_windows(vec![plan], now).await {
                tracing::warn!(integration.id = %integration, fault = %fault,
                    "where an integration begins could not be stored");
            }
            integration
        });
    }

    /// Makes room for what has ended.
    fn collect(&mut self) {
        while let Some(ended) = self.running.try_join_next() {
            match ended {
                Ok(integration) => drop(self.of.remove(&integration)),
                Err(panic) => {
                    // Which one it was is not known any more; all may begin anew.
                    tracing::error!(cause = %panic, "looking a first row up ended in a panic");
                    self.of.clear();
                }
            }
        }
    }

    /// Waits for everything that was begun.
    pub async fn finished(&mut self) {
        while self.running.join_next().await.is_some() {}
        self.of.clear();
    }
}

#[cfg(test)]
mod tests;
