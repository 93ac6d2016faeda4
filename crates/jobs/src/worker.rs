//! The loop: claim as many jobs as there are places, and wait for more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use model::{Claim, ClaimLimits, JobId, JobStore, Lane, Stop};
use pipeline::Waits;
use tokio::task::JoinSet;

use crate::attempt::Attempt;
use crate::metrics;
use crate::retry::RetryRule;
use crate::runner::Runner;

/// How a worker works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Name, for people who look for it: host and process.
    pub name: String,
    /// Jobs at once.
    pub places: usize,
    /// How long a lease lasts without renewal: what a job waits after its worker died.
    pub lease: Duration,
    /// Between two renewals, which also report progress; far below a third of the lease.
    pub beat: Duration,
    /// Jobs a project may have running at once, unless it has a number of its own.
    pub running_per_project_max: u32,
    /// Workers that a job may lose in a row without getting further. A bad machine or a rolling update
    /// must not fail a job; one that ends every process that touches it must not go on for ever.
    pub lost_max: u32,
    /// Whether and when failed attempts are followed by others.
    pub retry: RetryRule,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            places: 2,
            lease: Duration::from_secs(30),
            beat: Duration::from_secs(1),
            running_per_project_max: 3,
            lost_max: 20,
            retry: RetryRule::default(),
        }
    }
}

impl WorkerSettings {
    /// All places but one, where there are several: the live window of an integration whose destination is slow and
    /// those that it catches up with would take them all.
    fn windows_per_integration_max(&self) -> u32 {
        u32::try_from(self.places.saturating_sub(1).max(1)).unwrap_or(u32::MAX)
    }
}

/// Claims jobs and has them carried out.
pub struct Worker {
    store: Arc<dyn JobStore>,
    runner: Arc<dyn Runner>,
    waits: Arc<dyn Waits>,
    settings: WorkerSettings,
}

impl Worker {
    /// A worker; it does nothing before [`Worker::work`].
    pub fn new(
        store: Arc<dyn JobStore>,
        runner: Arc<dyn Runner>,
        waits: Arc<dyn Waits>,
        settings: WorkerSettings,
    ) -> Self {
        Self { store, runner, waits, settings }
    }

    /// Works until `drain` is raised, then hands running jobs over and returns when all are.
    pub async fn work(self, drain: Stop) {
        let mut look = self.store.work();
        let mut attempts: JoinSet<Lane> = JoinSet::new();
        let mut places = Places { free: self.settings.places.max(1), backfills: 0 };
        let rates = Arc::new(Rates::default());
        let mut draining = std::pin::pin!(drain.raised());
        loop {
            tokio::select! {
                biased;
                _ = &mut draining => break,
                Some(ended) = attempts.join_next() => {
                    places.leave(ended);
                    self.fill(&mut attempts, &mut places, &rates, &drain).await;
                }
                Some(()) = look.next(), if places.free > 0 => self.fill(&mut attempts, &mut places, &rates, &drain).await,
            }
        }
        while let Some(ended) = attempts.join_next().await {
            places.leave(ended);
        }
    }

    /// Claims until nothing is left, for the places or in the queue.
    async fn fill(&self, attempts: &mut JoinSet<Lane>, places: &mut Places, rates: &Arc<Rates>, drain: &Stop) {
        while places.free > 0 && drain.reason().is_none() {
            let limits = ClaimLimits {
                worker: self.settings.name.clone(),
                lease: self.settings.lease,
                lanes: places.lanes(self.settings.places),
                running_per_project_max: self.settings.running_per_project_max,
                windows_per_integration_max: self.settings.windows_per_integration_max(),
                lost_max: self.settings.lost_max,
            };
            let claim = match self.store.claim(&limits).await {
                Ok(Some(claim)) => claim,
                Ok(None) => return,
                Err(fault) => {
                    // The next look comes by itself.
                    tracing::warn!(fault = %fault, "no job could be claimed");
                    return;
                }
            };
            places.take(&claim);
            let attempt = Attempt {
                store: Arc::clone(&self.store),
                runner: Arc::clone(&self.runner),
                waits: Arc::clone(&self.waits),
                settings: self.settings.clone(),
                drain: drain.clone(),
                rates: Arc::clone(rates),
            };
            attempts.spawn(async move {
                let lane = claim.job.lane;
                attempt.carry_out(claim).await;
                lane
            });
        }
    }
}

/// How fast the jobs of this process go, for metrics.
#[derive(Default)]
pub(crate) struct Rates {
    bytes_per_second: Mutex<BTreeMap<JobId, f64>>,
}

impl Rates {
    /// A job goes at this rate.
    pub(crate) fn at(&self, job: &JobId, bytes_per_second: f64) {
        self.tell(|rates| rates.insert(job.clone(), bytes_per_second));
    }

    /// A job's attempt has ended.
    pub(crate) fn ended(&self, job: &JobId) {
        self.tell(|rates| rates.remove(job));
    }

    fn tell(&self, change: impl FnOnce(&mut BTreeMap<JobId, f64>) -> Option<f64>) {
        let mut rates = self.bytes_per_second.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut rates);
        // An empty sum is −0, which looks like a defect.
        metrics::running(rates.len(), rates.values().fold(0.0, |sum, rate| sum + rate));
    }
}

/// Places for jobs. Catching up never takes them all, so that what is live finds one.
struct Places {
    free: usize,
    backfills: usize,
}

impl Places {
    fn lanes(&self, places: usize) -> Vec<Lane> {
        let backfills_max = (places / 2).max(1);
        Lane::ALL.into_iter().filter(|lane| *lane != Lane::Backfill || self.backfills < backfills_max).collect()
    }

    fn take(&mut self, claim: &Claim) {
        self.free -= 1;
        self.backfills += usize::from(claim.job.lane == Lane::Backfill);
    }

    fn leave(&mut self, ended: Result<Lane, tokio::task::JoinError>) {
        self.free += 1;
        match ended {
            Ok(lane) => self.backfills -= usize::from(lane == Lane::Backfill),
            Err(panic) => {
                // Its lease runs out by itself. Which lane it was in is not known any more; the smaller
                // number lets one too many in rather than none for ever.
                self.backfills = self.backfills.saturating_sub(1);
                tracing::error!(cause = %panic, "an attempt ended in a panic");
            }
        }
    }
}
