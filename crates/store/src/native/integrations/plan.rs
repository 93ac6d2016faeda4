//! Windows that are planned: runs and their jobs, made together with the position they lead to.

use std::collections::{HashMap, HashSet};

use model::{
    Actor, BackfillCause, BackfillId, BackfillOrder, DuePlan, Fault, FileName, IntegrationId, IntegrationSettings,
    JobId, JobKind, Lane, Micros, NewJob, ProjectId, RowsOfTable, RunCause, Span, WindowJob, WindowName, WindowPlan,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Set, Statement, Value,
};

use super::backfills::new_backfill;
use super::rows::{ACTIVE, small_to_column, to_due};
use crate::native::entities::{backfill, integration, job, window_run};
use crate::native::jobs::{NewRow, new_row};
use crate::native::token::new_id;
use crate::native::{NativeStore, json, statement_failed};

/// Integrations that are planned in one transaction: others want to write too, and a statement has a limit
/// of 32,766 values.
const PLANS_PER_CHANGE: usize = 500;

/// Rows that are inserted with one statement.
const ROWS_PER_INSERT: usize = 500;

/// A window to be stored.
pub(super) struct NewRun {
    pub(super) integration: IntegrationId,
    pub(super) project: ProjectId,
    pub(super) name: WindowName,
    pub(super) cause: RunCause,
    pub(super) lane: Lane,
    pub(super) backfill: Option<BackfillId>,
    pub(super) holds_cursor: bool,
    pub(super) planned_at: Micros,
    pub(super) rows: Vec<RowsOfTable>,
    pub(super) supersedes: Option<FileName>,
}

impl NativeStore {
    pub(super) async fn due_integrations(&self, now: Micros, most: usize) -> Result<Vec<DuePlan>, Fault> {
        use integration::Column;
        let rows = integration::Entity::find()
            .filter(Column::NextAt.lte(now.0))
            .filter(Column::Deleted.eq(false))
            .filter(Column::Pause.is_null())
            .filter(Column::LiveRun.is_null())
            .order_by_asc(Column::NextAt)
            .limit(most as u64)
            .all(&self.database)
            .await
            .map_err(statement_failed("look for windows that are due"))?;
        rows.into_iter().map(to_due).collect()
    }

    pub(super) async fn store_plans(&self, plans: Vec<WindowPlan>, now: Micros) -> Result<u64, Fault> {
        let mut stored = 0;
        let mut rest = plans;
        while !rest.is_empty() {
            let some = rest.drain(..rest.len().min(PLANS_PER_CHANGE)).collect();
            stored += self.store_some(some, now).await?;
        }
        Ok(stored)
    }

    async fn store_some(&self, plans: Vec<WindowPlan>, now: Micros) -> Result<u64, Fault> {
        let failed = || statement_failed("plan windows");
        let mut change = self.change().await.map_err(failed())?;
        let clock = self.clock.now(&change.tx).await.map_err(failed())?;
        let ids = plans.iter().map(|plan| plan.integration.as_str());
        let rows = integration::Entity::find()
            .filter(integration::Column::Id.is_in(ids))
            .order_by_asc(integration::Column::Id)
            .lock_exclusive()
            .all(&change.tx)
            .await
            .map_err(failed())?;
        let rows: HashMap<&str, &integration::Model> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
        let mut runs = Vec::new();
        let mut steps = Vec::new();
        let mut catch_ups = Vec::new();
        for plan in plans {
            let Some(row) = rows.get(plan.integration.as_str()) else { continue };
            let settings: IntegrationSettings = json::of_text("the settings of an integration", &row.settings)?;
            if !is_valid(&plan, row, &settings, clock) {
                continue;
            }
            let project = ProjectId::new(row.project_id.as_str());
            if let Some(span) = plan.catch_up {
                let backfill = model::NewBackfill {
                    span,
                    order: BackfillOrder::OldestFirst,
                    parallel_max: settings.catch_up_max,
                    by: Actor::System,
                };
                let (id, cause) = (BackfillId::new(new_id(clock)), BackfillCause::CatchUp);
                catch_ups.push(new_backfill(&id, &plan.integration, &project, cause, &backfill, clock));
            }
            let mut live = None;
            for window in plan.windows {
                let run = NewRun {
                    integration: plan.integration.clone(),
                    project: project.clone(),
                    name: window.name,
                    cause: window.cause,
                    lane: if window.live { Lane::Live } else { Lane::Backfill },
                    backfill: None,
                    holds_cursor: true,
                    planned_at: now,
                    rows: Vec::new(),
                    supersedes: None,
                };
                let id = JobId::new(new_id(clock));
                if window.live {
                    live = Some(id.clone());
                }
                runs.push((id, run));
            }
            steps.push(Step { integration: plan.integration, upto: plan.planned_upto, next_at: plan.next_at, live });
        }
        if !catch_ups.is_empty() {
            let insert = backfill::Entity::insert_many(catch_ups);
            insert.exec_without_returning(&change.tx).await.map_err(failed())?;
        }
        let stored = insert_runs(&change.tx, runs, clock).await?;
        let kept: HashSet<&JobId> = stored.iter().collect();
        for step in &mut steps {
            step.live.take_if(|live| !kept.contains(live));
        }
        advance(&change.tx, &steps).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok(stored.len() as u64)
    }
}

/// Whether nobody planned meanwhile and every window has ended as long ago as the settings ask, by the clock that all
/// processes share.
fn is_valid(plan: &WindowPlan, row: &integration::Model, settings: &IntegrationSettings, clock: Micros) -> bool {
    let ready = plan.windows.iter().all(|window| settings.ready_at(window.name.span.to) <= clock);
    let forward = plan.planned_upto >= plan.expected;
    row.planned_upto == plan.expected.map(|upto| upto.0)
        && !row.deleted
        && row.pause.is_none()
        && (row.live_run.is_none() || plan.windows.is_empty())
        && ready
        && forward
}

/// Where planning of an integration stands from now on.
pub(super) struct Step {
    pub(super) integration: IntegrationId,
    pub(super) upto: Option<Micros>,
    pub(super) next_at: Micros,
    pub(super) live: Option<JobId>,
}

/// Notes where planning stands, of all integrations with one statement.
pub(super) async fn advance(tx: &impl ConnectionTrait, steps: &[Step]) -> Result<(), Fault> {
    if steps.is_empty() {
        return Ok(());
    }
    let mut values: Vec<Value> = Vec::with_capacity(steps.len() * 2);
    let mut rows = Vec::with_capacity(steps.len());
    for step in steps {
        let upto = step.upto.map_or("NULL".to_owned(), |upto| upto.0.to_string());
        values.push(step.integration.as_str().into());
        values.push(step.live.as_ref().map(|live| live.as_str().to_owned()).into());
        let at = values.len();
        let next_at = step.next_at.0;
        rows.push(format!(
            "(CAST(${} AS TEXT), CAST(${at} AS TEXT), CAST({upto} AS BIGINT), CAST({next_at} AS BIGINT))",
            at - 1
        ));
    }
    let sql = format!(
        "WITH step (id, live, upto, next_at) AS (VALUES {})
         UPDATE integration SET planned_upto = step.upto, next_at = step.next_at, live_run = step.live
         FROM step WHERE integration.id = step.id",
        rows.join(", ")
    );
    let update = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    tx.execute_raw(update).await.map_err(statement_failed("note what is planned"))?;
    Ok(())
}

/// Stores runs and their jobs, and returns which: a window that has a run of this revision already is left out.
pub(super) async fn insert_runs(
    tx: &impl ConnectionTrait,
    runs: Vec<(JobId, NewRun)>,
    clock: Micros,
) -> Result<Vec<JobId>, Fault> {
    use window_run::Column;
    let failed = || statement_failed("store the runs of windows");
    let mut stored = Vec::with_capacity(runs.len());
    for some in runs.chunks(ROWS_PER_INSERT) {
        // The index tells which windows have one, whatever lies between the windows of one statement.
        let window = [Column::IntegrationId, Column::ToAt, Column::FromAt, Column::Revision];
        let stays = OnConflict::columns(window).do_nothing().to_owned();
        let rows = some.iter().map(|(id, run)| run_row(id, run));
        let mut insert = window_run::Entity::insert_many(rows).on_conflict(stays).into_query();
        insert.returning_col(Column::Id);
        let mut new: HashSet<String> = HashSet::with_capacity(some.len());
        for row in tx.query_all(&insert).await.map_err(failed())? {
            new.insert(row.try_get("", "id").map_err(failed())?);
        }
        let mut jobs = Vec::with_capacity(new.len());
        for (id, run) in some.iter().filter(|(id, _)| new.contains(id.as_str())) {
            jobs.push(job_row(id, run, clock)?);
            stored.push(id.clone());
        }
        job::Entity::insert_many(jobs).exec_without_returning(tx).await.map_err(failed())?;
    }
    Ok(stored)
}

/// The revision that a window's next export has; `None` while one of it is under way.
pub(super) async fn next_revision(
    tx: &impl ConnectionTrait,
    integration: &IntegrationId,
    span: Span,
) -> Result<Option<u32>, Fault> {
    use window_run::Column;
    let known: Vec<(String, i32)> = window_run::Entity::find()
        .select_only()
        .columns([Column::State, Column::Revision])
        .filter(Column::IntegrationId.eq(integration.as_str()))
        .filter(Column::ToAt.eq(span.to.0))
        .filter(Column::FromAt.eq(span.from.0))
        .into_tuple()
        .all(tx)
        .await
        .map_err(statement_failed("look for exports of the window"))?;
    if known.iter().any(|(state, _)| state == ACTIVE) {
        return Ok(None);
    }
    let last = known.iter().map(|(_, revision)| *revision).max().unwrap_or_default();
    Ok(Some(u32::try_from(last + 1).unwrap_or(u32::MAX)))
}

fn run_row(id: &JobId, run: &NewRun) -> window_run::ActiveModel {
    window_run::ActiveModel {
        id: Set(id.as_str().to_owned()),
        integration_id: Set(run.integration.as_str().to_owned()),
        project_id: Set(run.project.as_str().to_owned()),
        from_at: Set(run.name.span.from.0),
        to_at: Set(run.name.span.to.0),
        on_grid: Set(run.name.on_grid),
        revision: Set(small_to_column(run.name.revision)),
        cause: Set(run.cause.as_str().to_owned()),
        backfill_id: Set(run.backfill.as_ref().map(|id| id.as_str().to_owned())),
        holds_cursor: Set(run.holds_cursor),
        state: Set(ACTIVE.to_owned()),
        planned_at: Set(run.planned_at.0),
        started_at: Set(None),
        finished_at: Set(None),
        attempts: Set(0),
        result: Set(None),
        found_later: Set(None),
        failure: Set(None),
        reconcile_at: Set(None),
    }
}

fn job_row(id: &JobId, run: &NewRun, clock: Micros) -> Result<job::ActiveModel, Fault> {
    let spec = WindowJob {
        version: WindowJob::VERSION,
        integration: run.integration.clone(),
        span: run.name.span,
        on_grid: run.name.on_grid,
        revision: run.name.revision,
        planned_at: run.planned_at,
        rows: run.rows.clone(),
        supersedes: run.supersedes.clone(),
    };
    let new = NewJob {
        project: run.project.clone(),
        kind: JobKind::Window,
        lane: run.lane,
        spec: serde_json::to_value(&spec).map_err(|error| Fault::bug("cannot write a spec").because(error))?,
        unique: None,
        not_before: None,
    };
    let row = NewRow { id: id.as_str().to_owned(), part_of: None, created_at: clock.0, due_at: clock.0 };
    Ok(new_row(row, &new))
}
