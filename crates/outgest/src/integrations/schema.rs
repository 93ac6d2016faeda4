//! How a window differs from those before: columns that came or went, and scores under names that no window had.
//!
//! Columns are compared with those of the window before in time. Scores are rows, so their names are compared with
//! all that earlier windows have, in whatever order these were exported: every run keeps the names that the run which
//! ended before it kept, and adds its own.

use std::collections::BTreeSet;

use model::{ColumnSpec, Fault, Integration, Manifest, ManifestColumn, ReadRequest, SchemaChange, Stop, TableColumns};

use super::counts;
use super::window::{Piece, WindowRunner};

/// Names of scores that a run keeps: whoever has more of them writes ids or sentences there.
const SCORE_NAMES_MAX: usize = 1_000;

/// The column that holds the name of a score.
const NAME: &str = "name";

/// The columns of a window, and what differs from the windows before.
#[derive(Default)]
pub(super) struct Schema {
    pub(super) columns: Vec<TableColumns>,
    pub(super) changes: Vec<SchemaChange>,
}

impl Schema {
    /// Compares columns with those of the window before, and numbers them. With frozen columns the changes are those that
    /// were not followed. Tables that this run has no files of keep the columns that they had.
    pub(super) fn of(known: &[TableColumns], pieces: &[Piece], tables: &mut [Manifest]) -> Self {
        let mut schema = Self::default();
        for (piece, table) in pieces.iter().zip(tables) {
            let name = piece.table.to_string();
            if let Some(known) = known.iter().find(|known| known.table == name) {
                let now = piece.unfrozen.clone().unwrap_or_else(|| names(&table.columns));
                let before = names(&known.columns);
                let (added, removed) = (only_in(&now, &before), only_in(&before, &now));
                let same = known.columns == table.columns;
                table.schema_version = if same { known.schema_version } else { known.schema_version + 1 };
                if !added.is_empty() || !removed.is_empty() {
                    schema.changes.push(SchemaChange {
                        table: name.clone(),
                        added,
                        removed,
                        ..SchemaChange::default()
                    });
                }
            }
            let (columns, schema_version) = (table.columns.clone(), table.schema_version);
            schema.columns.push(TableColumns { table: name, columns, schema_version, score_names: None });
        }
        let others = known.iter().filter(|known| !pieces.iter().any(|piece| piece.table.as_str() == known.table));
        schema.columns.extend(others.cloned());
        schema
    }

    /// Adds the names that a table's scores have in this window to those of the windows before. Returns what the reader
    /// should know.
    fn add_score_names(&mut self, table: &str, now: &BTreeSet<String>, before: Option<Vec<String>>) -> Option<String> {
        let new: Vec<String> = match &before {
            Some(before) => now.iter().filter(|name| !before.contains(name)).cloned().collect(),
            // What the first window has is not new.
            None => Vec::new(),
        };
        let mut all: BTreeSet<String> = before.iter().flatten().cloned().collect();
        let too_many = all.union(now).count() > SCORE_NAMES_MAX;
        let room = SCORE_NAMES_MAX.saturating_sub(all.len());
        let more: Vec<String> = now.iter().filter(|name| !all.contains(*name)).take(room).cloned().collect();
        all.extend(more);
        if let Some(columns) = self.columns.iter_mut().find(|columns| columns.table == table) {
            columns.score_names = Some(all.into_iter().collect());
        }
        if too_many {
            return Some(format!("{table} have more than {SCORE_NAMES_MAX} names: which of them are new is not told"));
        }
        if !new.is_empty() {
            match self.changes.iter_mut().find(|change| change.table == table) {
                Some(change) => change.score_names = new,
                None => {
                    let table = table.to_owned();
                    self.changes.push(SchemaChange { table, score_names: new, ..SchemaChange::default() });
                }
            }
        }
        None
    }
}

impl WindowRunner {
    /// Looks which names the scores of a window have. Returns what the reader should know.
    pub(super) async fn look_at_score_names(
        &self,
        integration: &Integration,
        (pieces, reads): (&[Piece], &[ReadRequest]),
        schema: &mut Schema,
        stop: &Stop,
    ) -> Result<Option<String>, Fault> {
        let mut seen = Vec::new();
        for (piece, read) in pieces.iter().zip(reads) {
            if let Some(name) = shown_name(piece) {
                let names = counts::texts(&*self.source, read, name, SCORE_NAMES_MAX, stop).await?;
                seen.push((piece.table.as_str(), names));
            }
        }
        // As late as possible: windows that are exported beside this one may have ended by now.
        let last = self.store.last_completed(&integration.id).await?;
        let last = last.and_then(|run| run.result).map(|result| result.columns).unwrap_or_default();
        let kept = |table: &str| last.iter().find(|last| last.table == table).and_then(|last| last.score_names.clone());
        for other in &mut schema.columns {
            if !pieces.iter().any(|piece| piece.table.as_str() == other.table) {
                other.score_names = kept(&other.table);
            }
        }
        let mut told = None;
        for (table, names) in seen {
            told = schema.add_score_names(table, &names, kept(table)).or(told);
        }
        Ok(told)
    }
}

/// The column of the names of scores, where it is exported as it is stored.
fn shown_name(piece: &Piece) -> Option<&ColumnSpec> {
    let request = &piece.request;
    if request.table.stored().name != tables::stored_scores().name {
        return None;
    }
    let hidden = request.mask.as_ref().is_some_and(|mask| mask.columns().any(|column| column == NAME));
    request.selection.columns.iter().find(|column| column.name == NAME && !hidden)
}

/// Names of columns in order.
pub(super) fn names(columns: &[ManifestColumn]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// Names that `other` does not have.
fn only_in(names: &[String], other: &[String]) -> Vec<String> {
    names.iter().filter(|name| !other.contains(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let table = TableColumns { table: "scores".to_owned(), columns: vec![], schema_version: 1, score_names: None };
        Schema { columns: vec![table], changes: vec![] }
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// What is told and kept of a window whose scores have these names.
    fn told(now: &[&str], before: Option<&[&str]>) -> (Vec<String>, Vec<String>) {
        let mut schema = schema();
        let before = before.map(|before| set(before).into_iter().collect());
        assert_eq!(schema.add_score_names("scores", &set(now), before), None);
        let new = schema.changes.into_iter().flat_map(|change| change.score_names).collect();
        (new, schema.columns.remove(0).score_names.unwrap())
    }

    fn list(names: &[&str]) -> Vec<String> {
        set(names).into_iter().collect()
    }

    #[test]
    fn names_are_new_where_no_window_had_them_and_are_kept_for_the_next_one() {
        assert_eq!(told(&["a", "b"], None), (list(&[]), list(&["a", "b"])));
        assert_eq!(told(&["b"], Some(&["a"])), (list(&["b"]), list(&["a", "b"])));
        assert_eq!(told(&["a"], Some(&["a", "b"])), (list(&[]), list(&["a", "b"])));
        // The first scores of a project whose windows had none.
        assert_eq!(told(&["a"], Some(&[])), (list(&["a"]), list(&["a"])));
    }

    #[test]
    fn more_names_than_are_kept_are_told_as_such() {
        let many: BTreeSet<String> = (0..=SCORE_NAMES_MAX).map(|number| format!("name {number:05}")).collect();
        let mut schema = schema();
        let told = schema.add_score_names("scores", &many, None).unwrap();
        assert_eq!(told, "scores have more than 1000 names: which of them are new is not told");
        let kept = schema.columns[0].score_names.clone().unwrap();
        assert_eq!(kept.len(), SCORE_NAMES_MAX);
        // So it stays, however many windows follow.
        assert!(schema.add_score_names("scores", &set(&["another"]), Some(kept.clone())).is_some());
        assert_eq!((schema.columns[0].score_names.as_ref(), schema.changes.len()), (Some(&kept), 0));
    }
}
