//! What became of windows.

use model::{Page, RunQuery};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::super::export::{FailedAttempt, Failure, Progress};
use super::super::instant;
use crate::problem::{Answer, Problem};

/// The run of a window, over all its attempts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WindowRun {
    /// Id.
    id: String,
    /// First instant of the window.
    #[schema(format = DateTime)]
    from: String,
    /// First instant after it.
    #[schema(format = DateTime)]
    to: String,
    /// What tells the names of its files apart from others.
    #[schema(example = "2026-08-01T12-00-00")]
    stem: String,
    /// Which export of the window it is, from 1.
    revision: u32,
    /// Why it was exported.
    cause: RunCause,
    /// The backfill it is a part of.
    #[schema(required)]
    backfill: Option<String>,
    /// Where it stands.
    state: RunState,
    /// When it was planned.
    #[schema(format = DateTime)]
    planned_at: String,
    /// When a worker first took it.
    #[schema(required, format = DateTime)]
    started_at: Option<String>,
    /// When it ended.
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
    /// When it is tried again, while it waits after a failure.
    #[schema(required, format = DateTime)]
    retry_at: Option<String>,
    /// How often a worker took it.
    attempts: u32,
    /// How far it has come; final figures once it is completed.
    progress: Progress,
    /// What was written, once it is completed.
    #[schema(required)]
    result: Option<RunResult>,
    /// What was found out later.
    #[schema(required)]
    found_later: Option<FoundLater>,
    /// Why the last attempt failed.
    #[schema(required)]
    failure: Option<Failure>,
    /// Attempts that failed, the oldest first, also once it is completed; of many the newest 20.
    failed_attempts: Vec<FailedAttempt>,
}

/// Why a window was exported.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RunCause {
    /// It had ended.
    Schedule,
    /// Somebody asked for it.
    Request,
    /// It lay in the past.
    Backfill,
    /// Rows of it were missing.
    Reconcile,
}

/// Where a run stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WindowRunState)]
pub(crate) enum RunState {
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Everything is written.
    Completed,
    /// It waits until the integration is resumed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl From<model::RunState> for RunState {
    fn from(state: model::RunState) -> Self {
        match state {
            model::RunState::Queued => Self::Queued,
            model::RunState::Running => Self::Running,
            model::RunState::Completed => Self::Completed,
            model::RunState::Failed => Self::Failed,
            model::RunState::Cancelled => Self::Cancelled,
        }
    }
}

/// What a run came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunResult {
    /// Key of the manifest; null for destinations without files.
    #[schema(required)]
    manifest: Option<String>,
    /// Files in the order of the manifest.
    files: Vec<WindowFile>,
    /// Rows, or events that were accepted.
    rows: u64,
    /// Bytes.
    bytes: u64,
    /// Rows that started before the window; with cursor `start_time` those of windows exported before that
    /// were stored since: a revision has those that the comparison finds, no file the others.
    late_rows: u64,
    /// Deletions of the window.
    deleted_rows: u64,
    /// Rows that the receiver refused: dead letters.
    rejected_rows: u64,
    /// What became of each table's events; empty for destinations of files.
    deliveries: Vec<TableDelivery>,
    /// What differs from the columns of the window before, and score names that no window had before.
    schema_changed: Vec<SchemaChange>,
    /// What the reader should know.
    warnings: Vec<String>,
}

/// A file of a window.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WindowFile {
    /// Key.
    key: String,
    /// Table.
    table: String,
    /// Rows.
    rows: u64,
    /// Size.
    bytes: u64,
    /// SHA-256 in hexadecimal.
    sha256: String,
}

/// What became of the events of one table.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TableDelivery {
    /// Table.
    table: String,
    /// Where they went.
    #[schema(example = "PostHog at https://eu.i.posthog.com")]
    destination: String,
    /// Rows that were read: the sum of accepted and rejected.
    read: u64,
    /// Events that the receiver acknowledged.
    accepted: u64,
    /// Events that the receiver refused: dead letters.
    rejected: u64,
    /// Events that were sent more than once, under the same ids.
    retried: u64,
    /// Requests that were answered.
    requests: u64,
    /// Bytes of the accepted events, before compression.
    bytes: u64,
}

/// A difference between the columns of two windows, or score names that are new.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SchemaChange {
    /// Table.
    table: String,
    /// Columns that are new.
    added: Vec<String>,
    /// Columns that are gone.
    removed: Vec<String>,
    /// Names of scores that no window had before.
    score_names: Vec<String>,
}

/// What was found out about a window after it was exported.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundLater {
    /// When it was compared with the source, or was to be.
    #[schema(format = DateTime)]
    at: String,
    /// Rows that were not exported, or in an older version; a revision has them.
    missing_rows: u64,
    /// Exported rows that have changed since or are gone: a later window, or the revision, has them as they are now.
    superseded_rows: u64,
    /// Id of the revision's run.
    #[schema(required)]
    revision: Option<String>,
    /// Why it could not be compared the last time.
    #[schema(required)]
    failure: Option<Failure>,
}

impl From<model::WindowRun> for WindowRun {
    fn from(run: model::WindowRun) -> Self {
        let cause = match run.cause {
            model::RunCause::Schedule => RunCause::Schedule,
            model::RunCause::Request => RunCause::Request,
            model::RunCause::Backfill => RunCause::Backfill,
            model::RunCause::Reconcile => RunCause::Reconcile,
        };
        let later = |found: model::FoundLater| FoundLater {
            at: instant(found.at),
            missing_rows: found.missing_rows.get(),
            superseded_rows: found.superseded_rows.get(),
            revision: found.revision.map(|id| id.as_str().to_owned()),
            failure: found.failure.map(Into::into),
        };
        Self {
            id: run.id.as_str().to_owned(),
            from: instant(run.name.span.from),
            to: instant(run.name.span.to),
            stem: run.name.stem(),
            revision: run.name.revision,
            cause,
            backfill: run.backfill.map(|id| id.as_str().to_owned()),
            state: run.state.into(),
            planned_at: instant(run.planned_at),
            started_at: run.started_at.map(instant),
            finished_at: run.finished_at.map(instant),
            retry_at: run.retry_at.map(instant),
            attempts: run.attempts,
            progress: run.progress.into(),
            result: run.result.map(Into::into),
            found_later: run.found_later.map(later),
            failure: run.failure.map(Into::into),
            failed_attempts: run.failed_attempts.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<model::WindowResult> for RunResult {
    fn from(result: model::WindowResult) -> Self {
        let file = |file: model::FileReceipt| WindowFile {
            key: file.key.as_str().to_owned(),
            table: file.table.to_string(),
            rows: file.rows.get(),
            bytes: file.head.bytes.get(),
            sha256: file.sha256,
        };
        let change = |change: model::SchemaChange| SchemaChange {
            table: change.table,
            added: change.added,
            removed: change.removed,
            score_names: change.score_names,
        };
        let delivery = |delivery: model::TableDelivery| TableDelivery {
            table: delivery.table.to_string(),
            destination: delivery.destination,
            read: delivery.counts.read.get(),
            accepted: delivery.counts.accepted.get(),
            rejected: delivery.counts.rejected.get(),
            retried: delivery.counts.retried.get(),
            requests: delivery.counts.requests,
            bytes: delivery.counts.bytes.get(),
        };
        Self {
            manifest: result.manifest.map(|key| key.as_str().to_owned()),
            files: result.files.into_iter().map(file).collect(),
            rows: result.rows.get(),
            bytes: result.bytes.get(),
            late_rows: result.late_rows.get(),
            deleted_rows: result.deleted_rows.get(),
            rejected_rows: result.rejected_rows.get(),
            deliveries: result.deliveries.into_iter().map(delivery).collect(),
            schema_changed: result.schema_changed.into_iter().map(change).collect(),
            warnings: result.warnings,
        }
    }
}

/// Which runs are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunsQuery {
    /// Only in these states, separated by commas.
    #[param(example = "queued,failed")]
    state: Option<String>,
    /// Only of this backfill, by id.
    backfill: Option<String>,
    /// At most so many items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u32>,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
}

impl RunsQuery {
    pub(crate) fn query(&self) -> Answer<RunQuery> {
        let names = self.state.iter().flat_map(|states| states.split(','));
        let state = |name: &str| {
            let all = model::RunState::ALL.map(model::RunState::as_str).join(", ");
            let unknown = || Problem::of_field("state", format!("{name:?} is not one of {all}"));
            model::RunState::of_name(name.trim()).ok_or_else(unknown)
        };
        Ok(RunQuery {
            states: names.map(state).collect::<Answer<_>>()?,
            backfill: self.backfill.as_deref().map(model::BackfillId::new),
        })
    }
}

/// Runs, latest window first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunPage {
    /// Runs.
    items: Vec<WindowRun>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

impl From<Page<model::WindowRun>> for RunPage {
    fn from(page: Page<model::WindowRun>) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next: page.next.map(|token| token.0) }
    }
}

/// A stretch of time whose windows stand alike.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Coverage {
    /// First instant.
    #[schema(format = DateTime)]
    from: String,
    /// First instant after it.
    #[schema(format = DateTime)]
    to: String,
    /// Where its windows stand; null where none was planned.
    #[schema(required)]
    state: Option<RunState>,
    /// Number of windows.
    windows: u64,
}

impl From<model::Coverage> for Coverage {
    fn from(coverage: model::Coverage) -> Self {
        Self {
            from: instant(coverage.span.from),
            to: instant(coverage.span.to),
            state: coverage.state.map(Into::into),
            windows: coverage.windows,
        }
    }
}

/// A window that will be exported.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NextWindow {
    /// First instant.
    #[schema(format = DateTime)]
    from: String,
    /// First instant after it.
    #[schema(format = DateTime)]
    to: String,
    /// When it is exported.
    #[schema(format = DateTime)]
    at: String,
    /// Keys of its files and of its manifest; empty for destinations without files.
    files: Vec<String>,
}

impl From<model::NextWindow> for NextWindow {
    fn from(window: model::NextWindow) -> Self {
        Self {
            from: instant(window.span.from),
            to: instant(window.span.to),
            at: instant(window.at),
            files: window.files,
        }
    }
}

/// A row that a receiver refused.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetter {
    /// Id.
    id: String,
    /// Id of the run that met it.
    run: String,
    /// Table.
    table: String,
    /// Trace of the row; empty where the table has none.
    trace_id: String,
    /// Id of the row.
    row: String,
    /// The receiver's reason.
    reason: String,
    /// When it was refused.
    #[schema(format = DateTime)]
    at: String,
    /// What was sent, as far as it is kept.
    #[schema(value_type = Object)]
    event: Value,
}

/// Dead letters, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetterPage {
    /// Dead letters.
    items: Vec<DeadLetter>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

impl From<Page<model::KeptLetter>> for DeadLetterPage {
    fn from(page: Page<model::KeptLetter>) -> Self {
        let letter = |letter: model::KeptLetter| DeadLetter {
            id: letter.id,
            run: letter.run.as_str().to_owned(),
            table: letter.table,
            trace_id: letter.trace_id,
            row: letter.row,
            reason: letter.reason,
            at: instant(letter.at),
            event: letter.event,
        };
        Self { items: page.items.into_iter().map(letter).collect(), next: page.next.map(|token| token.0) }
    }
}
