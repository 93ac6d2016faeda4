//! Rows of the queue as the model knows them.

use model::{
    Checkpoint, Failure, Fault, Job, JobId, JobKind, JobProgress, JobState, JobSummary, Lane, Micros, Part, ProjectId,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder};

use crate::native::entities::job;
use crate::native::{json, statement_failed};

/// What lists show of a row; specs and checkpoints stay in the database.
#[derive(Clone, Debug, DerivePartialModel)]
#[sea_orm(entity = "job::Entity")]
pub(super) struct Brief {
    pub(super) id: String,
    pub(super) parent_id: Option<String>,
    pub(super) part: i32,
    pub(super) project_id: String,
    pub(super) kind: String,
    pub(super) lane: String,
    pub(super) state: String,
    pub(super) due_at: Option<i64>,
    pub(super) worker: Option<String>,
    pub(super) created_at: i64,
    pub(super) started_at: Option<i64>,
    pub(super) finished_at: Option<i64>,
    pub(super) attempts: i32,
    pub(super) progress: Option<String>,
    pub(super) failure: Option<String>,
    pub(super) result: Option<String>,
}

impl Brief {
    pub(super) fn into_summary(self) -> Result<JobSummary, Fault> {
        let state = state_of(&self.state)?;
        Ok(JobSummary {
            id: JobId::new(self.id),
            parent: self.parent_id.map(JobId::new),
            project: ProjectId::new(self.project_id),
            kind: kind_of(&self.kind)?,
            lane: lane_of(&self.lane)?,
            state,
            attempts: small(self.attempts),
            created_at: Micros(self.created_at),
            started_at: self.started_at.map(Micros),
            finished_at: self.finished_at.map(Micros),
            not_before: self.due_at.filter(|_| state == JobState::Queued).map(Micros),
            progress: progress_of(self.progress.as_deref())?,
            failure: failure_of(self.failure.as_deref())?,
            worker: self.worker,
            result: json::of_text_or_none("the result of a job", self.result.as_deref())?,
        })
    }
}

/// A row as its worker gets it, with the parts it was split into.
pub(super) async fn to_job(on: &impl ConnectionTrait, row: &job::Model) -> Result<Job, Fault> {
    let parts = match row.parts_open {
        None => Vec::new(),
        Some(_) => parts_of(on, &row.id).await?,
    };
    let created_at = Micros(row.created_at);
    Ok(Job {
        id: JobId::new(row.id.as_str()),
        parent: row.parent_id.as_deref().map(JobId::new),
        project: ProjectId::new(row.project_id.as_str()),
        kind: kind_of(&row.kind)?,
        lane: lane_of(&row.lane)?,
        spec: json::of_text("the spec of a job", &row.spec)?,
        attempt: small(row.attempts),
        failures: small(row.failures),
        created_at,
        checkpoint: checkpoint_of(row)?,
        parts: parts.iter().map(to_part).collect::<Result<_, _>>()?,
    })
}

/// The parts of a job, in order.
pub(super) async fn parts_of(on: &impl ConnectionTrait, parent: &str) -> Result<Vec<job::Model>, Fault> {
    let parts = job::Entity::find().filter(job::Column::ParentId.eq(parent)).order_by_asc(job::Column::Part);
    parts.all(on).await.map_err(statement_failed("read the parts of a job"))
}

fn to_part(row: &job::Model) -> Result<Part, Fault> {
    Ok(Part {
        id: JobId::new(row.id.as_str()),
        state: state_of(&row.state)?,
        result: json::of_text_or_none("the result of a job", row.result.as_deref())?,
        checkpoint: checkpoint_of(row)?,
    })
}

fn checkpoint_of(row: &job::Model) -> Result<Option<Checkpoint>, Fault> {
    json::of_text_or_none("the checkpoint of a job", row.checkpoint.as_deref())
}

pub(in crate::native) fn state_of(name: &str) -> Result<JobState, Fault> {
    JobState::of_name(name).ok_or_else(|| unknown("state", name))
}

pub(super) fn kind_of(name: &str) -> Result<JobKind, Fault> {
    JobKind::of_name(name).ok_or_else(|| unknown("kind", name))
}

fn lane_of(name: &str) -> Result<Lane, Fault> {
    Lane::of_name(name).ok_or_else(|| unknown("lane", name))
}

fn unknown(what: &str, name: &str) -> Fault {
    Fault::corrupt(format!("a job in the metadata store has the unknown {what} {name:?}"))
        .hint("another version of outgest may have written it")
}

/// What a worker reported last.
pub(in crate::native) fn progress_of(text: Option<&str>) -> Result<JobProgress, Fault> {
    Ok(json::of_text_or_none("the progress of a job", text)?.unwrap_or_default())
}

/// Why the last attempt failed.
pub(in crate::native) fn failure_of(text: Option<&str>) -> Result<Option<Failure>, Fault> {
    json::of_text_or_none("the failure of a job", text)
}

pub(super) fn small(column: i32) -> u32 {
    u32::try_from(column).unwrap_or_default()
}
