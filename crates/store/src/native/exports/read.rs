//! Exports as they are shown.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use model::{
    ByteCount, Export, ExportQuery, ExportState, Fault, FileName, JobId, JobProgress, JobState, Micros, Page,
    PageRequest, ProjectId, RowCount,
};
use sea_orm::sea_query::{Expr, ExprTrait, JoinType};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DerivePartialModel, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select,
};
use tokio::time::Instant;

use super::no_such_export;
use crate::native::audit::{actor_of_columns, actor_to_columns};
use crate::native::entities::{export, failed_attempts, job};
use crate::native::json;
use crate::native::paging::{Position, page_of, rows_wanted};
use crate::native::{NativeStore, jobs, statement_failed};

/// Between two looks of one watcher: every change of the store is a signal, whichever export it is about, and people
/// see no more than a few changes a second.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What of its job an export shows.
#[derive(Debug, FromQueryResult)]
struct JobColumns {
    job_state: String,
    job_spec: String,
    job_due_at: Option<i64>,
    job_worker: Option<String>,
    job_started_at: Option<i64>,
    job_finished_at: Option<i64>,
    job_attempts: i32,
    job_parts_open: Option<i32>,
    job_progress: Option<String>,
    job_failure: Option<String>,
    job_failed_attempts: Option<String>,
}

/// An export and its job.
#[derive(Debug, FromQueryResult)]
struct Shown {
    #[sea_orm(nested)]
    export: export::Model,
    #[sea_orm(nested)]
    job: JobColumns,
}

/// What a part of an export has reported.
#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "job::Entity")]
struct PartColumns {
    progress: Option<String>,
}

impl NativeStore {
    pub(super) async fn find_export(&self, project: &ProjectId, id: &JobId) -> Result<Export, Fault> {
        let now = self.clock.now(&self.database).await.map_err(statement_failed("read the export"))?;
        let row = visible()
            .filter(export::Column::ProjectId.eq(project.as_str()))
            .filter(export::Column::Id.eq(id.as_str()))
            .into_model::<Shown>()
            .one(&self.database)
            .await
            .map_err(statement_failed("read the export"))?;
        self.to_export(row.ok_or_else(|| no_such_export(id))?, now).await
    }

    /// The export of a job that is completed or failed, in a transaction; `None` for any other job.
    pub(in crate::native) async fn ended_export(
        &self,
        tx: &impl ConnectionTrait,
        id: &str,
        now: Micros,
    ) -> Result<Option<Export>, Fault> {
        let ended = [JobState::Completed, JobState::Failed].map(JobState::as_str);
        let row = visible()
            .filter(export::Column::Id.eq(id))
            .filter(job::Column::State.is_in(ended))
            .into_model::<Shown>()
            .one(tx)
            .await
            .map_err(statement_failed("read the export"))?;
        match row {
            Some(row) => self.to_export(row, now).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn list_exports(
        &self,
        project: &ProjectId,
        query: &ExportQuery,
        page: &PageRequest,
    ) -> Result<Page<Export>, Fault> {
        let failed = || statement_failed("list exports");
        let now = self.clock.now(&self.database).await.map_err(failed())?;
        let mut rows = visible().filter(export::Column::ProjectId.eq(project.as_str()));
        if !query.states.is_empty() {
            let any = query.states.iter().fold(Condition::any(), |any, state| any.add(in_state(*state, now)));
            rows = rows.filter(any);
        }
        if let Some(table) = &query.table {
            rows = rows.filter(export::Column::TableName.eq(table.as_str()));
        }
        if let Some(actor) = &query.created_by {
            let (kind, id) = actor_to_columns(actor);
            rows = rows.filter(export::Column::ActorKind.eq(kind)).filter(match id {
                Some(id) => export::Column::ActorId.eq(id),
                None => export::Column::ActorId.is_null(),
            });
        }
        if let Some(Position { at, id }) = Position::of(page)? {
            let before = Condition::any()
                .add(export::Column::CreatedAt.lt(at))
                .add(Condition::all().add(export::Column::CreatedAt.eq(at)).add(export::Column::Id.lt(id)));
            rows = rows.filter(before);
        }
        let found = rows
            .order_by_desc(export::Column::CreatedAt)
            .order_by_desc(export::Column::Id)
            .limit(rows_wanted(page))
            .into_model::<Shown>()
            .all(&self.database)
            .await
            .map_err(failed())?;
        let found = page_of(found, page, |row| Position { at: row.export.created_at, id: row.export.id.clone() });
        let mut items = Vec::with_capacity(found.items.len());
        for row in found.items {
            items.push(self.to_export(row, now).await?);
        }
        Ok(Page { items, next: found.next })
    }

    pub(super) fn follow_export(&self, project: &ProjectId, id: &JobId) -> BoxStream<'static, Result<Export, Fault>> {
        struct Following {
            store: NativeStore,
            project: ProjectId,
            id: JobId,
            looks: BoxStream<'static, ()>,
            looked: Option<Instant>,
            shown: Option<Export>,
            ended: bool,
        }
        let following = Following {
            store: self.clone(),
            project: project.clone(),
            id: id.clone(),
            looks: self.signals.looks(),
            looked: None,
            shown: None,
            ended: false,
        };
        let next = |mut following: Following| async move {
            if following.ended {
                return None;
            }
            loop {
                following.looks.next().await?;
                if let Some(looked) = following.looked {
                    tokio::time::sleep_until(looked + BETWEEN_LOOKS).await;
                }
                following.looked = Some(Instant::now());
                match following.store.find_export(&following.project, &following.id).await {
                    Ok(export) if following.shown.as_ref() == Some(&export) => {}
                    Ok(export) => {
                        following.ended = export.state.is_final() && !export.cleanup;
                        following.shown = Some(export.clone());
                        return Some((Ok(export), following));
                    }
                    Err(fault) => {
                        following.ended = true;
                        return Some((Err(fault), following));
                    }
                }
            }
        };
        stream::unfold(following, next).boxed()
    }

    async fn to_export(&self, row: Shown, now: Micros) -> Result<Export, Fault> {
        let Shown { export, job } = row;
        let job_state = jobs::state_of(&job.job_state)?;
        let state = match job_state {
            JobState::Queued => ExportState::Queued,
            JobState::Running => ExportState::Running,
            JobState::Completed if export.expires_at.is_some_and(|at| at <= now.0) => ExportState::Expired,
            JobState::Completed => ExportState::Completed,
            JobState::Failed => ExportState::Failed,
            JobState::Cancelled => ExportState::Cancelled,
        };
        let mut progress = jobs::progress_of(job.job_progress.as_deref())?;
        if job_state == JobState::Running && job.job_parts_open.is_some() {
            progress = self.progress_of_parts(&export.id).await?;
        }
        let failure = jobs::failure_of(job.job_failure.as_deref())?;
        let spec: serde_json::Value = json::of_text("the spec of a job", &job.job_spec)?;
        Ok(Export {
            id: JobId::new(export.id),
            project: ProjectId::new(export.project_id),
            name: export.name,
            state,
            cleanup: job_state == JobState::Cancelled && (job.job_due_at.is_some() || job.job_worker.is_some()),
            table: export.table_name,
            format: export.format,
            spec: spec.get("request").cloned().unwrap_or_default(),
            created_by: actor_of_columns(&export.actor_kind, export.actor_id),
            created_at: Micros(export.created_at),
            started_at: job.job_started_at.map(Micros),
            finished_at: job.job_finished_at.map(Micros),
            expires_at: export.expires_at.map(Micros),
            retry_at: job.job_due_at.filter(|_| job_state == JobState::Queued && failure.is_some()).map(Micros),
            attempts: u32::try_from(job.job_attempts).unwrap_or_default(),
            progress,
            truncated: export.truncated,
            warnings: json::of_text("the warnings of an export", &export.warnings)?,
            files: json::of_text("the files of an export", &export.files)?,
            manifest: export.manifest.map(FileName::new).transpose()?,
            file_name: FileName::new(export.file_name)?,
            failure,
            downloads: u32::try_from(export.downloads).unwrap_or_default(),
            downloaded_at: export.downloaded_at.map(Micros),
            failed_attempts: jobs::read_failed_attempts(job.job_failed_attempts.as_deref())?,
        })
    }

    /// Rows and bytes of all parts; the share is their mean, since parts are planned to be equal.
    async fn progress_of_parts(&self, id: &str) -> Result<JobProgress, Fault> {
        let parts = job::Entity::find()
            .filter(job::Column::ParentId.eq(id))
            .into_partial_model::<PartColumns>()
            .all(&self.database)
            .await
            .map_err(statement_failed("read the parts of an export"))?;
        let count = parts.len().max(1) as f64;
        let mut sum = JobProgress::default();
        for part in parts {
            let part = jobs::progress_of(part.progress.as_deref())?;
            sum.share += part.share / count;
            sum.rows = RowCount(sum.rows.get() + part.rows.get());
            sum.bytes = ByteCount(sum.bytes.get() + part.bytes.get());
            if part.share < 1.0 {
                sum.rows_per_second += part.rows_per_second;
                sum.bytes_per_second += part.bytes_per_second;
            }
        }
        if sum.share > 0.0 && sum.bytes_per_second > 0.0 {
            let left = sum.bytes.get() as f64 / sum.share * (1.0 - sum.share);
            sum.seconds_left = Some((left / sum.bytes_per_second).round() as u64);
        }
        Ok(sum)
    }
}

/// Exports beside their jobs, deleted ones included.
pub(in crate::native) fn with_job() -> Select<export::Entity> {
    let same = Expr::col((export::Entity, export::Column::Id)).equals((job::Entity, job::Column::Id));
    let mut rows = export::Entity::find();
    QueryTrait::query(&mut rows).join(JoinType::InnerJoin, job::Entity, same);
    rows
}

/// Visible exports with what is shown of their jobs.
fn visible() -> Select<export::Entity> {
    use job::Column;
    let mut rows = with_job().filter(export::Column::Deleted.eq(false));
    let same =
        Expr::col((export::Entity, export::Column::Id)).equals((failed_attempts::Entity, failed_attempts::Column::Id));
    QueryTrait::query(&mut rows).join(JoinType::LeftJoin, failed_attempts::Entity, same);
    rows.column_as(Column::State, "job_state")
        .column_as(Column::Spec, "job_spec")
        .column_as(Column::DueAt, "job_due_at")
        .column_as(Column::Worker, "job_worker")
        .column_as(Column::StartedAt, "job_started_at")
        .column_as(Column::FinishedAt, "job_finished_at")
        .column_as(Column::Attempts, "job_attempts")
        .column_as(Column::PartsOpen, "job_parts_open")
        .column_as(Column::Progress, "job_progress")
        .column_as(Column::Failure, "job_failure")
        .column_as(failed_attempts::Column::Attempts, "job_failed_attempts")
}

fn in_state(state: ExportState, now: Micros) -> Condition {
    let job_state = match state {
        ExportState::Queued => JobState::Queued,
        ExportState::Running => JobState::Running,
        ExportState::Completed | ExportState::Expired => JobState::Completed,
        ExportState::Failed => JobState::Failed,
        ExportState::Cancelled => JobState::Cancelled,
    };
    let condition = Condition::all().add(job::Column::State.eq(job_state.as_str()));
    match state {
        ExportState::Completed => condition.add(export::Column::ExpiresAt.gt(now.0)),
        ExportState::Expired => condition.add(export::Column::ExpiresAt.lte(now.0)),
        _ => condition,
    }
}
