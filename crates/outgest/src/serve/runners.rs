//! Who carries out which kind of job.

use async_trait::async_trait;
use jobs::{Context, Done, Runner};
use model::{Fault, Job, JobKind};

use super::runner::ExportRunner;
use super::sharing::Beginnings;
use crate::integrations::{Reconciler, WindowRunner};

/// Carries out every kind of job.
pub struct Runners {
    /// Exports, and files of those with several.
    pub exports: ExportRunner,
    /// Windows of integrations.
    pub windows: WindowRunner,
    /// Comparisons of windows with their source.
    pub reconciler: Reconciler,
    /// Who is told that a job begins to read.
    pub beginnings: Beginnings,
}

#[async_trait]
impl Runner for Runners {
    async fn run(&self, job: &Job, context: Context) -> Result<Done, Fault> {
        self.beginnings.tell();
        let done = match job.kind {
            JobKind::Export | JobKind::File => self.exports.run(job, context).await,
            JobKind::Window => self.windows.run(job, context).await,
            JobKind::Reconcile => self.reconciler.run(job, context).await,
        };
        // A worker may wait for hours now; other runs of it miss the blocks only once.
        crate::ALLOCATOR.clear();
        done
    }

    async fn clean_up(&self, job: &Job) -> Result<(), Fault> {
        match job.kind {
            JobKind::Export | JobKind::File => self.exports.clean_up(job).await,
            JobKind::Window => self.windows.clean_up(job).await,
            // A comparison writes nothing.
            JobKind::Reconcile => Ok(()),
        }
    }
}
