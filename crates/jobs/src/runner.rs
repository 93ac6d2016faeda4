//! Who carries jobs out: the only thing that knows what a job does.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Fault, Job, NewPart, RunLog};
use pipeline::Progress;

/// Carries jobs out.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Carries a job out, from its checkpoint where it has one. It ends soon after the log's stop is
    /// raised, leaving behind what the reason allows. A job whose parts are done is ended.
    async fn run(&self, job: &Job, context: Context) -> Result<Done, Fault>;

    /// Removes everything that is left of a job and of its parts. Doing so twice is fine.
    async fn clean_up(&self, job: &Job) -> Result<(), Fault>;
}

/// What an attempt is connected to.
#[derive(Clone)]
pub struct Context {
    /// Where checkpoints are recorded, and who may stop the attempt.
    pub log: Arc<dyn RunLog>,
    /// Token of the attempt's lease, for what is written beside the log.
    pub token: u64,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// The work is done; the result is kept with the job.
    Completed(serde_json::Value),
    /// It is split into parts that any worker can take.
    Split(Vec<NewPart>),
}
