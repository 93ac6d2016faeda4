//! Windows that are looked at again: what was missing is exported as a revision, and nothing is overwritten.

use model::{
    Fault, FoundLater, IntegrationId, JobId, JobKind, Lane, Micros, NewJob, ProjectId, RowsOfTable, RunCause, RunState,
};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, Set};
use serde::{Deserialize, Serialize};

use super::no_such_run;
use super::plan::{NewRun, insert_runs, next_revision};
use super::rows::span_of;
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

impl NativeStore {
    pub(super) async fn queue_reconciliations(&self, now: Micros, most: usize) -> Result<u64, Fault> {
        let failed = || statement_failed("plan comparisons of windows");
        let due = || {
            window_run::Entity::find()
                .filter(window_run::Column::ReconcileAt.lte(now.0))
                .filter(window_run::Column::State.eq(RunState::Completed.as_str()))
                .order_by_asc(window_run::Column::ReconcileAt)
                .limit(most as u64)
        };
        if due().one(&self.database).await.map_err(failed())?.is_none() {
            return Ok(0);
        }
        let mut change = self.change().await.map_err(failed())?;
        let clock = self.clock.now(&change.tx).await.map_err(failed())?;
        let runs = due()
            .join(
                JoinType::InnerJoin,
                window_run::Entity::belongs_to(integration::Entity)
                    .from(window_run::Column::IntegrationId)
                    .to(integration::Column::Id)
                    .into(),
            )
            .filter(integration::Column::Deleted.eq(false))
            .all(&change.tx)
            .await
            .map_err(failed())?;
        for run in &runs {
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
        }
        // Those of deleted integrations are not looked at any more either.
        window_run::Entity::update_many()
            .col_expr(window_run::Column::ReconcileAt, Expr::value(None::<i64>))
            .filter(
                window_run::Column::Id
                    .is_in(due().all(&change.tx).await.map_err(failed())?.into_iter().map(|row| row.id)),
            )
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok(runs.len() as u64)
    }

    pub(super) async fn keep_found_later(
        &self,
        run: &JobId,
        mut found: FoundLater,
        missing: Vec<RowsOfTable>,
        now: Micros,
    ) -> Result<(), Fault> {
        let failed = || statement_failed("note what was found out about a run");
        let mut change = self.change().await.map_err(failed())?;
        let clock = self.clock.now(&change.tx).await.map_err(failed())?;
        let row = window_run::Entity::find_by_id(run.as_str()).lock_exclusive().one(&change.tx).await;
        let row = row.map_err(failed())?.ok_or_else(|| no_such_run(run))?;
        if !missing.is_empty() {
            let integration = IntegrationId::new(row.integration_id.as_str());
            let result: Option<model::WindowResult> =
                json::of_text_or_none("the result of a run", row.result.as_deref())?;
            let revision = next_revision(&change.tx, &integration, span_of(&row)).await?;
            if let Some(revision) = revision {
                let name = model::WindowName { span: span_of(&row), on_grid: row.on_grid, revision };
                let new = NewRun {
                    integration,
                    project: ProjectId::new(row.project_id.as_str()),
                    name,
                    cause: RunCause::Reconcile,
                    lane: Lane::Backfill,
                    backfill: None,
                    holds_cursor: false,
                    planned_at: now,
                    rows: missing,
                    supersedes: result.and_then(|result| result.manifest),
                };
                let id = JobId::new(new_id(clock));
                insert_runs(&change.tx, vec![(id.clone(), new)], clock).await?;
                found.revision = Some(id);
            }
        }
        let mut noted: window_run::ActiveModel = row.into();
        noted.found_later = Set(Some(json::to_text(&found)?));
        noted.update(&change.tx).await.map_err(failed())?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }
}
