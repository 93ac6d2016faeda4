//! Rows that receivers refused, and sending them once more.

use std::collections::BTreeMap;

use model::{
    Fault, FaultKind, IntegrationId, JobId, KeptFrom, KeptLetter, Lane, Micros, Page, PageRequest, ProjectId,
    RowsOfTable, RunCause, WindowName, WindowRun,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::paused;
use super::plan::{NewRun, insert_runs, next_revision};
use super::read::locked;
use super::rows::span_of;
use crate::native::entities::{dead_letter, window_run};
use crate::native::jobs::held;
use crate::native::paging::{Position, page_of, rows_wanted};
use crate::native::token::new_id;
use crate::native::{NativeStore, json, statement_failed};

/// Letters that are stored with one statement.
const LETTERS_PER_INSERT: usize = 500;

impl NativeStore {
    pub(super) async fn put_letters(
        &self,
        integration: &IntegrationId,
        from: &KeptFrom,
        letters: Vec<KeptLetter>,
    ) -> Result<(), Fault> {
        let failed = || statement_failed("keep dead letters");
        let row = |letter: &KeptLetter| dead_letter::ActiveModel {
            id: Set(letter.id.clone()),
            integration_id: Set(integration.as_str().to_owned()),
            run_id: Set(letter.run.as_str().to_owned()),
            table_name: Set(letter.table.clone()),
            trace_id: Set(letter.trace_id.clone()),
            row_id: Set(letter.row.clone()),
            reason: Set(letter.reason.clone()),
            at: Set(letter.at.0),
            event: Set(letter.event.to_string()),
        };
        let change = self.change().await.map_err(failed())?;
        held(&change.tx, &from.run, from.token).await?;
        dead_letter::Entity::delete_many()
            .filter(dead_letter::Column::Id.between(from.id(0), from.end()))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        for some in letters.chunks(LETTERS_PER_INSERT) {
            let insert = dead_letter::Entity::insert_many(some.iter().map(row));
            insert.exec_without_returning(&change.tx).await.map_err(failed())?;
        }
        change.commit().await.map_err(failed())
    }

    pub(super) async fn list_letters(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        page: &PageRequest,
    ) -> Result<Page<KeptLetter>, Fault> {
        use dead_letter::Column;
        self.find_integration(project, id).await?;
        let mut rows = dead_letter::Entity::find().filter(Column::IntegrationId.eq(id.as_str()));
        if let Some(Position { at, id }) = Position::of(page)? {
            let before = Condition::any()
                .add(Column::At.lt(at))
                .add(Condition::all().add(Column::At.eq(at)).add(Column::Id.lt(id)));
            rows = rows.filter(before);
        }
        let found = rows
            .order_by_desc(Column::At)
            .order_by_desc(Column::Id)
            .limit(rows_wanted(page))
            .all(&self.database)
            .await
            .map_err(statement_failed("list dead letters"))?;
        let page = page_of(found, page, |row| Position { at: row.at, id: row.id.clone() });
        Ok(Page { items: page.items.into_iter().map(to_letter).collect::<Result<_, _>>()?, next: page.next })
    }

    pub(super) async fn replay_letters(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        now: Micros,
    ) -> Result<Vec<WindowRun>, Fault> {
        let failed = || statement_failed("replay dead letters");
        let mut change = self.change().await.map_err(failed())?;
        let clock = self.clock.now(&change.tx).await.map_err(failed())?;
        if locked(&change.tx, project, id).await?.pause.is_some() {
            return Err(paused());
        }
        let letters = dead_letter::Entity::find()
            .filter(dead_letter::Column::IntegrationId.eq(id.as_str()))
            .all(&change.tx)
            .await
            .map_err(failed())?;
        let mut by_run: BTreeMap<String, BTreeMap<String, Vec<(String, String)>>> = BTreeMap::new();
        for letter in &letters {
            let tables = by_run.entry(letter.run_id.clone()).or_default();
            let row = (letter.trace_id.clone(), letter.row_id.clone());
            tables.entry(letter.table_name.clone()).or_default().push(row);
        }
        let mut runs = Vec::new();
        let mut sent = Vec::new();
        for (run, tables) in by_run {
            let row = window_run::Entity::find_by_id(run.as_str()).one(&change.tx).await.map_err(failed())?;
            let Some(row) = row else { continue };
            // While an export of the window is under way its letters wait for the next time.
            let Some(revision) = next_revision(&change.tx, id, span_of(&row)).await? else { continue };
            let new = NewRun {
                integration: id.clone(),
                project: project.clone(),
                name: WindowName { span: span_of(&row), on_grid: row.on_grid, revision },
                cause: RunCause::Request,
                lane: Lane::Live,
                backfill: None,
                holds_cursor: false,
                planned_at: now,
                rows: tables.into_iter().map(|(table, rows)| RowsOfTable::new(table, rows)).collect(),
                supersedes: None,
            };
            let id = JobId::new(new_id(clock));
            // Letters of two revisions of one window follow each other.
            runs.extend(insert_runs(&change.tx, vec![(id, new)], clock).await?);
            sent.push(run);
        }
        if runs.is_empty() {
            return Err(Fault::new(FaultKind::Conflict, "there is no dead letter to replay"));
        }
        dead_letter::Entity::delete_many()
            .filter(dead_letter::Column::IntegrationId.eq(id.as_str()))
            .filter(dead_letter::Column::RunId.is_in(sent))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.runs_by_id(&runs).await
    }
}

fn to_letter(row: dead_letter::Model) -> Result<KeptLetter, Fault> {
    Ok(KeptLetter {
        id: row.id,
        run: JobId::new(row.run_id),
        table: row.table_name,
        trace_id: row.trace_id,
        row: row.row_id,
        reason: row.reason,
        at: Micros(row.at),
        event: json::of_text("a dead letter", &row.event)?,
    })
}
