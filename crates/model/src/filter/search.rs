//! Full-text search over ids, inputs and outputs.

use super::tokens::query_tokens;
use crate::{CaseRule, Expr, FieldProblem, TableSpec, TextOp};

/// What a search looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SearchType {
    /// Ids and names.
    Id,
    /// Input or output.
    Content,
    /// Input.
    Input,
    /// Output.
    Output,
}

impl SearchType {
    /// Every search type.
    pub const ALL: [Self; 4] = [Self::Id, Self::Content, Self::Input, Self::Output];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Content => "content",
            Self::Input => "input",
            Self::Output => "output",
        }
    }

    /// Reads a name; `field` names the option in the problem.
    pub fn parse(field: &str, name: &str) -> Result<Self, FieldProblem> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            FieldProblem::new(field, format!("{name:?} is not one of {}", Self::ALL.map(Self::as_str).join(", ")))
        })
    }
}

/// The predicate of a search: at least one of the types finds the query.
///
/// `id` finds it anywhere in an id or name, ignoring case. In inputs and outputs every token of the
/// query must besides be a whole token of the text, and a query beyond ASCII is also looked for as
/// the `\uXXXX` escapes that JSON encoders write.
pub fn compile_search(table: &TableSpec, query: &str, types: &[SearchType]) -> Result<Expr, FieldProblem> {
    if query.is_empty() {
        return Err(FieldProblem::new("search", "is empty").hint("give a text, or leave the search out"));
    }
    if types.is_empty() {
        return Err(FieldProblem::new("search-type", "at least one search type is required")
            .hint(format!("search types: {}", SearchType::ALL.map(SearchType::as_str).join(", "))));
    }
    let mut parts = Vec::new();
    for kind in types {
        parts.extend(compile_type(table, query, *kind)?);
    }
    Ok(Expr::Or(parts))
}

fn compile_type(table: &TableSpec, query: &str, kind: SearchType) -> Result<Vec<Expr>, FieldProblem> {
    let (input, output) = (table.search.input.as_ref(), table.search.output.as_ref());
    let columns: Vec<&Expr> = match kind {
        SearchType::Id => table.search.id.iter().collect(),
        SearchType::Content => input.into_iter().chain(output).collect(),
        SearchType::Input => input.into_iter().collect(),
        SearchType::Output => output.into_iter().collect(),
    };
    if columns.is_empty() {
        let message = format!("{} has nothing to search by {:?}", table.name, kind.as_str());
        return Err(FieldProblem::new("search-type", message));
    }
    if kind == SearchType::Id {
        return Ok(columns.into_iter().map(|column| contains(column, query)).collect());
    }
    let escaped = escape_non_ascii(query);
    let mut parts = Vec::new();
    for column in columns {
        parts.push(contains_tokens(column, query));
        if escaped != query {
            parts.push(contains_tokens(column, &escaped));
        }
    }
    Ok(parts)
}

fn contains(column: &Expr, query: &str) -> Expr {
    Expr::Text { value: Box::new(column.clone()), op: TextOp::Contains, needle: query.into(), case: CaseRule::Folded }
}

fn contains_tokens(column: &Expr, query: &str) -> Expr {
    let tokens = query_tokens(query);
    let found = contains(column, query);
    if tokens.is_empty() { found } else { found.and(Expr::HasAllTokens { value: Box::new(column.clone()), tokens }) }
}

/// Each code point from U+0080 on as `\uXXXX`, those beyond U+FFFF as a surrogate pair.
fn escape_non_ascii(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}
