//! Work that survives its worker: what a job is, who may carry it out, and how it ends.
//!
//! A job is claimed with a [`Lease`]. Every durable write of its run carries the lease's fencing
//! token, so a worker that lost the lease can change nothing (promise 11). Leases are measured by the
//! store's clock. Store and worker agree on states here; what a job *does* only its runner knows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteCount, Checkpoint, Fault, JobId, Micros, Page, PageRequest, ProjectId, RowCount, RunLog, Stop};

/// What kind of work a job is; the worker chooses its runner by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// An export that somebody asked for.
    Export,
    /// One file of a run with several.
    File,
    /// One window of an integration.
    Window,
    /// Comparing a window that was exported with its source.
    Reconcile,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Export, Self::File, Self::Window, Self::Reconcile];

    /// The name in the store, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::File => "file",
            Self::Window => "window",
            Self::Reconcile => "reconcile",
        }
    }

    /// The kind of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Work of different urgency, so that one cannot starve the other (promise 15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Somebody waits for it, or a window has just ended.
    #[default]
    Live,
    /// Catching up with the past.
    Backfill,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 2] = [Self::Live, Self::Backfill];

    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backfill => "backfill",
        }
    }

    /// The lane of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == name)
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for a worker, perhaps until a time.
    Queued,
    /// A worker has it, or its files are being written by jobs of their own.
    Running,
    /// Its manifest is visible.
    Completed,
    /// It will not be tried again by itself.
    Failed,
    /// Somebody cancelled it; final.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether work is still to be done.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// Work to be queued.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    /// Its project.
    pub project: ProjectId,
    /// What kind of work.
    pub kind: JobKind,
    /// How urgent.
    pub lane: Lane,
    /// What is to be done, in the words of its runner. It holds no secret.
    pub spec: serde_json::Value,
    /// While a job with this key is queued or running, no other one is made.
    pub unique: Option<String>,
    /// Not to be claimed earlier.
    pub not_before: Option<Micros>,
}

/// What queueing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// A new job.
    New(JobId),
    /// The job with the same unique key that is still active.
    Existing(JobId),
}

/// A job as its worker sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Id; also the id of its run.
    pub id: JobId,
    /// The job whose files it writes a part of.
    pub parent: Option<JobId>,
    /// Its project.
    pub project: ProjectId,
    /// What kind of work.
    pub kind: JobKind,
    /// How urgent.
    pub lane: Lane,
    /// What is to be done: an [`crate::ExportJob`] for exports.
    pub spec: serde_json::Value,
    /// Claims so far, this one included.
    pub attempt: u32,
    /// Failed attempts since the job last got further.
    pub failures: u32,
    /// When it was queued: "now" of the request, for every attempt.
    pub created_at: Micros,
    /// What earlier attempts made durable.
    pub checkpoint: Option<Checkpoint>,
    /// What the jobs it was split into came to, in order; empty where it was not split.
    pub parts: Vec<Part>,
}

/// A job that another was split into.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// What it came to, where it is completed.
    pub result: Option<serde_json::Value>,
    /// What is durable of it.
    pub checkpoint: Option<Checkpoint>,
}

/// What a worker is to do with a job it claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Carry it out.
    Run,
    /// Remove everything that is left of it: it was cancelled, deleted, or its files are expired.
    CleanUp,
}

/// A claimed job and the right to it.
#[derive(Debug)]
pub struct Claim {
    /// The job.
    pub job: Job,
    /// What to do with it, and the right to do it.
    pub lease: Lease,
}

/// The right to carry out a job for a while. It cannot be copied; settling consumes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// What it allows.
    pub task: Task,
    /// Grows with every claim; a write with a smaller one than the job's is refused.
    pub token: u64,
    /// How long it lasts from the moment it was claimed or renewed.
    pub lasts: Duration,
}

/// An attempt that could not be ended.
#[derive(Debug)]
pub struct Unsettled {
    /// The lease, for another try.
    pub lease: Lease,
    /// Why not.
    pub fault: Fault,
}

/// What a worker may claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimLimits {
    /// Name of the worker, for people who look for it.
    pub worker: String,
    /// How long the lease lasts without renewal.
    pub lease: Duration,
    /// Lanes with room.
    pub lanes: Vec<Lane>,
    /// Jobs a project may have running at once, unless the project has a number of its own. The jobs
    /// that one was split into count as that one.
    pub running_per_project_max: u32,
    /// Windows of one integration that the worker may have at once, so that a destination that is slow
    /// leaves places to others. All workers together have one fewer than the project may have running, where
    /// that is more than one, so that it leaves room in its project as well. What was lost does not count.
    pub windows_per_integration_max: u32,
    /// A job that lost so many workers in a row without getting further is failed.
    pub lost_max: u32,
}

/// Something a running job's owner wants of its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Stop and remove everything; the job is cancelled already.
    Cancel,
    /// Stop and touch nothing: another worker has the job.
    Lost,
}

/// How far a job has come, as its worker reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobProgress {
    /// Part of the planned bytes that was passed, from 0 to 1.
    pub share: f64,
    /// Rows written.
    pub rows: RowCount,
    /// Bytes written.
    pub bytes: ByteCount,
    /// Rows per second over the last while; over the whole time once it is done.
    pub rows_per_second: f64,
    /// Bytes per second over the last while; over the whole time once it is done.
    pub bytes_per_second: f64,
    /// Seconds until the end at this rate, where that can be told.
    pub seconds_left: Option<u64>,
}

impl JobProgress {
    /// Says that everything is written, in so much time.
    pub fn finish(&mut self, took: Duration) {
        // The clock of a store may be set back.
        let seconds = took.as_secs_f64().max(0.001);
        self.share = 1.0;
        self.rows_per_second = self.rows.get() as f64 / seconds;
        self.bytes_per_second = self.bytes.get() as f64 / seconds;
        self.seconds_left = None;
    }
}

/// Why an attempt failed, in words for people (promise 14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What was being done.
    pub step: Option<String>,
    /// Kind of the fault: `unavailable`.
    pub kind: String,
    /// What went wrong, in the source's or destination's own words where it has some.
    pub message: String,
    /// What can be changed.
    pub hint: Option<String>,
}

impl From<&Fault> for Failure {
    fn from(fault: &Fault) -> Self {
        Self {
            step: fault.step().map(str::to_owned),
            kind: fault.kind().as_str().to_owned(),
            message: fault.public_message().to_owned(),
            hint: fault.public_hint().map(str::to_owned),
        }
    }
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// Which attempt it was, from 1; of work in parts that of the part.
    pub attempt: u32,
    /// When it failed.
    pub at: Micros,
    /// Why.
    pub failure: Failure,
}

impl FailedAttempt {
    /// So many are kept of a job: the newest.
    pub const KEPT: usize = 20;
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The work is done; the result is kept with the job. That of an export is its [`crate::Receipt`].
    Completed(serde_json::Value),
    /// It is split into these jobs, in order; when all are completed the job is claimed again to end it.
    Split(Vec<NewPart>),
    /// It failed and is tried again after the wait. So is cleaning up.
    Retry {
        /// Why it failed.
        failure: Failure,
        /// How long to wait.
        wait: Duration,
    },
    /// It failed for good.
    Failed(Failure),
    /// The worker goes away; the job is queued again as it stands and the attempt does not count.
    HandedOver,
    /// Everything that was left of the job is removed; after a cancel or for [`Task::CleanUp`].
    CleanedUp,
}

/// A part of a job that is split.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPart {
    /// What kind of work.
    pub kind: JobKind,
    /// What is to be done.
    pub spec: serde_json::Value,
}

/// A job as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSummary {
    /// Id.
    pub id: JobId,
    /// The job it is a part of.
    pub parent: Option<JobId>,
    /// Its project.
    pub project: ProjectId,
    /// What kind of work.
    pub kind: JobKind,
    /// How urgent.
    pub lane: Lane,
    /// Where it stands.
    pub state: JobState,
    /// Claims so far.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: Micros,
    /// When it was first claimed.
    pub started_at: Option<Micros>,
    /// When it ended.
    pub finished_at: Option<Micros>,
    /// When it will be tried again, while it is queued.
    pub not_before: Option<Micros>,
    /// How far it has come.
    pub progress: JobProgress,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
    /// Name of the worker that has or had it.
    pub worker: Option<String>,
    /// What it came to.
    pub result: Option<serde_json::Value>,
}

/// Which jobs are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Only this kind.
    pub kind: Option<JobKind>,
    /// Only in these states; all where empty.
    pub states: Vec<JobState>,
    /// Only parts of this job; without it parts are not listed.
    pub parent: Option<JobId>,
}

/// Figures of the whole queue, for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueFigures {
    /// Jobs by kind and active state.
    pub active: Vec<(JobKind, JobState, u64)>,
    /// How long the oldest job that could be claimed has waited.
    pub oldest_wait: Duration,
}

/// The queue.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Queues work.
    async fn enqueue(&self, new: NewJob) -> Result<Enqueued, Fault>;

    /// Claims the job that is next: of the projects with the fewest running jobs the one that was
    /// served longest ago, and of that the oldest. Jobs whose worker let the lease run out are among
    /// them.
    async fn claim(&self, limits: &ClaimLimits) -> Result<Option<Claim>, Fault>;

    /// Prolongs the lease and notes progress. A lost lease is a conflict, a cancelled job a `Cancelled`.
    async fn renew(&self, lease: &Lease, progress: &JobProgress) -> Result<(), Fault>;

    /// What is wanted of the job's worker, as it comes up; nothing for one that cleans up.
    fn wishes(&self, lease: &Lease) -> BoxStream<'static, Wish>;

    /// Where the run of a claimed job records its checkpoints. `stop` is raised when a record is
    /// refused.
    fn run_log(&self, lease: &Lease, stop: Stop) -> Arc<dyn RunLog>;

    /// Ends the attempt. A lost lease is a conflict, and one whose job was cancelled meanwhile is
    /// `Cancelled`; neither changes anything, and the lease comes back.
    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<(), Unsettled>;

    /// Cancels a job and its parts. It is final when this returns; what is left of it is removed by a
    /// worker. A job that has ended is a conflict.
    async fn cancel(&self, job: &JobId) -> Result<(), Fault>;

    /// Queues a job that failed or was cancelled once more; what is durable of it is kept.
    async fn retry(&self, job: &JobId) -> Result<(), Fault>;

    /// A job, as lists show it.
    async fn job(&self, job: &JobId) -> Result<Option<JobSummary>, Fault>;

    /// Jobs, newest first; parts of one job in order.
    async fn page(&self, query: &JobQuery, page: &PageRequest) -> Result<Page<JobSummary>, Fault>;

    /// Yields whenever a job may have become claimable, at least every few seconds.
    fn work(&self) -> BoxStream<'static, ()>;

    /// Figures of the whole queue.
    async fn figures(&self) -> Result<QueueFigures, Fault>;

    /// How many workers carry out a job now, by their names.
    async fn workers(&self) -> Result<usize, Fault>;
}
