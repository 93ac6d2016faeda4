//! The worker: claims jobs, has them carried out, and says how they ended. Beside it the scheduler, which makes
//! jobs of windows that have ended ([`Scheduler`]).
//!
//! ```text
//!   worker.rs      attempt.rs                         runner.rs
//!   claim ───────► renew the lease, hear wishes ────► run, or clean up (the binary wires the pipeline)
//!                  settle by outcome (retry.rs)
//! ```
//!
//! A [`Worker`] has a few places; each holds one attempt of one job. While it runs, its lease is renewed
//! and its progress reported ([`meter`]). An attempt ends early in four ways: the job is cancelled, the
//! process is drained (the job goes back to the queue as it stands), the lease is lost (nothing is
//! touched any more), or it fails, and then [`retry`] decides by the kind of fault whether and when it is
//! tried again.
//!
//! It knows the queue only as [`model::JobStore`], the work only as [`Runner`], and neither SQL nor HTTP.

pub mod metrics;
pub mod notices;

mod attempt;
mod meter;
mod retry;
mod runner;
mod scheduler;
mod worker;

pub use retry::RetryRule;
pub use runner::{Context, Done, Runner};
pub use scheduler::{BetweenTicks, FirstRows, Scheduler, Ticked};
pub use worker::{Worker, WorkerSettings};

#[cfg(test)]
mod tests;
