//! How a window differs from those before: columns that came or went, and scores under names that no window had.
//!
//! Columns are compared with those of the window before in time. Scores are rows, so their names are compared with
//! all that windows had, in whatever order these were exported: the integration keeps them, and every run adds its own.

use std::collections::BTreeSet;

use model::{
    ColumnSpec, Fault, Integration, Manifest, ManifestColumn, ReadRequest, SchemaChange, ScoreNames, Stop, TableColumns,
};

use super::counts;
use super::window::{Piece, WindowRunner};

/// The column that holds the name of a score.
const NAME: &str = "name";

/// The columns of a window, and what differs from the windows before.
#[derive(Default)]
pub(super) struct Schema {
    pub(super) columns: Vec<TableColumns>,
    /// Names of scores that the integration does not have yet, by table.
    pub(super) score_names: Vec<ScoreNames>,
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
            schema.columns.push(TableColumns { table: name, columns, schema_version });
        }
        let others = known.iter().filter(|known| !pieces.iter().any(|piece| piece.table.as_str() == known.table));
        schema.columns.extend(others.cloned());
        schema
    }

    /// Compares the names that a table's scores have in this window with those of the windows before. Returns what the
    /// reader should know.
    fn compare_score_names(&mut self, now: ScoreNames, before: Option<&ScoreNames>) -> Option<String> {
        let ScoreNames { table, names, .. } = now;
        let mut all = before.cloned().unwrap_or_else(|| ScoreNames { table: table.clone(), ..ScoreNames::default() });
        let are_all_known = all.add(&names);
        let nothing = BTreeSet::new();
        let known = before.map_or(&nothing, |before| &before.names);
        let more: BTreeSet<String> = all.names.difference(known).cloned().collect();
        // What the first window has is not new.
        let new: Vec<String> = if before.is_some() { more.iter().cloned().collect() } else { Vec::new() };
        if before != Some(&all) {
            self.score_names.push(ScoreNames { table: table.clone(), names: more, more: all.more });
        }
        if !are_all_known {
            let (names_max, bytes_max) = (ScoreNames::MAX, ScoreNames::BYTES_MAX);
            let much = if all.names.len() == names_max {
                format!("more than {names_max} names")
            } else {
                format!("names of more than {bytes_max} bytes together")
            };
            return Some(format!("{table} have {much}: which of them are new is not told"));
        }
        if !new.is_empty() {
            match self.changes.iter_mut().find(|change| change.table == table) {
                Some(change) => change.score_names = new,
                None => self.changes.push(SchemaChange { table, score_names: new, ..SchemaChange::default() }),
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
                let most = (ScoreNames::MAX, ScoreNames::BYTES_MAX);
                let names = counts::texts(&*self.source, read, name, most, stop).await?;
                seen.push(ScoreNames { table: piece.table.to_string(), names, more: false });
            }
        }
        if seen.iter().all(|seen| seen.names.is_empty()) {
            // There is nothing to compare. That the tables were looked at is kept: what comes later is new.
            schema.score_names = seen;
            return Ok(None);
        }
        // As late as possible: windows that are exported beside this one may have ended by now. The store looks once more
        // when it completes the run.
        let before = self.store.score_names(&integration.id).await?;
        let mut told = None;
        for now in seen {
            let before = before.iter().find(|before| before.table == now.table);
            told = schema.compare_score_names(now, before).or(told);
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

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn of_scores(names: BTreeSet<String>) -> ScoreNames {
        ScoreNames { table: "scores".to_owned(), names, more: false }
    }

    /// What is told of a window whose scores have these names, and what is kept after it.
    fn told(now: &[&str], before: Option<&[&str]>) -> (Vec<String>, Vec<String>) {
        let mut schema = Schema::default();
        let before = before.map(|before| of_scores(set(before)));
        assert_eq!(schema.compare_score_names(of_scores(set(now)), before.as_ref()), None);
        let new = schema.changes.into_iter().flat_map(|change| change.score_names).collect();
        let mut kept = before.unwrap_or_default();
        assert!(schema.score_names.iter().all(|more| kept.add(&more.names)));
        (new, kept.names.into_iter().collect())
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
    fn nothing_is_kept_again_but_that_a_first_window_was_looked_at() {
        let kept = |now: &[&str], before: Option<&[&str]>| {
            let mut schema = Schema::default();
            let before = before.map(|before| of_scores(set(before)));
            schema.compare_score_names(of_scores(set(now)), before.as_ref());
            schema.score_names
        };
        assert!(kept(&["a"], Some(&["a", "b"])).is_empty());
        assert_eq!(kept(&["a", "c"], Some(&["a", "b"])), [of_scores(set(&["c"]))]);
        assert_eq!(kept(&[], None), [of_scores(set(&[]))]);
    }

    /// What is told of more names than are kept, and what is kept of them.
    fn told_of_too_many(many: BTreeSet<String>) -> (String, ScoreNames) {
        let mut schema = Schema::default();
        let told = schema.compare_score_names(of_scores(many), None).unwrap();
        let kept = schema.score_names.remove(0);
        // So it stays, however many windows follow, and however short a name is.
        let another = of_scores(set(&["z"]));
        let mut next = Schema::default();
        assert_eq!(next.compare_score_names(another, Some(&kept)).as_ref(), Some(&told));
        assert!(next.score_names.is_empty() && next.changes.is_empty());
        (told, kept)
    }

    #[test]
    fn more_names_than_are_kept_are_told_as_such() {
        let many = (0..=ScoreNames::MAX).map(|number| format!("name {number:05}")).collect();
        let (told, kept) = told_of_too_many(many);
        assert_eq!(told, "scores have more than 1000 names: which of them are new is not told");
        assert_eq!(kept.names.len(), ScoreNames::MAX);
        let long = (0..100).map(|number| format!("{number:02} {}", "long ".repeat(200))).collect();
        let (told, kept) = told_of_too_many(long);
        assert_eq!(told, "scores have names of more than 65536 bytes together: which of them are new is not told");
        assert_eq!(kept.names.len(), ScoreNames::BYTES_MAX / 1_003);
    }
}
