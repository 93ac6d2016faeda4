//! The ends of a job: completed, failed, cleaned up; and what they mean for its whole and its parts.
//!
//! Rows are locked from the whole to its parts, so that two parts that end at the same time wait for one
//! another instead of for ever.

use std::time::Duration;

use model::{Failure, Fault, JobId, JobKind, JobState, Micros};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, Set,
};

use super::failed;
use super::rows::{kind_of, progress_of, state_of};
use crate::native::entities::{export, job};
use crate::native::{NativeStore, json, statement_failed};
use crate::native::{exports, integrations};

/// What a failed job that is no export leaves behind stays so long for another try.
const KEPT_AFTER_FAILURE: i64 = 24 * 3_600 * Micros::PER_SECOND;

/// A job by id, locked until the transaction ends.
pub(super) async fn lock(tx: &impl ConnectionTrait, id: &str) -> Result<Option<job::Model>, Fault> {
    let row = job::Entity::find_by_id(id).lock_exclusive().one(tx).await;
    row.map_err(statement_failed("lock the job"))
}

/// A job by id, locked after the one it is a part of.
pub(super) async fn lock_with_parent(tx: &impl ConnectionTrait, id: &JobId) -> Result<Option<job::Model>, Fault> {
    let parent: Option<Option<String>> = job::Entity::find_by_id(id.as_str())
        .select_only()
        .column(job::Column::ParentId)
        .into_tuple()
        .one(tx)
        .await
        .map_err(statement_failed("look for the job"))?;
    let Some(parent) = parent else { return Ok(None) };
    if let Some(parent) = parent {
        lock(tx, &parent).await?;
    }
    lock(tx, id.as_str()).await
}

/// The work is done. A whole whose last part this was can be ended.
pub(super) async fn complete(
    tx: &impl ConnectionTrait,
    row: job::Model,
    result: &serde_json::Value,
    now: Micros,
) -> Result<(), Fault> {
    let failed = || statement_failed("complete the job");
    let mut progress = progress_of(row.progress.as_deref())?;
    let expires_at = match kind_of(&row.kind)? {
        JobKind::Export => Some(exports::completed(tx, &row.id, result, &mut progress, now).await?),
        JobKind::Window => {
            integrations::completed(tx, &row, result, now).await?;
            // What is to be known of a window is in its run.
            return remove_rows(tx, &row.id).await;
        }
        JobKind::Reconcile => {
            integrations::compared(tx, &row, result, now).await?;
            return remove_rows(tx, &row.id).await;
        }
        JobKind::File => None,
    };
    let took = u64::try_from(now.0.saturating_sub(row.started_at.unwrap_or(now.0))).unwrap_or_default();
    progress.finish(Duration::from_micros(took));
    let parent = row.parent_id.clone();
    let mut done: job::ActiveModel = row.into();
    done.state = Set(JobState::Completed.as_str().to_owned());
    done.worker = Set(None);
    done.due_at = Set(expires_at);
    done.finished_at = Set(Some(now.0));
    done.failure = Set(None);
    done.progress = Set(Some(json::to_text(&progress)?));
    done.result = Set(Some(result.to_string()));
    done.update(tx).await.map_err(failed())?;
    let Some(parent) = parent else { return Ok(()) };
    let open = job::Entity::find()
        .filter(job::Column::ParentId.eq(parent.as_str()))
        .filter(job::Column::State.ne(JobState::Completed.as_str()))
        .count(tx)
        .await
        .map_err(failed())?;
    let mut update = job::Entity::update_many()
        .col_expr(job::Column::PartsOpen, Expr::value(Some(i32::try_from(open).unwrap_or(i32::MAX))))
        .filter(job::Column::Id.eq(parent));
    if open == 0 {
        update = update.col_expr(job::Column::DueAt, Expr::value(Some(now.0)));
    }
    update.exec(tx).await.map_err(failed())?;
    Ok(())
}

/// It will not be tried again by itself. With a part the whole fails, and the other parts stop as they
/// are, so that another try can go on with them.
pub(super) async fn fail(
    store: &NativeStore,
    tx: &impl ConnectionTrait,
    row: job::Model,
    failure: &Failure,
    now: Micros,
) -> Result<(), Fault> {
    let failed = || statement_failed("fail the job");
    let Some(parent) = row.parent_id.clone() else {
        failed::note(tx, &row, failure, now).await?;
        return fail_whole(store, tx, row, failure, now).await;
    };
    let text = json::to_text(failure)?;
    let mut part: job::ActiveModel = row.clone().into();
    end_as_failed(&mut part, text, now);
    part.due_at = Set(None);
    part.update(tx).await.map_err(failed())?;
    let active = [JobState::Queued, JobState::Running].map(JobState::as_str);
    job::Entity::update_many()
        .col_expr(job::Column::State, Expr::value(JobState::Failed.as_str()))
        .col_expr(job::Column::Fence, Expr::col(job::Column::Fence).add(1))
        .col_expr(job::Column::Worker, Expr::value(None::<String>))
        .col_expr(job::Column::DueAt, Expr::value(None::<i64>))
        .filter(job::Column::ParentId.eq(parent.as_str()))
        .filter(job::Column::State.is_in(active))
        .exec(tx)
        .await
        .map_err(failed())?;
    match lock(tx, &parent).await? {
        Some(whole) if state_of(&whole.state)? == JobState::Running => {
            failed::note(tx, &row, failure, now).await?;
            fail_whole(store, tx, whole, failure, now).await
        }
        _ => Ok(()),
    }
}

async fn fail_whole(
    store: &NativeStore,
    tx: &impl ConnectionTrait,
    row: job::Model,
    failure: &Failure,
    now: Micros,
) -> Result<(), Fault> {
    let keep = match kind_of(&row.kind)? {
        JobKind::Export => Some(exports::kept(tx, &row.id).await?),
        JobKind::Reconcile => {
            integrations::reconciliation_failed(tx, &row, failure, now).await?;
            return remove_rows(tx, &row.id).await;
        }
        JobKind::Window => {
            store.window_failed(tx, &row, failure, now).await?;
            // Events that were sent stay where they are: without its checkpoint they would be sent once more.
            if integrations::sends_events(&row)? { None } else { Some(KEPT_AFTER_FAILURE) }
        }
        JobKind::File => Some(KEPT_AFTER_FAILURE),
    };
    let due_at = keep.filter(|_| leaves_something(&row)).map(|keep| now.0.saturating_add(keep));
    let mut whole: job::ActiveModel = row.into();
    end_as_failed(&mut whole, json::to_text(failure)?, now);
    whole.due_at = Set(due_at);
    whole.update(tx).await.map_err(statement_failed("fail the job"))?;
    Ok(())
}

fn end_as_failed(row: &mut job::ActiveModel, failure: String, now: Micros) {
    row.state = Set(JobState::Failed.as_str().to_owned());
    row.worker = Set(None);
    row.finished_at = Set(Some(now.0));
    row.failure = Set(Some(failure));
}

/// Whether there may be files or uploads of the job: also of one whose worker died before its first record.
pub(super) fn leaves_something(row: &job::Model) -> bool {
    row.checkpoint.is_some() || row.parts_open.is_some() || row.attempts > 0
}

/// Nothing is left of the job. A part tells its whole when it was the last one at work.
pub(super) async fn clean(tx: &impl ConnectionTrait, row: job::Model, now: Micros) -> Result<(), Fault> {
    let failed = || statement_failed("note that the job is cleaned up");
    let (id, kind, parent) = (row.id.clone(), kind_of(&row.kind)?, row.parent_id.clone());
    let ended = state_of(&row.state)?;
    let mut clean: job::ActiveModel = row.into();
    clean.worker = Set(None);
    clean.due_at = Set(None);
    clean.checkpoint = Set(None);
    clean.durable = Set(0);
    clean.parts_open = Set(None);
    clean.update(tx).await.map_err(failed())?;
    if let Some(parent) = parent {
        return hurry(tx, &parent, now).await;
    }
    let parts = job::Entity::delete_many().filter(job::Column::ParentId.eq(id.as_str()));
    parts.exec(tx).await.map_err(failed())?;
    let forgettable = match kind {
        JobKind::Export => exports::is_forgettable(tx, &id).await?,
        // A failed window is tried again when its integration is resumed.
        JobKind::Window => ended == JobState::Cancelled,
        JobKind::Reconcile => true,
        JobKind::File => false,
    };
    if forgettable {
        remove_rows(tx, &id).await?;
    }
    Ok(())
}

/// A cancelled whole need not wait for parts that nobody works on any more.
async fn hurry(tx: &impl ConnectionTrait, parent: &str, now: Micros) -> Result<(), Fault> {
    let failed = || statement_failed("look for parts at work");
    let at_work = job::Entity::find()
        .filter(job::Column::ParentId.eq(parent))
        .filter(job::Column::Worker.is_not_null())
        .count(tx)
        .await
        .map_err(failed())?;
    if at_work > 0 {
        return Ok(());
    }
    job::Entity::update_many()
        .col_expr(job::Column::DueAt, Expr::value(Some(now.0)))
        .filter(job::Column::Id.eq(parent))
        .filter(job::Column::State.eq(JobState::Cancelled.as_str()))
        .filter(job::Column::Worker.is_null())
        .exec(tx)
        .await
        .map_err(failed())?;
    Ok(())
}

/// Forgets an export and its jobs.
pub(in crate::native) async fn remove_rows(tx: &impl ConnectionTrait, id: &str) -> Result<(), Fault> {
    let failed = || statement_failed("forget the export");
    let exports = export::Entity::delete_by_id(id).exec(tx).await.map_err(failed())?;
    // The run of a window outlives its job.
    if exports.rows_affected > 0 {
        failed::forget(tx, id).await?;
    }
    job::Entity::delete_many().filter(job::Column::ParentId.eq(id)).exec(tx).await.map_err(failed())?;
    job::Entity::delete_by_id(id).exec(tx).await.map_err(failed())?;
    Ok(())
}
