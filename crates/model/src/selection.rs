//! Which columns of a table an export has, and in which order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ColumnSpec, FieldProblem, TableSpec, nearest};

/// The group whose columns every selection by group begins with.
const CORE: &str = "core";

/// The name that stands for the score columns, which are known only when the data is read.
const SCORES: &str = "scores";

/// The columns a user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnSelection {
    /// The table's usual columns, then score columns where it has any.
    #[default]
    Default,
    /// Exactly these columns in this order; `scores` stands for the score columns, which come last.
    Named(Vec<String>),
    /// The columns of these field groups in this order, `core` always first; `scores` is a group too.
    Groups(Vec<String>),
    /// Every column the table has, then score columns.
    All,
}

/// The columns of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// Columns in output order, the comments column among them where it is selected.
    pub columns: Vec<ColumnSpec>,
    /// Whether score columns follow.
    pub scores: bool,
}

/// Resolves a selection against a table, or reports every name that it does not have.
pub fn select(table: &TableSpec, selection: &ColumnSelection) -> Result<Selection, Vec<FieldProblem>> {
    match selection {
        ColumnSelection::Default => {
            let columns = table.columns.iter().filter(|column| column.default).cloned().collect();
            Ok(Selection { columns, scores: table.scores })
        }
        ColumnSelection::All => Ok(Selection { columns: table.columns.clone(), scores: table.scores }),
        ColumnSelection::Named(names) => {
            let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            check(table, "columns", "column", names, known)?;
            Ok(Selection {
                columns: names.iter().filter_map(|name| table.column(name)).cloned().collect(),
                scores: names.iter().any(|name| name == SCORES),
            })
        }
        ColumnSelection::Groups(groups) => {
            let known: Vec<&str> = table.columns.iter().map(|column| column.group).collect();
            check(table, "groups", "field group", groups, known)?;
            let others = groups.iter().map(String::as_str).filter(|group| *group != CORE);
            let of_group = |group| table.columns.iter().filter(move |column| column.group == group);
            Ok(Selection {
                columns: std::iter::once(CORE).chain(others).flat_map(of_group).cloned().collect(),
                scores: groups.iter().any(|group| group == SCORES),
            })
        }
    }
}

/// Reports names that are unknown or given twice.
fn check(
    table: &TableSpec,
    field: &str,
    what: &str,
    names: &[String],
    mut known: Vec<&str>,
) -> Result<(), Vec<FieldProblem>> {
    if table.scores {
        known.push(SCORES);
    }
    known.dedup();
    let mut problems = Vec::new();
    if names.is_empty() {
        problems.push(FieldProblem::new(field, format!("names no {what}")));
    }
    for (index, name) in names.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let problem = FieldProblem::new(field, format!("{} has no {what} {name:?}", table.name));
            problems.push(match nearest(name, known.iter().copied()) {
                Some(similar) => problem.hint(format!("did you mean {similar:?}?")),
                None => problem.hint(format!("{what}s of {}: {}", table.name, listed(&known))),
            });
        } else if names[..index].contains(name) {
            problems.push(FieldProblem::new(field, format!("{what} {name:?} is named twice")));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The names, each once, in order.
fn listed(names: &[&str]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for name in names {
        if !once.contains(name) {
            once.push(name);
        }
    }
    once.join(", ")
}
