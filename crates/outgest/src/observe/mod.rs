//! What the program tells about itself: log lines, traces, metrics.
//!
//! Spans carry `run.id` and `project.id`; every log line of a run carries them too. `main` installs what is
//! built here, nothing else does.

pub mod log;
pub mod metrics;
pub mod traces;

mod json;
