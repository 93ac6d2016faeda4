//! Runs as they are shown.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt;
use model::{
    Coverage, Fault, IntegrationId, JobId, JobState, Micros, Page, PageRequest, ProjectId, RunQuery, RunState, Span,
    WindowRun,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};

use super::rows::{ACTIVE, JobOfRun, ended_state, to_run};
use super::{no_such_integration, no_such_run};
use crate::native::entities::{integration, job, window_run};
use crate::native::jobs::failed_attempts_of;
use crate::native::paging::{Position, page_of, rows_wanted};
use crate::native::{NativeStore, statement_failed};

/// The runs of an integration of this project.
fn of_integration(project: &ProjectId, id: &IntegrationId) -> Select<window_run::Entity> {
    window_run::Entity::find()
        .filter(window_run::Column::IntegrationId.eq(id.as_str()))
        .filter(window_run::Column::ProjectId.eq(project.as_str()))
}

/// Runs in any of these states.
fn in_states(states: &[RunState]) -> Condition {
    use window_run::Column;
    let active = |state: JobState| {
        let jobs = job::Entity::find().select_only().column(job::Column::Id);
        let jobs = jobs.filter(job::Column::State.eq(state.as_str()));
        Condition::all().add(Column::State.eq(ACTIVE)).add(Column::Id.in_subquery(jobs.into_query()))
    };
    states.iter().fold(Condition::any(), |any, state| match state {
        RunState::Queued => any.add(active(JobState::Queued)),
        RunState::Running => any.add(active(JobState::Running)),
        ended => any.add(Column::State.eq(ended.as_str())),
    })
}

impl NativeStore {
    pub(super) async fn list_runs(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        query: &RunQuery,
        page: &PageRequest,
    ) -> Result<Page<WindowRun>, Fault> {
        use window_run::Column;
        // Runs outlive their integration: it must have been there, not be there.
        self.known(project, id).await?;
        let mut rows = of_integration(project, id);
        if !query.states.is_empty() {
            rows = rows.filter(in_states(&query.states));
        }
        if let Some(backfill) = &query.backfill {
            rows = rows.filter(Column::BackfillId.eq(backfill.as_str()));
        }
        if let Some(Position { at, id }) = Position::of(page)? {
            let before = Condition::any()
                .add(Column::ToAt.lt(at))
                .add(Condition::all().add(Column::ToAt.eq(at)).add(Column::Id.lt(id)));
            rows = rows.filter(before);
        }
        let found = rows
            .order_by_desc(Column::ToAt)
            .order_by_desc(Column::Id)
            .limit(rows_wanted(page))
            .all(&self.database)
            .await
            .map_err(statement_failed("list runs"))?;
        let page = page_of(found, page, |row| Position { at: row.to_at, id: row.id.clone() });
        Ok(Page { items: self.with_jobs(page.items).await?, next: page.next })
    }

    async fn known(&self, project: &ProjectId, id: &IntegrationId) -> Result<(), Fault> {
        let known = integration::Entity::find_by_id(id.as_str())
            .filter(integration::Column::ProjectId.eq(project.as_str()))
            .count(&self.database)
            .await
            .map_err(statement_failed("look for the integration"))?;
        if known == 0 { Err(no_such_integration(id)) } else { Ok(()) }
    }

    pub(super) async fn find_run(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        run: &JobId,
    ) -> Result<WindowRun, Fault> {
        let row = of_integration(project, id).filter(window_run::Column::Id.eq(run.as_str()));
        let row = row.one(&self.database).await.map_err(statement_failed("read the run"))?;
        let runs = self.with_jobs(row.into_iter().collect()).await?;
        runs.into_iter().next().ok_or_else(|| no_such_run(run))
    }

    pub(super) async fn any_run(&self, id: &JobId) -> Result<Option<WindowRun>, Fault> {
        let row = window_run::Entity::find_by_id(id.as_str()).one(&self.database).await;
        let row = row.map_err(statement_failed("read the run"))?;
        Ok(self.with_jobs(row.into_iter().collect()).await?.into_iter().next())
    }

    /// Runs by their ids, in this order.
    pub(super) async fn runs_by_id(&self, ids: &[JobId]) -> Result<Vec<WindowRun>, Fault> {
        let mut runs = Vec::with_capacity(ids.len());
        for id in ids {
            runs.extend(self.any_run(id).await?);
        }
        Ok(runs)
    }

    /// The first export of each of these windows.
    pub(super) async fn runs_of_spans(&self, id: &IntegrationId, spans: &[Span]) -> Result<Vec<WindowRun>, Fault> {
        use window_run::Column;
        let any = spans.iter().fold(Condition::any(), |any, span| {
            any.add(Condition::all().add(Column::FromAt.eq(span.from.0)).add(Column::ToAt.eq(span.to.0)))
        });
        let rows = window_run::Entity::find()
            .filter(Column::IntegrationId.eq(id.as_str()))
            .filter(Column::Revision.eq(1))
            .filter(any)
            .all(&self.database)
            .await
            .map_err(statement_failed("read the runs"))?;
        self.with_jobs(rows).await
    }

    /// Runs with what their jobs say while they are active, and with the attempts that failed.
    pub(super) async fn with_jobs(&self, rows: Vec<window_run::Model>) -> Result<Vec<WindowRun>, Fault> {
        let active: Vec<&str> = rows.iter().filter(|row| row.state == ACTIVE).map(|row| row.id.as_str()).collect();
        let mut jobs = HashMap::new();
        if !active.is_empty() {
            let found = job::Entity::find()
                .select_only()
                .columns([
                    job::Column::Id,
                    job::Column::State,
                    job::Column::DueAt,
                    job::Column::StartedAt,
                    job::Column::Attempts,
                    job::Column::Progress,
                    job::Column::Failure,
                ])
                .filter(job::Column::Id.is_in(active))
                .into_model::<JobOfRun>()
                .all(&self.database)
                .await
                .map_err(statement_failed("read the jobs of runs"))?;
            jobs.extend(found.into_iter().map(|job| (job.id.clone(), job)));
        }
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let mut failed = failed_attempts_of(&self.database, &ids).await?;
        rows.into_iter()
            .map(|row| {
                let (job, failed) = (jobs.get(&row.id), failed.remove(&row.id));
                to_run(row, job, failed.unwrap_or_default())
            })
            .collect()
    }

    /// The run of the latest window that ended at or before the beginning of this one, or of an earlier
    /// revision of it.
    pub(super) async fn completed_before(
        &self,
        integration: &IntegrationId,
        span: Span,
    ) -> Result<Option<WindowRun>, Fault> {
        use window_run::Column;
        let before = Condition::any()
            .add(Column::ToAt.lte(span.from.0))
            .add(Condition::all().add(Column::ToAt.eq(span.to.0)).add(Column::FromAt.eq(span.from.0)));
        let row = window_run::Entity::find()
            .filter(Column::IntegrationId.eq(integration.as_str()))
            .filter(Column::State.eq(RunState::Completed.as_str()))
            .filter(before)
            .order_by_desc(Column::ToAt)
            .order_by_desc(Column::Id)
            .one(&self.database)
            .await
            .map_err(statement_failed("read the run before"))?;
        Ok(self.with_jobs(row.into_iter().collect()).await?.pop())
    }

    pub(super) async fn covered(&self, project: &ProjectId, id: &IntegrationId) -> Result<Vec<Coverage>, Fault> {
        use window_run::Column;
        let failed = || statement_failed("read what is exported");
        self.known(project, id).await?;
        let windows = || of_integration(project, id).filter(Column::Revision.eq(1)).select_only();
        let running: Vec<(i64, i64)> = windows()
            .columns([Column::FromAt, Column::ToAt])
            .filter(in_states(&[RunState::Running]))
            .into_tuple()
            .all(&self.database)
            .await
            .map_err(failed())?;
        let running: HashSet<(i64, i64)> = running.into_iter().collect();
        // Years of short windows are many: they are folded as they come, and none is kept.
        let mut found = windows()
            .columns([Column::FromAt, Column::ToAt, Column::State])
            .order_by_asc(Column::FromAt)
            .order_by_asc(Column::ToAt)
            .into_tuple::<(i64, i64, String)>()
            .stream(&self.database)
            .await
            .map_err(failed())?;
        let mut stretches = Vec::new();
        while let Some((from, to, state)) = found.try_next().await.map_err(failed())? {
            let state = match state.as_str() {
                ACTIVE if running.contains(&(from, to)) => RunState::Running,
                ACTIVE => RunState::Queued,
                ended => ended_state(ended)?,
            };
            extend(&mut stretches, Span { from: Micros(from), to: Micros(to) }, state);
        }
        Ok(stretches)
    }
}

/// Adds a window to the stretches of those that began before it: adjacent windows that stand alike are one stretch, and
/// what lies between windows is a stretch of none.
fn extend(stretches: &mut Vec<Coverage>, span: Span, state: RunState) {
    let upto = stretches.last().map_or(span.from, |last| last.span.to);
    if upto < span.from {
        stretches.push(Coverage { span: Span { from: upto, to: span.from }, state: None, windows: 0 });
    }
    match stretches.last_mut() {
        Some(last) if last.state == Some(state) => {
            last.span.to = last.span.to.max(span.to);
            last.windows += 1;
        }
        // A window that another covers in part begins where that one ends.
        _ if upto < span.to => {
            let from = span.from.max(upto);
            stretches.push(Coverage { span: Span { from, to: span.to }, state: Some(state), windows: 1 });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_stand_alike_are_one_stretch_and_gaps_are_shown() {
        let mut found = Vec::new();
        for (from, to, state) in [
            (0, 10, RunState::Completed),
            (10, 20, RunState::Completed),
            (20, 30, RunState::Failed),
            (50, 60, RunState::Completed),
            (52, 58, RunState::Failed),
        ] {
            extend(&mut found, Span { from: Micros(from), to: Micros(to) }, state);
        }
        let told: Vec<_> =
            found.iter().map(|part| (part.span.from.0, part.span.to.0, part.state, part.windows)).collect();
        assert_eq!(
            told,
            [
                (0, 20, Some(RunState::Completed), 2),
                (20, 30, Some(RunState::Failed), 1),
                (30, 50, None, 0),
                (50, 60, Some(RunState::Completed), 1),
            ]
        );
    }
}
