//! Windows that are looked at again: what was missing is exported as a revision, and nothing is overwritten.

use model::{
    Comparison, Fault, IntegrationId, JobId, JobKind, Lane, Micros, NewJob, ProjectId, RowsOfTable, RunCause, RunState,
    WindowName, WindowResult,
};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder,
    QuerySelect, Set,
};
use serde::{Deserialize, Serialize};

use super::plan::{NewRun, insert_runs, next_revision};
use super::rows::span_of;
use super::sent;
use crate::native::entities::{integration, job, window_run};
use crate::native::jobs::{NewRow, new_row};
use crate::native::token::new_id;
use crate::native::{NativeStore, json, statement_failed};

/// The spec of a job that compares a window with its source.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReconcileJob {
    /// The run whose files are compared.
    pub(super) run: JobId,
}

/// A run that is to be compared.
#[derive(FromQueryResult)]
struct Due {
    id: String,
    project_id: String,
    /// Whether its integration is.
    deleted: bool,
}

impl NativeStore {
    pub(super) async fn queue_reconciliations(&self, upto: Micros, most: usize) -> Result<u64, Fault> {
        let failed = || statement_failed("plan comparisons of windows");
        // Those of paused integrations wait: what is found missing would be sent.
        let due = || {
            let of_integration = window_run::Entity::belongs_to(integration::Entity)
                .from(window_run::Column::IntegrationId)
                .to(integration::Column::Id);
            let wanted = integration::Column::Pause.is_null().or(integration::Column::Deleted.eq(true));
            window_run::Entity::find()
                .select_only()
                .columns([window_run::Column::Id, window_run::Column::ProjectId])
                .column(integration::Column::Deleted)
                .join(JoinType::InnerJoin, of_integration.into())
                .filter(window_run::Column::ReconcileAt.lte(upto.0))
                .filter(window_run::Column::State.eq(RunState::Completed.as_str()))
                .filter(wanted)
                .order_by_asc(window_run::Column::ReconcileAt)
                .limit(most as u64)
                .into_model::<Due>()
        };
        if due().one(&self.database).await.map_err(failed())?.is_none() {
            return Ok(0);
        }
        let mut change = self.change().await.map_err(failed())?;
        let clock = self.clock.now(&change.tx).await.map_err(failed())?;
        let runs = due().all(&change.tx).await.map_err(failed())?;
        let mut queued = 0;
        // Those of deleted integrations are not looked at any more.
        for run in runs.iter().filter(|run| !run.deleted) {
            let spec = ReconcileJob { run: JobId::new(run.id.as_str()) };
            let new = NewJob {
                project: ProjectId::new(run.project_id.as_str()),
                kind: JobKind::Reconcile,
                lane: Lane::Backfill,
                spec: serde_json::to_value(&spec).map_err(|error| Fault::bug("cannot write a spec").because(error))?,
                unique: None,
                not_before: None,
            };
            let row = NewRow { id: new_id(clock), part_of: None, created_at: clock.0, due_at: clock.0 };
            job::Entity::insert(new_row(row, &new)).exec_without_returning(&change.tx).await.map_err(failed())?;
            queued += 1;
        }
        window_run::Entity::update_many()
            .col_expr(window_run::Column::ReconcileAt, Expr::value(None::<i64>))
            .filter(window_run::Column::Id.is_in(runs.into_iter().map(|run| run.id)))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok(queued)
    }
}

/// A window was compared with its source: its run keeps what was found out, what was kept for the comparison is
/// forgotten, and the rows that were missing are planned as a revision.
pub(in crate::native) async fn compared(
    tx: &impl ConnectionTrait,
    job: &job::Model,
    result: &serde_json::Value,
    clock: Micros,
) -> Result<(), Fault> {
    let failed = || statement_failed("note what was found out about a run");
    let spec: ReconcileJob = json::of_text("the spec of a job", &job.spec)?;
    let comparison: Option<Comparison> = serde_json::from_value(result.clone())
        .map_err(|error| Fault::bug(format!("the result of job {} is no comparison", job.id)).because(error))?;
    let row = window_run::Entity::find_by_id(spec.run.as_str()).lock_exclusive().one(tx).await.map_err(failed())?;
    let (Some(Comparison { mut found, missing }), Some(row)) = (comparison, row) else { return Ok(()) };
    let owner = integration::Entity::find_by_id(row.integration_id.as_str()).one(tx).await.map_err(failed())?;
    if owner.is_none_or(|owner| owner.deleted) {
        return Ok(());
    }
    let mut again = None;
    if !missing.is_empty() {
        let integration = IntegrationId::new(row.integration_id.as_str());
        match next_revision(tx, &integration, span_of(&row)).await? {
            Some(revision) => {
                let new = revision_of(&row, revision, missing, found.at)?;
                let id = JobId::new(new_id(clock));
                insert_runs(tx, vec![(id.clone(), new)], clock).await?;
                found.revision = Some(id);
            }
            // The window is being exported once more: nobody knows what it will lack then.
            None => again = Some(clock.0),
        }
    }
    if again.is_none() {
        sent::forget(tx, spec.run.as_str()).await?;
    }
    let mut noted: window_run::ActiveModel = row.into();
    noted.found_later = Set(Some(json::to_text(&found)?));
    noted.reconcile_at = Set(again);
    noted.update(tx).await.map_err(failed())?;
    Ok(())
}

/// The run that exports what the window of another one lacks.
fn revision_of(
    row: &window_run::Model,
    revision: u32,
    rows: Vec<RowsOfTable>,
    planned_at: Micros,
) -> Result<NewRun, Fault> {
    let result: Option<WindowResult> = json::of_text_or_none("the result of a run", row.result.as_deref())?;
    Ok(NewRun {
        integration: IntegrationId::new(row.integration_id.as_str()),
        project: ProjectId::new(row.project_id.as_str()),
        name: WindowName { span: span_of(row), on_grid: row.on_grid, revision },
        cause: RunCause::Reconcile,
        lane: Lane::Backfill,
        backfill: None,
        holds_cursor: false,
        planned_at,
        rows,
        supersedes: result.and_then(|result| result.manifest),
    })
}
