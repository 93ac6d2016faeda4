//! Filters on comments where the source has none: refused, or left out where the caller accepts that.

use model::filter::WireFilter;
use model::{FieldProblem, FilterKind, TableSpec};

/// What the user is told when comment filters were left out on request, in Langfuse's words.
pub(super) const COMMENTS_LEFT_OUT: &str =
    "Note: Filters on Comments are not included in event exports. You may receive more data than expected.";

/// The kind of filter that a source without comments cannot honour, as callers name it.
pub(super) const COMMENTS: &str = "comments";

/// Whose comments there are to filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentsHere {
    /// Comments can be looked up.
    Known,
    /// There are none: filters on them cannot be honoured.
    Unknown,
}

/// Problems of kinds of filters that nobody can leave out, in the field or option of this name.
pub(super) fn unknown_kinds(field: &str, kinds: &[String]) -> Vec<FieldProblem> {
    let unknown = kinds.iter().filter(|kind| *kind != COMMENTS);
    unknown
        .map(|kind| {
            FieldProblem::new(field, format!("{kind:?} is no kind of filter"))
                .hint(format!("the only kind that can be left out is {COMMENTS:?}"))
        })
        .collect()
}

/// Leaves out what tests comments where the caller accepts that, and refuses it otherwise. What is left
/// out stands alone or is one side of an `and`: the export can only get more rows by it.
pub(super) fn without_comments(
    filters: Vec<WireFilter>,
    table: &TableSpec,
    allowed: bool,
    refused_hint: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<WireFilter>, FieldProblem> {
    let mut kept = Vec::new();
    for filter in flattened(filters) {
        if !tests_comments(&filter, table) {
            kept.push(filter);
        } else if !allowed {
            return Err(FieldProblem::new(
                "filter",
                "the source has no comments, so a filter on them cannot be honoured",
            )
            .hint(refused_hint));
        } else if warnings.is_empty() {
            warnings.push(COMMENTS_LEFT_OUT.to_owned());
        }
    }
    Ok(kept)
}

/// The conditions that must all hold, one by one.
fn flattened(filters: Vec<WireFilter>) -> Vec<WireFilter> {
    let each = filters.into_iter().flat_map(|filter| match filter {
        WireFilter::And(parts) => flattened(parts),
        other => vec![other],
    });
    each.collect()
}

fn tests_comments(filter: &WireFilter, table: &TableSpec) -> bool {
    match filter {
        WireFilter::And(parts) | WireFilter::Or(parts) => parts.iter().any(|part| tests_comments(part, table)),
        WireFilter::Not(inner) => tests_comments(inner, table),
        WireFilter::Condition(condition) => table
            .filter_column(&condition.column)
            .is_some_and(|column| matches!(column.kind, FilterKind::CommentCount | FilterKind::CommentContent)),
    }
}
