//! `bench`: programs that measure; medians of paired runs, never a pass or fail in CI.

mod engine;
mod service;

use anyhow::{Result, bail};

/// Runs one benchmark by name.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["engine", rest @ ..] => engine::run(rest),
        ["service", rest @ ..] => service::run(rest),
        _ => bail!("unknown benchmark {words:?}; there are: engine, service"),
    }
}
