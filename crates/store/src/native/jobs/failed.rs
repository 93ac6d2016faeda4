//! Attempts that failed, so that the story of an export or a run can be told to its end.

use std::collections::HashMap;

use model::{FailedAttempt, Failure, Fault, JobKind, Micros};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};

use super::rows::{kind_of, small};
use crate::native::entities::{failed_attempts, job};
use crate::native::{json, statement_failed};

/// Notes a failed attempt of a job, or of a part of it, with the whole. The whole must be locked.
pub(super) async fn note(
    tx: &impl ConnectionTrait,
    row: &job::Model,
    failure: &Failure,
    now: Micros,
) -> Result<(), Fault> {
    let failed = || statement_failed("note that an attempt failed");
    // A comparison is nobody's story: it is made again tomorrow.
    if kind_of(&row.kind)? == JobKind::Reconcile {
        return Ok(());
    }
    let whole = row.parent_id.as_deref().unwrap_or(&row.id);
    let known = failed_attempts::Entity::find_by_id(whole).one(tx).await.map_err(failed())?;
    let mut attempts = read(known.as_ref().map(|known| known.attempts.as_str()))?;
    attempts.push(FailedAttempt { attempt: small(row.attempts), at: now, failure: failure.clone() });
    attempts.drain(..attempts.len().saturating_sub(FailedAttempt::KEPT));
    let text = json::to_text(&attempts)?;
    let next = failed_attempts::ActiveModel { id: Set(whole.to_owned()), attempts: Set(text) };
    match known {
        Some(_) => next.update(tx).await.map(|_| ()).map_err(failed()),
        None => failed_attempts::Entity::insert(next).exec_without_returning(tx).await.map(|_| ()).map_err(failed()),
    }
}

/// The failed attempts of those of these jobs that have some.
pub(in crate::native) async fn failed_attempts_of(
    on: &impl ConnectionTrait,
    ids: &[&str],
) -> Result<HashMap<String, Vec<FailedAttempt>>, Fault> {
    let rows = failed_attempts::Entity::find()
        .filter(failed_attempts::Column::Id.is_in(ids.iter().copied()))
        .all(on)
        .await
        .map_err(statement_failed("read failed attempts"))?;
    rows.into_iter().map(|row| Ok((row.id, read(Some(&row.attempts))?))).collect()
}

/// What a row says; nothing where there is none.
pub(in crate::native) fn read(text: Option<&str>) -> Result<Vec<FailedAttempt>, Fault> {
    Ok(json::of_text_or_none("the failed attempts of a job", text)?.unwrap_or_default())
}

/// Forgets those of an export.
pub(super) async fn forget(tx: &impl ConnectionTrait, id: &str) -> Result<(), Fault> {
    let rows = failed_attempts::Entity::delete_by_id(id).exec(tx).await;
    rows.map(|_| ()).map_err(statement_failed("forget failed attempts"))
}
