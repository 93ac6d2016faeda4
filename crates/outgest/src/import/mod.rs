//! Files in, stored rows out: JSONL, JSON arrays, CSV and Parquet, compressed or not.
//!
//! [`import`] reads rows with the physical column names of a stored table or with the column names
//! of an export, checks every one and hands batches to a [`Sink`]. Unless rejects are asked for, the
//! first bad row ends the import before anything is committed. What an export file carries but a
//! stored table cannot take back (score columns, comments, derived columns) is counted and
//! reported, never dropped in silence.
//!
//! Reading and parsing happen on a thread of their own, so that they overlap with what the sink
//! does. How rows are stored, and what one commit is there, is the sink's matter.

mod array;
mod buffer;
pub mod command;
mod comments;
mod csv;
mod filler;
mod format;
mod gzip;
mod input;
mod json;
mod layout;
mod lines;
mod models;
mod parquet;
mod problem;
mod rejects;
mod report;
mod run;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

use arrow_array::RecordBatch;
use model::{ByteCount, Fault, Micros, ProjectId, Stop, StoredTable, TableSpec};

pub use comments::NewComment;
pub use input::Input;
pub use models::NewModel;
#[cfg(test)]
use report::Ignored;
pub use report::Report;
use run::{Parcel, Run};

/// Name of comments among the tables that can be imported; they are no stored table.
pub const COMMENTS: &str = "comments";
/// Name of models among the tables that can be imported; their prices are kept, in no stored table.
pub const MODELS: &str = "models";

/// Batches between the parsing thread and the sink: one being stored, one waiting. A batch is
/// 8 MiB and at most one row more.
const PARCELS_WAITING: usize = 1;

/// A stored table that rows can be imported into.
#[derive(Clone, Debug)]
pub struct Importable {
    /// The table.
    pub stored: Arc<StoredTable>,
    /// The export of its rows, whose column names are understood too.
    pub export: Arc<TableSpec>,
}

/// What an import is asked to do.
#[derive(Clone)]
pub struct Options {
    /// Project of rows that name none; rows that name another are bad.
    pub project: Option<ProjectId>,
    /// `events`, `scores`, `comments` or `models`; told from the first row of each file where `None`.
    pub table: Option<String>,
    /// Time of the import: `event_ts`, `created_at` and `updated_at` of rows that lack them.
    pub now: Micros,
    /// Where bad rows are written. Without it the first bad row ends the import.
    pub rejects: Option<PathBuf>,
    /// A longer row is bad, and is not read to its end.
    pub row_bytes_max: ByteCount,
    /// Commit whenever this many bytes were handed to the sink, for input that does not end.
    pub commit_every: Option<ByteCount>,
    /// Raised when the import should end early; no commit begins after that.
    pub stop: Stop,
    /// What whoever asked for the import can do about bad input.
    pub advice: Advice,
    /// Tells whether a commit is under way.
    pub committing: Committing,
}

/// What can be done about bad input, in words of the place where the import was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// A row is bad.
    pub bad_row: &'static str,
    /// A row names another project than the import.
    pub other_project: &'static str,
    /// Nothing tells which table rows belong to.
    pub no_table: &'static str,
}

impl Advice {
    /// For `outgest import`.
    pub const COMMAND_LINE: Self = Self {
        bad_row: "correct the row, or give --rejects FILE to store the good rows",
        other_project: "leave --project out where rows name their project, or give --rejects FILE",
        no_table: "give --table events, scores, comments or models to learn which column is missing",
    };
}

/// Whether a commit is under way. One that began before the import was stopped is made to its end.
#[derive(Clone, Debug, Default)]
pub struct Committing(Arc<AtomicBool>);

impl Committing {
    /// Whether it is at this moment.
    pub fn is_under_way(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Commits, unless the import was stopped before. Whoever stopped it and then sees no commit under way can
    /// rely on there being none.
    fn commit(&self, stop: &Stop, sink: &mut dyn Sink) -> Result<(), Fault> {
        self.0.store(true, Ordering::SeqCst);
        let committed = stop.check().and_then(|()| sink.commit());
        self.0.store(false, Ordering::SeqCst);
        committed
    }
}

impl Options {
    /// Largest row unless told otherwise: promise 12's `row_bytes_max`.
    pub const ROW_BYTES_MAX: ByteCount = ByteCount::mebibytes(100);

    /// The defaults: any project, any table, no rejects, one commit.
    pub fn at(now: Micros) -> Self {
        Self {
            project: None,
            table: None,
            now,
            rejects: None,
            row_bytes_max: Self::ROW_BYTES_MAX,
            commit_every: None,
            stop: Stop::new(),
            advice: Advice::COMMAND_LINE,
            committing: Committing::default(),
        }
    }
}

/// Where imported rows go.
pub trait Sink {
    /// Takes rows of a stored table, in its schema. They become visible with the next commit.
    fn rows(&mut self, table: &Arc<StoredTable>, batch: RecordBatch) -> Result<(), Fault>;

    /// Takes comments. They become visible with the next commit.
    fn comments(&mut self, comments: Vec<NewComment>) -> Result<(), Fault>;

    /// Takes prices of models. They become visible with the next commit.
    fn models(&mut self, models: Vec<NewModel>) -> Result<(), Fault>;

    /// Makes all that was taken visible.
    fn commit(&mut self) -> Result<(), Fault>;
}

/// Imports files in order and commits.
///
/// On failure nothing since the last commit is visible; without `commit_every` that is nothing at all.
pub fn import(
    inputs: Vec<Input>,
    tables: &[Importable],
    options: &Options,
    sink: &mut dyn Sink,
) -> Result<Report, Fault> {
    let (send, receive) = sync_channel(PARCELS_WAITING);
    let run = Run::new(tables, options, send)?;
    std::thread::scope(|scope| {
        let parsing = std::thread::Builder::new()
            .name("import".to_owned())
            .spawn_scoped(scope, move || run.carry_out(inputs))
            .map_err(|error| Fault::bug("cannot start the import thread").because(error))?;
        let mut committed = false;
        let stored = receive.into_iter().try_for_each(|parcel| match parcel {
            Parcel::Rows(table, batch) => sink.rows(&table, batch),
            Parcel::Comments(comments) => sink.comments(comments),
            Parcel::Models(models) => sink.models(models),
            Parcel::Commit => {
                options.committing.commit(&options.stop, sink)?;
                committed = true;
                Ok(())
            }
        });
        let (parsed, rejects) = parsing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if committed && let Some(rejects) = rejects {
            rejects.keep();
        }
        // The sink's failure comes first: the parsing thread then only saw its reader gone.
        stored.and(parsed)
    })
}
