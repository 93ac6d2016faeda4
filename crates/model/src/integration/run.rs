//! What became of a window: its run, what was written, and what was found out about it later.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    BackfillId, ByteCount, Cursor, FailedAttempt, Failure, FileName, FileReceipt, IntegrationId, IntegrationTable,
    JobId, JobProgress, Lane, ManifestColumn, Micros, ProjectId, RowCount, Span, TableDelivery, WindowName,
};

/// Why a window is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunCause {
    /// It has ended.
    Schedule,
    /// Somebody did not want to wait for its end.
    Request,
    /// It lies in the past.
    Backfill,
    /// Rows of it were found missing afterwards.
    Reconcile,
}

impl RunCause {
    /// Every cause.
    pub const ALL: [Self; 4] = [Self::Schedule, Self::Request, Self::Backfill, Self::Reconcile];

    /// The name in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Request => "request",
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
        }
    }

    /// The cause of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == name)
    }

    /// How urgent a window is.
    pub fn lane(self) -> Lane {
        match self {
            Self::Schedule | Self::Request => Lane::Live,
            Self::Backfill | Self::Reconcile => Lane::Backfill,
        }
    }
}

/// Where the run of a window stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for a worker, perhaps until a time.
    Queued,
    /// A worker has it.
    Running,
    /// Its manifest is visible.
    Completed,
    /// It waits until somebody has changed something and resumes the integration.
    Failed,
    /// It was cancelled with its integration or backfill.
    Cancelled,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The name in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What a worker is told of a window: the spec of its job. Settings and secrets are read when it is claimed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowJob {
    /// Version of this shape.
    pub version: u16,
    /// The integration.
    pub integration: IntegrationId,
    /// The window.
    pub span: Span,
    /// Whether it lies between neighbouring boundaries of the integration's grid.
    pub on_grid: bool,
    /// Which export of the window it is.
    pub revision: u32,
    /// When it was planned: "now" of the run, for every attempt.
    pub planned_at: Micros,
    /// Only these rows: those that an earlier revision lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowsOfTable>,
    /// The manifest whose window this revision completes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<FileName>,
}

/// Rows of one table by their ids; all of them where no id is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsOfTable {
    /// Table.
    pub table: String,
    /// Ids.
    pub ids: Vec<String>,
    /// The trace of each of them, empty where a row has none; no trace at all in jobs of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace_ids: Vec<String>,
}

impl RowsOfTable {
    /// Rows that are named, about 10 MB. Where more are meant all rows of the table are.
    pub const NAMED_MAX: usize = 50_000;

    /// Most groups of [`by_trace`](Self::by_trace): each is a part of a statement.
    const GROUPS_MAX: usize = 100;

    /// Rows of a table, each by its trace and its id.
    pub fn new(table: impl Into<String>, rows: impl IntoIterator<Item = (String, String)>) -> Self {
        let (trace_ids, ids) = rows.into_iter().unzip();
        Self { table: table.into(), ids, trace_ids }
    }

    /// The ids, each with its trace.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str)> {
        let traces = self.trace_ids.iter().map(String::as_str).chain(std::iter::repeat(""));
        traces.zip(self.ids.iter().map(String::as_str))
    }

    /// Traces and the ids in them: a row is meant whose trace and id are in one group. Beyond
    /// 100 traces some share a group. One group without traces where traces are not known.
    pub fn by_trace(&self) -> Vec<(Vec<String>, Vec<String>)> {
        if self.trace_ids.len() != self.ids.len() {
            return vec![(Vec::new(), self.ids.clone())];
        }
        let mut traces: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (trace, id) in self.rows() {
            traces.entry(trace).or_default().push(id.to_owned());
        }
        let traces: Vec<(&str, Vec<String>)> = traces.into_iter().collect();
        let together = traces.len().div_ceil(Self::GROUPS_MAX).max(1);
        let group = |some: &[(&str, Vec<String>)]| {
            let ids = some.iter().flat_map(|(_, ids)| ids.clone()).collect();
            (some.iter().map(|(trace, _)| (*trace).to_owned()).collect(), ids)
        };
        traces.chunks(together).map(group).collect()
    }
}

impl WindowJob {
    /// Version that this build reads and writes.
    pub const VERSION: u16 = 1;

    /// What its files are called.
    pub fn name(&self) -> WindowName {
        WindowName { span: self.span, on_grid: self.on_grid, revision: self.revision }
    }
}

/// What the export of a window came to: the result of its job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WindowResult {
    /// The manifest; `None` for destinations that have none.
    pub manifest: Option<FileName>,
    /// Its files in order.
    pub files: Vec<FileReceipt>,
    /// Rows, or events that were accepted.
    pub rows: RowCount,
    /// Bytes.
    pub bytes: ByteCount,
    /// Rows that started before the window, or, with cursor `start_time`, rows of windows exported
    /// before that were stored since: a revision has those that the comparison finds, no file the others.
    pub late_rows: RowCount,
    /// Deletions of the window.
    #[serde(deserialize_with = "RowCount::of_null")]
    pub deleted_rows: RowCount,
    /// Rows that the receiver refused; they are dead letters.
    pub rejected_rows: RowCount,
    /// What became of each table's events, where the destination takes events.
    pub deliveries: Vec<TableDelivery>,
    /// What was asked of the source, where the keys of all events were kept: what the source is compared with later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedRows>,
    /// Columns by table, for the next run to compare with.
    pub columns: Vec<TableColumns>,
    /// Names of scores by table, for all later runs to compare with: whoever completes the run keeps them with the
    /// integration, not with the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub score_names: Vec<ScoreNames>,
    /// What differs from the columns of the window before, and score names that no window had before.
    pub schema_changed: Vec<SchemaChange>,
    /// What the reader should know.
    pub warnings: Vec<String>,
}

/// Which rows a window of events was made of. Settings may have changed by the time it is compared with its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedRows {
    /// The timestamp that the window was measured on.
    pub cursor: Cursor,
    /// Its tables and their filters.
    pub tables: Vec<IntegrationTable>,
}

/// The columns of one table's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableColumns {
    /// Table, as its files have it.
    pub table: String,
    /// Columns in order.
    pub columns: Vec<ManifestColumn>,
    /// Grows when the columns change.
    pub schema_version: u32,
}

/// Names of the scores in one table, as far as they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreNames {
    /// Table, as its files have it.
    pub table: String,
    /// The names.
    pub names: BTreeSet<String>,
    /// Whether there were more names than are kept: of what is not among these nobody knows whether it is new.
    pub more: bool,
}

impl ScoreNames {
    /// Names that are kept of a table: whoever has more of them writes ids or sentences there.
    pub const MAX: usize = 1_000;

    /// Bytes of the names that are kept of a table.
    pub const BYTES_MAX: usize = 64 << 10;

    /// Adds names in order, until the first one for which there is no room. Nothing is added any more after that.
    /// Returns whether all of them are there.
    pub fn add(&mut self, names: &BTreeSet<String>) -> bool {
        let mut bytes: usize = self.names.iter().map(String::len).sum();
        for name in names {
            if self.names.contains(name) {
                continue;
            }
            bytes += name.len();
            self.more |= self.names.len() >= Self::MAX || bytes > Self::BYTES_MAX;
            if self.more {
                return false;
            }
            self.names.insert(name.clone());
        }
        true
    }
}

/// A difference between the columns of two windows, or score names that are new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaChange {
    /// Table.
    pub table: String,
    /// Columns that are new.
    pub added: Vec<String>,
    /// Columns that are gone.
    pub removed: Vec<String>,
    /// Names of scores that no window had before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub score_names: Vec<String>,
}

impl SchemaChange {
    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.score_names.is_empty()
    }
}

/// What was found out about a window after it was exported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FoundLater {
    /// When it was compared with the source, or was to be.
    pub at: Micros,
    /// Rows of the source that were not exported, or in an older version; a revision has them now.
    pub missing_rows: RowCount,
    /// Exported rows that have changed since or are gone: a later window, or the revision, has them as they are now.
    pub superseded_rows: RowCount,
    /// The run of the revision.
    pub revision: Option<JobId>,
    /// Why it could not be compared the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What comparing a window with its source came to: the result of its job. Whoever completes the job notes it and plans
/// the revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What was found out; the revision is not known yet.
    pub found: FoundLater,
    /// The rows that a revision is to have.
    pub missing: Vec<RowsOfTable>,
}

/// The run of a window, over all its attempts.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowRun {
    /// Id; also that of its job.
    pub id: JobId,
    /// The integration.
    pub integration: IntegrationId,
    /// Its project.
    pub project: ProjectId,
    /// The window.
    pub name: WindowName,
    /// Why it is exported.
    pub cause: RunCause,
    /// The backfill it is a part of.
    pub backfill: Option<BackfillId>,
    /// Where it stands.
    pub state: RunState,
    /// When it was planned.
    pub planned_at: Micros,
    /// When a worker first took it.
    pub started_at: Option<Micros>,
    /// When it ended.
    pub finished_at: Option<Micros>,
    /// When it is tried again, while it waits after a failure.
    pub retry_at: Option<Micros>,
    /// How often a worker took it.
    pub attempts: u32,
    /// How far it has come, while it is running.
    pub progress: JobProgress,
    /// What it came to, once it is completed.
    pub result: Option<WindowResult>,
    /// What was found out later.
    pub found_later: Option<FoundLater>,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
    /// Attempts that failed, the oldest first, also once it is completed; of many the newest
    /// [`FailedAttempt::KEPT`].
    pub failed_attempts: Vec<FailedAttempt>,
}

/// Which runs are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only in these states; all where empty.
    pub states: Vec<RunState>,
    /// Only of this backfill.
    pub backfill: Option<BackfillId>,
}

/// A stretch of time whose windows stand alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The stretch.
    pub span: Span,
    /// Where its windows stand; `None` where none was planned.
    pub state: Option<RunState>,
    /// Number of windows.
    pub windows: u64,
}

/// A row that a receiver refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptLetter {
    /// Id.
    pub id: String,
    /// The run that met it.
    pub run: JobId,
    /// Table.
    pub table: String,
    /// Trace of the row; empty where the table has none.
    pub trace_id: String,
    /// Id of the row.
    pub row: String,
    /// The receiver's reason.
    pub reason: String,
    /// When it was refused.
    pub at: Micros,
    /// What was sent, as far as it is kept.
    pub event: serde_json::Value,
}

/// What is kept of one table of a run, from a number on: its dead letters, or the keys of what it sent. Numbers go on
/// over all attempts of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFrom {
    /// The run.
    pub run: JobId,
    /// The table.
    pub table: String,
    /// The first number.
    pub number: u64,
    /// Token of the lease under which the run is carried out.
    pub token: u64,
}

impl KeptFrom {
    /// The id of the letter `later` numbers behind the first. Ids sort as the numbers do.
    pub fn id(&self, later: u64) -> String {
        format!("{}.{}.{:010}", self.run, self.table, self.number.saturating_add(later))
    }

    /// Greater than the id of every letter of the table.
    pub fn end(&self) -> String {
        format!("{}.{}.9999999999", self.run, self.table)
    }
}
