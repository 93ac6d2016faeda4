//! Which stored column, if any, each column name of a file means.
//!
//! A file may use the physical names of a stored table or the names of its exports; where both mean
//! something, the physical one counts, and then that of the export that is called like the table. An export column is turned back into the stored column it was
//! made of; one that was computed from several is *derived* and cannot be taken back.

use std::collections::HashMap;

use model::{ColumnSpec, FieldRole, Relation, StoredTable, TableSpec, nearest};
use tables::{Restored, restored};

use super::Importable;
use crate::rows::JsonText;

/// Columns that are computed from others, though no table of ours lists them: those that ClickHouse
/// computes and `SELECT *` leaves out.
const COMPUTED: &[&str] = &[
    "total_cost",
    "calculated_input_cost",
    "calculated_output_cost",
    "calculated_total_cost",
    "input_length",
    "output_length",
];
/// Name of the comments column of exports.
const COMMENTS: &str = "comments";
/// What an export puts before a score name that is also a column's.
const SCORE_PREFIX: &str = "score:";

/// What a column name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A stored column.
    Stored {
        /// Its place.
        place: usize,
        /// Whether the export shows it only in part; then an exact column of the same row goes first.
        shown: bool,
        /// Whether it may be JSON where text is stored.
        json: JsonText,
    },
    /// A map that is stored as two lists.
    Pairs {
        /// Place of the keys.
        names: usize,
        /// Place of the values.
        values: usize,
    },
    /// Computed from stored columns.
    Derived,
    /// Comments, which are imported from files of their own.
    Comments,
    /// A score column by its prefix.
    Score,
    /// Nothing that is known: a score column of an export, or a mistake.
    Unknown,
}

/// What a name means, and whether only exports use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) target: Target,
    pub(super) exported: bool,
}

/// The names of one table.
pub(super) struct Layout {
    names: HashMap<String, Meaning>,
}

impl Layout {
    /// The names that rows of a table may use.
    pub(super) fn new(table: &Importable) -> Self {
        let stored = &table.stored;
        let mut names = HashMap::new();
        for name in COMPUTED {
            names.insert((*name).to_owned(), Meaning { target: Target::Derived, exported: false });
        }
        for column in &table.export.columns {
            names.insert(column.name.clone(), Meaning { target: target(column, stored), exported: true });
        }
        for other in tables::all().iter().filter(|other| is_another_export(other, table)) {
            add_other(&mut names, other, stored);
        }
        if table.export.comments.is_some() {
            names.insert(COMMENTS.to_owned(), Meaning { target: Target::Comments, exported: true });
        }
        for (place, column) in stored.columns.iter().enumerate() {
            let is_json = |meaning: &Meaning| {
                let Target::Stored { place: shown_at, json, .. } = meaning.target else { return false };
                shown_at == place && json == JsonText::Kept
            };
            let json = if names.values().any(is_json) { JsonText::Kept } else { JsonText::Refused };
            let target = Target::Stored { place, shown: false, json };
            names.insert(column.name.to_owned(), Meaning { target, exported: false });
        }
        Self { names }
    }

    /// What a name means.
    pub(super) fn meaning(&self, name: &str) -> Meaning {
        let unknown = if name.starts_with(SCORE_PREFIX) { Target::Score } else { Target::Unknown };
        self.names.get(name).copied().unwrap_or(Meaning { target: unknown, exported: false })
    }

    /// The known name most like `name`.
    pub(super) fn nearest(&self, name: &str) -> Option<&str> {
        let mut known: Vec<&str> = self.names.keys().map(String::as_str).collect();
        known.sort_unstable();
        nearest(name, known)
    }

    /// How many of these names mean something here; `None` where a required column is not among
    /// them, so that they cannot be this table's.
    pub(super) fn fit<'a>(&self, stored: &StoredTable, names: impl Iterator<Item = &'a str>) -> Option<usize> {
        let meanings: Vec<Meaning> = names.map(|name| self.meaning(name)).collect();
        let project = stored.key.first().copied();
        let has = |wanted: usize| {
            let is_it = |meaning: &Meaning| matches!(meaning.target, Target::Stored { place, .. } if place == wanted);
            meanings.iter().any(is_it)
        };
        let mut required = stored.columns.iter().enumerate().filter(|(_, column)| column.required);
        required
            .all(|(place, column)| Some(column.name) == project || has(place))
            .then(|| meanings.iter().filter(|meaning| meaning.target != Target::Unknown).count())
    }
}

/// Whether the rows of a table are those of the stored table under other names.
fn is_another_export(other: &TableSpec, table: &Importable) -> bool {
    let same_rows = matches!(&other.relation, Relation::Stored(stored) if stored.name == table.stored.name);
    same_rows && other.name != table.export.name
}

/// Adds the names of another export. A stored column that it shows twice comes back through the name that
/// is known already.
fn add_other(names: &mut HashMap<String, Meaning>, other: &TableSpec, stored: &StoredTable) {
    let known: Vec<Target> =
        other.columns.iter().filter_map(|column| names.get(&column.name)).map(|meaning| meaning.target).collect();
    for column in other.columns.iter().filter(|column| column.name != COMMENTS) {
        let target = match target(column, stored) {
            shown if known.iter().any(|known| same_place(*known, shown)) => Target::Derived,
            target => target,
        };
        names.entry(column.name.clone()).or_insert(Meaning { target, exported: true });
    }
}

fn same_place(a: Target, b: Target) -> bool {
    matches!((a, b), (Target::Stored { place: a, .. }, Target::Stored { place: b, .. }) if a == b)
}

/// The stored column that an export column gives back.
fn target(column: &ColumnSpec, stored: &StoredTable) -> Target {
    let json = if column.role == FieldRole::Plain { JsonText::Refused } else { JsonText::Kept };
    let place = |name: &str| {
        let place = stored.columns.iter().position(|column| column.name == name);
        place.expect("an export column of a stored table shows its columns")
    };
    match restored(column, stored) {
        Some(Restored::Column(name)) => Target::Stored { place: place(&name), shown: false, json },
        Some(Restored::Shown(name)) => Target::Stored { place: place(&name), shown: true, json },
        Some(Restored::Pairs { names, values }) => Target::Pairs { names: place(&names), values: place(&values) },
        None => Target::Derived,
    }
}
