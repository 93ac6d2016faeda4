//! Stretches of the past, planned a few windows at a time.

use std::collections::{BTreeSet, HashMap};

use model::{
    Backfill, BackfillCause, BackfillId, BackfillState, BackfillWindows, DuePlan, Fault, FaultKind, IntegrationId,
    JobId, Lane, Micros, NewBackfill, Page, PageRequest, ProjectId, RunCause, RunState, Span, WindowName,
};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set,
};

use super::ends::{advance_cursor, cancel_runs};
use super::plan::{NewRun, insert_runs, next_revision};
use super::read::locked;
use super::rows::{ACTIVE, small_to_column, to_backfill, to_due};
use super::{no_such_backfill, no_such_integration};
use crate::native::audit::actor_to_columns;
use crate::native::entities::{backfill, integration, window_run};
use crate::native::json::count_of_column;
use crate::native::paging::{Position, page_of, rows_wanted};
use crate::native::token::new_id;
use crate::native::{NativeStore, statement_failed};

/// Backfills that are ended with one transaction.
const ENDED_AT_ONCE: usize = 100;

/// A backfill of which nothing is planned yet.
pub(super) fn new_backfill(
    id: &BackfillId,
    integration: &IntegrationId,
    project: &ProjectId,
    cause: BackfillCause,
    new: &NewBackfill,
    clock: Micros,
) -> backfill::ActiveModel {
    let (actor_kind, actor_id) = actor_to_columns(&new.by);
    backfill::ActiveModel {
        id: Set(id.as_str().to_owned()),
        integration_id: Set(integration.as_str().to_owned()),
        project_id: Set(project.as_str().to_owned()),
        from_at: Set(new.span.from.0),
        to_at: Set(new.span.to.0),
        left_from: Set(Some(new.span.from.0)),
        left_to: Set(Some(new.span.to.0)),
        cause: Set(cause.as_str().to_owned()),
        windows_order: Set(new.order.as_str().to_owned()),
        parallel_max: Set(small_to_column(new.parallel_max)),
        state: Set(BackfillState::Running.as_str().to_owned()),
        actor_kind: Set(actor_kind),
        actor_id: Set(actor_id),
        created_at: Set(clock.0),
        finished_at: Set(None),
    }
}

impl NativeStore {
    pub(super) async fn add_backfill(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        new: NewBackfill,
    ) -> Result<Backfill, Fault> {
        let failed = || statement_failed("create the backfill");
        let mut change = self.change().await.map_err(failed())?;
        let row = locked(&change.tx, project, id).await?;
        // What lies behind is the scheduler's: exporting it here would leave out what is still to come.
        if row.planned_upto.is_none_or(|upto| new.span.to.0 > upto) {
            let upto = row.planned_upto.map_or("its first window".to_owned(), |upto| Micros(upto).to_string());
            let message = format!("{} lies beyond {upto}, which the schedule has reached", new.span.to);
            return Err(Fault::of_field("to", message).hint("end the backfill there, or export now to go on"));
        }
        let clock = self.clock.now(&change.tx).await.map_err(failed())?;
        let backfill = BackfillId::new(new_id(clock));
        let row = new_backfill(&backfill, id, project, BackfillCause::Request, &new, clock);
        backfill::Entity::insert(row).exec_without_returning(&change.tx).await.map_err(failed())?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_backfill(id, &backfill).await
    }

    async fn find_backfill(&self, id: &IntegrationId, backfill: &BackfillId) -> Result<Backfill, Fault> {
        let row = backfill::Entity::find_by_id(backfill.as_str())
            .filter(backfill::Column::IntegrationId.eq(id.as_str()))
            .one(&self.database)
            .await
            .map_err(statement_failed("read the backfill"))?;
        let row = row.ok_or_else(|| no_such_backfill(backfill))?;
        let windows = windows_of(&self.database, &[row.id.as_str()]).await?;
        let windows = windows.get(&row.id).copied().unwrap_or_default();
        to_backfill(row, windows)
    }

    pub(super) async fn list_backfills(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        page: &PageRequest,
    ) -> Result<Page<Backfill>, Fault> {
        use backfill::Column;
        self.find_integration(project, id).await?;
        let mut rows = backfill::Entity::find().filter(Column::IntegrationId.eq(id.as_str()));
        if let Some(Position { at, id }) = Position::of(page)? {
            let before = Condition::any()
                .add(Column::CreatedAt.lt(at))
                .add(Condition::all().add(Column::CreatedAt.eq(at)).add(Column::Id.lt(id)));
            rows = rows.filter(before);
        }
        let found = rows
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .limit(rows_wanted(page))
            .all(&self.database)
            .await
            .map_err(statement_failed("list backfills"))?;
        let page = page_of(found, page, |row| Position { at: row.created_at, id: row.id.clone() });
        let ids: Vec<&str> = page.items.iter().map(|row| row.id.as_str()).collect();
        let windows = windows_of(&self.database, &ids).await?;
        let shown = |row: backfill::Model| {
            let windows = windows.get(&row.id).copied().unwrap_or_default();
            to_backfill(row, windows)
        };
        Ok(Page { items: page.items.into_iter().map(shown).collect::<Result<_, _>>()?, next: page.next })
    }

    pub(super) async fn end_backfill(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        backfill: &BackfillId,
    ) -> Result<Backfill, Fault> {
        let failed = || statement_failed("cancel the backfill");
        self.find_integration(project, id).await?;
        let mut change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let row = backfill::Entity::find_by_id(backfill.as_str())
            .filter(backfill::Column::IntegrationId.eq(id.as_str()))
            .lock_exclusive()
            .one(&change.tx)
            .await
            .map_err(failed())?
            .ok_or_else(|| no_such_backfill(backfill))?;
        if row.state != BackfillState::Running.as_str() {
            return Err(Fault::new(FaultKind::Conflict, format!("the backfill is {} already", row.state)));
        }
        // What is caught up with belongs to the schedule: the cursor would pass windows that nobody has exported.
        if row.cause == BackfillCause::CatchUp.as_str() {
            let message = "the windows of this backfill are those that the schedule missed: they cannot be left out";
            return Err(Fault::new(FaultKind::Conflict, message).hint(
                "pause the integration to have it wait; one that is to begin later is made anew, with that start",
            ));
        }
        let mut ended: backfill::ActiveModel = row.into();
        ended.state = Set(BackfillState::Cancelled.as_str().to_owned());
        ended.left_from = Set(None);
        ended.left_to = Set(None);
        ended.finished_at = Set(Some(now.0));
        ended.update(&change.tx).await.map_err(failed())?;
        let of_it = window_run::Column::BackfillId.eq(backfill.as_str());
        cancel_runs(&change.tx, of_it.into(), now).await?;
        advance_cursor(&change.tx, id.as_str()).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_backfill(id, backfill).await
    }

    pub(super) async fn due_backfills(&self, most: usize) -> Result<Vec<(Backfill, DuePlan)>, Fault> {
        let failed = || statement_failed("look for backfills");
        let rows: Vec<(backfill::Model, Option<integration::Model>)> = backfill::Entity::find()
            .filter(backfill::Column::State.eq(BackfillState::Running.as_str()))
            .order_by_asc(backfill::Column::CreatedAt)
            .order_by_asc(backfill::Column::Id)
            .find_also_linked(OfIntegration)
            .all(&self.database)
            .await
            .map_err(failed())?;
        let ids: Vec<&str> = rows.iter().map(|(row, _)| row.id.as_str()).collect();
        let windows = windows_of(&self.database, &ids).await?;
        let mut due = Vec::new();
        let mut done = Vec::new();
        for (row, integration) in rows {
            let windows = windows.get(&row.id).copied().unwrap_or_default();
            if row.left_from.is_none() && windows.active == 0 && windows.failed == 0 {
                done.push((row.id, row.integration_id));
                continue;
            }
            let Some(integration) = integration.filter(|found| !found.deleted && found.pause.is_none()) else {
                continue;
            };
            let room = windows.active + windows.failed < u64::try_from(row.parallel_max).unwrap_or_default();
            if row.left_from.is_some() && room && due.len() < most {
                due.push((to_backfill(row, windows)?, to_due(integration)?));
            }
        }
        self.finish_backfills(done).await?;
        Ok(due)
    }

    /// Ends some of the backfills that are done; the others are found again.
    async fn finish_backfills(&self, mut done: Vec<(String, String)>) -> Result<(), Fault> {
        use backfill::Column;
        let failed = || statement_failed("end backfills");
        if done.is_empty() {
            return Ok(());
        }
        done.truncate(ENDED_AT_ONCE);
        let mut change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        backfill::Entity::update_many()
            .col_expr(Column::State, Expr::value(BackfillState::Completed.as_str()))
            .col_expr(Column::FinishedAt, Expr::value(Some(now.0)))
            .filter(Column::Id.is_in(done.iter().map(|(id, _)| id.as_str())))
            .filter(Column::State.eq(BackfillState::Running.as_str()))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        // In order, as everybody who locks several of them.
        let integrations: BTreeSet<String> = done.into_iter().map(|(_, integration)| integration).collect();
        for integration in &integrations {
            advance_cursor(&change.tx, integration).await?;
        }
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }

    pub(super) async fn store_backfill_windows(
        &self,
        backfill: &Backfill,
        windows: Vec<WindowName>,
        left: Option<Span>,
        now: Micros,
    ) -> Result<u64, Fault> {
        let failed = || statement_failed("plan the windows of a backfill");
        let mut change = self.change().await.map_err(failed())?;
        let clock = self.clock.now(&change.tx).await.map_err(failed())?;
        let integration = integration::Entity::find_by_id(backfill.integration.as_str())
            .lock_exclusive()
            .one(&change.tx)
            .await
            .map_err(failed())?
            .ok_or_else(|| no_such_integration(&backfill.integration))?;
        let row = backfill::Entity::find_by_id(backfill.id.as_str()).lock_exclusive().one(&change.tx).await;
        let row = row.map_err(failed())?.ok_or_else(|| no_such_backfill(&backfill.id))?;
        let expected = backfill.left.map(|span| (span.from.0, span.to.0));
        let moved = row.left_from.zip(row.left_to) != expected || row.state != BackfillState::Running.as_str();
        if moved || integration.deleted || integration.pause.is_some() {
            return Ok(0);
        }
        let catching_up = backfill.cause == BackfillCause::CatchUp;
        let mut runs = Vec::with_capacity(windows.len());
        let mut left = left;
        for mut name in windows {
            let Some(revision) = next_revision(&change.tx, &backfill.integration, name.span).await? else {
                // One that the schedule has under way need not be exported once more beside it. Any other export of it
                // may be cancelled, or has some of its rows alone: then this window and those behind it wait.
                if holds_cursor(&change.tx, &backfill.integration, name.span).await? {
                    continue;
                }
                left = backfill.left_at(name.span);
                break;
            };
            name.revision = revision;
            let run = NewRun {
                integration: backfill.integration.clone(),
                project: ProjectId::new(integration.project_id.as_str()),
                name,
                cause: RunCause::Backfill,
                lane: Lane::Backfill,
                backfill: Some(backfill.id.clone()),
                holds_cursor: catching_up,
                planned_at: now,
                rows: Vec::new(),
                supersedes: None,
            };
            runs.push((JobId::new(new_id(clock)), run));
        }
        // Nobody has to look at a backfill that goes on waiting.
        if runs.is_empty() && left == backfill.left {
            return Ok(0);
        }
        let stored = insert_runs(&change.tx, runs, clock).await?;
        let mut next: backfill::ActiveModel = row.into();
        next.left_from = Set(left.map(|left| left.from.0));
        next.left_to = Set(left.map(|left| left.to.0));
        next.update(&change.tx).await.map_err(failed())?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok(stored.len() as u64)
    }
}

/// Whether an export of a window is under way that the cursor waits for. It has all rows, and nobody can cancel it.
async fn holds_cursor(tx: &impl ConnectionTrait, integration: &IntegrationId, span: Span) -> Result<bool, Fault> {
    use window_run::Column;
    let holding = window_run::Entity::find()
        .filter(Column::IntegrationId.eq(integration.as_str()))
        .filter(Column::FromAt.eq(span.from.0))
        .filter(Column::ToAt.eq(span.to.0))
        .filter(Column::State.eq(ACTIVE))
        .filter(Column::HoldsCursor.eq(true))
        .count(tx)
        .await
        .map_err(statement_failed("look at exports of the window"))?;
    Ok(holding > 0)
}

/// From a backfill to its integration.
struct OfIntegration;

impl sea_orm::Linked for OfIntegration {
    type FromEntity = backfill::Entity;
    type ToEntity = integration::Entity;

    fn link(&self) -> Vec<sea_orm::LinkDef> {
        vec![
            backfill::Entity::belongs_to(integration::Entity)
                .from(backfill::Column::IntegrationId)
                .to(integration::Column::Id)
                .into(),
        ]
    }
}

/// How many windows of these backfills stand where.
async fn windows_of(on: &impl ConnectionTrait, ids: &[&str]) -> Result<HashMap<String, BackfillWindows>, Fault> {
    use window_run::Column;
    let mut windows: HashMap<String, BackfillWindows> = HashMap::new();
    if ids.is_empty() {
        return Ok(windows);
    }
    let counted: Vec<(String, String, i64)> = window_run::Entity::find()
        .select_only()
        .columns([Column::BackfillId, Column::State])
        .column_as(Column::Id.count(), "runs")
        .filter(Column::BackfillId.is_in(ids.iter().copied()))
        .group_by(Column::BackfillId)
        .group_by(Column::State)
        .into_tuple()
        .all(on)
        .await
        .map_err(statement_failed("count the windows of a backfill"))?;
    for (id, state, count) in counted {
        let windows = windows.entry(id).or_default();
        let count = count_of_column(count);
        match RunState::of_name(&state) {
            Some(RunState::Completed) => windows.completed += count,
            Some(_) => windows.failed += count,
            None if state == ACTIVE => windows.active += count,
            None => {}
        }
    }
    Ok(windows)
}
