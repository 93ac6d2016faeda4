//! What people want of jobs: cancel, try again, forget.

use model::{Fault, FaultKind, JobId, JobKind, JobState, Micros, ProjectId};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Set, SqlErr};

use super::ends::{leaves_something, lock, remove_rows};
use super::no_such_job;
use super::rows::state_of;
use crate::native::entities::{export, integration, job};
use crate::native::{NativeStore, integrations, statement_failed};

/// A worker whose job is cancelled has so long to remove what it wrote before another one is sent: the
/// 30 seconds it may take, and some for its last answer.
const CLEANUP_PATIENCE: i64 = 45 * Micros::PER_SECOND;

impl NativeStore {
    pub(super) async fn cancel_job(&self, id: &JobId) -> Result<(), Fault> {
        let failed = || statement_failed("cancel the job");
        let mut change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        cancel(&change.tx, id, now).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }

    pub(super) async fn retry_job(&self, id: &JobId) -> Result<(), Fault> {
        let failed = || statement_failed("queue the job again");
        let mut change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        requeue(&change.tx, id, now).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }

    /// Cancels what a project has under way and puts its exports out of sight.
    pub(in crate::native) async fn abandon_project_work(
        &self,
        tx: &impl ConnectionTrait,
        project: &ProjectId,
    ) -> Result<(), Fault> {
        let failed = || statement_failed("cancel the project's work");
        let now = self.clock.now(tx).await.map_err(failed())?;
        let wholes = job::Entity::find()
            .filter(job::Column::ProjectId.eq(project.as_str()))
            .filter(job::Column::ParentId.is_null())
            .all(tx)
            .await
            .map_err(failed())?;
        for whole in wholes {
            discard(tx, &JobId::new(whole.id), now).await?;
        }
        integrations::abandon(tx, integration::Column::ProjectId.eq(project.as_str()).into(), now).await
    }
}

/// Makes a job cancelled. Its fence stays, so that the worker that has it may still clean up and may do
/// nothing else.
pub(in crate::native) async fn cancel(tx: &impl ConnectionTrait, id: &JobId, now: Micros) -> Result<(), Fault> {
    let failed = || statement_failed("cancel the job");
    let row = lock(tx, id.as_str()).await?.filter(|row| row.parent_id.is_none()).ok_or_else(|| no_such_job(id))?;
    let state = state_of(&row.state)?;
    if !state.is_active() {
        return Err(Fault::new(FaultKind::Conflict, format!("{id} is {} already", state.as_str())));
    }
    let active = [JobState::Queued, JobState::Running].map(JobState::as_str);
    job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(JobState::Cancelled.as_str()))
        .col_expr(job::Column::DueAt, Expr::value(None::<i64>))
        .filter(job::Column::ParentId.eq(id.as_str()))
        .filter(job::Column::State.is_in(active))
        .exec(tx)
        .await
        .map_err(failed())?;
    let parts_at_work = job::Entity::find()
        .filter(job::Column::ParentId.eq(id.as_str()))
        .filter(job::Column::Worker.is_not_null())
        .count(tx)
        .await
        .map_err(failed())?;
    let due_at = if row.worker.is_some() || parts_at_work > 0 {
        Some(now.0 + CLEANUP_PATIENCE)
    } else {
        leaves_something(&row).then_some(now.0)
    };
    let mut cancelled: job::ActiveModel = row.into();
    cancelled.state = Set(JobState::Cancelled.as_str().to_owned());
    cancelled.finished_at = Set(Some(now.0));
    cancelled.due_at = Set(due_at);
    let cancelled = cancelled.update(tx).await.map_err(failed())?;
    if cancelled.kind == JobKind::Window.as_str() {
        integrations::cancelled(tx, &cancelled.id, now).await?;
    }
    Ok(())
}

/// Queues a job that failed or was cancelled once more. Parts that are completed stay so.
pub(in crate::native) async fn requeue(tx: &impl ConnectionTrait, id: &JobId, now: Micros) -> Result<(), Fault> {
    let failed = || statement_failed("queue the job again");
    let row = lock(tx, id.as_str()).await?.filter(|row| row.parent_id.is_none()).ok_or_else(|| no_such_job(id))?;
    let state = state_of(&row.state)?;
    if !matches!(state, JobState::Failed | JobState::Cancelled) {
        return Err(Fault::new(FaultKind::Conflict, format!("{id} is {}", state.as_str()))
            .hint("only what failed or was cancelled can be tried again"));
    }
    if row.worker.is_some() || (state == JobState::Cancelled && row.due_at.is_some()) {
        return Err(
            Fault::new(FaultKind::Conflict, "what was left of it is still being removed").hint("try again in a moment")
        );
    }
    let parts = job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(JobState::Queued.as_str()))
        .col_expr(job::Column::DueAt, Expr::value(Some(now.0)))
        .col_expr(job::Column::FinishedAt, Expr::value(None::<i64>))
        .col_expr(job::Column::Failure, Expr::value(None::<String>))
        .col_expr(job::Column::Failures, Expr::value(0))
        .col_expr(job::Column::Lost, Expr::value(0))
        .filter(job::Column::ParentId.eq(id.as_str()))
        .filter(job::Column::State.ne(JobState::Completed.as_str()))
        .exec(tx)
        .await
        .map_err(failed())?
        .rows_affected;
    let was_split = row.parts_open.is_some();
    let mut queued: job::ActiveModel = row.into();
    if parts > 0 {
        queued.state = Set(JobState::Running.as_str().to_owned());
        queued.due_at = Set(None);
    } else {
        queued.state = Set(JobState::Queued.as_str().to_owned());
        queued.due_at = Set(Some(now.0));
    }
    if was_split {
        queued.parts_open = Set(Some(i32::try_from(parts).unwrap_or(i32::MAX)));
    }
    queued.finished_at = Set(None);
    queued.failure = Set(None);
    queued.failures = Set(0);
    queued.lost = Set(0);
    queued.update(tx).await.map_err(|error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Fault::new(FaultKind::Conflict, "the same work is queued or running already")
        }
        _ => failed()(error),
    })?;
    Ok(())
}

/// Cancels a job where it is active, puts its export out of sight and has what is left of it removed.
pub(in crate::native) async fn discard(tx: &impl ConnectionTrait, id: &JobId, now: Micros) -> Result<(), Fault> {
    let failed = || statement_failed("delete the export");
    let row = lock(tx, id.as_str()).await?.ok_or_else(|| no_such_job(id))?;
    if state_of(&row.state)?.is_active() {
        cancel(tx, id, now).await?;
    }
    export::Entity::update_many()
        .col_expr(export::Column::Deleted, Expr::value(true))
        // Its name and its key may be used again.
        .col_expr(export::Column::IdempotencyKey, Expr::value(None::<String>))
        .filter(export::Column::Id.eq(id.as_str()))
        .exec(tx)
        .await
        .map_err(failed())?;
    let row = lock(tx, id.as_str()).await?.ok_or_else(|| no_such_job(id))?;
    let cleans_itself = row.worker.is_some() || (state_of(&row.state)? == JobState::Cancelled && row.due_at.is_some());
    if cleans_itself {
        return Ok(());
    }
    if !leaves_something(&row) {
        return remove_rows(tx, id.as_str()).await;
    }
    let mut due: job::ActiveModel = row.into();
    due.due_at = Set(Some(now.0));
    due.update(tx).await.map_err(failed())?;
    Ok(())
}
