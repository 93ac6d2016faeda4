//! The two loops: the scheduler (windows due become jobs) and the worker (claim, run, settle).
//!
//! No SQL, no HTTP and no concrete plug-in: what they need comes through ports.

pub mod metrics;

pub mod notices;
