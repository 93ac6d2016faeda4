//! Rows that receivers refused, and sending them once more.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Fault, FaultKind, IntegrationId, JobId, KeptFrom, KeptLetter, Lane, Micros, Page, PageRequest, ProjectId,
    RowsOfTable, RunCause, WindowName, WindowRun,
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

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
        if self.find_integration(project, id).await?.pause.is_some() {
            return Err(paused());
        }
        let mut runs = Vec::new();
        // Each with a transaction of its own: others want to write too, and letters may be many.
        for (run, tables) in self.runs_with_letters(id).await? {
            match self.replay_letters_of((project, id), &run, &tables, now).await {
                Ok(planned) => runs.extend(planned),
                Err(fault) if runs.is_empty() => return Err(fault),
                // What is planned is told, such as the window that made its receiver pause the integration meanwhile;
                // other letters are there still.
                Err(fault) => {
                    tracing::warn!(cause = %fault, "not all dead letters are replayed");
                    break;
                }
            }
        }
        if runs.is_empty() {
            return Err(Fault::new(FaultKind::Conflict, "there is no dead letter to replay"));
        }
        self.runs_by_id(&runs).await
    }

    /// The runs that met letters, and in which tables.
    async fn runs_with_letters(&self, id: &IntegrationId) -> Result<BTreeMap<String, BTreeSet<String>>, Fault> {
        use dead_letter::Column;
        let found: Vec<(String, String)> = dead_letter::Entity::find()
            .select_only()
            .columns([Column::RunId, Column::TableName])
            .distinct()
            .filter(Column::IntegrationId.eq(id.as_str()))
            .into_tuple()
            .all(&self.database)
            .await
            .map_err(statement_failed("look for dead letters"))?;
        let mut runs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (run, table) in found {
            runs.entry(run).or_default().insert(table);
        }
        Ok(runs)
    }

    /// Plans the window of a run once more, with the rows of its letters, and forgets these.
    async fn replay_letters_of(
        &self,
        (project, id): (&ProjectId, &IntegrationId),
        run: &str,
        tables: &BTreeSet<String>,
        now: Micros,
    ) -> Result<Option<JobId>, Fault> {
        let failed = || statement_failed("replay dead letters");
        let mut change = self.change().await.map_err(failed())?;
        let clock = self.clock.now(&change.tx).await.map_err(failed())?;
        if locked(&change.tx, project, id).await?.pause.is_some() {
            return Err(paused());
        }
        let row = window_run::Entity::find_by_id(run).one(&change.tx).await.map_err(failed())?;
        let Some(row) = row else { return Ok(None) };
        // While an export of the window is under way its letters wait for the next time: those of two revisions of one
        // window follow each other.
        let Some(revision) = next_revision(&change.tx, id, span_of(&row)).await? else { return Ok(None) };
        let mut rows = Vec::with_capacity(tables.len());
        for table in tables {
            rows.push(rows_of(&change.tx, run, table).await?);
        }
        let new = NewRun {
            integration: id.clone(),
            project: project.clone(),
            name: WindowName { span: span_of(&row), on_grid: row.on_grid, revision },
            cause: RunCause::Request,
            lane: Lane::Live,
            backfill: None,
            holds_cursor: false,
            planned_at: now,
            rows,
            supersedes: None,
        };
        let planned = insert_runs(&change.tx, vec![(JobId::new(new_id(clock)), new)], clock).await?.pop();
        let Some(planned) = planned else { return Ok(None) };
        for table in tables {
            let forgotten = dead_letter::Entity::delete_many().filter(of_table(run, table)).exec(&change.tx).await;
            forgotten.map_err(failed())?;
        }
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok(Some(planned))
    }
}

/// Holds for the letters of one table of a run: the primary key finds them, since their ids begin with both.
fn of_table(run: &str, table: &str) -> Condition {
    let first = KeptFrom { run: JobId::new(run), table: table.to_owned(), number: 0, token: 0 };
    Condition::all().add(dead_letter::Column::Id.between(first.id(0), first.end()))
}

/// The rows of these letters. More than a revision names are not read: then it has the whole table.
async fn rows_of(tx: &impl ConnectionTrait, run: &str, table: &str) -> Result<RowsOfTable, Fault> {
    use dead_letter::Column;
    let mut rows: Vec<(String, String)> = dead_letter::Entity::find()
        .select_only()
        .columns([Column::TraceId, Column::RowId])
        .filter(of_table(run, table))
        .limit(RowsOfTable::NAMED_MAX as u64 + 1)
        .into_tuple()
        .all(tx)
        .await
        .map_err(statement_failed("read the rows of dead letters"))?;
    if rows.len() > RowsOfTable::NAMED_MAX {
        rows.clear();
    }
    Ok(RowsOfTable::new(table, rows))
}

/// Forgets the letters of an integration.
pub(super) async fn forget(tx: &impl ConnectionTrait, integration: &str) -> Result<(), Fault> {
    let of_it = dead_letter::Column::IntegrationId.eq(integration);
    let forgotten = dead_letter::Entity::delete_many().filter(of_it).exec(tx).await;
    forgotten.map(drop).map_err(statement_failed("forget dead letters"))
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
