//! Deterministic, realistic data: traces of chats, retrieval, agents and pipelines.
//!
//! [`batches`] streams stored events, their scores and comments. The same options give the same rows
//! on every machine: all randomness is ChaCha8 over the seed, one stream per trace, all arithmetic
//! is on integers, and the clock is a parameter. All text is made of words of our own.
//!
//! It models what makes real data hard: rows from 0.2 to 20 kB that repeat their history, nested
//! spans, late arrivals, corrected versions, deletions, unicode, duplicate metadata keys, and days
//! and nights. It does not model any particular application.

mod clickhouse;
mod clock;
pub mod command;
mod event;
mod files;
mod payload;
mod random;
mod score;
mod stream;
mod trace;
mod words;

#[cfg(test)]
mod tests;

use arrow_array::RecordBatch;
use model::{Comment, Fault, FieldProblem, Micros, ProjectId};

pub use files::{ParquetFile, write_jsonl};
pub use stream::Batches;

/// 2026-07-01T00:00:00Z.
const DEFAULT_END: Micros = Micros(1_782_864_000_000_000);
/// Ten years: beyond it the first day would lie before anything that is stored.
const DAYS_MAX: u32 = 3_650;
/// Live events are what is counted, so not all may be deleted.
const DELETIONS_MAX: f64 = 0.5;

/// What is generated.
#[derive(Clone, Debug)]
pub struct Options {
    /// Project of every row.
    pub project: ProjectId,
    /// Number of live events: deleted ones and older versions come on top.
    pub events: u64,
    /// Seed of all randomness.
    pub seed: u64,
    /// Days the events spread over.
    pub days: u32,
    /// Where the last day ends. Events start before it; late and corrected versions may be stored after it.
    pub end: Micros,
    /// Share of the events that are stored hours after they happened, from 0 to 1.
    pub late: f64,
    /// Share of the events that get a further version later, from 0 to 1.
    pub updates: f64,
    /// Share of the events that are deleted later, from 0 to 0.5.
    pub deletions: f64,
    /// Share of the scores that get a further version later, from 0 to 1: another value, name or time.
    pub score_updates: f64,
    /// Share of the scores that are deleted later, from 0 to 1.
    pub score_deletions: f64,
}

impl Options {
    /// Two weeks of `events` events up to 2026-07-01, with the usual trouble. Scores have one version each.
    pub fn new(project: ProjectId, events: u64, seed: u64) -> Self {
        Self {
            project,
            events,
            seed,
            days: 14,
            end: DEFAULT_END,
            late: 0.02,
            updates: 0.03,
            deletions: 0.005,
            score_updates: 0.0,
            score_deletions: 0.0,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let mut problems = Vec::new();
        for (option, share, most) in [
            ("--late", self.late, 1.0),
            ("--updates", self.updates, 1.0),
            ("--deletions", self.deletions, DELETIONS_MAX),
            ("--score-updates", self.score_updates, 1.0),
            ("--score-deletions", self.score_deletions, 1.0),
        ] {
            if !(0.0..=most).contains(&share) {
                problems.push(FieldProblem::new(option, format!("{share} is not a share from 0 to {most}")));
            }
        }
        if !(1..=DAYS_MAX).contains(&self.days) {
            problems.push(FieldProblem::new("--days", format!("{} is not from 1 to {DAYS_MAX}", self.days)));
        }
        if problems.is_empty() { Ok(()) } else { Err(Fault::of_problems(problems)) }
    }
}

/// Some of the generated rows, in the order they would be stored.
#[derive(Clone, Debug)]
pub struct Generated {
    /// Rows of the stored table of events.
    pub events: RecordBatch,
    /// Rows of the stored table of scores.
    pub scores: RecordBatch,
    /// Comments on events.
    pub comments: Vec<Comment>,
}

/// The rows of `options`, batch by batch, each of about 8,192 events or 8 MiB and at most one trace more.
pub fn batches(options: Options) -> Result<Batches, Fault> {
    options.check()?;
    Ok(Batches::new(options))
}
