//! Rows of integrations as the model knows them.

use model::{
    Backfill, BackfillCause, BackfillId, BackfillOrder, BackfillState, BackfillWindows, DuePlan, FailedAttempt, Fault,
    Integration, IntegrationId, JobId, JobProgress, JobState, Micros, ProjectId, RunCause, RunState, Span, WindowName,
    WindowRun,
};
use sea_orm::FromQueryResult;

use crate::native::audit::actor_of_columns;
use crate::native::entities::{backfill, integration, window_run};
use crate::native::jobs::{failure_of, progress_of, state_of};
use crate::native::json;

/// State of a run whose job says more.
pub(super) const ACTIVE: &str = "active";

/// What of its job a run shows.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct JobOfRun {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) due_at: Option<i64>,
    pub(super) started_at: Option<i64>,
    pub(super) attempts: i32,
    pub(super) progress: Option<String>,
    pub(super) failure: Option<String>,
}

fn unknown(what: &str, name: &str) -> Fault {
    Fault::corrupt(format!("{what} {name:?} in the metadata store is not known"))
        .hint("another version of outgest may have written it")
}

/// The state of a run that is not active any more.
pub(super) fn ended_state(state: &str) -> Result<RunState, Fault> {
    RunState::of_name(state).ok_or_else(|| unknown("the state", state))
}

pub(super) fn small(column: i32) -> u32 {
    u32::try_from(column).unwrap_or_default()
}

pub(super) fn small_to_column(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// An integration without what other tables know of it.
pub(super) fn to_integration(row: integration::Model) -> Result<Integration, Fault> {
    Ok(Integration {
        id: IntegrationId::new(row.id),
        project: ProjectId::new(row.project_id),
        name: row.name,
        settings: json::of_text("the settings of an integration", &row.settings)?,
        secrets: Vec::new(),
        version: small(row.version),
        pause: json::of_text_or_none("why an integration is paused", row.pause.as_deref())?,
        cursor: row.cursor.map(Micros),
        planned_upto: row.planned_upto.map(Micros),
        next_at: Some(Micros(row.next_at)),
        grid: json::of_text("the grid of an integration", &row.grid)?,
        created_by: actor_of_columns(&row.actor_kind, row.actor_id),
        created_at: Micros(row.created_at),
        updated_at: Micros(row.updated_at),
        last_run: None,
        runs_active: 0,
        backfills_active: 0,
    })
}

pub(super) fn to_due(row: integration::Model) -> Result<DuePlan, Fault> {
    Ok(DuePlan {
        integration: IntegrationId::new(row.id),
        project: ProjectId::new(row.project_id),
        settings: json::of_text("the settings of an integration", &row.settings)?,
        grid: json::of_text("the grid of an integration", &row.grid)?,
        planned_upto: row.planned_upto.map(Micros),
        created_at: Micros(row.created_at),
    })
}

pub(super) fn span_of(row: &window_run::Model) -> Span {
    Span { from: Micros(row.from_at), to: Micros(row.to_at) }
}

/// A run and, while it is active, its job.
pub(super) fn to_run(
    row: window_run::Model,
    job: Option<&JobOfRun>,
    failed_attempts: Vec<FailedAttempt>,
) -> Result<WindowRun, Fault> {
    let name = WindowName { span: span_of(&row), on_grid: row.on_grid, revision: small(row.revision) };
    let result = json::of_text_or_none::<model::WindowResult>("the result of a run", row.result.as_deref())?;
    let mut run = WindowRun {
        id: JobId::new(row.id),
        integration: IntegrationId::new(row.integration_id),
        project: ProjectId::new(row.project_id),
        name,
        cause: RunCause::of_name(&row.cause).ok_or_else(|| unknown("the cause", &row.cause))?,
        backfill: row.backfill_id.map(BackfillId::new),
        state: RunState::Queued,
        planned_at: Micros(row.planned_at),
        started_at: row.started_at.map(Micros),
        finished_at: row.finished_at.map(Micros),
        retry_at: None,
        attempts: small(row.attempts),
        progress: JobProgress::default(),
        result,
        found_later: json::of_text_or_none("what was found out about a run", row.found_later.as_deref())?,
        failure: failure_of(row.failure.as_deref())?,
        failed_attempts,
    };
    if row.state != ACTIVE {
        run.state = ended_state(&row.state)?;
        if let Some(result) = &run.result {
            run.progress = JobProgress { share: 1.0, rows: result.rows, bytes: result.bytes, ..JobProgress::default() };
        }
        return Ok(run);
    }
    let Some(job) = job else { return Ok(run) };
    run.state = match state_of(&job.state)? {
        JobState::Running => RunState::Running,
        _ => RunState::Queued,
    };
    run.started_at = job.started_at.map(Micros);
    run.attempts = small(job.attempts);
    run.progress = progress_of(job.progress.as_deref())?;
    run.failure = failure_of(job.failure.as_deref())?;
    run.retry_at = job.due_at.filter(|_| run.state == RunState::Queued && run.failure.is_some()).map(Micros);
    Ok(run)
}

pub(super) fn to_backfill(row: backfill::Model, windows: BackfillWindows) -> Result<Backfill, Fault> {
    let left = row.left_from.zip(row.left_to).map(|(from, to)| Span { from: Micros(from), to: Micros(to) });
    Ok(Backfill {
        id: BackfillId::new(row.id),
        integration: IntegrationId::new(row.integration_id),
        span: Span { from: Micros(row.from_at), to: Micros(row.to_at) },
        cause: BackfillCause::of_name(&row.cause).ok_or_else(|| unknown("the cause", &row.cause))?,
        order: BackfillOrder::of_name(&row.windows_order).ok_or_else(|| unknown("the order", &row.windows_order))?,
        parallel_max: small(row.parallel_max),
        state: BackfillState::of_name(&row.state).ok_or_else(|| unknown("the state", &row.state))?,
        left,
        created_by: actor_of_columns(&row.actor_kind, row.actor_id),
        created_at: Micros(row.created_at),
        finished_at: row.finished_at.map(Micros),
        windows,
    })
}
