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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        ColumnType, Expr, FieldRole, OrderColumns, Relation, SearchColumns, StoredTable, TableName, TimestampStyle,
    };

    fn table() -> TableSpec {
        let column = |(group, name, default): (&'static str, &str, bool)| ColumnSpec {
            name: name.to_owned(),
            kind: ColumnType::Text,
            nullable: false,
            expr: Expr::column("id"),
            group,
            default,
            role: FieldRole::Plain,
            timestamps: TimestampStyle::SqlMicros,
        };
        let stored = StoredTable {
            name: "things",
            columns: vec![],
            key: &[],
            time: "time",
            version: "time",
            deleted: "deleted",
            ingested: "time",
        };
        TableSpec {
            name: TableName::new("things"),
            doc: "a table of the tests",
            relation: Relation::Stored(Arc::new(stored)),
            attached: None,
            order: OrderColumns { time: "time", trace_id: None, id: "id" },
            columns: [
                ("core", "id", true),
                ("io", "input", true),
                ("core", "kind", true),
                ("io", "output", true),
                ("comments", "comments", true),
                ("stored", "raw", false),
            ]
            .map(column)
            .to_vec(),
            filters: vec![],
            search: SearchColumns::default(),
            comments: None,
            scores: true,
        }
    }

    fn selected(selection: &ColumnSelection) -> (Vec<String>, bool) {
        let selection = select(&table(), selection).unwrap();
        (selection.columns.into_iter().map(|column| column.name).collect(), selection.scores)
    }

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_default_is_the_usual_columns_and_all_is_every_column() {
        let usual = named(&["id", "input", "kind", "output", "comments"]);
        assert_eq!(selected(&ColumnSelection::Default), (usual.clone(), true));
        assert_eq!(selected(&ColumnSelection::All), ([usual, named(&["raw"])].concat(), true));
    }

    #[test]
    fn named_columns_come_in_the_order_they_are_named() {
        let names = named(&["comments", "raw", "id"]);
        assert_eq!(selected(&ColumnSelection::Named(names.clone())), (names, false));
        let with_scores = ColumnSelection::Named(named(&["scores", "id"]));
        assert_eq!(selected(&with_scores), (named(&["id"]), true));
    }

    #[test]
    fn groups_begin_with_core_and_keep_their_order() {
        let groups = |names: &[&str]| selected(&ColumnSelection::Groups(named(names)));
        assert_eq!(groups(&["stored", "io"]), (named(&["id", "kind", "raw", "input", "output"]), false));
        assert_eq!(groups(&["io", "core", "scores"]), (named(&["id", "kind", "input", "output"]), true));
        assert_eq!(groups(&["comments"]), (named(&["id", "kind", "comments"]), false));
    }

    #[test]
    fn unknown_and_repeated_names_are_all_reported() {
        let wrong = ColumnSelection::Named(named(&["id", "inputs", "id", "zzz"]));
        let problems = select(&table(), &wrong).unwrap_err();
        let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "columns: things has no column \"inputs\"",
                "columns: column \"id\" is named twice",
                "columns: things has no column \"zzz\"",
            ]
        );
        assert_eq!(problems[0].hint.as_deref(), Some("did you mean \"input\"?"));
        assert_eq!(
            problems[2].hint.as_deref(),
            Some("columns of things: id, input, kind, output, comments, raw, scores")
        );
        let problems = select(&table(), &ColumnSelection::Groups(named(&["x", "x"]))).unwrap_err();
        let groups = Some("field groups of things: core, io, comments, stored, scores");
        assert_eq!(problems[0].hint.as_deref(), groups);
        assert!(select(&table(), &ColumnSelection::Named(vec![])).is_err());
    }
}
