//! The queue: one row per job, whose state says what may happen to it next.
//!
//! ```text
//!             claim                     settle
//!   queued ─────────► running ─────────────────────► completed, failed
//!     ▲                 │ │                              │
//!     └── retry, hand ──┘ └── cancel ──► cancelled       │ time is over, or deleted
//!         over, lost lease                   └───────────┴──► cleaned up
//! ```
//!
//! `due_at` alone decides when a row may be claimed: after a wait, when a lease runs out, when the files'
//! time is over. What is then to be done follows from the state. Every claim raises `fence`; whoever
//! writes for a job names the fence of its claim, and a row that does not match is left alone.

mod claim;
mod control;
mod ends;
mod enqueue;
mod failed;
mod lease;
mod list;
mod rows;
mod settle;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use model::{
    Claim, ClaimLimits, Enqueued, Fault, FaultKind, JobId, JobProgress, JobQuery, JobStore, JobSummary, Lease, NewJob,
    Outcome, Page, PageRequest, QueueFigures, RunLog, Stop, Unsettled, Wish,
};

use super::NativeStore;

pub(super) use control::{cancel, discard, requeue};
pub(super) use ends::remove_rows;
pub(super) use enqueue::{NewRow, insert, new_row};
pub(super) use failed::{failed_attempts_of, read as read_failed_attempts};
pub(super) use lease::held;
pub(super) use rows::{failure_of, progress_of, state_of};

#[async_trait]
impl JobStore for NativeStore {
    async fn enqueue(&self, new: NewJob) -> Result<Enqueued, Fault> {
        self.enqueue_job(new).await
    }

    async fn claim(&self, limits: &ClaimLimits) -> Result<Option<Claim>, Fault> {
        self.claim_next(limits).await
    }

    async fn renew(&self, lease: &Lease, progress: &JobProgress) -> Result<(), Fault> {
        self.renew_lease(lease, progress).await
    }

    fn wishes(&self, lease: &Lease) -> BoxStream<'static, Wish> {
        self.job_wishes(lease)
    }

    fn run_log(&self, lease: &Lease, stop: Stop) -> Arc<dyn RunLog> {
        self.job_log(lease, stop)
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<(), Unsettled> {
        self.settle_job(&lease, outcome).await.map_err(|fault| Unsettled { lease, fault })
    }

    async fn cancel(&self, job: &JobId) -> Result<(), Fault> {
        self.cancel_job(job).await
    }

    async fn retry(&self, job: &JobId) -> Result<(), Fault> {
        self.retry_job(job).await
    }

    async fn job(&self, job: &JobId) -> Result<Option<JobSummary>, Fault> {
        self.find_job(job).await
    }

    async fn page(&self, query: &JobQuery, page: &PageRequest) -> Result<Page<JobSummary>, Fault> {
        self.list_jobs(query, page).await
    }

    fn work(&self) -> BoxStream<'static, ()> {
        self.signals.looks()
    }

    async fn figures(&self) -> Result<QueueFigures, Fault> {
        self.queue_figures().await
    }

    async fn workers(&self) -> Result<usize, Fault> {
        self.workers_at_work().await
    }
}

fn no_such_job(job: &JobId) -> Fault {
    Fault::new(FaultKind::NotFound, format!("there is no job {job}"))
}

/// What a worker is told that lost its lease.
fn lease_lost(job: &JobId) -> Fault {
    Fault::new(FaultKind::Conflict, format!("job {job} was taken over by another worker"))
}
