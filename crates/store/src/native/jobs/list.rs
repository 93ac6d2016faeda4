//! Looking at the queue.

use std::time::Duration;

use model::{Fault, JobId, JobKind, JobQuery, JobState, JobSummary, Page, PageRequest, QueueFigures};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::rows::Brief;
use crate::native::entities::job;
use crate::native::json::count_of_column;
use crate::native::paging::{Position, page_of, rows_wanted};
use crate::native::{NativeStore, statement_failed};

impl NativeStore {
    pub(super) async fn find_job(&self, id: &JobId) -> Result<Option<JobSummary>, Fault> {
        let row = job::Entity::find_by_id(id.as_str()).into_partial_model::<Brief>().one(&self.database).await;
        row.map_err(statement_failed("read the job"))?.map(Brief::into_summary).transpose()
    }

    pub(super) async fn list_jobs(&self, query: &JobQuery, page: &PageRequest) -> Result<Page<JobSummary>, Fault> {
        let mut rows = job::Entity::find();
        if let Some(project) = &query.project {
            rows = rows.filter(job::Column::ProjectId.eq(project.as_str()));
        }
        if let Some(kind) = query.kind {
            rows = rows.filter(job::Column::Kind.eq(kind.as_str()));
        }
        if !query.states.is_empty() {
            rows = rows.filter(job::Column::State.is_in(query.states.iter().map(|state| state.as_str())));
        }
        let after = Position::of(page)?;
        rows = match &query.parent {
            Some(parent) => {
                let rows = rows.filter(job::Column::ParentId.eq(parent.as_str()));
                let rows = match after {
                    Some(position) => rows.filter(job::Column::Part.gt(position.at)),
                    None => rows,
                };
                rows.order_by_asc(job::Column::Part)
            }
            None => {
                let rows = rows.filter(job::Column::ParentId.is_null());
                let rows = match after {
                    Some(Position { at, id }) => rows.filter(
                        Condition::any()
                            .add(job::Column::CreatedAt.lt(at))
                            .add(Condition::all().add(job::Column::CreatedAt.eq(at)).add(job::Column::Id.lt(id))),
                    ),
                    None => rows,
                };
                rows.order_by_desc(job::Column::CreatedAt).order_by_desc(job::Column::Id)
            }
        };
        let found = rows.limit(rows_wanted(page)).into_partial_model::<Brief>().all(&self.database).await;
        let found = found.map_err(statement_failed("list jobs"))?;
        let of_parent = query.parent.is_some();
        let page = page_of(found, page, |row| Position {
            at: if of_parent { i64::from(row.part) } else { row.created_at },
            id: row.id.clone(),
        });
        let items = page.items.into_iter().map(Brief::into_summary).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Whose lease ran out is not counted.
    pub(super) async fn workers_at_work(&self) -> Result<usize, Fault> {
        let failed = || statement_failed("count workers");
        let now = self.clock.now(&self.database).await.map_err(failed())?;
        let names: Vec<Option<String>> = job::Entity::find()
            .select_only()
            .column(job::Column::Worker)
            .distinct()
            .filter(job::Column::State.eq(JobState::Running.as_str()))
            .filter(job::Column::Worker.is_not_null())
            .filter(job::Column::DueAt.gt(now.0))
            .into_tuple()
            .all(&self.database)
            .await
            .map_err(failed())?;
        Ok(names.len())
    }

    pub(super) async fn queue_figures(&self) -> Result<QueueFigures, Fault> {
        let failed = || statement_failed("count jobs");
        let active = [JobState::Queued, JobState::Running].map(JobState::as_str);
        let counted: Vec<(String, String, i64)> = job::Entity::find()
            .select_only()
            .columns([job::Column::Kind, job::Column::State])
            .column_as(job::Column::Id.count(), "jobs")
            .filter(job::Column::State.is_in(active))
            .group_by(job::Column::Kind)
            .group_by(job::Column::State)
            .into_tuple()
            .all(&self.database)
            .await
            .map_err(failed())?;
        let now = self.clock.now(&self.database).await.map_err(failed())?;
        let oldest: Option<Option<i64>> = job::Entity::find()
            .select_only()
            .column_as(Expr::col(job::Column::DueAt).min(), "oldest")
            .filter(job::Column::State.eq(JobState::Queued.as_str()))
            .filter(job::Column::DueAt.lte(now.0))
            .into_tuple()
            .one(&self.database)
            .await
            .map_err(failed())?;
        let known = counted.into_iter().filter_map(|(kind, state, jobs)| {
            Some((JobKind::of_name(&kind)?, JobState::of_name(&state)?, count_of_column(jobs)))
        });
        let waited = oldest.flatten().map_or(0, |oldest| now.0 - oldest);
        Ok(QueueFigures { active: known.collect(), oldest_wait: Duration::from_micros(count_of_column(waited)) })
    }
}
