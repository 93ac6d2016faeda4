//! Checking filters against a table and turning them into one predicate.

use super::predicate;
use super::wire::{self, Condition, NESTING_MAX, Test, WireFilter};
use crate::{Expr, FieldProblem, FilterColumn, FilterKind, TableSpec, nearest};

/// The predicate that holds where all filters hold; `None` where there is no filter. Reports every
/// problem at once.
pub fn compile(table: &TableSpec, filters: &[WireFilter]) -> Result<Option<Expr>, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let mut parts = Vec::with_capacity(filters.len());
    for filter in filters {
        if filter.nests_within(NESTING_MAX) {
            parts.extend(compile_one(table, filter, &mut problems));
        } else {
            problems.push(FieldProblem::new("filter", format!("is nested more than {NESTING_MAX} levels deep")));
        }
    }
    match (problems.is_empty(), parts.len()) {
        (false, _) => Err(problems),
        (true, 0) => Ok(None),
        (true, 1) => Ok(parts.pop()),
        (true, _) => Ok(Some(Expr::And(parts))),
    }
}

/// `None` where a problem was reported.
fn compile_one(table: &TableSpec, filter: &WireFilter, problems: &mut Vec<FieldProblem>) -> Option<Expr> {
    let mut all = |parts: &[WireFilter]| -> Vec<Expr> {
        parts.iter().filter_map(|part| compile_one(table, part, problems)).collect()
    };
    match filter {
        WireFilter::And(parts) => Some(Expr::And(all(parts))),
        WireFilter::Or(parts) => Some(Expr::Or(all(parts))),
        WireFilter::Not(inner) => compile_one(table, inner, problems).map(Expr::negate),
        WireFilter::Condition(condition) => match compile_condition(table, condition) {
            Ok(predicate) => Some(predicate),
            Err(problem) => {
                problems.push(problem);
                None
            }
        },
    }
}

fn compile_condition(table: &TableSpec, condition: &Condition) -> Result<Expr, FieldProblem> {
    let column = find(table, condition)?;
    predicate::of(table, &column.kind, &condition.test).map_err(|refusal| match refusal {
        predicate::Refusal::Type => wrong_type(column, condition),
        predicate::Refusal::Operator(why) => FieldProblem::new(format!("{}.operator", condition.at), why),
        predicate::Refusal::Value(why) => FieldProblem::new(format!("{}.value", condition.at), why),
    })
}

fn find<'a>(table: &'a TableSpec, condition: &Condition) -> Result<&'a FilterColumn, FieldProblem> {
    table
        .filter_column(&condition.column)
        .ok_or_else(|| unknown_column(table, format!("{}.column", condition.at), &condition.column))
}

/// The problem of a name that no filter column has, with the most similar one that exists.
pub(super) fn unknown_column(table: &TableSpec, field: impl Into<String>, name: &str) -> FieldProblem {
    // Of names that are equally similar the last one is suggested, which should be an id.
    let titles = table.filters.iter().flat_map(|column| column.aliases.iter().copied().chain([column.title]));
    let names = titles.chain(table.filters.iter().map(|column| column.id));
    let problem = FieldProblem::new(field, format!("{} has no column {name:?} to filter by", table.name));
    match nearest(name, names) {
        Some(similar) => problem.hint(format!("did you mean {similar:?}?")),
        None => {
            let ids: Vec<&str> = table.filters.iter().map(|column| column.id).collect();
            problem.hint(format!("columns to filter by: {}", ids.join(", ")))
        }
    }
}

fn wrong_type(column: &FilterColumn, condition: &Condition) -> FieldProblem {
    let types = column.kind.accepted_types();
    FieldProblem::new(
        format!("{}.type", condition.at),
        format!(
            "column {:?} does not take {}; it takes {}",
            condition.column,
            condition.test.type_name(),
            types.join(", ")
        ),
    )
}

impl FilterKind {
    /// The wire types of the filters it takes.
    pub fn accepted_types(&self) -> Vec<&'static str> {
        match self {
            Self::Text { .. } => vec!["string", "stringOptions", "null"],
            Self::Number { .. } => vec!["number", "null"],
            Self::Time(_) => vec!["datetime", "null"],
            Self::Bool(_) => vec!["boolean", "null"],
            Self::TextList(_) => vec!["arrayOptions", "stringOptions", "null"],
            Self::TextPairs { .. } | Self::TextMap(_) => vec!["stringObject"],
            Self::Score { accepts } => [
                (accepts.numbers, "numberObject"),
                (accepts.categories, "categoryOptions"),
                (accepts.booleans, "booleanObject"),
            ]
            .into_iter()
            .filter_map(|(accepted, name)| accepted.then_some(name))
            .collect(),
            Self::CommentCount => vec!["number"],
            Self::CommentContent => vec!["string"],
            Self::TracePosition => vec!["positionInTrace"],
        }
    }

    /// The operators that it takes with a filter of this wire type, one of [`Self::accepted_types`].
    pub fn operators(&self, type_name: &str) -> Vec<&'static str> {
        // Inputs, outputs and values under a key are searched by words; other texts are not.
        let by_words = matches!(self, Self::Text { full_text: true, .. } | Self::TextPairs { .. } | Self::TextMap(_));
        wire::operators(type_name).filter(|operator| *operator != "matches" || by_words).collect()
    }

    /// Whether its values can be counted: texts that repeat, lists of them, keys, and yes or no.
    pub fn is_countable(&self) -> bool {
        match self {
            Self::Text { full_text, .. } => !full_text,
            Self::Bool(_) | Self::TextList(_) | Self::TextPairs { .. } | Self::TextMap(_) => true,
            Self::Number { .. }
            | Self::Time(_)
            | Self::Score { .. }
            | Self::CommentCount
            | Self::CommentContent
            | Self::TracePosition => false,
        }
    }

    /// Whether it takes this test's wire type.
    pub(super) fn accepts(&self, test: &Test) -> bool {
        self.accepted_types().contains(&test.type_name())
    }
}
