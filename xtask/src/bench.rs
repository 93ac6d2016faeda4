//! `bench`: programs that measure; medians of paired runs, never a pass or fail in CI.

mod engine;

use anyhow::{Result, bail};

/// Runs one benchmark by name.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["engine", rest @ ..] => engine::run(rest),
        _ => bail!("unknown benchmark {words:?}; there is: engine"),
    }
}
