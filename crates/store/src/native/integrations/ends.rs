//! What the end of a job means for its window, and for how far the integration has come.

use model::{
    Actor, BackfillCause, BackfillState, Checkpoint, Failure, Fault, FoundLater, JobId, Micros, Pause, RunState,
    WindowJob, WindowResult,
};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Set};

use super::rows::ACTIVE;
use super::{score_names, sent};
use crate::native::entities::{backfill, integration, job, window_run};
use crate::native::{NativeStore, jobs, json, statement_failed};

/// A window is exported: its run keeps what was written, its integration the names of scores, and the cursor may move.
pub(in crate::native) async fn completed(
    tx: &impl ConnectionTrait,
    job: &job::Model,
    result: &serde_json::Value,
    now: Micros,
) -> Result<(), Fault> {
    let failed = || statement_failed("complete the run");
    let mut result: WindowResult = serde_json::from_value(result.clone())
        .map_err(|error| Fault::bug(format!("the result of run {} is none of a window", job.id)).because(error))?;
    let row = row(tx, &job.id).await?;
    let integration = row.integration_id.clone();
    let window: WindowJob = json::of_text("the spec of a job", &job.spec)?;
    // A revision has only some rows of its window; the comparison that made it has seen the others.
    let tells_its_rows = result.manifest.is_some() || result.asked.is_some();
    let compared = tells_its_rows && window.rows.is_empty();
    score_names::keep(tx, &integration, &mut result).await?;
    let mut done: window_run::ActiveModel = row.into();
    done.state = Set(RunState::Completed.as_str().to_owned());
    done.result = Set(Some(json::to_text(&result)?));
    done.started_at = Set(job.started_at);
    done.finished_at = Set(Some(now.0));
    done.attempts = Set(job.attempts);
    done.failure = Set(None);
    done.reconcile_at = Set(compared.then_some(now.0));
    done.update(tx).await.map_err(failed())?;
    integration::Entity::update_many()
        .col_expr(integration::Column::LiveRun, Expr::value(None::<String>))
        .filter(integration::Column::Id.eq(integration.as_str()))
        .filter(integration::Column::LiveRun.eq(job.id.as_str()))
        .exec(tx)
        .await
        .map_err(failed())?;
    advance_cursor(tx, &integration).await
}

impl NativeStore {
    /// A window will not be exported before somebody changes something: the integration is paused, and
    /// those who asked for it are told, once.
    pub(in crate::native) async fn window_failed(
        &self,
        tx: &impl ConnectionTrait,
        job: &job::Model,
        failure: &Failure,
        now: Micros,
    ) -> Result<(), Fault> {
        let failed = || statement_failed("note that a run failed");
        let row = row(tx, &job.id).await?;
        let id = row.integration_id.clone();
        let mut ended: window_run::ActiveModel = row.into();
        ended.state = Set(RunState::Failed.as_str().to_owned());
        ended.started_at = Set(job.started_at);
        ended.finished_at = Set(Some(now.0));
        ended.attempts = Set(job.attempts);
        ended.failure = Set(Some(json::to_text(failure)?));
        ended.update(tx).await.map_err(failed())?;
        let owner = integration::Entity::find_by_id(id.as_str()).lock_exclusive().one(tx).await.map_err(failed())?;
        let Some(owner) = owner.filter(|owner| !owner.deleted && owner.pause.is_none()) else { return Ok(()) };
        let pause = Pause { at: now, by: Actor::System, failure: Some(failure.clone()) };
        let mut paused: integration::ActiveModel = owner.clone().into();
        paused.pause = Set(Some(json::to_text(&pause)?));
        paused.update(tx).await.map_err(failed())?;
        self.note_pause(tx, owner, failure, now).await
    }
}

/// Whether the checkpoint of a window is one of events. They leave nothing that could be removed.
pub(in crate::native) fn sends_events(job: &job::Model) -> Result<bool, Fault> {
    let checkpoint: Option<Checkpoint> = json::of_text_or_none("a checkpoint", job.checkpoint.as_deref())?;
    Ok(checkpoint.is_some_and(|checkpoint| !checkpoint.tables.is_empty()))
}

/// A window was cancelled. It holds the cursor no more.
pub(in crate::native) async fn cancelled(tx: &impl ConnectionTrait, job: &str, now: Micros) -> Result<(), Fault> {
    let ended = window_run::ActiveModel {
        id: Set(job.to_owned()),
        state: Set(RunState::Cancelled.as_str().to_owned()),
        finished_at: Set(Some(now.0)),
        ..Default::default()
    };
    ended.update(tx).await.map_err(statement_failed("cancel the run"))?;
    sent::forget(tx, job).await
}

/// A window could not be compared with its source: its run says why, and it waits as long as after its export.
pub(in crate::native) async fn reconciliation_failed(
    tx: &impl ConnectionTrait,
    job: &job::Model,
    failure: &Failure,
    now: Micros,
) -> Result<(), Fault> {
    let failed = || statement_failed("note that a comparison failed");
    let spec: super::later::ReconcileJob = json::of_text("the spec of a job", &job.spec)?;
    let row = window_run::Entity::find_by_id(spec.run.as_str()).lock_exclusive().one(tx).await.map_err(failed())?;
    let Some(row) = row else { return Ok(()) };
    // What an earlier comparison found stays true.
    let known: Option<FoundLater> =
        json::of_text_or_none("what was found out about a run", row.found_later.as_deref())?;
    let found = FoundLater { at: now, failure: Some(failure.clone()), ..known.unwrap_or_default() };
    let mut noted: window_run::ActiveModel = row.into();
    noted.found_later = Set(Some(json::to_text(&found)?));
    noted.reconcile_at = Set(Some(now.0));
    noted.update(tx).await.map_err(failed())?;
    Ok(())
}

/// Cancels the runs that are active or failed.
pub(super) async fn cancel_runs(tx: &impl ConnectionTrait, which: Condition, now: Micros) -> Result<(), Fault> {
    let failed = || statement_failed("cancel runs");
    let unfinished = [ACTIVE, RunState::Failed.as_str()];
    let ids: Vec<(String, String)> = window_run::Entity::find()
        .select_only()
        .columns([window_run::Column::Id, window_run::Column::State])
        .filter(which)
        .filter(window_run::Column::State.is_in(unfinished))
        .into_tuple()
        .all(tx)
        .await
        .map_err(failed())?;
    for (id, state) in ids {
        jobs::discard(tx, &JobId::new(id.as_str()), now).await?;
        if state != ACTIVE {
            cancelled(tx, &id, now).await?;
        }
    }
    Ok(())
}

/// Moves the cursor to where everything before is exported: forward only, whatever else happens at the same
/// time.
pub(super) async fn advance_cursor(tx: &impl ConnectionTrait, integration: &str) -> Result<(), Fault> {
    use window_run::Column;
    let failed = || statement_failed("move the cursor");
    let row = integration::Entity::find_by_id(integration).lock_exclusive().one(tx).await.map_err(failed())?;
    let Some(planned) = row.as_ref().and_then(|row| row.planned_upto) else { return Ok(()) };
    let unfinished: Option<Option<i64>> = window_run::Entity::find()
        .select_only()
        .column_as(Column::FromAt.min(), "first")
        .filter(Column::IntegrationId.eq(integration))
        .filter(Column::State.is_in([ACTIVE, RunState::Failed.as_str()]))
        .filter(Column::HoldsCursor.eq(true))
        .into_tuple()
        .one(tx)
        .await
        .map_err(failed())?;
    let unplanned: Option<Option<i64>> = backfill::Entity::find()
        .select_only()
        .column_as(backfill::Column::LeftFrom.min(), "first")
        .filter(backfill::Column::IntegrationId.eq(integration))
        .filter(backfill::Column::State.eq(BackfillState::Running.as_str()))
        .filter(backfill::Column::Cause.eq(BackfillCause::CatchUp.as_str()))
        .into_tuple()
        .one(tx)
        .await
        .map_err(failed())?;
    let done = [Some(planned), unfinished.flatten(), unplanned.flatten()].into_iter().flatten().min();
    let behind = Condition::any().add(integration::Column::Cursor.is_null()).add(integration::Column::Cursor.lt(done));
    integration::Entity::update_many()
        .col_expr(integration::Column::Cursor, Expr::value(done))
        .filter(integration::Column::Id.eq(integration))
        .filter(behind)
        .exec(tx)
        .await
        .map_err(failed())?;
    Ok(())
}

async fn row(tx: &impl ConnectionTrait, job: &str) -> Result<window_run::Model, Fault> {
    let row = window_run::Entity::find_by_id(job).one(tx).await.map_err(statement_failed("look for the run"))?;
    row.ok_or_else(|| Fault::corrupt(format!("job {job} has no run")))
}
