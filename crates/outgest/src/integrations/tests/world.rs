//! A lake, a metadata store, a destination in memory, a scheduler and workers that can be killed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use destinations::memory::MemoryDestination;
use destinations::{Trouble, flaky};
use jobs::{BetweenTicks, Context, Done, Scheduler};
use lake::Lake;
use model::{
    Actor, ApiKeyId, Cadence, ChangedIntegration, CheckedIntegration, Checkpoint, Claim, ClaimLimits, CommentLookup,
    Cursor, Deletions, Delivery, Fault, FaultKind, FileName, FileSettings, Integration, IntegrationId,
    IntegrationSettings, IntegrationStore, IntegrationTable, JobKind, JobStore, Lane, Micros, NewIntegration, Outcome,
    PageRequest, ProjectId, RawSchedule, RunLog, RunQuery, Schedule, SchedulerStore, Secret, Source, Stop, StopReason,
    Task, WindowRun,
};
use pipeline::{Budget, Paces, Silent, Waits};
use serde_json::Value;
use sources::lake::LakeSource;
use sources::memory::batch_from_json;
use store::NativeStore;
use tempfile::TempDir;

use super::super::{PatientSource, Places, Reconciler, SourceRows, WindowRunner};
use super::ledger::Ledger;

/// The first midnight of every simulation.
pub const EPOCH: Micros = Micros(1_785_542_400_000_000);

pub const LEASE: Duration = Duration::from_secs(30);

const A_DAY: Duration = Duration::from_secs(24 * 3_600);

/// An instant so many minutes after the beginning.
pub fn minute(minutes: i64) -> Micros {
    EPOCH.minus_seconds(-60 * minutes)
}

pub fn project() -> ProjectId {
    ProjectId::new("p")
}

/// Nobody waits.
pub struct NoWaits;

#[async_trait]
impl Waits for NoWaits {
    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }

    fn chance(&self) -> f64 {
        0.0
    }
}

/// What the runs of an integration are refused with.
type Refusal = fn() -> Fault;

/// One shelf for every integration, with what goes wrong next.
#[derive(Clone)]
pub struct Shelf {
    pub files: Arc<MemoryDestination>,
    trouble: Arc<Mutex<Vec<Trouble>>>,
    /// Shelves of integrations that name a bucket.
    buckets: Arc<Mutex<BTreeMap<String, Arc<MemoryDestination>>>>,
    /// Receivers of events, by host.
    ledgers: Arc<Mutex<BTreeMap<String, Arc<Ledger>>>>,
    refused: Arc<Mutex<BTreeMap<IntegrationId, Refusal>>>,
}

impl Shelf {
    /// The next run meets this trouble.
    pub fn trouble(&self, trouble: Trouble) {
        self.trouble.lock().unwrap().push(trouble);
    }

    /// Every run of an integration is refused from now on, or none any more.
    pub fn refuse(&self, of: &Integration, fault: Option<Refusal>) {
        let mut refused = self.refused.lock().unwrap();
        match fault {
            Some(fault) => refused.insert(of.id.clone(), fault),
            None => refused.remove(&of.id),
        };
    }

    /// The shelf that integrations with this bucket write to.
    pub fn bucket(&self, name: &str) -> Arc<MemoryDestination> {
        Arc::clone(self.buckets.lock().unwrap().entry(name.to_owned()).or_default())
    }

    /// The receiver of events at this host.
    pub fn ledger(&self, host: &str) -> Arc<Ledger> {
        let mut ledgers = self.ledgers.lock().unwrap();
        Arc::clone(ledgers.entry(host.to_owned()).or_insert_with(|| Arc::new(Ledger::new(host))))
    }

    /// The rows of a JSONL file.
    pub fn lines(&self, name: &FileName) -> Vec<Value> {
        let bytes = self.files.bytes(name.as_str()).unwrap_or_else(|| panic!("there is no file {name}"));
        bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }
}

#[async_trait]
impl Places for Shelf {
    async fn connect(
        &self,
        settings: &IntegrationSettings,
        _: &BTreeMap<String, Secret>,
        id: Option<&IntegrationId>,
    ) -> Result<Delivery, Fault> {
        let refused = id.and_then(|id| self.refused.lock().unwrap().get(id).copied());
        if let Some(fault) = refused {
            return Err(fault());
        }
        if settings.files.is_none() {
            return Ok(Delivery::Events(self.ledger(&settings.options["host"])));
        }
        let trouble = self.trouble.lock().unwrap().pop().unwrap_or_else(Trouble::none);
        let files = match settings.options.get("bucket") {
            Some(name) => self.bucket(name),
            None => Arc::clone(&self.files),
        };
        Ok(Delivery::Files(flaky(files, trouble)))
    }
}

/// Sends everything to a receiver of events.
pub fn to_events(settings: &mut IntegrationSettings, host: &str) {
    settings.kind = "posthog".to_owned();
    settings.options = BTreeMap::from([("host".to_owned(), host.to_owned())]);
    settings.files = None;
    settings.deletions = Deletions::Count;
}

/// Everything.
pub struct World {
    pub lake: Lake,
    pub store: NativeStore,
    pub shelf: Shelf,
    pub scheduler: Scheduler,
    pub windows: WindowRunner,
    pub reconciler: Reconciler,
    _folder: TempDir,
}

/// Comments and prices that nobody has.
fn nothing(store: &NativeStore) -> Arc<dyn CommentLookup> {
    Arc::new(store.clone())
}

impl World {
    pub async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let lake = Lake::create_or_open(&folder.path().join("lake"), &tables::stored(), EPOCH).unwrap();
        let store = NativeStore::open(&folder.path().join("data")).await.unwrap();
        let shelf = Shelf {
            files: Arc::new(MemoryDestination::new()),
            trouble: Arc::default(),
            buckets: Arc::default(),
            ledgers: Arc::default(),
            refused: Arc::default(),
        };
        let source: Arc<dyn Source> = Arc::new(LakeSource::new(lake.clone()));
        let budget = Budget::for_cores(1);
        let windows = WindowRunner {
            store: Arc::new(store.clone()),
            source: Arc::new(PatientSource::new(Arc::clone(&source))),
            comments: nothing(&store),
            prices: Arc::new(store.clone()),
            places: Arc::new(shelf.clone()),
            base_url: None,
            now: || minute(60 * 24 * 30),
            waits: Arc::new(NoWaits),
            budget,
            paces: Paces::default(),
        };
        let reconciler = Reconciler {
            store: Arc::new(store.clone()),
            source: Arc::clone(&source),
            comments: nothing(&store),
            places: Arc::new(shelf.clone()),
            now: || minute(60 * 24 * 30),
            waits: Arc::new(NoWaits),
            budget,
        };
        let rows = SourceRows { source, comments: nothing(&store) };
        let scheduler = Scheduler::new(Arc::new(store.clone()), Arc::new(rows), Arc::new(NoWaits), || EPOCH, A_DAY);
        Self { lake, store, shelf, scheduler, windows, reconciler, _folder: folder }
    }

    /// Stores rows of a table with one commit.
    pub fn append(&self, table: &str, rows: &[Value], now: Micros) {
        if rows.is_empty() {
            return;
        }
        let stored = tables::stored().into_iter().find(|stored| stored.name == table).unwrap();
        let mut appender = self.lake.append(table).unwrap();
        appender.push(batch_from_json(&stored, rows).unwrap()).unwrap();
        appender.commit(now, "test").unwrap();
    }

    /// An hourly integration of JSONL files that begins at `EPOCH`.
    pub async fn integration(&self, name: &str, change: impl FnOnce(&mut IntegrationSettings)) -> Integration {
        let table = |name: &str| IntegrationTable { table: name.to_owned(), ..IntegrationTable::default() };
        let files = FileSettings { prefix: format!("{name}/"), ..FileSettings::usual("jsonl") };
        let mut settings = IntegrationSettings {
            kind: "s3".to_owned(),
            options: BTreeMap::new(),
            tables: vec![table("events"), table("scores")],
            schedule: Schedule::new(RawSchedule::utc(Cadence::Hour)).unwrap(),
            cursor: Cursor::Ingested,
            lag_seconds: 300,
            start: model::Start::Date { at: EPOCH },
            deletions: Deletions::Include,
            catch_up_max: 4,
            files: Some(files),
        };
        change(&mut settings);
        let checked = CheckedIntegration {
            name: name.to_owned(),
            settings,
            secrets: BTreeMap::new(),
            target: Some(name.to_owned()),
            keys: None,
            warnings: Vec::new(),
        };
        let by = Actor::ApiKey(ApiKeyId::new("k"));
        let new = NewIntegration { project: project(), checked, by, paused: false };
        self.store.create_integration(new, EPOCH).await.unwrap()
    }

    /// A receiver of events, and an hourly integration that sends it everything.
    pub async fn receiver(&self, host: &str) -> (Arc<Ledger>, Integration) {
        let made = self.integration("events", |settings| to_events(settings, host)).await;
        (self.shelf.ledger(host), made)
    }

    /// Stores an integration as it is shown here.
    pub async fn change(&self, shown: &Integration) {
        let checked = CheckedIntegration {
            name: shown.name.clone(),
            settings: shown.settings.clone(),
            secrets: BTreeMap::new(),
            target: Some(shown.name.clone()),
            keys: None,
            warnings: Vec::new(),
        };
        let change = ChangedIntegration { version: shown.version, checked };
        self.store.change_integration(&project(), &shown.id, change).await.unwrap();
    }

    /// Plans what is due, first rows included.
    pub async fn tick(&self, now: Micros) {
        let mut between = BetweenTicks::default();
        self.scheduler.tick(now, &mut between).await.unwrap();
        between.finished().await;
        self.scheduler.tick(now, &mut between).await.unwrap();
    }

    pub async fn claim(&self) -> Option<Claim> {
        let limits = ClaimLimits {
            worker: "w".to_owned(),
            lease: LEASE,
            lanes: Lane::ALL.to_vec(),
            running_per_project_max: 100,
            windows_per_integration_max: 100,
            lost_max: 1_000,
        };
        self.store.claim(&limits).await.unwrap()
    }

    /// Carries a claimed job out. A worker that is killed after so many checkpoints leaves its lease behind.
    pub async fn carry_out(&self, claim: Claim, killed_after: Option<u32>) -> Result<(), Fault> {
        let stop = Stop::new();
        let log = self.store.run_log(&claim.lease, stop.clone());
        let left = AtomicU32::new(killed_after.unwrap_or(u32::MAX));
        let log = Arc::new(Mortal { log, left, stop: stop.clone() });
        let context = Context { log, token: claim.lease.token, progress: Arc::new(Silent) };
        let result = match (claim.lease.task, claim.job.kind) {
            (Task::CleanUp, _) => self.windows.clean_up(&claim.job).await.map(|()| Outcome::CleanedUp),
            (Task::Run, JobKind::Reconcile) => self.reconciler.run(&claim.job, context).await.map(completed),
            (Task::Run, _) => self.windows.run(&claim.job, context).await.map(completed),
        };
        if stop.reason() == Some(StopReason::LeaseLost) {
            self.store.set_clock_ahead(LEASE + Duration::from_secs(1));
            return Ok(());
        }
        let outcome = match &result {
            Ok(outcome) => outcome.clone(),
            Err(fault) => {
                let failure = model::Failure::from(fault);
                match fault.retry() {
                    model::Retry::Never => Outcome::Failed(failure),
                    _ => Outcome::Retry { failure, wait: Duration::ZERO },
                }
            }
        };
        if let Err(unsettled) = self.store.settle(claim.lease, outcome).await {
            // Cancelled meanwhile: it is given back to be cleaned up.
            assert_eq!(unsettled.fault.kind(), FaultKind::Cancelled);
            self.store.settle(unsettled.lease, Outcome::HandedOver).await.unwrap();
        }
        result.map(drop)
    }

    /// Carries a claimed window out and does not tell the store yet what it came to.
    pub async fn export(&self, claim: &Claim) -> Outcome {
        let log = self.store.run_log(&claim.lease, Stop::new());
        let context = Context { log, token: claim.lease.token, progress: Arc::new(Silent) };
        completed(self.windows.run(&claim.job, context).await.unwrap())
    }

    /// Carries everything out that is queued, and plans what follows from it.
    pub async fn work(&self, now: Micros) -> u32 {
        let mut done = 0;
        loop {
            self.tick(now).await;
            let Some(claim) = self.claim().await else { return done };
            drop(self.carry_out(claim, None).await);
            done += 1;
        }
    }

    pub async fn runs(&self, of: &Integration) -> Vec<WindowRun> {
        let mut runs = Vec::new();
        let mut page = PageRequest::first(200);
        loop {
            let found = self.store.window_runs(&project(), &of.id, &RunQuery::default(), &page).await.unwrap();
            runs.extend(found.items);
            page.after = found.next;
            if page.after.is_none() {
                return runs;
            }
        }
    }

    pub async fn shown(&self, of: &Integration) -> Integration {
        self.store.integration(&project(), &of.id).await.unwrap()
    }

    /// Compares every window with its source, as a day later, and carries out what follows.
    pub async fn reconcile(&self, now: Micros) -> u64 {
        let queued = self.queue_reconciliations().await;
        self.work(now).await;
        queued
    }

    /// Queues the comparison of every window.
    pub async fn queue_reconciliations(&self) -> u64 {
        self.store.plan_reconciliations(Micros(i64::MAX), 10_000).await.unwrap()
    }
}

fn completed(done: Done) -> Outcome {
    match done {
        Done::Completed(result) => Outcome::Completed(result),
        Done::Split(_) => panic!("windows are not split"),
    }
}

/// Ends its worker after so many checkpoints, as `kill -9` does: nothing is tidied up.
struct Mortal {
    log: Arc<dyn RunLog>,
    left: AtomicU32,
    stop: Stop,
}

#[async_trait]
impl RunLog for Mortal {
    async fn record(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        self.log.record(checkpoint).await?;
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.stop.raise(StopReason::LeaseLost);
        }
        Ok(())
    }

    fn stop(&self) -> Stop {
        self.stop.clone()
    }
}
