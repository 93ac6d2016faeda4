//! Which score columns there are, what they are called and what type they have.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use model::{ColumnType, FieldRole, Reading, ScoreName, TableSpec, field};

/// The score columns of a run.
pub(super) struct Columns {
    /// Columns of the input, then the score columns, then the key columns.
    pub schema: SchemaRef,
    /// In the order of the schema.
    pub kinds: Vec<ColumnKind>,
    /// Place among the score columns by score name.
    by_name: HashMap<String, usize>,
}

/// What the cells of a score column hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// Values of NUMERIC and BOOLEAN scores.
    Numbers,
    /// String values of CATEGORICAL and TEXT scores.
    Texts,
    /// Both, as JSON texts.
    Mixed,
}

impl Columns {
    /// One column per name, in the order of the names.
    pub fn new(table: &TableSpec, input: &SchemaRef, names: &[ScoreName]) -> Self {
        let first_key = input.fields().len() - <dyn Reading>::KEY_COLUMNS;
        // The whole table's columns are taken, selected or not: a score column is called the same in
        // every export of the table.
        let mut taken: HashSet<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        taken.extend(input.fields().iter().map(|field| field.name().clone()));
        let kinds: Vec<ColumnKind> = names.iter().map(kind).collect();
        let titles = titles(names, taken);
        let added = titles.into_iter().zip(&kinds).map(|(title, kind)| {
            let (item, role) = match kind {
                ColumnKind::Numbers => (ColumnType::Float64, FieldRole::Score),
                ColumnKind::Texts => (ColumnType::Text, FieldRole::Score),
                ColumnKind::Mixed => (ColumnType::Text, FieldRole::JsonScore),
            };
            let plain = Field::new(title, ColumnType::List(Box::new(item)).to_arrow(), true);
            Arc::new(field::with_role(plain, role))
        });
        let (base, keys) = input.fields().split_at(first_key);
        let fields: Vec<_> = base.iter().cloned().chain(added).chain(keys.iter().cloned()).collect();
        Self {
            schema: Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())),
            kinds,
            by_name: names.iter().enumerate().map(|(place, name)| (name.name.clone(), place)).collect(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The column of a score name and what it holds.
    pub fn find(&self, name: &str) -> Option<(usize, ColumnKind)> {
        self.by_name.get(name).map(|&place| (place, self.kinds[place]))
    }
}

fn kind(name: &ScoreName) -> ColumnKind {
    match (name.numeric, name.textual) {
        (true, true) => ColumnKind::Mixed,
        (false, true) => ColumnKind::Texts,
        _ => ColumnKind::Numbers,
    }
}

/// What the columns are called: the score's name, or `score:<name>` where that is a column already.
/// Names that collide with a base column choose first, so that theirs is always exactly that.
fn titles(names: &[ScoreName], mut taken: HashSet<String>) -> Vec<String> {
    let collides: Vec<bool> = names.iter().map(|name| taken.contains(&name.name)).collect();
    let mut titles = vec![String::new(); names.len()];
    for choosing_first in [true, false] {
        for (place, name) in names.iter().enumerate() {
            if collides[place] != choosing_first {
                continue;
            }
            let mut title = name.name.clone();
            while !taken.insert(title.clone()) {
                title = format!("score:{title}");
            }
            titles[place] = title;
        }
    }
    titles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_never_takes_the_name_of_a_column() {
        let name = |name: &str| ScoreName { name: name.into(), numeric: true, textual: false };
        let taken = HashSet::from(["id".to_owned(), "name".to_owned()]);
        let names = [name("10"), name("id"), name("ok"), name("score:id")];
        assert_eq!(titles(&names, taken), ["10", "score:id", "ok", "score:score:id"]);
    }
}
