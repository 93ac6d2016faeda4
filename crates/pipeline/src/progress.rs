//! How far a run has come, for bars, events and the log.

use std::sync::{Arc, Mutex, PoisonError};

use model::{ByteCount, FileName, Plan, ProjectId, RowCount, RunId, TableName};

/// Somebody who watches a run. Called from the run's own task: it must return at once.
pub trait Progress: Send + Sync {
    /// The state after rows were read or written. `share` and all counts only grow.
    fn update(&self, state: &ProgressState);
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProgressState {
    /// Part of the planned bytes that was passed, from 0 to 1. The plan does not know the filter, so
    /// this is where the run stands in the data, not how many rows are left.
    pub share: f64,
    /// Rows written, earlier attempts included.
    pub rows: RowCount,
    /// Bytes written to files, earlier attempts included.
    pub bytes_written: ByteCount,
    /// Files that are complete.
    pub files_done: usize,
    /// The file under way.
    pub file: Option<FileName>,
}

/// Nobody watches.
pub struct Silent;

impl Progress for Silent {
    fn update(&self, _state: &ProgressState) {}
}

/// Collects what reading and writing report, so that whoever watches sees one growing state.
pub(crate) struct Watch {
    progress: Arc<dyn Progress>,
    limit: Option<RowCount>,
    state: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    shown: ProgressState,
    /// Share of the whole that was done before the plan.
    share_before: f64,
    bytes_planned: ByteCount,
}

impl Watch {
    pub(crate) fn new(progress: Arc<dyn Progress>, limit: Option<RowCount>) -> Self {
        Self { progress, limit, state: Mutex::default() }
    }

    /// Takes the plan of what is left behind `rows` rows.
    pub(crate) fn planned(&self, rows: RowCount, plan: &Plan) {
        // The plan of the rest is an upper bound, so the share of what is done is a lower one.
        let all = rows + plan.rows();
        self.change(|state| {
            state.share_before = if all == RowCount::ZERO { 0.0 } else { rows.get() as f64 / all.get() as f64 };
            state.bytes_planned = plan.bytes();
            state.shown.rows = rows;
        });
    }

    /// So many planned bytes lie behind the rows that are written, or that a receiver has answered for. Never all of the
    /// run: what was planned is about what there is, and its last rows may still be on their way.
    pub(crate) fn passed(&self, bytes: ByteCount) {
        self.change(|state| {
            if state.bytes_planned > ByteCount::ZERO {
                let share = bytes.get() as f64 / state.bytes_planned.get() as f64;
                let share = state.share_before + (1.0 - state.share_before) * share;
                state.shown.share = share.min(SHARE_UNFINISHED_MAX);
            }
        });
    }

    /// So much has been written.
    pub(crate) fn written(&self, rows: RowCount, bytes: ByteCount, files_done: usize, file: Option<&FileName>) {
        self.change(|state| {
            let shown = &mut state.shown;
            (shown.rows, shown.bytes_written, shown.files_done) = (rows, bytes, files_done);
            shown.file = file.cloned();
            if let Some(limit) = self.limit {
                let share = rows.get() as f64 / limit.get().max(1) as f64;
                shown.share = shown.share.max(share.min(SHARE_UNFINISHED_MAX));
            }
        });
    }

    /// The manifest is written.
    pub(crate) fn finished(&self) {
        self.change(|state| state.shown.share = 1.0);
    }

    /// Shows the changed state. What a run has to do again is not shown as lost.
    fn change(&self, change: impl FnOnce(&mut Watched)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.shown.clone();
        change(&mut state);
        let shown = &mut state.shown;
        shown.share = shown.share.clamp(before.share, 1.0);
        shown.rows = shown.rows.max(before.rows);
        shown.bytes_written = shown.bytes_written.max(before.bytes_written);
        self.progress.update(shown);
    }
}

/// What is shown at most before the manifest is written.
const SHARE_UNFINISHED_MAX: f64 = 0.99;

/// One log line per this many rows: often enough to see that a run lives, seldom enough to read.
const LOG_ROWS: u64 = 10_000;

/// Logs the multiples of [`LOG_ROWS`] that a run passes.
pub(crate) struct RowLog {
    run: RunId,
    project: ProjectId,
    table: TableName,
    logged: u64,
}

impl RowLog {
    /// Starts after the rows of earlier attempts, which have been logged.
    pub(crate) fn new(run: RunId, project: ProjectId, table: TableName, rows: RowCount) -> Self {
        Self { run, project, table, logged: rows.get() / LOG_ROWS }
    }

    /// Takes the rows written so far.
    pub(crate) fn passed(&mut self, rows: RowCount) {
        while (self.logged + 1) * LOG_ROWS <= rows.get() {
            self.logged += 1;
            let rows = self.logged * LOG_ROWS;
            tracing::info!(
                run.id = %self.run,
                project.id = %self.project,
                rows,
                "exporting {} of project {}: {rows} rows",
                self.table,
                self.project,
            );
        }
    }
}
