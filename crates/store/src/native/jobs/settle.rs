//! How an attempt ends.

use model::{Failure, Fault, JobState, Lane, Lease, Micros, NewJob, NewPart, Outcome, ProjectId, StopReason};
use sea_orm::{ActiveModelTrait, ConnectionTrait, Set};

use super::ends::{clean, complete, fail, lock_with_parent};
use super::enqueue::{NewRow, insert};
use super::failed;
use super::rows::state_of;
use super::{lease_lost, no_such_job};
use crate::native::entities::job;
use crate::native::json::{self, count_to_column};
use crate::native::token::new_id;
use crate::native::{NativeStore, statement_failed};

impl NativeStore {
    pub(super) async fn settle_job(&self, lease: &Lease, outcome: Outcome) -> Result<(), Fault> {
        let failed = || statement_failed("settle the job");
        let mut change = self.change().await.map_err(failed())?;
        let row = lock_with_parent(&change.tx, &lease.job).await?.ok_or_else(|| no_such_job(&lease.job))?;
        if row.fence != count_to_column(lease.token) || row.worker.is_none() {
            return Err(lease_lost(&lease.job));
        }
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let state = state_of(&row.state)?;
        let ends = matches!(outcome, Outcome::Completed(_) | Outcome::Failed(_));
        let whole = row.parent_id.clone().unwrap_or_else(|| row.id.clone());
        match (outcome, state) {
            (Outcome::CleanedUp, JobState::Completed | JobState::Failed | JobState::Cancelled) => {
                clean(&change.tx, row, now).await?;
            }
            (Outcome::CleanedUp, _) => {
                return Err(Fault::bug(format!("job {} was cleaned up while it is {}", lease.job, state.as_str())));
            }
            (Outcome::Completed(result), JobState::Running) => complete(&change.tx, row, &result, now).await?,
            (Outcome::Failed(failure), JobState::Running) => fail(self, &change.tx, row, &failure, now).await?,
            (Outcome::Split(parts), JobState::Running) => split(&change.tx, row, parts, now).await?,
            (Outcome::Retry { failure, wait }, _) => {
                if state == JobState::Running {
                    failed::note(&change.tx, &row, &failure, now).await?;
                }
                let wait = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
                again(&change.tx, row, state, Some(failure), now.0.saturating_add(wait)).await?;
            }
            (Outcome::HandedOver, _) => again(&change.tx, row, state, None, now.0).await?,
            // Whatever the attempt came to, the job was cancelled before: that is final.
            (Outcome::Completed(_) | Outcome::Failed(_) | Outcome::Split(_), _) => {
                return Err(StopReason::Cancelled.fault());
            }
        }
        if ends {
            self.note_end(&change.tx, &whole, now).await?;
        }
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }
}

/// Gives the job back to the queue. One that is no longer active waits to be cleaned up.
async fn again(
    tx: &impl ConnectionTrait,
    row: job::Model,
    state: JobState,
    failure: Option<Failure>,
    due_at: i64,
) -> Result<(), Fault> {
    let mut next: job::ActiveModel = row.clone().into();
    next.worker = Set(None);
    next.due_at = Set(Some(due_at));
    if state == JobState::Running {
        next.state = Set(JobState::Queued.as_str().to_owned());
        match failure {
            Some(failure) => {
                next.failure = Set(Some(json::to_text(&failure)?));
                next.failures = Set(row.failures + 1);
            }
            // A worker that went away is no attempt.
            None if row.parts_open.is_none() => next.attempts = Set((row.attempts - 1).max(0)),
            None => {}
        }
    }
    next.update(tx).await.map_err(statement_failed("queue the job again"))?;
    Ok(())
}

async fn split(tx: &impl ConnectionTrait, row: job::Model, parts: Vec<NewPart>, now: Micros) -> Result<(), Fault> {
    let failed = || statement_failed("split the job");
    if parts.is_empty() || row.parts_open.is_some() || row.parent_id.is_some() {
        return Err(Fault::bug(format!("job {} cannot be split into {} parts", row.id, parts.len())));
    }
    let parts_open = i32::try_from(parts.len()).unwrap_or(i32::MAX);
    for (place, part) in (1..).zip(parts) {
        let new = NewJob {
            project: ProjectId::new(row.project_id.as_str()),
            kind: part.kind,
            lane: Lane::of_name(&row.lane).unwrap_or_default(),
            spec: part.spec,
            unique: None,
            not_before: None,
        };
        let part = NewRow {
            id: new_id(now),
            part_of: Some((row.id.clone(), place)),
            // "Now" of the request is that of the whole; so parts also go before younger jobs.
            created_at: row.created_at,
            due_at: now.0,
        };
        insert(tx, part, &new).await.map_err(failed())?;
    }
    let mut waiting: job::ActiveModel = row.into();
    waiting.worker = Set(None);
    waiting.due_at = Set(None);
    waiting.parts_open = Set(Some(parts_open));
    waiting.update(tx).await.map_err(failed())?;
    Ok(())
}
