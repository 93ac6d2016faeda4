//! One attempt: the lease is renewed, wishes are heard, and the end is settled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use model::{
    Checkpoint, Claim, Failure, Fault, FaultKind, Job, JobProgress, JobState, JobStore, Lease, Outcome, RunLog, Stop,
    StopReason, Task, Unsettled, Wish,
};
use pipeline::Waits;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::meter::Meter;
use crate::metrics;
use crate::runner::{Context, Done, Runner};
use crate::worker::{Rates, WorkerSettings};

/// Before cleaning up is tried again where the place answers but refuses: somebody has to change something.
const REFUSED_CLEANUP_WAIT: Duration = Duration::from_secs(15 * 60);

/// Before a settlement that the store did not take is tried again.
const SETTLE_WAIT: Duration = Duration::from_millis(500);

/// What an attempt needs of its worker.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) store: Arc<dyn JobStore>,
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) waits: Arc<dyn Waits>,
    pub(crate) settings: WorkerSettings,
    /// Raised when the process is to end.
    pub(crate) drain: Stop,
    /// What this process carries out at the moment.
    pub(crate) rates: Arc<Rates>,
}

impl Attempt {
    /// Does what the claim is for, and settles it.
    pub(crate) async fn carry_out(self, claim: Claim) {
        let Claim { job, lease } = claim;
        let began = Instant::now();
        let held = Held::new(lease.lasts);
        let stop = held.stop();
        let meter = Arc::new(Meter::default());
        let log = Arc::new(Noting { log: self.store.run_log(&lease, stop.clone()), further: AtomicU64::new(0) });
        let result = match lease.task {
            Task::Run => {
                tracing::info!(job.id = %job.id, job.kind = job.kind.as_str(), project.id = %job.project,
                    job.attempt = job.attempt, "job {} begins", job.id);
                let context = Context {
                    log: Arc::<Noting>::clone(&log),
                    token: lease.token,
                    progress: Arc::<Meter>::clone(&meter),
                };
                let work = self.runner.run(&job, context);
                self.attend(work, &job, &lease, &held, &stop, &meter).await
            }
            Task::CleanUp => {
                let work = self.runner.clean_up(&job);
                self.attend(work, &job, &lease, &held, &stop, &meter).await.map(|()| Done::Completed(().into()))
            }
        };
        let failures = if log.got_further(&job) { 1 } else { job.failures + 1 };
        self.rates.ended(&job.id);
        let Some(outcome) = self.outcome(&job, lease.task, result, stop.reason(), failures, began) else { return };
        self.settle(lease, outcome, &held).await;
    }

    /// Polls the work to its end, which comes soon after a stop, and does what else is due.
    async fn attend<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
        job: &Job,
        lease: &Lease,
        held: &Held,
        stop: &Stop,
        meter: &Meter,
    ) -> Result<T, Fault> {
        let mut work = std::pin::pin!(work);
        let mut wishes = self.store.wishes(lease);
        let mut wishing = true;
        let mut drain = std::pin::pin!(self.drain.raised());
        let mut draining = false;
        let mut beat = interval(self.settings.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = meter.read(Instant::now());
        loop {
            tokio::select! {
                biased;
                result = &mut work => {
                    count(&reported, &meter.read(Instant::now()));
                    return result;
                }
                wish = wishes.next(), if wishing => match wish {
                    Some(Wish::Cancel) => stop.raise(StopReason::Cancelled),
                    Some(Wish::Lost) => stop.raise(StopReason::LeaseLost),
                    None => wishing = false,
                },
                _ = &mut drain, if !draining => {
                    draining = true;
                    stop.raise(StopReason::HandOver);
                }
                _ = beat.tick() => {
                    let progress = meter.read(Instant::now());
                    count(&reported, &progress);
                    self.rates.at(&job.id, progress.bytes_per_second);
                    reported = progress;
                    // The work goes on while the store is asked: a slow store must not slow it down.
                    tokio::select! {
                        biased;
                        result = &mut work => {
                            count(&reported, &meter.read(Instant::now()));
                            return result;
                        }
                        () = self.renew(lease, held, stop, &progress) => {}
                    }
                }
            }
        }
    }

    async fn renew(&self, lease: &Lease, held: &Held, stop: &Stop, progress: &JobProgress) {
        let asked = Instant::now();
        match self.store.renew(lease, progress).await {
            Ok(()) => held.renewed(asked),
            Err(fault) => match fault.kind() {
                FaultKind::Cancelled => stop.raise(StopReason::Cancelled),
                FaultKind::Conflict => stop.raise(StopReason::LeaseLost),
                // The lease still lasts; its end is watched by the stop itself.
                _ => {
                    tracing::warn!(job.id = %lease.job, fault = %fault, "the lease could not be renewed");
                    if stop.reason().is_some() {
                        tracing::warn!(job.id = %lease.job, "the lease has run out");
                    }
                }
            },
        }
    }

    /// How the attempt is to be settled; `None` where the job is no longer this worker's.
    fn outcome(
        &self,
        job: &Job,
        task: Task,
        result: Result<Done, Fault>,
        stopped: Option<StopReason>,
        failures: u32,
        began: Instant,
    ) -> Option<Outcome> {
        let took = began.elapsed();
        let seconds = took.as_secs_f64();
        let ended = |state, fault| metrics::run_ended(job.kind, state, fault, took);
        match (task, result, stopped) {
            // Whoever finished in time may say so: the store knows whether the job was taken over.
            (Task::Run, Ok(done), _) => {
                tracing::info!(job.id = %job.id, project.id = %job.project, seconds, "job {} is done", job.id);
                Some(match done {
                    Done::Completed(result) => {
                        ended(JobState::Completed, None);
                        Outcome::Completed(result)
                    }
                    Done::Split(parts) => Outcome::Split(parts),
                })
            }
            (Task::CleanUp, Ok(_), _) => Some(Outcome::CleanedUp),
            (_, Err(_), Some(StopReason::LeaseLost)) => {
                tracing::warn!(job.id = %job.id, project.id = %job.project, "job {} belongs to another worker now", job.id);
                None
            }
            // Given back as cancelled: whoever takes it next makes sure that nothing is left.
            (_, Err(_), Some(StopReason::Cancelled)) => {
                if task == Task::Run {
                    ended(JobState::Cancelled, None);
                }
                Some(Outcome::HandedOver)
            }
            (_, Err(_), Some(StopReason::HandOver)) => {
                tracing::info!(job.id = %job.id, project.id = %job.project, "job {} is handed over", job.id);
                Some(Outcome::HandedOver)
            }
            (Task::CleanUp, Err(fault), None) => {
                tracing::warn!(job.id = %job.id, project.id = %job.project, fault = %fault,
                    cause = %causes(&fault), "what is left of job {} cannot be removed", job.id);
                let rule = self.settings.retry;
                let wait = rule.wait(&fault, 1, self.waits.chance()).unwrap_or(REFUSED_CLEANUP_WAIT);
                Some(Outcome::Retry { failure: Failure::from(&fault), wait })
            }
            (Task::Run, Err(fault), None) => {
                let failure = Failure::from(&fault);
                let kind = fault.kind().as_str();
                match self.settings.retry.of(job.kind).wait(&fault, failures, self.waits.chance()) {
                    Some(wait) => {
                        metrics::retried(job.kind, kind);
                        tracing::warn!(job.id = %job.id, project.id = %job.project, fault = %fault, cause = %causes(&fault),
                            wait.seconds = wait.as_secs_f64(), "job {} failed and is tried again", job.id);
                        Some(Outcome::Retry { failure, wait })
                    }
                    None => {
                        ended(JobState::Failed, Some(kind));
                        tracing::error!(job.id = %job.id, project.id = %job.project, fault = %fault,
                            cause = %causes(&fault), "job {} failed", job.id);
                        Some(Outcome::Failed(failure))
                    }
                }
            }
        }
    }

    /// Settles, however often the store has to be asked, while the lease lasts. After that another
    /// worker will find the job as it was left.
    async fn settle(&self, lease: Lease, outcome: Outcome, held: &Held) {
        let job = lease.job.clone();
        let mut unsettled = lease;
        loop {
            let Unsettled { lease, fault } = match self.store.settle(unsettled, outcome.clone()).await {
                Ok(()) => return,
                Err(unsettled) => unsettled,
            };
            match fault.kind() {
                FaultKind::Conflict => {
                    tracing::warn!(job.id = %job, "job {job} was taken over before its end could be noted");
                    return;
                }
                // Cancelled while it ended: it is given back to be cleaned up.
                FaultKind::Cancelled if outcome != Outcome::HandedOver => {
                    if let Err(unsettled) = self.store.settle(lease, Outcome::HandedOver).await {
                        tracing::warn!(job.id = %job, fault = %unsettled.fault, "a cancelled job could not be given back");
                    }
                    return;
                }
                _ if held.is_over() => {
                    tracing::warn!(job.id = %job, fault = %fault, "the end of job {job} could not be noted");
                    return;
                }
                _ => {
                    tracing::warn!(job.id = %job, fault = %fault, "noting the end of job {job} again");
                    self.waits.sleep(SETTLE_WAIT).await;
                    unsettled = lease;
                }
            }
        }
    }
}

/// What was written between two looks.
fn count(before: &JobProgress, now: &JobProgress) {
    metrics::written(now.rows.saturating_sub(before.rows), now.bytes.saturating_sub(before.bytes));
}

/// A failure's causes, for the log.
fn causes(fault: &Fault) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(fault);
    while let Some(cause) = source {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// How long the lease is known to last: from when the last renewal that succeeded was asked for.
#[derive(Clone)]
struct Held {
    since: Arc<Mutex<Instant>>,
    lasts: Duration,
}

impl Held {
    fn new(lasts: Duration) -> Self {
        Self { since: Arc::new(Mutex::new(Instant::now())), lasts }
    }

    fn renewed(&self, at: Instant) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn unrenewed(&self) -> Duration {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// A stop that is raised by itself when less than a third of the lease is left: the rest is for what
    /// is on its way already, so that nothing arrives after a successor began.
    fn stop(&self) -> Stop {
        let held = self.clone();
        Stop::guarded(move || (held.unrenewed() * 3 > held.lasts * 2).then_some(StopReason::LeaseLost))
    }

    fn is_over(&self) -> bool {
        self.unrenewed() > self.lasts
    }
}

/// Passes checkpoints on and notes whether they got further than the attempt began.
struct Noting {
    log: Arc<dyn RunLog>,
    further: AtomicU64,
}

impl Noting {
    fn got_further(&self, job: &Job) -> bool {
        self.further.load(Ordering::SeqCst) > job.checkpoint.as_ref().map_or(0, Checkpoint::durable)
    }
}

#[async_trait]
impl RunLog for Noting {
    async fn record(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        self.log.record(checkpoint).await?;
        self.further.fetch_max(checkpoint.durable(), Ordering::SeqCst);
        Ok(())
    }

    fn stop(&self) -> Stop {
        self.log.stop()
    }
}
