//! New jobs.

use model::{Enqueued, Fault, JobId, JobState, NewJob};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Set, SqlErr};

use crate::native::entities::job;
use crate::native::token::new_id;
use crate::native::{NativeStore, statement_failed};

/// A row to be inserted: what differs from job to job.
pub(in crate::native) struct NewRow {
    pub(in crate::native) id: String,
    /// The parent and the place among its parts.
    pub(in crate::native) part_of: Option<(String, i32)>,
    pub(in crate::native) created_at: i64,
    pub(in crate::native) due_at: i64,
}

impl NativeStore {
    pub(super) async fn enqueue_job(&self, new: NewJob) -> Result<Enqueued, Fault> {
        let failed = || statement_failed("queue the job");
        // Another process can be first between looking and inserting; looking again finds its job.
        for _ in 0..3 {
            if let Some(unique) = &new.unique
                && let Some(active) = active_with(&self.database, unique).await.map_err(failed())?
            {
                return Ok(Enqueued::Existing(active));
            }
            let mut change = self.change().await.map_err(failed())?;
            let now = self.clock.now(&change.tx).await.map_err(failed())?;
            let row = NewRow {
                id: new_id(now),
                part_of: None,
                created_at: now.0,
                due_at: new.not_before.map_or(now.0, |at| at.0),
            };
            let id = JobId::new(row.id.as_str());
            match insert(&change.tx, row, &new).await {
                Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => continue,
                inserted => inserted.map_err(failed())?,
            }
            change.tell().await.map_err(failed())?;
            change.commit().await.map_err(failed())?;
            return Ok(Enqueued::New(id));
        }
        Err(Fault::bug("a unique job was neither found nor made"))
    }
}

async fn active_with(on: &impl ConnectionTrait, unique: &str) -> Result<Option<JobId>, DbErr> {
    let active = [JobState::Queued, JobState::Running].map(JobState::as_str);
    let row = job::Entity::find()
        .filter(job::Column::UniqueKey.eq(unique))
        .filter(job::Column::State.is_in(active))
        .one(on)
        .await?;
    Ok(row.map(|row| JobId::new(row.id)))
}

/// Inserts a queued job.
pub(in crate::native) async fn insert(tx: &impl ConnectionTrait, row: NewRow, new: &NewJob) -> Result<(), DbErr> {
    job::Entity::insert(new_row(row, new)).exec_without_returning(tx).await?;
    Ok(())
}

/// The row of a queued job.
pub(in crate::native) fn new_row(row: NewRow, new: &NewJob) -> job::ActiveModel {
    let (parent_id, part) = row.part_of.map_or((None, 0), |(parent, part)| (Some(parent), part));
    job::ActiveModel {
        id: Set(row.id),
        parent_id: Set(parent_id),
        part: Set(part),
        project_id: Set(new.project.as_str().to_owned()),
        kind: Set(new.kind.as_str().to_owned()),
        lane: Set(new.lane.as_str().to_owned()),
        spec: Set(new.spec.to_string()),
        state: Set(JobState::Queued.as_str().to_owned()),
        unique_key: Set(new.unique.clone()),
        due_at: Set(Some(row.due_at)),
        fence: Set(0),
        worker: Set(None),
        created_at: Set(row.created_at),
        started_at: Set(None),
        finished_at: Set(None),
        attempts: Set(0),
        failures: Set(0),
        lost: Set(0),
        parts_open: Set(None),
        checkpoint: Set(None),
        durable: Set(0),
        progress: Set(None),
        failure: Set(None),
        result: Set(None),
    }
}
