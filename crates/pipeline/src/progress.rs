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
    state: Mutex<ProgressState>,
    /// Share of the whole that earlier attempts did.
    share_before: f64,
    bytes_planned: ByteCount,
    limit: Option<RowCount>,
}

impl Watch {
    /// Starts with the rows of earlier attempts and what is left to do.
    pub(crate) fn new(progress: Arc<dyn Progress>, rows: RowCount, plan: &Plan, limit: Option<RowCount>) -> Self {
        // The plan of the rest is an upper bound, so the share of what is done is a lower one.
        let all = rows + plan.rows();
        let share_before = if all == RowCount::ZERO { 0.0 } else { rows.get() as f64 / all.get() as f64 };
        let state = ProgressState { rows, ..ProgressState::default() };
        Self { progress, state: Mutex::new(state), share_before, bytes_planned: plan.bytes(), limit }
    }

    /// So many planned bytes lie behind the rows that are being encoded.
    pub(crate) fn passed(&self, bytes: ByteCount) {
        if self.bytes_planned > ByteCount::ZERO {
            let share = bytes.get() as f64 / self.bytes_planned.get() as f64;
            self.change(|state| state.share = self.share_before + (1.0 - self.share_before) * share);
        }
    }

    /// So much has been written.
    pub(crate) fn written(&self, rows: RowCount, bytes: ByteCount, files_done: usize, file: Option<&FileName>) {
        self.change(|state| {
            state.rows = rows;
            state.bytes_written = bytes;
            state.files_done = files_done;
            state.file = file.cloned();
            if let Some(limit) = self.limit {
                state.share = state.share.max(rows.get() as f64 / limit.get().max(1) as f64);
            }
        });
    }

    /// The manifest is written.
    pub(crate) fn finished(&self) {
        self.change(|state| state.share = 1.0);
    }

    fn change(&self, change: impl FnOnce(&mut ProgressState)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.share;
        change(&mut state);
        state.share = state.share.clamp(before, 1.0);
        self.progress.update(&state);
    }
}

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
